"""Unexpected errors: one line on the terminal, the traceback in a file beside the runs, exit 70.

Nothing here may fail: a folder that can't be written is passed over for the system's own for
temporary files, and where that can't be written either the traceback goes to stderr after all.
"""

import errno
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from weighbridge import __version__
from weighbridge.errors import (
    InternalError,
    StorageError,
    WeighbridgeError,
    in_one_line,
)

KEPT = "what was finished is kept"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# What the system says of a path; anything else is a library's own use of the same exception.
_OF_A_PATH = (
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.EISDIR,
    errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO,
    errno.EFBIG, errno.ENOTEMPTY, errno.EXDEV, errno.EBUSY, errno.ETXTBSY, errno.ENODEV,
)  # fmt: skip


def foreseen(error: BaseException) -> WeighbridgeError | None:
    """Return the error of a disk or of memory in our own words; None where it is another."""
    if isinstance(error, WeighbridgeError):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        words = in_one_line(error).partition(": ")[2]
        saw = "out of memory" + (f": {words}" if words else "")
        return StorageError(
            saw, "", f"close other programs, or lower --batch-size, --max-tokens or --limit; {KEPT}"
        )
    if isinstance(error, OSError) and error.errno in (*_FULL, *_OF_A_PATH):
        named = str(error.filename or "")
        named = named if len(named) <= 200 else f"{named[:100]} … {named[-100:]}"
        where = f" ({named})" if named else ""
        if error.errno in _FULL:
            return StorageError(f"the disk is full{where}", "", "free space and run again")
        return StorageError(f"{error.strerror}{where}", "", f"correct that and run again; {KEPT}")
    return None


def unforeseen(error: BaseException, words: Sequence[str]) -> InternalError:
    """Write the traceback down, and return the line that says where.

    Args:
        error: What nobody caught.
        words: The command line, which names the folder of runs.
    """
    found = InternalError(in_one_line(error))
    try:
        path = _write(_account(error, words), _folders(words), type(error).__name__)
    except OSError:
        from weighbridge.records.printable import printable

        sys.stderr.write(printable(_account(error, words)))
        found.do = f"unforeseen: the traceback is above, please report it; {KEPT}"
    else:
        found.path = path
        found.do = f"unforeseen: the traceback is in {path}, please report it; {KEPT}"
    return found


def _folders(words: Sequence[str]) -> list[Path]:
    """Beside the runs, else where the system keeps what is for now."""
    runs = os.environ.get("WEIGHBRIDGE_RUNS") or ".weighbridge/runs"
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--runs" and following:
            runs = following
        elif word.startswith("--runs="):
            runs = word.partition("=")[2]
    return [Path(runs).parent / "errors", Path(tempfile.gettempdir()) / "weighbridge-errors"]


def _write(text: str, folders: Sequence[Path], kind: str) -> Path:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}-{kind}.txt"
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            failed = error
        else:
            return folder / name
    raise failed


def _account(error: BaseException, words: Sequence[str]) -> str:
    head = (
        f"weighbridge {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"weighbridge {' '.join(words)}\n\n"
    )
    try:
        return head + "".join(traceback.format_exception(error))
    except Exception as again:  # an exception whose own text fails
        frames = "".join(traceback.format_tb(error.__traceback__))
        return f"{head}{frames}{type(error).__name__}, whose text fails: {type(again).__name__}\n"
