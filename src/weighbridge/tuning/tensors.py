"""Tensors in files, whole: what is written and read is safetensors, nothing else."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from weighbridge.errors import StorageError
from weighbridge.sources.regular_files import require_regular
from weighbridge.storage import storage_errors


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors; not atomic by itself, so only into a `whole_folder`."""
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with storage_errors(path):
        try:
            save_file(contiguous, path, metadata={"format": "pt"})
        except SafetensorError as error:
            raise _unusable(path, error) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file into memory."""
    with storage_errors(path):
        require_regular(path, "a safetensors file", within=path.parent)
        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise _unusable(path, error) from error


def _unusable(path: Path, error: SafetensorError) -> StorageError:
    return StorageError(
        f"can't use {path}: {error}",
        "a folder with room that can be written",
        "free some space or name another folder; what is finished is kept",
    )
