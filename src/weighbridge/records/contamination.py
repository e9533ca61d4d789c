"""Benchmark items that stand in somebody's own tuning data, and what a run scores without them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contamination:
    """Which items of a benchmark overlap with a file of tuning data; see `statistics.text_overlap`.

    Attributes:
        tuning_data: The file's name.
        tuning_digest: Its SHA-256.
        items: Items looked for.
        exact: Ids of those of which a long run of words stands in the file.
        near: Ids of those of which most short runs of words stand in one text of it.
        short: How many are too short to be judged.
    """

    tuning_data: str
    tuning_digest: str
    items: int
    exact: tuple[str, ...]
    near: tuple[str, ...]
    short: int = 0

    @property
    def found(self) -> frozenset[str]:
        """Ids of all items that overlap."""
        return frozenset(self.exact) | frozenset(self.near)


@dataclass(frozen=True)
class CleanSubset:
    """A run's headline beside its score on the items that do not overlap.

    Attributes:
        headline: Mean over all items.
        n: Items in it.
        clean_mean: Mean over the items that don't overlap; None if none are left.
        clean_interval: 95 % interval of it.
        clean_n: Items in it.
        difference: headline - clean_mean: what overlapping items add to the headline.
        difference_interval: 95 % interval of it.
    """

    headline: float
    n: int
    clean_mean: float | None
    clean_interval: tuple[float, float]
    clean_n: int
    difference: float
    difference_interval: tuple[float, float]
