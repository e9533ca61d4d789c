"""A run's scores as columns: the fields that figures need, in some tens of bytes a sample."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from weighbridge.errors import EvidenceError, InputError
from weighbridge.records import Graded, ScoredSample, UngradedReason
from weighbridge.records.scale import ends
from weighbridge.statistics.distinct import Fingerprints

REASONS: tuple[str, ...] = get_args(UngradedReason)
GRADED = -1
UNCLUSTERED = -1

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def score_value(sample: ScoredSample, floor: float = 0.0) -> float | None:
    """Return a sample's value in the mean.

    It is the graded value; `floor`, the scale's lowest value, where the model gave no answer that
    can be graded; None where infrastructure lost the answer.
    """
    if isinstance(sample.score, Graded):
        return sample.score.value
    return None if sample.score.reason == "infrastructure" else floor


def check_value(sample: ScoredSample, scale: tuple[float, float]) -> None:
    """Refuse a value that is off the scale or not a number.

    Raises:
        InputError: The value is one of these.
    """
    low, high = ends(scale)
    if isinstance(sample.score, Graded) and not low <= sample.score.value <= high:
        raise InputError(
            f"sample {sample.sample_id}, repeat {sample.repeat} has the value "
            f"{sample.score.value:g}",
            f"a value from {low:g} to {high:g}",
        )


@dataclass(frozen=True)
class Columns:
    """Samples gathered into items, in order of appearance, each with its repeats in order.

    The arrays have the shape (samples,), except those in `parts`.

    Attributes:
        items: Number of items.
        item: Index of each sample's item, in ascending order.
        position: Position of each sample in the stream that was read.
        value: Value of each sample in the mean, see `score_value`; NaN where it was lost to
            infrastructure.
        reason: Index into `REASONS`, or `GRADED`.
        cluster: Index into `cluster_names`, or `UNCLUSTERED`.
        cluster_names: Names of the clusters, in order of appearance.
        parts: By a part's name: the positions of the samples that have the part, and its values.
    """

    items: int
    item: Integers
    position: Integers
    value: Floats
    reason: npt.NDArray[np.int8]
    cluster: Integers
    cluster_names: tuple[str, ...]
    parts: dict[str, tuple[Integers, Floats]]

    @property
    def lost(self) -> Flags:
        """Whether infrastructure lost each sample, shape (samples,)."""
        return np.isnan(self.value)

    def part(self, name: str) -> Floats:
        """Return one part of every sample's score, shape (samples,); 0 where a sample has none."""
        positions, values = self.parts[name]
        dense = np.zeros(len(self.position))
        dense[positions] = values
        return dense[self.position]


def columns_of(samples: Iterable[ScoredSample], scale: tuple[float, float]) -> Columns:
    """Read samples one by one and keep their columns.

    Raises:
        InputError: A value off the scale.
        EvidenceError: The same repeat of an item twice, which would count double.
    """
    ids, repeats = Fingerprints(), array("q")
    values, reasons = array("d"), array("b")
    clusters, cluster_codes = array("q"), dict[str | None, int]({None: UNCLUSTERED})
    parts: dict[str, tuple[array[int], array[float]]] = {}
    for position, sample in enumerate(samples):
        check_value(sample, scale)
        value = score_value(sample, scale[0])
        ids.add(sample.sample_id)
        repeats.append(sample.repeat)
        values.append(np.nan if value is None else value)
        clusters.append(cluster_codes.setdefault(sample.cluster, len(cluster_codes) - 1))
        if isinstance(sample.score, Graded):
            reasons.append(GRADED)
            for name, share in sample.score.parts.items():
                positions, shares = parts.setdefault(name, (array("q"), array("d")))
                positions.append(position)
                shares.append(share)
        else:
            reasons.append(REASONS.index(sample.score.reason))
    items = ids.numbers()
    repeat = _integers(repeats)
    order = np.lexsort((repeat, items))
    item, repeat = items[order], repeat[order]
    _check_each_once(item, repeat, order)
    return Columns(
        items=int(item[-1]) + 1 if len(item) else 0,
        item=item,
        position=order,
        value=_floats(values)[order],
        reason=np.frombuffer(reasons, dtype=np.int8)[order],
        cluster=_integers(clusters)[order],
        cluster_names=tuple(name for name in cluster_codes if name is not None),
        parts={name: (_integers(at), _floats(shares)) for name, (at, shares) in parts.items()},
    )


def _check_each_once(item: Integers, repeat: Integers, order: Integers) -> None:
    twice = (item[1:] == item[:-1]) & (repeat[1:] == repeat[:-1])
    if twice.any():
        at = int(np.argmax(twice))
        raise EvidenceError(
            f"sample {order[at] + 1} is there twice, again as sample {order[at + 1] + 1}",
            "each repeat of a sample once",
        )


def _integers(values: "array[int]") -> Integers:
    return np.frombuffer(values, dtype=np.int64) if values else np.zeros(0, dtype=np.int64)


def _floats(values: "array[float]") -> Floats:
    return np.frombuffer(values, dtype=np.float64) if values else np.zeros(0)


def by_cluster(
    values: Sequence[float] | Floats, clusters: Integers, names: Sequence[str]
) -> dict[str, float]:
    """Return the mean of each cluster, sorted by name; `UNCLUSTERED` values are left out."""
    data = np.asarray(values, dtype=np.float64)
    order = np.argsort(clusters, kind="stable")
    codes, begins = np.unique(clusters[order], return_index=True)
    grouped = np.split(data[order], begins[1:]) if len(codes) else []
    means = {
        names[code]: float(np.mean(group))
        for code, group in zip(codes.tolist(), grouped, strict=True)
        if code != UNCLUSTERED
    }
    return {name: means[name] for name in sorted(means)}
