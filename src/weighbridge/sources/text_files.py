"""Opens text files of any usual encoding and compression; the one reader for all inputs.

    bytes -> decompressed (gzip, bzip2, xz by their first bytes) -> decoded -> lines

Byte order marks are no part of the text. UTF-8 is what is expected; UTF-16 and UTF-32 are read
where a mark, or the zero bytes of the first two characters, show them (Excel's "Unicode text",
PowerShell's `>`). Any other encoding is refused by its first byte that is no UTF-8: guessing one
would turn letters into others.

A line ends at LF alone (CR LF keeps its CR). U+2028, U+2029, U+0085, vertical tabs and form feeds
stand inside JSON strings and cells. Only in a file without any LF, as old Macintosh programs write
it, lines end at CR.
"""

import bz2
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedReader, BytesIO, RawIOBase, StringIO
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.sources.regular_files import (
    DOCUMENT_BYTES,
    LINE_BYTES,
    UNPACKED_FREE_BYTES,
    UNPACKED_RATIO,
    open_regular,
    too_long,
)

COMPRESSED = (".gz", ".bz2", ".xz")
"""Endings of compressed files. The bytes decide how a file is opened, not its ending."""
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
_OTHERS = {
    b"\x28\xb5\x2f\xfd": ("Zstandard", "decompress it first: zstd -d {path}"),
    b"\x04\x22\x4d\x18": ("LZ4", "decompress it first: lz4 -d {path}"),
    b"PK\x03\x04": ("zip (.xlsx is one)", "unpack it, or save the sheet as CSV UTF-8"),
    b"PAR1": ("Parquet", "name it .parquet"),
    b"\xd0\xcf\x11\xe0": ("old Excel", "save the sheet as CSV UTF-8"),
    b"SQLite format 3": ("SQLite", "export its rows as JSONL or CSV"),
}
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_HEAD_BYTES, _PART_BYTES = 1 << 16, 1 << 20
_DAMAGE = (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)


def read_text(
    path: Path,
    what: str = "a text file",
    *,
    limit: int = DOCUMENT_BYTES,
    within: Path | None = None,
) -> str:
    """Return a whole file's text.

    Args:
        path: The file.
        what: What it was expected to be, for the message.
        limit: The most bytes that such a file may have, decompressed.
        within: The folder that it belongs to; links must not lead out of it.

    Raises:
        InputError: It can't be read; MalformedRow says at which line and column it isn't text.
    """
    return decoded(path, read_bytes(path, what, limit=limit, within=within))


def read_bytes(
    path: Path,
    what: str = "a file",
    *,
    limit: int = DOCUMENT_BYTES,
    within: Path | None = None,
) -> bytes:
    """Return a whole file's bytes, decompressed; arguments are as in `read_text`.

    Raises:
        InputError: It can't be read.
    """
    with _opened(path, what, within) as file:
        return _whole(path, file, what, limit)


def decoded(path: Path, data: bytes) -> str:
    """Return the text of a file's bytes.

    Raises:
        MalformedRow: They aren't text, at this line and column.
    """
    return "".join(_decoded_lines(path, data, *_encoding(data)))


def text_lines(
    path: Path, what: str = "a text file", *, within: Path | None = None
) -> Iterator[tuple[int, str]]:
    """Yield lines with their endings and 1-based numbers; UTF-8 is held a line at a time.

    Args:
        path: The file, of any size.
        what: What it was expected to be, for the message.
        within: The folder that it belongs to; links must not lead out of it.

    Raises:
        InputError: The file can't be read, or a line is longer than any row; MalformedRow says
            where it is no text.
    """
    with _opened(path, what, within) as file:
        head = file.peek(_HEAD_BYTES)
        mark, encoding = _encoding(head)
        if encoding == "utf-8" and (b"\n" in head or b"\r" not in head):
            file.read(len(mark))
            limit = LINE_BYTES  # as `bounded_lines`, without a generator between
            lines = iter(partial(file.readline, limit + 1), b"")
            for number, line in enumerate(lines, start=1):
                if len(line) > limit:
                    raise too_long(path, number)
                yield number, _text(path, number, line, encoding)
        else:
            whole = _whole(path, file, what, DOCUMENT_BYTES)
            texts = list(_decoded_lines(path, whole, mark, encoding))
            if len(texts) == 1 and not texts[0].endswith("\n"):
                texts = re.findall(r"[^\r]*\r|[^\r]+", texts[0])
            yield from enumerate(texts, start=1)


