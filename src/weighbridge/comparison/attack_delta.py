"""What tuning changed of how a model stands attacks: paired, with the instrument's noise beside."""

from collections.abc import Iterator, Mapping, Set
from datetime import date

from weighbridge.comparison.attack_runs import (
    Finding,
    Place,
    RateDifference,
    compare_campaigns,
    error_of,
    findings_by_place,
)
from weighbridge.records.attack import (
    AttackDelta,
    AttackRate,
    AttackRateDelta,
    AttackRun,
    Rate95,
)
from weighbridge.redteam.judge_card import told
from weighbridge.redteam.sufficiency import alarms
from weighbridge.statistics.hit_rates import Tries, hit_at_1, true_at_1
from weighbridge.statistics.judge_error import JudgeError

_Key = tuple[str, str, str]
_WHAT = {
    "harmful": "harmful requests complied with",
    "benign": "benign requests refused",
    "private": "texts of the tuning data known by heart",
}


def attack_delta(before: AttackRun, again: AttackRun, after: AttackRun, day: date) -> AttackDelta:
    """Return what changed between two models under one campaign.

    Args:
        before: On the base, with its trials.
        again: On the base with another seed, with its trials.
        after: On the tuned model, with its trials.
        day: Of the comparison.

    Raises:
        InputError: The campaigns differ in more than model and seed.
    """
    found = compare_campaigns(before, after, again=again, today=day)
    noise = {_key(one): one for one in found.noise}
    old, new = findings_by_place(before.trials), findings_by_place(after.trials)
    tried = {_key(rate) for run in (before, after) for rate in run.rates}
    sides = (("base", before), ("base again", again), ("tuned model", after))
    return AttackDelta(
        campaign=before.campaign,
        scope=before.scope,
        runs=(before.run_id, again.run_id, after.run_id),
        rates=tuple(_rate(one, old, new, noise.get(_key(one)), after) for one in found.rates),
        new=len(found.new),
        mended=len(found.mended),
        remaining=len(found.remaining),
        judge=told(before.judge),
        notes=(
            *(f"{who}: {said}" for who, run in sides for said in alarms(run.rates)),
            *_unpaired(tried, {_key(one) for one in found.rates}),
        ),
    )


def _unpaired(tried: Set[_Key], paired: Set[_Key]) -> Iterator[str]:
    """Say which rates can't be compared, because no behaviour was scored on both models."""
    for attack, kind, system in sorted(tried - paired):
        yield f"{attack}, {system} system turn, {kind} behaviours: nothing was scored on both"


def _key(one: RateDifference | AttackRate | Finding) -> _Key:
    return one.attack, one.kind, one.system


def _rate(
    one: RateDifference,
    old: Mapping[Place, Finding],
    new: Mapping[Place, Finding],
    noise: RateDifference | None,
    run: AttackRun,
) -> AttackRateDelta:
    """Return both rates over the behaviours that the difference is paired by."""
    freed = one.corrected is not None
    paired = [place for place in old.keys() & new.keys() if _key(new[place]) == _key(one)]
    judge = None if not freed or one.attack in run.exact_attacks else error_of(run.judge, one.kind)
    return AttackRateDelta(
        attack=one.attack,
        kind=one.kind,
        what=_WHAT[one.kind],
        system=one.system,
        behaviours=one.behaviours,
        freed=freed,
        base=_of(old, paired, judge),
        tuned=_of(new, paired, judge),
        difference=one.corrected or one.difference,
        noise=_noise(noise, freed),
    )


def _of(
    found: Mapping[Place, Finding], places: list[Place], judge: JudgeError | None
) -> Rate95 | None:
    tries = [Tries(found[place].hits, found[place].attempts) for place in sorted(places)]
    if judge is not None:
        return true_at_1(tries, judge)
    counted = hit_at_1(tries)
    return counted[0] if counted else None


def _noise(noise: RateDifference | None, freed: bool) -> Rate95 | None:
    if noise is None:
        return None
    return noise.corrected if freed else noise.difference
