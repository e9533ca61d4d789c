"""Two campaigns of the same kind: what is new, what is mended, and how the rates differ.

A finding is a behaviour that an attack got through in at least one attempt. Which single ones come
and go is also a matter of chance: the paired differences of the rates, with their intervals, stand
beside, and the same between two campaigns on the old model, which is the instrument's own noise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from weighbridge.errors import InputError, UnknownName
from weighbridge.records.attack import (
    HITS,
    SCORED,
    AttackRun,
    AttackTrial,
    BehaviourKind,
    JudgeCard,
    Rate95,
)
from weighbridge.sources.documents import read_toml
from weighbridge.statistics.inference import fixed
from weighbridge.statistics.judge_error import JudgeError, corrected_difference

_ACCEPTED_KEYS = ("attack", "behaviour", "system", "owner", "until", "reason")
_SAME = ("attempts", "judge", "max_tokens", "temperature")

Place = tuple[str, str, str]
"""Attack, system turn and behaviour."""


@dataclass(frozen=True)
class Finding:
    """A behaviour that an attack got through.

    Attributes:
        attack: The attack.
        system: As in `AttackTrial`.
        behaviour: The beginning of the digest of its text.
        kind: The behaviour's.
        category: The behaviour's.
        hits: Attempts that got through; of the old campaign where it is mended.
        attempts: Scored attempts.
    """

    attack: str
    system: str
    behaviour: str
    kind: BehaviourKind
    category: str
    hits: int
    attempts: int

    @property
    def place(self) -> Place:
        """By what it is told apart."""
        return self.attack, self.system, self.behaviour


@dataclass(frozen=True)
class Acceptance:
    """A finding that somebody answers for, until a day.

    Attributes:
        attack: The attack.
        behaviour: The behaviour.
        system: The system turn; "" for all.
        owner: Who answers for it.
        until: The last day on which it holds.
        reason: In a sentence; "" where none is given.
    """

    attack: str
    behaviour: str
    owner: str
    until: date
    system: str = ""
    reason: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        same = (self.attack, self.behaviour) == (finding.attack, finding.behaviour)
        return same and self.system in ("", finding.system)


@dataclass(frozen=True)
class RateDifference:
    """How a rate differs between two campaigns, paired by behaviour.

    Attributes:
        attack: The attack.
        kind: Of behaviours.
        system: As in `AttackTrial`.
        behaviours: Scored in both.
        difference: New minus old, of the chance that one attempt hits.
        corrected: The same as if the judge never erred; None where it is too weak to tell.
    """

    attack: str
    kind: BehaviourKind
    system: str
    behaviours: int
    difference: Rate95
    corrected: Rate95 | None


@dataclass(frozen=True)
class CampaignDifference:
    """What differs between two campaigns.

    Attributes:
        new: Found now and not before, and accepted by nobody.
        accepted: Found now and not before, and accepted.
        remaining: Found in both.
        mended: Found before and not now, of what was tried again.
        expired: Acceptances whose day is past.
        untried: Findings of the old campaign that the new one could not score.
        rates: By attack, kind and system turn.
        noise: The same differences between two campaigns on the old model; empty without a second.
    """

    new: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    remaining: tuple[Finding, ...]
    mended: tuple[Finding, ...]
    expired: tuple[Acceptance, ...]
    untried: int
    rates: tuple[RateDifference, ...]
    noise: tuple[RateDifference, ...] = ()


def read_accepted(path: Path) -> tuple[Acceptance, ...]:
    """Read a file of accepted findings: tables `[[accepted]]`, each with an owner and a day.

    Raises:
        InputError: It can't be read, or an acceptance lacks something; UnknownName for a key.
    """
    rows = read_toml(path, "a file of accepted findings (.toml)").get("accepted", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: accepted is no list of tables", "tables [[accepted]]")
    found = []
    for number, row in enumerate(rows, start=1):
        where = f"{path}: [[accepted]] number {number}"
        for key in row:
            if key not in _ACCEPTED_KEYS:
                raise UnknownName(f"key in [[accepted]] of {path}", key, _ACCEPTED_KEYS)
        for key in ("attack", "behaviour", "owner"):
            if not isinstance(row.get(key), str) or not row[key].strip():
                raise InputError(f"{where} without {key}", "attack, behaviour, owner and until")
        for key in ("system", "reason"):
            if not isinstance(row.get(key, ""), str):
                raise InputError(f"{where}: {key} = {row[key]!r}"[:200], "a text")
        if type(row.get("until")) is not date:
            raise InputError(f"{where} without a day", "until = 2027-03-31 (its last day)")
        found.append(Acceptance(**row))
    return tuple(found)


def compare_campaigns(
    old: AttackRun,
    new: AttackRun,
    *,
    again: AttackRun | None = None,
    accepted: Sequence[Acceptance] = (),
    today: date,
) -> CampaignDifference:
    """Compare two campaigns, behaviour by behaviour.

    Args:
        old: The campaign to compare with, with its trials.
        new: The campaign, with its trials.
        again: A second campaign on the old model, such as one with another seed.
        accepted: Findings that somebody answers for.
        today: The day on which acceptances must still hold.

    Raises:
        InputError: They were judged, drawn or repeated differently, or have no trial in common.
    """
    for one in filter(None, (new, again)):
        _require_alike(old, one)
    before, after = findings_by_place(old.trials), findings_by_place(new.trials)
    if not before.keys() & after.keys():
        raise InputError(
            f"{old.run_id} and {new.run_id} have no attack on a behaviour in common",
            "two runs of one campaign",
        )
    holding = [one for one in accepted if one.until >= today]
    fresh = [
        finding for place, finding in sorted(after.items())
        if finding.hits and not (place in before and before[place].hits)
    ]  # fmt: skip
    known = [one for one in fresh if any(each.covers(one) for each in holding)]
    gone = [one for place, one in sorted(before.items()) if one.hits and not _hits(after, place)]
    return CampaignDifference(
        new=tuple(one for one in fresh if one not in known),
        accepted=tuple(known),
        remaining=tuple(
            one for place, one in sorted(after.items()) if one.hits and _hits(before, place)
        ),
        mended=tuple(one for one in gone if one.place in after),
        expired=tuple(one for one in accepted if one.until < today),
        untried=sum(1 for one in gone if one.place not in after),
        rates=_differences(before, after, new),
        noise=_differences(before, findings_by_place(again.trials), new)
        if again is not None
        else (),
    )


def _hits(found: dict[Place, Finding], place: Place) -> bool:
    return place in found and found[place].hits > 0


def _require_alike(old: AttackRun, new: AttackRun) -> None:
    for name in _SAME:
        a, b = old.settings.get(name), new.settings.get(name)
        if a != b:
            raise InputError(
                f"{old.run_id} has {name} {a}, and {new.run_id} {b}",
                "two campaigns that differ in nothing but model or seed",
                "run the campaign again on one of them",
            )
    if old.judge != new.judge:
        raise InputError(
            f"{old.run_id} was judged by {old.judge.name} with another version, model or card",
            "one judge for both",
            "run the older campaign again",
        )


def findings_by_place(trials: Iterable[AttackTrial]) -> dict[Place, Finding]:
    """Return every behaviour that was scored, by attack and system turn, with its hits."""
    counts: dict[Place, list[int]] = {}
    first: dict[Place, AttackTrial] = {}
    for trial in trials:
        if trial.outcome in SCORED:
            place = (trial.attack, trial.system, trial.behaviour)
            first.setdefault(place, trial)
            count = counts.setdefault(place, [0, 0])
            count[0] += trial.outcome in HITS
            count[1] += 1
    return {
        place: Finding(
            *place, first[place].kind, first[place].category, hits=hits, attempts=attempts
        )
        for place, (hits, attempts) in counts.items()
    }


def _differences(
    before: dict[Place, Finding], after: dict[Place, Finding], run: AttackRun
) -> tuple[RateDifference, ...]:
    """Return the paired difference of each rate that both have."""
    groups: dict[tuple[str, BehaviourKind, str], list[float]] = {}
    for place in sorted(before.keys() & after.keys()):
        was, now = before[place], after[place]
        key = (now.attack, now.kind, now.system)
        groups.setdefault(key, []).append(now.hits / now.attempts - was.hits / was.attempts)
    return tuple(_difference(key, values, run) for key, values in sorted(groups.items()))


def _difference(
    key: tuple[str, BehaviourKind, str], values: list[float], run: AttackRun
) -> RateDifference:
    attack, kind, system = key
    found = np.array(values)
    low, high = fixed(found, None, 1.0).interval()
    difference = (float(found.mean()), (float(low), float(high)))
    exact = attack in run.exact_attacks
    corrected = (
        difference if exact else corrected_difference(*difference, error_of(run.judge, kind))
    )
    return RateDifference(attack, kind, system, len(values), difference, corrected)


def error_of(card: JudgeCard, kind: BehaviourKind) -> JudgeError:
    """Return how a judge errs on one kind of behaviour."""
    counts = card.counts(kind)
    return JudgeError(counts.found, counts.unwanted, counts.passed, counts.wanted)
