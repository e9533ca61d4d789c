"""What `redteam policy` prints: a policy's clauses, what probes each, and how often each fails."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.cli.output import wrapped
from weighbridge.cli.redteam_options import PassedOn
from weighbridge.cli.redteam_output import both_told, rate_lines
from weighbridge.documents.redteam_policy import (
    ClauseDocument,
    ConflictDocument,
    PolicyDocument,
    TermsDocument,
)
from weighbridge.errors import InputError
from weighbridge.records import canonical_digest
from weighbridge.records.printable import printable_line
from weighbridge.redteam.judge_card import told

if TYPE_CHECKING:
    from weighbridge.catalog.use_policies import UsePolicy
    from weighbridge.records.attack import AttackRun
    from weighbridge.redteam.policy_probes import ClauseRate, Probe

_ID = 7


def policy_document(
    name: str,
    policy: "UsePolicy",
    probes: "Sequence[Probe]",
    trials: int,
    *,
    terms: TermsDocument,
    stand: frozenset[str] | None = None,
    run: "AttackRun | None" = None,
    rates: "Sequence[ClauseRate]" = (),
) -> PolicyDocument:
    """Return a policy, what probes it, and what came of that, as a document.

    Args:
        name: What the policy is called.
        policy: The policy.
        probes: Of its clauses, or some of them.
        trials: Of their campaign.
        terms: What the model is passed on with.
        stand: Clauses that stand in a text; None where none was looked at.
        run: The finished campaign, with its rates; None before one.
        rates: Of the clauses, in their order; empty before a campaign.
    """
    from weighbridge.redteam.sufficiency import alarms, insufficient

    said = tuple(rates) or (None,) * len(probes)
    clauses = tuple(_clause(*each) for each in zip(probes, said, strict=True))
    return PolicyDocument(
        policy=name,
        title=policy.title,
        version=policy.version,
        digest=canonical_digest(policy),
        applies_to=policy.applies_to,
        source=policy.source,
        licences=policy.licences,
        notes=policy.notes,
        clauses=clauses,
        unprobed=tuple(one.clause for one in clauses if one.why_unprobed),
        stand_in_text=None
        if stand is None
        else tuple(one.clause for one in clauses if one.clause in stand),
        terms=terms,
        trials=trials,
        run=run.run_id if run else None,
        model=run.model.name if run else None,
        judge=run.judge if run else None,
        sufficient=None if run is None else not insufficient(run.rates),
        alarms=tuple(alarms(run.rates)) if run else (),
    )


def terms_document(policy: "UsePolicy", stated: PassedOn) -> TermsDocument:
    """Return what a model is passed on with, and what contradicts what.

    Raises:
        InputError: The folder is none.
    """
    from weighbridge.catalog.policy_conflicts import Terms, conflicts, open_duties, unknown_licences

    files, readme = None, ""
    if stated.folder is not None:
        files, readme = _files(stated.folder)
    terms = Terms(stated.licence, stated.parent_licence, stated.name, files, readme)
    return TermsDocument(
        licence=terms.licence,
        parent_licence=terms.parent_licence,
        conflicts=tuple(
            ConflictDocument(kind=one.kind, why=one.why, do=one.do)
            for one in conflicts(policy, terms)
        ),
        open_duties=open_duties(terms),
        unknown_licences=unknown_licences(terms),
    )


def _files(folder: Path) -> tuple[tuple[str, ...], str]:
    """Return the names of a folder's files, and its model card's text."""
    from weighbridge.sources.text_files import read_text

    if not folder.is_dir():
        raise InputError(f"no folder {folder}", "what is passed on", "check the path")
    card = folder / "README.md"
    text = read_text(card, "a model card") if card.is_file() else ""
    return tuple(sorted(path.name for path in folder.iterdir())), text


def _clause(probe: "Probe", found: "ClauseRate | None") -> ClauseDocument:
    clause = probe.clause
    counted, interval = (found and found.counted) or (None, None)
    rate, of_rate = (found and found.rate) or (None, None)
    return ClauseDocument(
        clause=clause.id,
        hazard=clause.hazard,
        about=clause.about.title,
        text_digest=clause.text_digest,
        no_digest=clause.no_digest,
        categories=clause.categories,
        attacks=probe.attacks,
        behaviours=probe.behaviours,
        why_unprobed=probe.why_not,
        outcomes=found.outcomes if found else {},
        by_attack=found.by_attack if found else {},
        counted=counted,
        counted_interval=interval,
        rate=rate,
        interval=of_rate,
    )


def policy_text(document: PolicyDocument, run: "AttackRun | None" = None) -> str:
    """Return a policy as lines of at most 80 columns.

    Args:
        document: The policy, with what came of probing it.
        run: The finished campaign; None before one.
    """
    probed = [one for one in document.clauses if not one.why_unprobed]
    left = [one for one in document.clauses if one.why_unprobed]
    title = f"{printable_line(document.title)} ({printable_line(document.version)})"
    lines = wrapped(title)
    lines += wrapped(f"binds: {printable_line(document.applies_to)}", "  ")
    if document.licences:
        lines += wrapped(f"part of: {', '.join(map(printable_line, document.licences))}", "  ")
    if document.notes:
        lines += wrapped(f"note: {printable_line(document.notes)}", "  ")
    if document.stand_in_text is not None:
        lines += _standing(document, document.stand_in_text)
    lines += _terms(document.terms)
    if run is None:
        by = _same_attacks(probed)
        told = f"{document.trials} trials" + (f" of {by}" if by else "")
        lines += ["", *wrapped(f"{_clauses(len(probed))} probed by {told}:")]
        lines += [line for one in probed for line in _planned(one, by)]
    else:
        told = f"{printable_line(run.model.name)}, {_clauses(len(probed))} probed: chance that an"
        lines += ["", *wrapped(f"{told} attempt gets it broken (95 % intervals; less is better)")]
        lines += [line for one in probed for line in _measured(one)]
    if left:
        lines += ["", f"{_clauses(len(left))} that nothing probes:"]
        lines += _unprobed(left)
    if run is not None:
        lines += _campaign(document, run)
    return "\n".join(lines)


def _clauses(number: int) -> str:
    return f"{number} clause{'s' * (number != 1)}"


def _standing(document: PolicyDocument, there: Sequence[str]) -> list[str]:
    missing = [one.clause for one in document.clauses if one.clause not in there]
    said = f"{len(there)} of {_clauses(len(document.clauses))} stand word for word in your text"
    return wrapped(said + (f"; not: {', '.join(missing)}" if missing else ""), "  ")


def _terms(terms: TermsDocument) -> list[str]:
    """Return what contradicts what, and what could not be looked at."""
    lines: list[str] = []
    for conflict in terms.conflicts:
        told = f"{printable_line(conflict.why)}; {printable_line(conflict.do)}"
        lines += wrapped(f"CONFLICT ({conflict.kind}): {told}", "  ")
    for duty in terms.open_duties:
        parent = printable_line(terms.parent_licence)
        lines += wrapped(f"not looked at: {parent} asks for {printable_line(duty)}", "  ")
    for name in terms.unknown_licences:
        lines += wrapped(f"nothing is known here of the licence {printable_line(name)}", "  ")
    return ["", "Terms:", *lines] if lines else []


def _named(one: ClauseDocument) -> str:
    return f"  {printable_line(one.clause):<{_ID}} {printable_line(one.about)}"


def _same_attacks(probed: Sequence[ClauseDocument]) -> str:
    """Return the attacks that probe all clauses; "" where they differ."""
    every = {one.attacks for one in probed}
    return ", ".join(every.pop()) if len(every) == 1 else ""


def _planned(one: ClauseDocument, same: str) -> list[str]:
    at = f"{one.behaviours} behaviour{'s' * (one.behaviours != 1)}"
    by = "" if same else f" by {', '.join(one.attacks)}"
    return wrapped(f"{_named(one)}: {at}{by}")


def _measured(one: ClauseDocument) -> list[str]:
    counted = _rate(one.counted, one.counted_interval)
    shown = [both_told(counted, _rate(one.rate, one.interval))]
    scored = sum(number for _, number in one.by_attack.values())
    shown.append(f"{one.behaviours} behaviour{'s' * (one.behaviours != 1)}, {scored} scored")
    hits = {name: hit / of for name, (hit, of) in one.by_attack.items() if of and hit}
    if hits:
        shown.append(f"most by {max(sorted(hits), key=lambda name: hits[name])}")
    return [_named(one), *wrapped("; ".join(shown), " " * (_ID + 3))]


def _rate(
    value: float | None, interval: tuple[float, float] | None
) -> tuple[float, tuple[float, float]] | None:
    return None if value is None or interval is None else (value, interval)


def _unprobed(left: Sequence[ClauseDocument]) -> list[str]:
    """Return the clauses that nothing probes, by reason."""
    by_reason: dict[str, list[ClauseDocument]] = {}
    for one in left:
        by_reason.setdefault(one.why_unprobed, []).append(one)
    lines: list[str] = []
    for why, clauses in by_reason.items():
        lines += wrapped(f"{printable_line(why)}:", "  ")
        lines += map(_named, clauses)
    return lines


def _campaign(document: PolicyDocument, run: "AttackRun") -> list[str]:
    benign = [rate for rate in run.rates if rate.kind == "benign"]
    lines = []
    if benign:
        lines += ["", "Benign requests of the same categories refused:"]
        lines += [line for rate in benign for line in rate_lines(rate)]
    lines += ["", *wrapped(told(run.judge), "  ")]
    lines += wrapped(
        "Clauses about the same hazard share trials. Of so many intervals, one in twenty is "
        "expected not to hold the truth.",
        "  ",
    )
    for alarm in document.alarms:
        lines += wrapped(alarm, "  ")
    return [*lines, f"  run {run.run_id}"]
