"""Two runs over the same items, compared item by item."""

from dataclasses import dataclass, field
from typing import Any, Literal

from weighbridge.records.score import Score

Verdict = Literal["non_inferior", "inferior", "superior", "equivalent", "inconclusive"]


@dataclass(frozen=True)
class Flip:
    """An item on which the two runs differ.

    Attributes:
        sample_id: The item.
        cluster: Its cluster.
        question: Its text; None where it must not be published.
        target: The right answer as text; None likewise.
        output_a: What A answered.
        output_b: What B answered.
        score_a: A's score.
        score_b: B's score.
        difference: Value of A minus value of B.
    """

    sample_id: str
    cluster: str | None
    question: str | None
    target: str | None
    output_a: str
    output_b: str
    score_a: Score
    score_b: Score
    difference: float


@dataclass(frozen=True)
class Difference:
    """Something beside the weights in which two runs differ; see `statistics.conditions`.

    Attributes:
        what: Its name, as a person types it.
        a: What A has.
        b: What B has.
        confounds: Whether it bears on answers and is not the model's own; such a comparison is
            refused unless a person accepts it by name.
    """

    what: str
    a: Any
    b: Any
    confounds: bool


@dataclass(frozen=True)
class VarianceSplit:
    """Where the variance of a paired difference comes from, where items were answered repeatedly.

    Attributes:
        repeats_a: Answers an item that A gave, on average (harmonic mean).
        repeats_b: Likewise for B.
        between: ω², the variance of the items' true differences; what only more items reduce.
        within_a: σ²_A, the mean variance of A's answers to one item; what repeats reduce.
        within_b: σ²_B, likewise.
    """

    repeats_a: float
    repeats_b: float
    between: float
    within_a: float
    within_b: float

    @property
    def per_item(self) -> float:
        """Variance of one item's observed difference: ω² + σ²_A/K_A + σ²_B/K_B."""
        return self.between + self.within_a / self.repeats_a + self.within_b / self.repeats_b


@dataclass(frozen=True)
class Comparison:
    """Paired difference A - B with the verdict that it supports at a stated margin.

    Attributes:
        run_a: The candidate's run id.
        run_b: The reference's run id.
        benchmark: What both ran.
        metric: "value", or the name of a part.
        mean_a: A's mean over the paired items.
        mean_b: B's mean over the paired items.
        difference: mean_a - mean_b.
        stderr: Of the difference, clustered where items have clusters.
        interval: 95 % interval of the difference over the paired items.
        margin: A is non-inferior if it is at most this much worse.
        p_value: One-sided p-value of non-inferiority at the margin, over the paired items.
        mcnemar_p_value: Two-sided exact McNemar test; None where values are not 0 or 1.
        verdict: superior > equivalent > non_inferior > inferior; otherwise inconclusive. It holds
            whatever the answers lost to infrastructure would have been worth.
        n: Paired items.
        unpaired: Items left out: answered by one run only, or lost to infrastructure.
        bounds: The difference if every item lost to infrastructure had gone against A, and for A.
        by_cluster: Mean difference by cluster.
        flips: Items whose values differ, those that A lost first.
        scale: Worst and best value of what is compared; the worst is the larger where less is
            better.
        judge_stderr: Standard error that the judge's passes share, part of `stderr`; 0 where no
            model judged, or none was asked twice.
        lost: Answers to shared items, of either run, that infrastructure lost.
        bounds_interval: From the interval's low end, every lost answer having gone against A, to
            its high end, every one having gone for A; `interval` where nothing was lost.
        claims: One-sided p-value of each verdict but `inconclusive`, every lost answer having gone
            against the claim. `equivalent` is the larger p-value of two one-sided tests.
        variance: Between and within items; None where no item has two answers of either run.
        anytime: Whether the interval and p-values hold at any moment of stopping.
        cluster_sizes: Paired items of each cluster; empty where none has two.
        design_effect: How many times its unclustered value the variance of the difference is.
        differences: In what the runs differ beside the weights; a confounder was accepted.
        ungraded_a: What became of A's answers where none of them was graded ("8 unparsed"), so
            that nothing is known of A; empty where at least one was.
        ungraded_b: Likewise for B.
    """

    run_a: str
    run_b: str
    benchmark: str
    metric: str
    mean_a: float
    mean_b: float
    difference: float
    stderr: float
    interval: tuple[float, float]
    margin: float
    p_value: float
    mcnemar_p_value: float | None
    verdict: Verdict
    n: int
    unpaired: int
    bounds: tuple[float, float]
    by_cluster: dict[str, float]
    flips: tuple[Flip, ...]
    scale: tuple[float, float] = (0.0, 1.0)
    judge_stderr: float = 0.0
    lost: int = 0
    bounds_interval: tuple[float, float] | None = None
    claims: dict[Verdict, float] = field(default_factory=dict)
    variance: VarianceSplit | None = None
    anytime: bool = False
    cluster_sizes: tuple[int, ...] = ()
    design_effect: float = 1.0
    differences: tuple[Difference, ...] = ()
    ungraded_a: str = ""
    ungraded_b: str = ""

    @property
    def why_unknown(self) -> str:
        """Say which run had no answer graded, so that the means tell nothing; else nothing."""
        a, b = self.ungraded_a, self.ungraded_b
        if a and b:
            return f"nothing was graded in either run ({a}; {b})"
        if a or b:
            whose = "candidate" if a else "reference"
            return f"nothing was graded in the {whose}'s run ({a or b})"
        return ""
