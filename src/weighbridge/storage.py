"""Atomic writes: after a crash a file is complete or absent."""

import os
from contextlib import suppress
from pathlib import Path

PART = ".part"
"""Ending of files that are being written; one that a killed process left may be removed."""


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file in one step: a reader, or a crash, sees the old one or the new one.

    Raises:
        OSError: It can't be written; the old file stands, and nothing is left beside it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(mode)
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
