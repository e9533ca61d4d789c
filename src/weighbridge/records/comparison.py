"""Two runs over the same items, compared item by item."""

from dataclasses import dataclass
from typing import Literal

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
        interval: 95 % interval of the difference.
        margin: A is non-inferior if it is at most this much worse.
        p_value: One-sided p-value of non-inferiority at the margin.
        mcnemar_p_value: Two-sided exact McNemar test; None where values are not 0 or 1.
        verdict: superior > equivalent > non_inferior > inferior; otherwise inconclusive.
        n: Paired items.
        unpaired: Items left out: answered by one run only, or lost to infrastructure.
        bounds: The difference if every item lost to infrastructure had gone against A, and for A.
        by_cluster: Mean difference by cluster.
        flips: Items whose values differ, those that A lost first.
        scale: Lowest and highest value of what is compared.
        judge_stderr: Standard error that the judge's passes share, part of `stderr`; 0 where no
            model judged, or none was asked twice.
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
