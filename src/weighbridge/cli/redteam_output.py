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
from weighbridge.redteam.judge_card import told

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
            measured = run.judge.counts(rates[0].kind).unwanted > 0
            lines += [line for rate in rates for line in rate_lines(rate, measured)]
    lines += ["", *wrapped(told(run.judge), "  ")]
    for note in run.provenance.notes:
        lines += wrapped(note if note.startswith(ALARM) else f"note: {note}", "  ")
    if run.provenance.cost_usd:
        lines.append(f"  cost {run.provenance.cost_usd:.6f} USD")
    return "\n".join([*lines, f"  run {run.run_id}"])


def rate_lines(rate: AttackRate, measured: bool = True) -> Iterator[str]:
    """Yield what came of one attack, in lines of at most 80 columns.

    Args:
        rate: The rate.
        measured: Whether the judge's error is known.
    """
    scored = sum(n for name, n in rate.outcomes.items() if name not in _NOT_SCORED)
    at_1 = both_told(rate.hit_at_1, rate.true_at_1, measured)
    name = printable_line(f"{rate.attack}, {rate.system} system turn")
    yield from wrapped(f"{name}: {at_1}", "  ")
    beside = [f"{scored} scored" if rate.attempts == 1 else f"{scored} attempts scored"]
    beside += [f"{rate.outcomes[name]} {name}" for name in _NOT_SCORED if name in rate.outcomes]
    if rate.hit_at_k is not None:
        at_k = both_told(rate.hit_at_k, rate.true_at_k, measured)
        yield f"    any of {rate.attempts} attempts: {at_k}"
    yield f"    {rate.behaviours} behaviour{'s' * (rate.behaviours != 1)}, {', '.join(beside)}"


_NOT_SCORED = ("filtered", "unscored", "invalid")


def both_told(counted: Rate95 | None, true: Rate95 | None, measured: bool = True) -> str:
    """Return a rate freed of the judge's error, and as counted where the two differ."""
    if counted is None:
        return "nothing scored"
    if not measured:
        return f"counted {_told(counted)}"
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
    some = "behaviour" if list(document.behaviours.values()) == [1] else "behaviours"
    tried = f"{document.trials} trial{'s' * (document.trials != 1)}"
    asked = f"{document.most_asks} turn{' is' if document.most_asks == 1 else 's are'}"
    lines = [
        f"{printable_line(document.campaign)}: {kinds} {some}, {tried}",
        *wrapped(document.scope, "  "),
    ]
    for name, summary in document.attacks.items():
        lines += wrapped(f"{name}: {summary}", "  ")
    lines.append(f"  at most {asked} put to the model")
    return document, "\n".join([*lines, *wrapped(told(document.judge), "  ")])


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
