"""Compares two runs group by group, such as MMLU's humanities, and corrects for multiplicity."""

from dataclasses import dataclass, replace

from weighbridge.errors import InputError
from weighbridge.evaluation.registry import benchmark_names, find_benchmark
from weighbridge.records import Comparison, EvalRun
from weighbridge.statistics import compare
from weighbridge.statistics.conditions import NOTHING, Accepted
from weighbridge.statistics.families import JointVerdict, decide_together


@dataclass(frozen=True)
class GroupComparison:
    """A group's comparison, and its verdict after Holm's correction over all groups."""

    name: str
    comparison: Comparison
    joint: JointVerdict


def compare_groups(
    run_a: EvalRun, run_b: EvalRun, *, margin: float, metric: str, accepted: Accepted = NOTHING
) -> tuple[GroupComparison, ...]:
    """Compare two runs in each group of clusters that both runs have items of.

    The groups are the benchmark's own; if it has none, each cluster is a group.

    Raises:
        InputError: There are fewer than two groups.
    """
    own = run_a.benchmark in benchmark_names()
    groups = find_benchmark(run_a.benchmark).asking.groups if own else {}
    clusters = sorted({s.cluster for s in run_a.samples if s.cluster is not None})
    members = groups or {name: (name,) for name in clusters}
    pairs = {name: (_within(run_a, of), _within(run_b, of)) for name, of in members.items()}
    found = {
        name: compare(a, b, margin=margin, metric=metric, accepted=accepted)
        for name, (a, b) in pairs.items()
        if {s.sample_id for s in a.samples} & {s.sample_id for s in b.samples}
    }
    if len(found) < 2:
        raise InputError(
            f"{run_a.title} has {len(found)} group of subjects in both runs",
            "at least two",
            "leave --groups out",
        )
    joint = decide_together(list(found.values()))
    return tuple(
        GroupComparison(name, one, j) for (name, one), j in zip(found.items(), joint, strict=True)
    )


def _within(run: EvalRun, clusters: tuple[str, ...]) -> EvalRun:
    return replace(run, samples=tuple(s for s in run.samples if s.cluster in clusters))
