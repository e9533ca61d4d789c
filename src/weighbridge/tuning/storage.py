"""Files and folders that are whole or absent, on a disk that may be full or read-only."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from weighbridge.errors import StorageError
from weighbridge.storage import PART, replace_file

_PARTIAL = ".partial-"


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


def write_whole(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode("utf-8"))


def append_line(path: Path, line: str) -> None:
    """Append one line and hand it to the system at once."""
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors; not atomic by itself, so only into a `whole_folder`."""
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with storage_errors(path):
        save_file(contiguous, path, metadata={"format": "pt"})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file into memory."""
    with storage_errors(path):
        return dict(load_file(path))


def sweep(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`. Only under `sole_owner`."""
    for leftover in (*folder.glob(f"{_PARTIAL}*"), *folder.glob(f".*{PART}")):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process alone; the system lets go of it however the process ends.

    Raises:
        StorageError: Another process holds it.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w", encoding="ascii")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"another process is tuning in {folder}", "one at a time", "wait for it, or stop it"
            ) from error
        yield


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's complaint about a file into one clear line."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StorageError(
            f"can't use {path}: {reason}",
            "a folder with room that can be written",
            "free some space or choose another folder; finished steps are kept",
        ) from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
