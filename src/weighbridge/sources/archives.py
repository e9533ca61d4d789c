"""Zip archives from outside: opened once, with bounds on what is read from them.

The sizes that an archive states are checked before anything is unpacked, and the unpacked bytes are
counted, too, since the stated sizes may be false.
"""

import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weighbridge.errors import InputError, in_one_line
from weighbridge.sources.regular_files import (
    LINE_BYTES,
    UNPACKED_FREE_BYTES,
    UNPACKED_RATIO,
    open_regular,
)

MEMBER_BYTES = LINE_BYTES
"""Of one member: Inspect keeps a sample in each, which is a row elsewhere."""
MOST_MEMBERS = 1 << 20
_STRETCH = 1 << 20
_DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, ValueError,
    RuntimeError, NotImplementedError, LookupError, OverflowError,
)  # fmt: skip


class Archive:
    """An open archive.

    Attributes:
        names: Of its members.
    """

    def __init__(self, opened: zipfile.ZipFile, path: Path, packed_bytes: int) -> None:
        self._opened, self._path = opened, path
        self._left = max(UNPACKED_FREE_BYTES, packed_bytes * UNPACKED_RATIO)
        self.names = opened.namelist()
        if len(self.names) > MOST_MEMBERS:
            raise InputError(f"{path} has {len(self.names):,} members", f"at most {MOST_MEMBERS:,}")

    def read(self, name: str, password: bytes | None = None) -> bytes:
        """Return a member, unpacked.

        Raises:
            InputError: It is too large, or too much was unpacked for an archive of this size, or it
                is damaged.
            RuntimeError: The password is wrong or missing.
        """
        limit = min(MEMBER_BYTES, self._left)
        try:
            if self._opened.getinfo(name).file_size > limit:
                raise self._too_much(name)
            with self._opened.open(name, pwd=password) as member:
                data = member.read(limit + 1)
        except RuntimeError:
            raise
        except _DAMAGE as error:
            raise InputError(
                f"{self._path}: {name[:80]!r} can't be unpacked ({in_one_line(error)})",
                "a whole archive",
                "fetch it again",
            ) from error
        except Exception as error:  # of the package that unpacks Zstandard
            raise InputError(
                f"{self._path}: {name[:80]!r} can't be unpacked ({in_one_line(error)})",
                "a whole archive",
                "fetch it again",
            ) from error
        if len(data) > limit:
            raise self._too_much(name)
        self._left -= len(data)
        return data

    def unpack(self, folder: Path) -> None:
        """Write all members below a folder, which is new and empty.

        Raises:
            InputError: A member's name leads out of the folder or is there twice, a member is a
                link or encrypted, it all unpacks to too much, or the archive is damaged.
        """
        taken = set[str]()
        for member in self._opened.infolist():
            name = member.filename
            why = _no_place(member) or ("is there twice" if name.lower() in taken else "")
            if why:
                raise InputError(
                    f"{self._path}: {name[:80]!r} {why}", "an archive of plain files",
                    "do not unpack it by other means",
                )  # fmt: skip
            taken.add(name.lower())
            if member.is_dir():
                (folder / name).mkdir(parents=True, exist_ok=True)
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._opened.open(member) as packed, (folder / name).open("xb") as file:
                    while data := packed.read(_STRETCH):
                        self._left -= len(data)
                        if self._left < 0:
                            raise self._too_much(name)
                        file.write(data)
            except InputError:
                raise
            except _DAMAGE as error:
                raise InputError(
                    f"{self._path}: {name[:80]!r} can't be unpacked ({in_one_line(error)})",
                    "a whole archive",
                    "fetch it again",
                ) from error

    def _too_much(self, name: str) -> InputError:
        if self._left < MEMBER_BYTES:
            saw = f"{self._path} unpacks to more than {UNPACKED_RATIO} times its size"
        else:
            saw = f"{self._path}: {name[:80]!r} unpacks to more than {MEMBER_BYTES:,} bytes"
        return InputError(saw, "an archive of ordinary contents", "check that it is the right file")


def _no_place(member: zipfile.ZipInfo) -> str:
    """Say why a member can't be unpacked below a folder; "" where it can."""
    name, kind = member.filename, stat.S_IFMT(member.external_attr >> 16)
    parts = name.rstrip("/").split("/")
    if "\\" in name or ":" in name or "\0" in name or any(p in ("", ".", "..") for p in parts):
        return "leads out of the archive's folder"
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        return "is a link or a device"
    return "is encrypted" if member.flag_bits & 1 else ""


@contextmanager
def open_archive(path: Path, what: str, *, within: Path | None = None) -> Iterator[Archive]:
    """Open a zip, also one compressed with Zstandard, as Inspect does since 2026.

    Args:
        path: The file.
        what: What it was expected to be, for the message.
        within: The folder that it is a part of, out of which no link may lead.

    Raises:
        InputError: It isn't a complete zip file.
    """
    if sys.version_info < (3, 14):
        import zipfile_zstd  # noqa: F401 (teaches zipfile what Python 3.14 knows)
    try:
        file = open_regular(path, what, within=within)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})", what) from error
    with file:
        try:
            opened = zipfile.ZipFile(file)
        except _DAMAGE as error:
            raise InputError(f"{path} can't be read ({in_one_line(error)})", what) from error
        size = file.seek(0, 2)
        with opened:
            yield Archive(opened, path, size)


def is_archive(path: Path, what: str, *, within: Path | None = None) -> bool:
    """Whether a file begins like a zip; arguments are as in `open_archive`.

    Raises:
        InputError: It can't be read.
    """
    try:
        with open_regular(path, what, within=within) as file:
            return file.read(2) == b"PK"
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})", what) from error
