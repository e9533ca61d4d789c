"""Reads sealed runs and verifies each one before any of its figures is used.

The first time that a run is read, it is checked as `verify` checks it: every figure is recomputed
from the samples. `.checked.json` beside the run's files then records which files were checked: both
documents by their digests, which are computed at each reading, and the samples by what the file
system reports (device, inode, size, times of change). This record is a cache and proves nothing:
whoever can write it can also record that an altered file was checked, so `verify` never reads it.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from weighbridge.errors import EvidenceError, InputError
from weighbridge.evidence.document import Sealed, load
from weighbridge.evidence.index import CHECKS
from weighbridge.evidence.plain_json import strict_json
from weighbridge.evidence.settling import settled
from weighbridge.evidence.verification import UNREADABLE, checks_of
from weighbridge.records import Json, canonical_json
from weighbridge.sources.regular_files import read_regular
from weighbridge.storage import replace_file

CHECKED = ".checked.json"
_LARGEST_BYTES = 4096


def read_sealed(folder: Path) -> Sealed[Any]:
    """Read a sealed run's documents, of whatever kind, after its files were checked.

    Raises:
        InputError: The folder is no sealed run, or a newer version of the program wrote it.
        EvidenceError: A file differs from what was sealed; the message names the failed check.
    """
    sealed = load(folder)
    state = _state(sealed)
    if state is None or not _known(folder, state):
        check(sealed)
        _write(folder, state)
    return sealed


def check(sealed: Sealed[Any]) -> None:
    """Refuse a run that fails `verify`.

    Raises:
        EvidenceError: A check failed; the message names it.
    """
    for found in checks_of(sealed, with_reference=False):
        if not found.ok:
            # The message repeats no figure of an altered file; `verify` shows it beside the
            # right one.
            what = found.detail if found.name == UNREADABLE else found.name
            raise EvidenceError(
                f"{sealed.folder.name} is not as it was sealed ({what})",
                "files as they were sealed",
                f"see: weighbridge verify {sealed.folder.name}; put them back, or move the folder "
                "away and run again",
            )


def remember(sealed: Sealed[Any]) -> None:
    """Remember a run that this process has just sealed as verified."""
    _write(sealed.folder, _state(sealed))


def _state(sealed: Sealed[Any]) -> dict[str, Json] | None:
    """Return sizes, times and digests that change when a run is altered; None if unknown."""
    try:
        found = os.stat(sealed.samples)
    except OSError:
        return None
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    return {
        "checks": CHECKS,
        "folder": sealed.folder.resolve().name,
        "documents": sealed.digests,
        "samples": [str(n) for n in (found.st_dev, found.st_ino, found.st_size)],
        "changed": [str(found.st_mtime_ns), str(found.st_ctime_ns)],
        "settled": settled(changed),
    }


def _known(folder: Path, state: dict[str, Json]) -> bool:
    path = folder / CHECKED
    try:
        noted = strict_json(read_regular(path, _LARGEST_BYTES, within=folder))
    except (OSError, ValueError, RecursionError, InputError):
        return False
    # A state noted within the clock tick of a change may describe the file before that change.
    return isinstance(noted, dict) and noted == state | {"settled": True}


def _write(folder: Path, state: dict[str, Json] | None) -> None:
    if state is not None and state["settled"]:
        with suppress(OSError):  # a folder that can't be written is checked each time
            replace_file(folder / CHECKED, canonical_json(state))
