"""The one place that opens a file from outside: a regular file, without waiting, within bounds.

    name -> no pipe, device, socket or folder -> opened without waiting -> so many bytes of it

A person may name a link, and it is followed. A file *of a folder* that was handed over as a whole
(a run, a model, another harness's results) may not lead out of that folder: `within` says which.
In the Hub client's cache, files of a snapshot are links to blobs of the same repository; those are
inside.

What the system says of a path (it is not there, it may not be read) stays an `OSError`; what is no
file to be read, or is larger than its kind ever is, becomes an `InputError`.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError

SETTINGS_BYTES = 16 << 20
"""Of a configuration or a small record, a few kilobytes; an index of shards has a megabyte."""
DOCUMENT_BYTES = 512 << 20
"""Of a text that is held whole; HELM's and Inspect's largest documents have some hundred MB."""
LINE_BYTES = 64 << 20
"""Of one row; a million tokens of context, asked with four choices, take 20 MB."""
TOKENIZER_BYTES = 128 << 20
"""Of a tokenizer's file; the largest that are published have 35 MB."""
UNPACKED_FREE_BYTES, UNPACKED_RATIO = 64 << 20, 200
"""A compressed file may unpack to 64 MiB, or to 200 times its own size where that is more.
Logs that repeat a prompt in every row reach a ratio of 100; decompression bombs reach 1,000 (gzip),
7,000 (xz) or a million (bzip2)."""

_KINDS = {
    stat.S_IFIFO: ("a named pipe", "write what comes out of it to a file first"),
    stat.S_IFSOCK: ("a socket", "name a file"),
    stat.S_IFCHR: ("a device", "name a file"),
    stat.S_IFBLK: ("a device", "name a file"),
    stat.S_IFDIR: ("a folder", "name a file in it"),
}
_HUB_REPOSITORY = re.compile(r"(models|datasets|spaces)--.+")


def open_regular(
    path: Path, what: str = "a file", *, within: Path | None = None, buffering: int = -1
) -> BufferedReader:
    """Open a file for reading bytes, without ever waiting.

    Args:
        path: The file.
        what: What it was expected to be, for the message.
        within: The folder that it belongs to; links must not lead out of it.
        buffering: As of `open`; with 0 the file is returned unbuffered.

    Raises:
        InputError: It is no regular file, or leads out of its folder.
        OSError: The system's own.
    """
    require_regular(path, what, within=within)
    # Between that look and this opening another may have taken the name: opening never waits, and
    # what was opened is looked at again.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        _check_kind(path, found, what)
        if found.st_size > UNPACKED_FREE_BYTES and _is_hole(handle, found):
            raise InputError(
                f"{path} claims {found.st_size:,} bytes and stores hardly any", what,
                "check that it is the right file: it is sparse",
            )  # fmt: skip
        return os.fdopen(handle, "rb", buffering)  # type: ignore[return-value]
    except BaseException:
        os.close(handle)
        raise


def require_regular(
    path: Path, what: str = "a file", *, within: Path | None = None, limit: int | None = None
) -> None:
    """Check a file that a library will open itself; arguments are as in `open_regular`.

    Args:
        path: The file.
        what: What it was expected to be.
        within: The folder that it is a part of.
        limit: The most bytes that such a file has.

    Raises:
        InputError: It is no regular file, leads out of its folder, or is too large.
        OSError: The system's own.
    """
    found = os.stat(path)
    _check_kind(path, found, what)
    if within is not None:
        require_within(path, within)
    if limit is not None and found.st_size > limit:
        raise too_large(path, found.st_size, limit, what)


def require_within(path: Path, folder: Path) -> None:
    """Refuse a file of a folder that is a link to somewhere else.

    Raises:
        InputError: It is.
    """
    real, home = Path(os.path.realpath(path)), _home(Path(os.path.realpath(folder)))
    if not real.is_relative_to(home):
        raise InputError(
            f"{path} is a link that leads out of its folder, to {real}",
            "files of the folder itself",
            "put a copy of the file in its place, if it belongs there",
        )


def read_regular(
    path: Path, limit: int = SETTINGS_BYTES, what: str = "a file", *, within: Path | None = None
) -> bytes:
    """Return a whole file's bytes.

    Args:
        path: The file.
        limit: The most bytes that such a file may have.
        what: What it was expected to be.
        within: The folder that it is a part of.

    Raises:
        InputError: It is no regular file, leads out of its folder, or is larger.
        OSError: The system's own.
    """
    with open_regular(path, what, within=within) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise too_large(path, size, limit, what)
        data = file.read(size + 1)  # it may be growing
    if len(data) > limit:
        raise too_large(path, len(data), limit, what)
    return data


def bounded_lines(file: "BufferedReader[Any]", path: Path) -> Iterator[bytes]:
    """Yield lines with their endings, one at a time in memory.

    Raises:
        InputError: One is longer than any row.
    """
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            raise too_long(path, number)
        yield line


def too_long(path: Path, number: int) -> InputError:
    """Return the error for a line that is too long for a row."""
    return InputError(
        f"{path}, line {number} has more than {LINE_BYTES:,} bytes",
        "one row per line",
        "check what wrote the file",
    )


def too_large(path: Path, size: int, limit: int, what: str) -> InputError:
    """Return the error for a file that is too large for its kind."""
    return InputError(
        f"{path} has {size:,} bytes",
        f"{what}, of at most {limit:,}",
        "check that it is the right file",
    )


def _check_kind(path: Path, found: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind, do = _KINDS.get(stat.S_IFMT(found.st_mode), ("no regular file", "name a file"))
        raise InputError(f"{path} is {kind}", what, do)


def _is_hole(handle: int, found: os.stat_result) -> bool:
    """Whether a large file is mostly sparse: reading its holes would take as long as real data."""
    stored = found.st_blocks * 512
    if stored:
        return stored * UNPACKED_RATIO < found.st_size
    try:  # some file systems count no blocks at all
        os.lseek(handle, 0, os.SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO  # nothing but a hole from here to the end
    os.lseek(handle, 0, os.SEEK_SET)
    return False


def _home(folder: Path) -> Path:
    """Return the folder that links may point into: of a Hub snapshot, its whole repository."""
    for above in (folder, *folder.parents):
        if above.name == "snapshots" and _HUB_REPOSITORY.fullmatch(above.parent.name):
            return above.parent
    return folder
