"""The index of a run store: one line of `runs list` for each run whose files are unchanged.

`.index.json` in the store's folder keeps, for each sealed run that was checked, its line of the
list and what the file system says of its three files: device, inode, size, and the times of change
(`mtime`, and `ctime`, which a program can't set back). A run of which any of this differs is read
and checked again as if there were no index.

The index is a cache and proves nothing. It can be deleted at any time, a damaged index counts as
absent, and a store that can't be written has none. Two processes may write it at once: each
replaces the whole file in one step, and runs that only the earlier writer had checked are checked
again.
"""

import json
import math
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError
from weighbridge.evidence.payload import RunSummary
from weighbridge.evidence.settling import settled
from weighbridge.sources.regular_files import read_regular
from weighbridge.storage import replace_file

CHECKS = 1
"""Raise it when a check is added: runs that passed only the earlier checks are checked again."""
INDEX = ".index.json"
INDEX_VERSION = 1
"""Raise it when a run's line is computed in another way, or stored in another form."""
FILES = ("run.json", "seal.json", "samples.jsonl")
SAVED_EACH = 1000
"""Runs that are checked between two writings, so that a kill costs no more than their checks."""
_LARGEST_BYTES = 1 << 30
_OF_A_FILE = 5

Stamp = list[int]
"""Device, inode, size and times of change of a run's files."""


class RunIndex:
    """What is known of a store's runs without opening them.

    Args:
        root: The store's folder.
        checks: Version of the checks that noted runs passed, see `CHECKS`; an index with another
            version counts as absent.
    """

    def __init__(self, root: Path, checks: int) -> None:
        self._path, self._root = root / INDEX, str(root)
        self._of = [INDEX_VERSION, checks]
        self._rows = self._read()
        self._added = 0
        self._changed = False

    def find(self, name: str) -> RunSummary | None:
        """Return a run's line if none of its files was changed since the run was checked."""
        row = self._rows.get(name)
        if row is None:
            return None
        try:
            found = _summary(name, row) if row[0] == self._current_stamp(name) else None
        except (LookupError, TypeError, ValueError):  # a row that was never written like this
            found = None
        if found is None:
            del self._rows[name]
            self._changed = True
        return found

    def stamp(self, name: str) -> Stamp | None:
        """Return what the file system says of a run's files now.

        Returns None where a file is missing or is not a regular file, and where one was changed so
        recently that a further change could get the same time: then nothing may be noted.
        """
        stamp = self._current_stamp(name)
        if stamp is None:
            return None
        times = [stamp[at + 3 : at + _OF_A_FILE] for at in range(0, len(stamp), _OF_A_FILE)]
        return stamp if settled(max(map(max, times))) else None

    def _current_stamp(self, name: str) -> Stamp | None:
        stamp: Stamp = []
        for file in FILES:
            try:
                found = os.lstat(f"{self._root}/{name}/{file}")
            except (OSError, ValueError):
                return None
            if not stat.S_ISREG(found.st_mode):
                return None
            stamp += (
                found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns,
            )  # fmt: skip
        return stamp

    def add(self, summary: RunSummary, stamp: Stamp) -> None:
        """Note a run that was checked.

        Args:
            summary: The run's line.
            stamp: The run's stamp *before* the run was read, so that a later change is noticed.
        """
        self._rows[summary.run_id] = [
            stamp, summary.model, summary.benchmark, summary.started, summary.done,
            summary.planned, summary.mean, summary.scale, summary.interval,
        ]  # fmt: skip
        self._changed = True
        self._added += 1
        if self._added % SAVED_EACH == 0:
            self._write()

    def save(self, names: set[str]) -> None:
        """Write the index if it changed, without the runs that are no longer there."""
        gone = self._rows.keys() - names
        for name in gone:
            del self._rows[name]
        if self._changed or gone:
            self._write()

    def _read(self) -> dict[str, list[Any]]:
        try:
            data = read_regular(self._path, _LARGEST_BYTES, within=self._path.parent)
            found = json.loads(data)
            rows = found["runs"] if found["of"] == self._of else {}
        except (OSError, ValueError, RecursionError, LookupError, TypeError, InputError):
            return {}
        return rows if isinstance(rows, dict) else {}

    def _write(self) -> None:
        data = json.dumps({"of": self._of, "runs": self._rows}, separators=(",", ":"))
        with suppress(OSError):
            replace_file(self._path, data.encode("utf-8", "surrogatepass"))
        self._changed = False


def _summary(name: str, row: list[Any]) -> RunSummary:
    """Read a row.

    Raises:
        ValueError: The row has another length, or values of other types, than was written.
        TypeError: The row, or one of its pairs, is no list.
    """
    _, model, benchmark, started, done, planned, mean, scale, interval = row
    for text in (model, benchmark, started):
        if type(text) is not str:
            raise ValueError("no text")
    for count in (done, planned):
        if type(count) is not int:
            raise ValueError("no count")
    return RunSummary(
        name, model, benchmark, started, done, planned,
        None if mean is None else _finite(mean), _pair(scale),
        None if interval is None else _pair(interval),
    )  # fmt: skip


def _pair(value: Any) -> tuple[float, float]:
    low, high = value
    return _finite(low), _finite(high)


def _finite(value: Any) -> float:
    if type(value) is not float or not math.isfinite(value):
        raise ValueError("no number")
    return value
