"""Figures of named slices of a run (a category, a turn), computed as the headline is."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from weighbridge.records import ScoredSample, Slice, Slicing
from weighbridge.statistics.columns import Columns, Floats, Integers
from weighbridge.statistics.intervals import mean_interval

_NONE = -1


@dataclass
class SliceLabels:
    """Records which slice of each kind every sample of a stream belongs to.

    Attributes:
        slicing: By kind and name of a slice: ids of its samples.
    """

    slicing: Slicing
    _codes: dict[str, "array[int]"] = field(default_factory=dict)

    def noted(self, samples: Iterable[ScoredSample]) -> Iterator[ScoredSample]:
        """Record the slices of each sample, and pass the sample on."""
        of = {
            kind: {sample: code for code, ids in enumerate(slices.values()) for sample in ids}
            for kind, slices in self.slicing.items()
        }
        self._codes = {kind: array("q") for kind in of}
        for sample in samples:
            for kind, codes in of.items():
                self._codes[kind].append(codes.get(sample.sample_id, _NONE))
            yield sample

    def figures(
        self,
        read: Columns,
        items: Integers,
        values: Floats,
        clusters: Integers,
        scale: tuple[float, float],
    ) -> dict[str, dict[str, Slice]]:
        """Return each slice's mean over its items; a slice without items is left out.

        Args:
            read: The samples that `noted` passed on.
            items: Indices of the items that count.
            values: Figures of these items.
            clusters: Clusters of these items.
            scale: Worst and best value.
        """
        first = read.position[np.searchsorted(read.item, items)]
        found: dict[str, dict[str, Slice]] = {}
        for kind, slices in self.slicing.items():
            codes = np.frombuffer(self._codes[kind], dtype=np.int64)[first]
            found[kind] = {
                name: _slice(values[codes == code], clusters[codes == code], scale)
                for code, name in enumerate(slices)
                if (codes == code).any()
            }
        return found


def _slice(values: Floats, clusters: Integers, scale: tuple[float, float]) -> Slice:
    return Slice(float(np.mean(values)), mean_interval(values, clusters, scale), len(values))


def slicing_of(labelled: Iterable[tuple[str, Mapping[str, str]]]) -> Slicing:
    """Gather samples, each with its slice's name by kind, into a slicing.

    >>> slicing_of([("81/1", {"turn": "1"}), ("81/2", {"turn": "2"}), ("82/1", {"turn": "1"})])
    {'turn': {'1': ('81/1', '82/1'), '2': ('81/2',)}}
    """
    found: dict[str, dict[str, dict[str, None]]] = {}
    for sample_id, labels in labelled:
        for kind, name in labels.items():
            found.setdefault(kind, {}).setdefault(name, {})[sample_id] = None
    return {
        kind: {name: tuple(ids) for name, ids in slices.items()} for kind, slices in found.items()
    }
