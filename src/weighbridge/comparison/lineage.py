"""Compares one model's stages, such as base, adapter, merged and GGUF, to show what a step changes.

Every stage is measured on the same items. Each is compared with the one before it, and the last one
with the first. A merge should change nothing beyond rounding, and a quantisation little. How many
answers change, and how far likelihoods move, shows that sooner than a score does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from weighbridge.records import Comparison, EvalRun, Verdict
from weighbridge.statistics import compare
from weighbridge.statistics.conditions import ANYTHING
from weighbridge.statistics.families import JointVerdict, decide_together


@dataclass(frozen=True)
class Step:
    """What changes from one stage to another.

    Attributes:
        before: The earlier stage's run, without samples.
        after: The later stage's run, without samples.
        comparison: Later minus earlier; None where both are one run, so that nothing can differ.
        joint: The verdict after Holm's correction over all steps; None where both are one run.
        answers: Number of answers that both runs have.
        changed: Number of these answers whose text is not the same, right or wrong.
        logprob_shift: Largest absolute difference of one choice's log-probability, in nats; None
            where choices were not scored.
    """

    before: EvalRun
    after: EvalRun
    comparison: Comparison | None
    joint: JointVerdict | None
    answers: int
    changed: int
    logprob_shift: float | None


@dataclass(frozen=True)
class Lineage:
    """The results of one benchmark over all stages.

    Attributes:
        runs: One run per stage, without samples.
        steps: The steps from each stage to the next one.
        whole: The step from the first stage to the last.
    """

    runs: tuple[EvalRun, ...]
    steps: tuple[Step, ...]
    whole: Step

    @property
    def verdict(self) -> Verdict:
        """Verdict of the last stage against the first; `equivalent` where both are the same run."""
        return self.whole.joint.verdict if self.whole.joint else "equivalent"


def compare_stages(runs: Sequence[EvalRun], margin: float | None = None) -> Lineage:
    """Compare the runs of a model's stages, in their order.

    Verdicts hold jointly: each kind of claim is corrected (Holm) over all steps and the whole.

    Args:
        runs: Two or more runs of one benchmark, with samples.
        margin: As in `compare`.

    Raises:
        InputError: The runs did not ask the same items.
    """
    pairs = [*pairwise(runs), (runs[0], runs[-1])]
    compared = [
        None
        if after.run_id == before.run_id
        else compare(after, before, margin=margin, accepted=ANYTHING)
        for before, after in pairs
    ]
    joint = iter(decide_together([one for one in compared if one is not None]))
    steps = [
        _step(before, after, one, next(joint) if one is not None else None)
        for (before, after), one in zip(pairs, compared, strict=True)
    ]
    return Lineage(tuple(map(_without_samples, runs)), tuple(steps[:-1]), steps[-1])


def _step(
    before: EvalRun, after: EvalRun, comparison: Comparison | None, joint: JointVerdict | None
) -> Step:
    earlier = {(s.sample_id, s.repeat): s for s in before.samples}
    both = [
        (earlier[s.sample_id, s.repeat], s)
        for s in after.samples
        if (s.sample_id, s.repeat) in earlier
    ]
    changed = sum(one.output != other.output for one, other in both)
    shifts = [
        abs(x - y)
        for one, other in both
        for x, y in zip(one.logprobs, other.logprobs, strict=False)
    ]
    shift = max(shifts) if shifts else None
    return Step(
        _without_samples(before),
        _without_samples(after),
        comparison,
        joint,
        len(both),
        changed,
        shift,
    )


def _without_samples(run: EvalRun) -> EvalRun:
    return replace(run, samples=())
