"""Writing so that a file is either whole or not there, and errors that say what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weighbridge.errors import StorageError

_UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about a disk into ones that say what to do."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(
                f"no room left to write {where}", "", "free space and run again: it goes on"
            ) from error
        if error.errno in _UNWRITABLE:
            raise StorageError(
                f"{where} can't be written ({error.strerror})",
                "a folder you may write to",
                "name another one with --runs",
            ) from error
        raise


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file in one step: a reader, or a crash, sees the old one or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with storage_errors(path):
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
