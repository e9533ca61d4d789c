"""Benchmark items that stand in a file of tuning data."""

from dataclasses import dataclass

from weighbridge.documents.form import Inlined
from weighbridge.records import CleanSubset, Contamination, Verdict


@dataclass(frozen=True, kw_only=True)
class OverlapDocument:
    """Which items of a benchmark overlap with tuning data, and what a run scores without them.

    Attributes:
        overlap: The items.
        clean: The score with them and without.
    """

    overlap: Inlined[Contamination]
    clean: CleanSubset


@dataclass(frozen=True, kw_only=True)
class OverlapOfComparison:
    """Which items overlap with the tuning data, and what a comparison says without them.

    Attributes:
        benchmark: NAME or NAME:SUBSET.
        overlap: The items.
        scores: Each run's score with them and without; empty where none overlap.
        difference: Candidate minus reference, over all items.
        clean_difference: The same without those that overlap; null where nothing is left to compare
            or nothing overlaps.
        clean_interval: 95 % interval of it; null likewise.
        clean_verdict: What it supports; null likewise.
    """

    benchmark: str
    overlap: Inlined[Contamination]
    scores: tuple[CleanSubset, ...]
    difference: float
    clean_difference: float | None
    clean_interval: tuple[float, float] | None
    clean_verdict: Verdict | None