def _whole(path: Path, file: "BufferedReader[Any]", what: str, limit: int) -> bytes:
    parts, left = list[bytes](), limit
    while part := file.read(_PART_BYTES):
        parts.append(part)
        left -= len(part)
        if left < 0:
            expected, do = f"{what}, of at most that", "check that it is the file"
            raise InputError(f"{path} has more than {limit:,} bytes", expected, do)
    return b"".join(parts)


class _Unpacked(RawIOBase):
    """A decompressor's output, counted to stop decompression bombs.

    Args:
        inner: The decompressor.
        path: The file, for the message.
        packed_bytes: Its size.
    """

    def __init__(self, inner: Any, path: Path, packed_bytes: int) -> None:
        self._inner, self._path = inner, path
        self._left = max(UNPACKED_FREE_BYTES, packed_bytes * UNPACKED_RATIO)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(min(len(buffer), self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise InputError(
                f"{self._path} unpacks to more than {UNPACKED_RATIO} times its size",
                "a file of ordinary contents",
                "if it is one, unpack it yourself and name what comes out",
            )
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _opened(path: Path, what: str, within: Path | None = None) -> Iterator["BufferedReader[Any]"]:
    try:
        with open_regular(path, what, within=within, buffering=0) as raw:
            file = BufferedReader(raw, _HEAD_BYTES)
            first = file.peek(16)
            for magic, (form, do) in _OTHERS.items():
                if first.startswith(magic):
                    raise InputError(f"{path} is a {form} file", what, do.format(path=path))
            opener = next((o for magic, o in _OPENERS.items() if first.startswith(magic)), None)
            if opener is None:
                yield file
                return
            packed = os.fstat(raw.fileno()).st_size
            with opener(file, "rb") as unpacking:
                yield BufferedReader(_Unpacked(unpacking, path, packed), _HEAD_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"no file at {path}", what, "check the path") from error
    except _DAMAGE as error:
        raise InputError(
            f"{path} can't be decompressed ({error})", "a whole file", "fetch or write it again"
        ) from error
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"{path} can't be read ({why})", what, "check the path") from error


def _encoding(first: bytes) -> tuple[bytes, str]:
    """Return the byte order mark, which may be empty, and the encoding."""
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return mark, encoding
    match [byte != 0 for byte in first[:4]]:  # a table or an object begins with ASCII characters
        case [True, False, True, False]:
            return b"", "utf-16-le"
        case [False, True, False, True]:
            return b"", "utf-16-be"
    return b"", "utf-8"


def _decoded_lines(path: Path, data: bytes, mark: bytes, encoding: str) -> Iterator[str]:
    body = data[len(mark) :]
    if encoding == "utf-8":
        for number, line in enumerate(BytesIO(body), start=1):  # ends lines at LF alone
            yield _text(path, number, line, encoding)
    else:
        yield from StringIO(_text(path, 1, body, encoding), newline="\n")


def _text(path: Path, line: int, data: bytes, encoding: str) -> str:
    """Decode a text file from its first line on."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "replace")
        if encoding == "utf-8":
            saw = f"a byte that is not UTF-8 (0x{data[error.start]:02x})"
        else:
            saw = f"bytes that are not {encoding.upper()}"
        raise _no_text(path, line, before, saw) from error
    if "\0" in text:
        raise _no_text(path, line, text[: text.index("\0")], "a zero byte")
    return text


def _no_text(path: Path, line: int, before: str, saw: str) -> MalformedRow:
    """Return the error for bytes that can't be decoded, with the line where they stand."""
    return MalformedRow(
        path,
        line + before.count("\n"),
        saw,
        "UTF-8 text",
        column=len(before) - (before.rfind("\n") + 1) + 1,
        do="save it as UTF-8 (Excel: CSV UTF-8), or: iconv -f WINDOWS-1252 -t UTF-8",
    )
