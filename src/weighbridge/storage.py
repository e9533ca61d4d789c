"""Files and folders written whole, and locks: after a crash each is complete or absent."""

import errno
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from weighbridge.errors import InputError, StorageError

PART = ".part"
"""Ending of files that are being written; one that a killed process left may be removed."""
_PARTIAL = ".partial-"
_HELD = ".held"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about a disk into one line that says what to do.

    Args:
        path: What is used, where the system doesn't name a file.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in _FULL:
            raise StorageError(
                f"no room left to write {where}", "", "free space and run again: it goes on"
            ) from error
        raise StorageError(
            f"can't use {where}: {error.strerror or error}",
            "a folder that can be written",
            "name another folder; what is finished is kept",
        ) from error


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


def write_whole(path: Path, data: str | bytes, mode: int = 0o644) -> None:
    """Write a file in one step, with errors that say what to do; text is UTF-8.

    The folder must exist. It is not made: if someone removed it during a run, a new one would
    lack what the old one held.
    """
    with storage_errors(path):
        replace_file(path, data.encode() if isinstance(data, str) else data, mode)


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` whose file takes its name once the block ends without an error.

    For files that are too large to be held in memory. What killed processes left is removed.

    Args:
        path: The file.
        replace: Whether a file of that name may be replaced; it stands until then.

    Raises:
        InputError: A file of that name is there.
        StorageError: The disk is full or can't be written.
    """
    if not replace and (path.exists() or path.is_symlink()):
        raise InputError(f"{path} is there", "a new file", "--overwrite, or another name")
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_parts(path)
        try:
            yield part
            if part.exists():
                _sync(part)
                part.replace(path)
                sync_folder(path.parent)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _remove_parts(path: Path) -> None:
    """Remove half-written files of processes that are gone."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*{PART}"):
        process = part.name.removesuffix(PART).rpartition(".")[2]
        if process.isdigit() and not _is_alive(int(process)):
            part.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def append_line(path: Path, line: str) -> None:
    """Append one line and flush it."""
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes `path`'s name once the block ends without an error.

    An older folder of that name is replaced. A kill at any moment leaves the old one, none, or the
    new one whole.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{path.name}-", dir=path.parent))
        try:
            partial.chmod(0o755)
            yield partial
            for file in partial.rglob("*"):
                _sync(file)
            _sync(partial)
            if path.exists():
                shutil.rmtree(path)
            partial.rename(path)
            _sync(path.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes `path`'s name once the block ends without an error.

    An existing folder of that name is never replaced unless it is empty. Half-written folders of
    killed processes are removed; they are recognised by a lock that nobody holds any more.

    Raises:
        InputError: Something of that name appeared in the meantime.
        StorageError: The disk is full or can't be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{path.name}-", dir=path.parent))
        try:
            partial.chmod(0o755)
            with (partial / _HELD).open("w", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield partial
                for file in partial.rglob("*"):
                    _sync(file)
                _sync(partial)
                _take_name(partial, path)
            (path / _HELD).unlink(missing_ok=True)
            _sync(path.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def _take_name(partial: Path, path: Path) -> None:
    try:
        partial.rename(path)  # the system replaces an empty folder only
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise InputError(
            f"{path} appeared in the meantime",
            "a new folder: what exists is never deleted",
            "name another one; what is finished is not done again",
        ) from error


def _remove_abandoned(path: Path) -> None:
    for partial in path.parent.glob(f"{_PARTIAL}{glob.escape(path.name)}-*"):
        try:
            with _lock_file(partial / _HELD, os.O_RDWR) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(partial, ignore_errors=True)
        except OSError:
            continue  # it is being written, or it is not ours


@contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Lock `folder` for this process; the system releases it however the process ends.

    Raises:
        StorageError: Another process holds it.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock_file(folder / ".lock", os.O_WRONLY | os.O_CREAT)
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"another process works in {folder}", "one at a time", "wait for it, or stop it"
            ) from error
        yield


def _lock_file(path: Path, flags: int) -> BinaryIO:
    """Open a lock file; never waits for a pipe and follows no link."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    return os.fdopen(handle, "wb", buffering=0)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`. Only under `sole_owner`."""
    for leftover in (*folder.glob(f"{_PARTIAL}*"), *folder.glob(f".*{PART}")):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextmanager
def scratch_folder(purpose: str, within: Path) -> Iterator[Path]:
    """Yield a folder that is gone afterwards; one that a killed process left is removed first.

    Args:
        purpose: A word for its name; leftovers are looked for under it.
        within: Where it is made; is made itself.
    """
    within.mkdir(parents=True, exist_ok=True)
    prefix = f"{_PARTIAL}{purpose}-"
    for leftover in within.glob(f"{prefix}*"):
        owner = leftover.name.removeprefix(prefix).partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=within))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
