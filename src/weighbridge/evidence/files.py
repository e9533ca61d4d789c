"""Errors about the disk that evidence is written to, in words that say what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weighbridge.errors import StorageError
from weighbridge.storage import replace_file

_UNWRITABLE = (
    errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ELOOP,
)  # fmt: skip


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
    """Write a file in one step, with errors that say what to do."""
    with storage_errors(path):
        replace_file(path, data, mode)
