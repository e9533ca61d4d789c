"""Scores a run without some of its items, and measures how much those add to the headline mean."""

import math
from collections.abc import Collection, Sequence

from weighbridge.records import CleanSubset, Estimate, ScoredSample
from weighbridge.records.scale import width
from weighbridge.statistics.aggregates import estimate


def clean_subset(
    samples: Sequence[ScoredSample],
    overlapping: Collection[str],
    aggregate: str = "mean",
    scale: tuple[float, float] = (0.0, 1.0),
) -> CleanSubset:
    """Score a run on the items that do not overlap with tuning data.

    headline - clean = share · (mean of the overlapping - mean of the clean), where share is the
    share of overlapping items. The two groups have no item in common, so the interval of the
    difference of their means is combined from the intervals of the two means (MOVER, Zou & Donner
    2008, Stat. Med. 27:1693; for proportions that is Newcombe's method 10), which keeps its
    coverage near 0 and 1 and where few items overlap. Clusters that have items in both groups make
    the interval wider than necessary.

    Args:
        samples: All of the run's samples.
        overlapping: Ids of the items to leave out.
        aggregate: Name of the run's aggregate.
        scale: Worst and best value.
    """
    whole = estimate(samples, aggregate, scale)
    clean = estimate([s for s in samples if s.sample_id not in overlapping], aggregate, scale)
    within = estimate([s for s in samples if s.sample_id in overlapping], aggregate, scale)
    difference, interval = _added(whole, clean, within)
    return CleanSubset(
        headline=whole.mean,
        n=whole.n,
        clean_mean=clean.mean if clean.n else None,
        clean_interval=clean.interval,
        clean_n=clean.n,
        difference=difference,
        difference_interval=interval,
    )


def _added(whole: Estimate, clean: Estimate, within: Estimate) -> tuple[float, tuple[float, float]]:
    """Return the headline mean minus the clean mean, with its interval."""
    if not within.n:
        return 0.0, (0.0, 0.0)
    reach = width(whole.scale)
    if not clean.n:
        return 0.0, (-reach, reach)
    share, gap = within.n / whole.n, within.mean - clean.mean
    below = math.hypot(within.mean - within.interval[0], clean.interval[1] - clean.mean)
    above = math.hypot(within.interval[1] - within.mean, clean.mean - clean.interval[0])
    low, high = max(-reach, gap - below), min(reach, gap + above)
    return share * gap, (share * low, share * high)
