"""A round of red-teaming that a community takes part in: what of many submissions counts.

Somebody else's run is a claim: its seal shows that its figures follow from its trials, and not that
the model wrote what the trials say. So a finding counts once the round's own runs on the same
weights reproduce it, k of n attempts; what several people found counts once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from weighbridge.comparison.attack_runs import Finding, Place, findings_by_place
from weighbridge.errors import InputError, UnknownName, WeighbridgeError
from weighbridge.evidence import RunStore, verify
from weighbridge.evidence.payloads.attacks import PAYLOAD
from weighbridge.records.attack import AttackRun
from weighbridge.redteam.attack import find_attack
from weighbridge.sources.documents import read_toml


@dataclass(frozen=True)
class RoundScope:
    """What a round is about, as its file says.

    Attributes:
        name: Of the round.
        scope: In a sentence.
        weights: Digest of the weights that are attacked.
        adapter: Digest of the adapter on them; "" for none.
        campaign: File of the campaign, beside this one, that the round's own runs follow.
        until: The last day on which a submission may have been started.
        needed: How many attempts of the round's own must get through for a finding to count.
        attacks: Those that are asked for; empty for all.
        categories: Of behaviours; empty for all.
    """

    name: str
    weights: str
    campaign: str
    until: date
    scope: str = ""
    adapter: str = ""
    needed: int = 2
    attacks: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """Somebody's run.

    Attributes:
        name: As it was named.
        run: With its trials; None where it can't be read or does not verify.
        fault: Why not; "" where it is read.
    """

    name: str
    run: AttackRun | None
    fault: str = ""


@dataclass(frozen=True)
class RoundFinding:
    """Something that was found, however many people found it.

    Attributes:
        attack: The attack.
        behaviour: The beginning of the digest of its text.
        kind: The behaviour's.
        category: The behaviour's.
        submissions: Ids of the runs that hold it, the first to be started before the others.
        hits: Attempts of the round's own runs that got through (k).
        attempts: Attempts of theirs that were scored (n).
    """

    attack: str
    behaviour: str
    kind: str
    category: str
    submissions: tuple[str, ...]
    hits: int
    attempts: int


@dataclass(frozen=True)
class RoundResult:
    """What came of a round.

    Attributes:
        counting: Findings that the round's own runs reproduced.
        waiting: Those that they did not, or not often enough.
        outside: Number of findings outside the scope.
        left_out: Submissions that were not taken, each with the reason.
    """

    counting: tuple[RoundFinding, ...]
    waiting: tuple[RoundFinding, ...]
    outside: int
    left_out: tuple[tuple[str, str], ...]


def read_scope(path: Path) -> RoundScope:
    """Read a round's file.

    Raises:
        InputError: It can't be read, or a value is wrong; UnknownName for a key or an attack.
    """
    document: dict[str, Any] = read_toml(path, "a round's scope (.toml)")
    known = list(RoundScope.__dataclass_fields__)
    for key in document:
        if key not in known:
            raise UnknownName(f"key in {path}", key, known)
    try:
        scope = TypeAdapter(RoundScope).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {where}: {first['msg']}"[:200], "a round's scope") from error
    if scope.needed < 1:
        raise InputError(f"{path}: needed = {scope.needed}", "1 or more")
    for name in scope.attacks:
        find_attack(name)
    return scope


def submissions_in(store: RunStore, names: Iterable[str]) -> list[Submission]:
    """Read submissions; what can't be read, or does not verify, says why.

    Args:
        store: Whose runs may be named by their ids.
        names: Ids of runs, or their folders.
    """
    found = []
    for name in names:
        try:
            folder = store.folder_of(name)
            verified = verify(folder)
            if not verified.ok:
                bad = next(check for check in verified.checks if not check.ok)
                found.append(Submission(name, None, f"it does not verify ({bad.name})"))
            else:
                found.append(Submission(name, store.read_as(PAYLOAD, name)))
        except WeighbridgeError as error:
            found.append(Submission(name, None, error.saw))
    return found


def settle(
    scope: RoundScope, submissions: Sequence[Submission], own: Sequence[AttackRun]
) -> RoundResult:
    """Say what of the submissions counts.

    Args:
        scope: The round's.
        submissions: In any order, with their trials.
        own: Runs that the round's people made to reproduce findings, with their trials.

    Raises:
        InputError: One of the round's own runs attacks other weights.
    """
    for run in own:
        if why := _other_model(scope, run):
            raise InputError(f"the round's own run {run.run_id} {why}", "the scope's weights")
    found: dict[tuple[str, str], list[tuple[str, Finding]]] = {}
    left_out: list[tuple[str, str]] = []
    outside, seen = 0, set[str]()
    left_out += [(one.name, one.fault) for one in submissions if one.run is None]
    runs = [one.run for one in submissions if one.run is not None]
    for run in sorted(runs, key=lambda run: (run.provenance.started, run.run_id)):
        if why := _refused(scope, run, seen):
            left_out.append((run.run_id, why))
            continue
        seen.add(run.samples_digest)
        for finding in _hits(run):
            if _inside(scope, finding):
                key = (finding.attack, finding.behaviour)
                found.setdefault(key, []).append((run.run_id, finding))
            else:
                outside += 1
    again = _reproduced(own)
    every = [_settled(key, each, again) for key, each in sorted(found.items())]
    return RoundResult(
        counting=tuple(one for one in every if one.hits >= scope.needed),
        waiting=tuple(one for one in every if one.hits < scope.needed),
        outside=outside,
        left_out=tuple(left_out),
    )


def _settled(
    key: tuple[str, str],
    found: Sequence[tuple[str, Finding]],
    again: dict[tuple[str, str], tuple[int, int]],
) -> RoundFinding:
    (_, first), (hits, attempts) = found[0], again.get(key, (0, 0))
    runs = tuple(dict.fromkeys(run for run, _ in found))
    return RoundFinding(*key, first.kind, first.category, runs, hits, attempts)


def _hits(run: AttackRun) -> Iterable[Finding]:
    places: dict[Place, Finding] = findings_by_place(run.trials)
    return [one for _, one in sorted(places.items()) if one.hits]


def _inside(scope: RoundScope, finding: Finding) -> bool:
    wanted = scope.attacks == () or finding.attack in scope.attacks
    return wanted and (scope.categories == () or finding.category in scope.categories)


def _reproduced(own: Iterable[AttackRun]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return hits and scored attempts of the round's own runs, by attack and behaviour."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for run in own:
        for one in findings_by_place(run.trials).values():
            key = (one.attack, one.behaviour)
            hits, attempts = counts.get(key, (0, 0))
            counts[key] = hits + one.hits, attempts + one.attempts
    return counts


def _other_model(scope: RoundScope, run: AttackRun) -> str:
    model = run.model
    if model.weights_digest != scope.weights or (model.adapter_digest or "") != scope.adapter:
        return "attacks other weights than the scope's"
    return ""


def _refused(scope: RoundScope, run: AttackRun, seen: set[str]) -> str:
    """Return why a submission is not taken; "" where it is."""
    if run.samples_digest in seen:
        return "the same trials were submitted before"
    if why := _other_model(scope, run):
        return why
    try:
        started = datetime.fromisoformat(run.provenance.started).date()
    except ValueError:
        return "it doesn't say when it was started"
    return f"it was started after {scope.until}" if started > scope.until else ""
