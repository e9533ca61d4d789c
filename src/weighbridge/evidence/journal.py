"""An append-only file of samples. An incomplete unit at its end is dropped and redone.

Work is cut into units before it starts, and results depend on how it was cut (batches are formed
inside a unit). So a unit counts only once it is whole: every line carries the unit's number and how
many lines it has, and opening the journal cuts the file after the last whole unit.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Generic

from pydantic import ValidationError

from weighbridge.errors import EvidenceError, InputError, StorageError
from weighbridge.evidence.payload import Payload, Sample
from weighbridge.evidence.plain_json import differences, strict_json
from weighbridge.records import Json
from weighbridge.sources.json_bounds import require_bounded, whole_number
from weighbridge.sources.regular_files import bounded_lines, open_regular
from weighbridge.storage import storage_errors

_DECODER = json.JSONDecoder(parse_int=whole_number)
_RUN_AGAIN = "the file was altered or cut: run again"
_MOVE_AWAY = "move the run's folder away and run again"


class Journal(Generic[Sample]):
    """`samples.jsonl` of one run, open for appending. Opening repairs what a crash left behind.

    Args:
        path: The file.
        payload: The kind of evidence, which defines what a sample is.

    Attributes:
        path: The file.
        finished_samples: Samples in whole units.

    Raises:
        EvidenceError: A line in the middle is damaged, which no crash explains.
    """

    def __init__(self, path: Path, payload: Payload[Sample, Any]) -> None:
        self.path = path
        self._payload = payload
        self.finished_samples = 0
        self._finished: set[int] = set()
        if os.path.lexists(path):
            self._repair()
        self._known_state = self._state()

    def finished_units(self) -> frozenset[int]:
        """Numbers of the units that are whole."""
        return frozenset(self._finished)

    def append_unit(self, unit: int, samples: Sequence[Sample]) -> None:
        """Write a unit's samples and make them durable before returning.

        Raises:
            StorageError: They can't be written, or another process wrote to the file.
        """
        if self._state() != self._known_state:
            raise StorageError(
                f"{self.path} was changed by another process",
                "one process at a time",
                "end the other one, and run again: it goes on from what is whole",
            )
        row = self._payload.row
        lines = "".join(_line(unit, len(samples), row(sample)) for sample in samples)
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
            self._known_state = self._state()
        self._count(unit, len(samples))

    def samples(self) -> Iterator[Sample]:
        """Read all samples of whole units, in the order written."""
        return read_samples(self.path, self._payload)

    def _count(self, unit: int, samples: int) -> None:
        self._finished.add(unit)
        self.finished_samples += samples

    def _state(self) -> tuple[int, int, int] | None:
        """Return the file's identity and size; None where it does not exist yet."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_dev, found.st_ino, found.st_size

    def _repair(self) -> None:
        """Truncate the file after its last complete unit; everything before must be valid samples.

        A crash leaves a line without its end, or a unit without its last lines, and only at the end
        of the file.
        """
        end = position = 0
        units, size = Units(), 0
        with _opened(self.path) as file:
            for number, line in enumerate(bounded_lines(file, self.path), start=1):
                position += len(line)
                try:
                    _sample_of(line, self._payload, units)
                    if units.fault:
                        raise ValueError(units.fault)
                    size += 1
                except (ValueError, LookupError, TypeError, AttributeError, OverflowError,
                        RecursionError) as error:  # fmt: skip
                    if file.read(1):
                        raise _no_sample(self.path, number, error, _MOVE_AWAY) from error
                    break
                if units.whole:
                    self._count(units.current, size)
                    end, size = position, 0
        if end < self.path.stat().st_size:
            with storage_errors(self.path):
                os.truncate(self.path, end)


def _line(unit: int, unit_size: int, row: dict[str, Json]) -> str:
    whole = {"unit": unit, "unit_size": unit_size} | row
    return json.dumps(whole, ensure_ascii=True, allow_nan=False) + "\n"


def read_samples(
    path: Path, payload: Payload[Sample, Any], units: "Units | None" = None
) -> Iterator[Sample]:
    """Read and validate a journal's samples.

    Args:
        path: The journal.
        payload: The kind of evidence, which defines what a sample is.
        units: Records the lines' units and the first thing that is wrong with them.

    Raises:
        EvidenceError: A line is not a sample as we write samples; the message gives its number.
    """
    if not path.exists():
        return
    units = Units() if units is None else units
    with _opened(path) as file:
        for number, line in enumerate(bounded_lines(file, path), start=1):
            try:
                yield _sample_of(line, payload, units)
            except (ValueError, LookupError, TypeError, AttributeError, OverflowError,
                    RecursionError) as error:  # fmt: skip
                raise _no_sample(path, number, error, _RUN_AGAIN) from error


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """Open a journal, which must be a regular file in its run's folder.

    Raises:
        EvidenceError: The journal is no such file, or it can't be read.
    """
    try:
        with open_regular(path, "a run's samples", within=path.parent) as file:
            yield file
    except (InputError, OSError) as error:
        saw = error.saw if isinstance(error, InputError) else f"{path} can't be read ({error})"
        raise EvidenceError(saw, "samples as they were written", _MOVE_AWAY) from error


def _sample_of(line: bytes, payload: Payload[Sample, Any], units: "Units") -> Sample:
    """Read one line strictly: nothing in it is converted, ignored or filled in.

    Raises:
        ValueError: The line is not a sample. Other exceptions that reading raises mean the same.
    """
    if not line.endswith(b"\n"):
        raise ValueError("cut off")
    require_bounded(line)
    row = _DECODER.decode(line.decode("utf-8"))
    unit, size = row.pop("unit"), row.pop("unit_size")
    sample = payload.sample(row)
    units.add(unit, size)
    if _line(unit, size, payload.row(sample)).encode("ascii") != line:
        # The line may be spaced otherwise, or keep its keys in another order; it is refused only if
        # it holds other values than the sample that was read from it.
        read = {"unit": unit, "unit_size": size} | payload.whole(sample)
        for path, why in differences(strict_json(line), read, payload.sample_keys.may_lack):
            raise ValueError(f"{path}: {why}")
    return sample


def _no_sample(path: Path, number: int, error: Exception, do: str) -> EvidenceError:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        why = str(error) if isinstance(error, ValueError) else type(error).__name__
    return EvidenceError(
        f"{path}, line {number}: not a sample ({why})",
        "lines as they were written",
        do,
    )


class Units:
    """Checks, line by line, that units are complete and occur only once.

    Attributes:
        current: Number of the unit that the last line belongs to.
        fault: The first thing that is wrong with the units; "" where nothing is.
    """

    def __init__(self) -> None:
        self.fault = ""
        self.current, self._left, self._size = -1, 0, 0
        self._seen: set[int] = set()

    @property
    def whole(self) -> bool:
        """Whether the last unit is complete."""
        return not self._left

    def add(self, unit: Json, size: Json) -> None:
        """Add a line to the current unit.

        Raises:
            ValueError: The line does not state its unit's number and size.
        """
        if type(unit) is not int or type(size) is not int or unit < 0 or size < 1:
            raise ValueError(f"unit {unit!r} of {size!r} lines")
        if not self._left:
            if unit in self._seen:
                self.fault = self.fault or f"unit {unit} stands twice"
            self._seen.add(unit)
            self.current, self._left, self._size = unit, size, size
        if unit != self.current or size != self._size:
            found = f"unit {unit} of {size} lines within unit {self.current}"
            self.fault = self.fault or found
        self._left -= 1
