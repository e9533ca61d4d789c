"""Streams a run's items twice: first for the run's identity, then to ask them unit by unit.

Items may be many more than memory holds, so they are not kept between the two readings. What is
kept is a digest a unit: items that changed in between are found before they are asked.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.records import Sample
from weighbridge.records.digest import ListDigest
from weighbridge.statistics.distinct import Fingerprints

Load = Callable[[], Iterable[Sample]]

_UNIT_DIGEST_BYTES = 16


@dataclass(frozen=True)
class Unit:
    """A unit of work, redone as a whole if it was interrupted: samples with repeat numbers."""

    number: int
    samples: tuple[tuple[Sample, int], ...]


Cutting = Callable[[Iterable[Sample], int, int], Iterator[Unit]]


@dataclass(frozen=True)
class Items:
    """Facts on a run's items from the first pass over them.

    Attributes:
        digest: `canonical_digest` of the list of the items' digests.
        samples: Items times repeats.
        units: What they are cut into.
        unit_digests: A digest of each unit, one after the other.
    """

    digest: str
    samples: int
    units: int
    unit_digests: bytes


def rows_once(
    read: Callable[[], Iterable[tuple[int, Sample]]], path: Path, column: str, limit: int | None
) -> Iterator[Sample]:
    """Yield samples up to a limit; later rows are read too, so that errors in them are found.

    Args:
        read: Reads the file's samples, each with its 1-based line.
        path: The file.
        column: Where its ids stand.
        limit: Number of samples taken from the beginning; None for all.

    Raises:
        MalformedRow: Two rows have the same id; raised at the file's end.
    """
    ids, lines = Fingerprints(), array("q")
    for line, sample in read():
        ids.add(sample.id)
        lines.append(line)
        if limit is None or len(ids) <= limit:
            yield sample
    repeated = ids.first_repetition()
    if repeated is not None:
        line, sample = next(islice(read(), repeated[0], None))
        first = lines[repeated[1]]
        saw = f"id {sample.id!r} again, first in line {first}"
        raise MalformedRow(path, line, saw, "ids that differ", column)


def survey(load: Load, repeats: int, unit_size: int, cutting: "Cutting | None" = None) -> Items:
    """Read all items once, without keeping them.

    Args:
        load: Reads them.
        repeats: Answers per item.
        unit_size: Samples per unit.
        cutting: How they are cut into units; default: `cut`.

    Raises:
        InputError: Two items have the same id, which would be taken for one.
    """
    digest, ids = ListDigest(), Fingerprints()

    def noted() -> Iterator[Sample]:
        for sample in load():
            digest.add(sample.digest)
            ids.add(sample.id)
            yield sample

    unit_digests = bytearray()
    for unit in (cutting or cut)(noted(), repeats, unit_size):
        unit_digests += _unit_digest(unit)
    repeated = ids.first_repetition()
    if repeated is not None:
        again, first = repeated
        name = next(islice(load(), again, None)).id
        raise InputError(
            f"item {again + 1} has the id {name!r}, as item {first + 1} has", "ids that differ"
        )
    units = len(unit_digests) // _UNIT_DIGEST_BYTES
    return Items(digest.so_far(), len(ids) * repeats, units, bytes(unit_digests))


def cut(samples: Iterable[Sample], repeats: int, size: int) -> Iterator[Unit]:
    """Cut `(sample, repeat)` pairs into units; a unit never spans two clusters' shared prompts."""
    number, unit = 0, list[tuple[Sample, int]]()
    for sample in samples:
        for repeat in range(repeats):
            if unit and (len(unit) >= size or _prefix(unit[-1][0]) != _prefix(sample)):
                yield Unit(number, tuple(unit))
                number, unit = number + 1, []
            unit.append((sample, repeat))
    if unit:
        yield Unit(number, tuple(unit))


def verify_unchanged(items: Items, units: Iterable[Unit]) -> Iterator[Unit]:
    """Pass on units that are what `survey` saw.

    Raises:
        InputError: The items changed after the run's identity was computed.
    """
    seen = 0
    for unit in units:
        begin = unit.number * _UNIT_DIGEST_BYTES
        if items.unit_digests[begin : begin + _UNIT_DIGEST_BYTES] != _unit_digest(unit):
            raise _changed(unit.samples[0][0].id)
        seen += 1
        yield unit
    if seen != items.units:
        raise _changed("the last ones")


def _changed(where: str) -> InputError:
    return InputError(
        f"items changed while they were asked (at {where})",
        "the same items until the run is finished",
        "run again: that is another run, over the items as they are now",
    )


def _prefix(sample: Sample) -> object:
    return sample.metadata.get("prefix")


def _unit_digest(unit: Unit) -> bytes:
    digest = hashlib.sha256()
    for sample, repeat in unit.samples:
        digest.update(f"{sample.digest} {repeat}\n".encode())
    return digest.digest()[:_UNIT_DIGEST_BYTES]
