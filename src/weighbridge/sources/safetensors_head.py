"""Whether a folder of safetensors stores a head beside the embeddings, and whether it is a copy.

A config.json may tie the two although the files hold both. A loader then takes the head that is
stored, so a count by config.json alone would leave it out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from weighbridge.sources.regular_files import open_regular
from weighbridge.sources.safetensors_files import StoredTensor

_ROWS = 16
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")
_HEADS = ("lm_head.weight", "embed_out.weight")


def stored_head(
    folder: Path, tensors: Mapping[str, StoredTensor]
) -> tuple[Literal["none", "copy", "own"], int]:
    """Tell what head the files hold: none, a copy of the embeddings, or one of its own.

    Args:
        folder: Where the files are.
        tensors: What they hold; see `stored_tensors`.

    Returns:
        The kind, and how many numbers the head has.
    """
    head, embedding = _of(tensors, _HEADS), _of(tensors, _EMBEDDINGS)
    if head is None or embedding is None:
        return "none", 0
    alike = head.shape == embedding.shape and head.dtype == embedding.dtype
    same = alike and _rows(folder, head) == _rows(folder, embedding)
    return ("copy" if same else "own"), head.parameters


def _of(tensors: Mapping[str, StoredTensor], names: tuple[str, ...]) -> StoredTensor | None:
    found = [t for name, t in tensors.items() if name.endswith(names) and len(t.shape) == 2]
    return found[0] if len(found) == 1 else None


def _rows(folder: Path, tensor: StoredTensor) -> list[bytes]:
    """Read a few rows, from all over the tensor."""
    count = tensor.shape[0]
    size = max(0, tensor.end - tensor.start) // max(1, count)
    found = []
    with open_regular(folder / tensor.file, "a safetensors file", within=folder) as file:
        for row in sorted({int(r) for r in np.linspace(0, count - 1, _ROWS)} if count else ()):
            file.seek(tensor.start + row * size)
            found.append(file.read(size))
    return found
