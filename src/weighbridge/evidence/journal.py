"""Scored samples, appended unit by unit; a torn or half-written unit is dropped and done again.

Work is cut into units before it starts, and results depend on how it was cut (batches are formed
inside a unit). So a unit counts only once it is whole: every line carries the unit's number and how
many lines it has, and opening the journal cuts the file after the last whole unit.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import EvidenceError
from weighbridge.evidence.files import storage_errors
from weighbridge.records import Json, ScoredSample

_ADAPTER = TypeAdapter(ScoredSample)


class Journal:
    """`samples.jsonl` of one run, open for appending. Opening repairs what a crash left behind.

    Attributes:
        path: The file.
        finished_samples: Samples in whole units.

    Raises:
        EvidenceError: A line in the middle is damaged, which no crash explains.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.finished_samples = 0
        self._finished: set[int] = set()
        if path.exists():
            self._repair()

    def finished_units(self) -> frozenset[int]:
        """Numbers of the units that are whole."""
        return frozenset(self._finished)

    def append_unit(self, unit: int, samples: Sequence[ScoredSample]) -> None:
        """Write a unit's samples and make them durable before returning."""
        lines = "".join(_line(unit, len(samples), sample) for sample in samples)
        with storage_errors(self.path):
            size = self.path.stat().st_size if self.path.exists() else 0
            try:
                with self.path.open("ab") as file:
                    file.write(lines.encode("ascii"))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, size)
                raise
        self._count(unit, len(samples))

    def samples(self) -> Iterator[ScoredSample]:
        """Read all samples of whole units, in the order written."""
        return read_samples(self.path)

    def _count(self, unit: int, samples: int) -> None:
        if unit not in self._finished:
            self._finished.add(unit)
            self.finished_samples += samples

    def _repair(self) -> None:
        """Cut the file after its last whole unit."""
        end = position = 0
        current, seen, wanted = -1, 0, 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                position += len(line)
                try:
                    head = json.loads(line)
                    unit, size = int(head["unit"]), int(head["unit_size"])
                    whole = line.endswith(b"\n")
                except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
                    if file.read(1):
                        raise EvidenceError(
                            f"{self.path}, line {number}: not a sample",
                            "lines written by weighbridge",
                            "move the run's folder away and run again",
                        ) from error
                    break
                if unit != current:
                    current, seen, wanted = unit, 0, size
                seen += 1
                if seen == wanted and whole:
                    self._count(unit, seen)
                    end = position
        if end < self.path.stat().st_size:
            with storage_errors(self.path):
                os.truncate(self.path, end)


def _line(unit: int, unit_size: int, sample: ScoredSample) -> str:
    # `asdict` would copy every value before it is written, at twice the cost of writing.
    row = {"unit": unit, "unit_size": unit_size} | vars(sample) | {"score": vars(sample.score)}
    charges = [asdict(charge) for charge in row.pop("charges")]
    if charges:
        row["charges"] = charges
    return json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n"


def _check_names(row: dict[str, Json], sample: ScoredSample) -> None:
    """Refuse a name that is no field: misspelt, it would leave its field at the default, unseen.

    Raises:
        KeyError: There is one.
    """
    unknown = (row.keys() - vars(sample).keys()) | (row["score"].keys() - vars(sample.score).keys())
    if unknown:
        raise KeyError(*unknown)


def read_samples(path: Path) -> Iterator[ScoredSample]:
    """Read and validate a journal's samples.

    Raises:
        EvidenceError: A line is not a sample; says which.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                row.pop("unit"), row.pop("unit_size")
                sample = _ADAPTER.validate_python(row)
                _check_names(row, sample)
                yield sample
            except (ValueError, LookupError, TypeError, AttributeError, OverflowError,
                    RecursionError, ValidationError) as error:  # fmt: skip
                raise EvidenceError(
                    f"{path}, line {number}: not a sample ({type(error).__name__})",
                    "lines as they were written",
                    "the file was altered or cut: run again",
                ) from error
