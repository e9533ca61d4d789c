"""What `redteam` prints: rates with the judge's error taken out, and no text of anybody's."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from weighbridge.cli.output import say, wrapped
from weighbridge.documents.redteam import AgreementShare, CardDocument, IntendedCampaign
from weighbridge.errors import InputError
from weighbridge.records import ALARM
from weighbridge.records.attack import (
    HITS,
    AttackRate,
    AttackRun,
    JudgeCard,
    JudgeCounts,
    Rate95,
)
from weighbridge.records.printable import printable_line

if TYPE_CHECKING:
    from weighbridge.redteam.runner import Prepared

_TITLES = {
    "harmful": "Harmful requests complied with",
    "benign": "Benign requests refused",
    "private": "Texts of the tuning data known by heart",
}


def campaign_text(run: AttackRun) -> str:
    """Return a campaign as lines of at most 80 columns."""
    name = printable_line(run.model.name)
    lines = [f"{printable_line(run.campaign)}  {name}", *wrapped(run.scope, "  ")]
    for kind, title in _TITLES.items():
        rates = [rate for rate in run.rates if rate.kind == kind]
        if rates:
            lines += ["", f"{title} (95 % intervals; less is better):"]
            lines += [line for rate in rates for line in _rate_lines(rate)]
    lines += ["", *wrapped(judge_told(run.judge), "  ")]
    for note in run.provenance.notes:
        lines += wrapped(note if note.startswith(ALARM) else f"note: {note}", "  ")
    if run.provenance.cost_usd:
        lines.append(f"  cost {run.provenance.cost_usd:.6f} USD")
    return "\n".join([*lines, f"  run {run.run_id}"])


def judge_told(card: JudgeCard) -> str:
    """Say how well a judge agrees with people."""
    harmful, benign = card.harmful, card.benign
    return (
        f"Judged by {card.name} ({card.language}). On {card.measured_on} it saw {harmful.found} of "
        f"{harmful.unwanted} answers to harmful requests and {benign.found} of {benign.unwanted} "
        f"refusals of benign ones, and let {harmful.passed} of {harmful.wanted} and "
        f"{benign.passed} of {benign.wanted} of the others pass. Rates are freed of this error; "
        "the counted ones stand beside."
    )


def _rate_lines(rate: AttackRate) -> Iterator[str]:
    scored = sum(n for name, n in rate.outcomes.items() if name not in _NOT_SCORED)
    yield f"  {rate.attack}, {rate.system} system turn: {_both(rate.hit_at_1, rate.true_at_1)}"
    beside = [f"{scored} scored" if rate.attempts == 1 else f"{scored} attempts scored"]
    beside += [f"{rate.outcomes[name]} {name}" for name in _NOT_SCORED if name in rate.outcomes]
    if rate.hit_at_k is not None:
        yield f"    any of {rate.attempts} attempts: {_both(rate.hit_at_k, rate.true_at_k)}"
    yield f"    {rate.behaviours} behaviours, {', '.join(beside)}"


_NOT_SCORED = ("filtered", "unscored", "invalid")


def _both(counted: Rate95 | None, true: Rate95 | None) -> str:
    if counted is None:
        return "nothing scored"
    if true is None:
        return f"the judge is too weak to tell (counted {_told(counted)})"
    if true == counted:
        return _told(counted)
    return f"{_told(true)} (counted {_told(counted)})"


def _told(rate: Rate95) -> str:
    value, (low, high) = rate
    return f"{100 * value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def card_document(card: JudgeCard, written: Path) -> CardDocument:
    """Return a judge's card as a document."""
    return CardDocument(
        card=card,
        harmful=_agreement(card.harmful),
        benign=_agreement(card.benign),
        written=str(written),
    )


def card_text(document: CardDocument) -> str:
    """Return a judge's card as lines of at most 80 columns."""
    card = document.card
    lines = wrapped(f"{card.name} {card.version} ({card.language}): {card.measured_on}")
    if card.abstained:
        lines.append(f"  {card.abstained} more without a judgement, or with two that differ")
    for kind, shares in (("harmful", document.harmful), ("benign", document.benign)):
        seen = _told((shares.sensitivity, shares.sensitivity_interval))
        passed = _told((shares.specificity, shares.specificity_interval))
        lines.append(f"  {kind} requests: sensitivity {seen}, specificity {passed}")
        if shares.sensitivity + shares.specificity <= 1:
            lines.append("    no better than chance: nothing can be told with this judge")
    return "\n".join([*lines, f"  written to {document.written}"])


def _agreement(counts: JudgeCounts) -> AgreementShare:
    from weighbridge.statistics.intervals import wilson  # brings scipy

    return AgreementShare(
        sensitivity=counts.found / counts.unwanted,
        sensitivity_interval=wilson(counts.found, counts.unwanted),
        specificity=counts.passed / counts.wanted,
        specificity_interval=wilson(counts.passed, counts.wanted),
    )


def intended(prepared: "Prepared") -> tuple[IntendedCampaign, str]:
    """Return what a campaign would do, as a document and as text."""
    material, trials = prepared.material, prepared.trials()
    document = IntendedCampaign(
        campaign=prepared.campaign.name,
        scope=prepared.campaign.scope,
        attacks={one.name: one.summary for one in material.attacks},
        behaviours=dict(Counter(one.kind for one in material.behaviours)),
        categories=dict(sorted(Counter(one.category for one in material.behaviours).items())),
        trials=len(trials),
        most_asks=sum(trial.attack.most_asks for trial in trials),
        judge=prepared.card,
    )
    kinds = ", ".join(f"{n} {kind}" for kind, n in document.behaviours.items())
    lines = [
        f"{printable_line(document.campaign)}: {kinds} behaviours, {document.trials} trials",
        *wrapped(document.scope, "  "),
    ]
    for name, summary in document.attacks.items():
        lines += wrapped(f"{name}: {summary}", "  ")
    lines.append(f"  at most {document.most_asks} turns are put to the model")
    return document, "\n".join([*lines, *wrapped(judge_told(document.judge), "  ")])


def confirm_reveal(json: bool) -> None:
    """Ask whether harmful texts may be shown.

    Raises:
        InputError: Nobody can be asked.
        Abort: The answer is no.
    """
    if json:
        raise InputError("--reveal with --json", "one of them", "JSON never holds such texts")
    if not sys.stdin.isatty():
        raise InputError("--reveal without a terminal", "a person who can be asked first")
    asked = "Show the texts of attacks and answers, which may be harmful?"
    typer.confirm(asked, abort=True, err=True)


def reveal(folder: Path, run: AttackRun) -> None:
    """Print the conversations of all hits; only after `confirm_reveal`."""
    from weighbridge.evidence.payloads.attacks import PAYLOAD, read_transcripts

    hits = {PAYLOAD.place(trial) for trial in run.trials if trial.outcome in HITS}
    for one in read_transcripts(folder):
        if (one.trial, one.attempt) in hits:
            say(f"\n== {one.trial}, attempt {one.attempt + 1} ==")
            for who, said in one.turns:
                say(f"[{who}]\n{said}")
