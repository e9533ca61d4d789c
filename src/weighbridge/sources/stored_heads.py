"""Whether a model's files store a head beside the embedding, and whether it is a copy of it.

A tied model has these numbers once, and its files may have them twice. A loader takes the head that
is stored, so a count by config.json alone would leave out one that is not the embedding's copy.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from weighbridge.sources.gguf_header import GgufHeader
from weighbridge.sources.regular_files import open_regular
from weighbridge.sources.safetensors_files import StoredTensor

_ROWS = 16
_GGUF_EMBEDDING, _GGUF_HEAD = "token_embd.weight", "output.weight"
_COPY_BELOW = 0.5  # of the embedding's norm: 2-bit rounding stays under .35, other weights give 1.4
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


def copied_head(header: GgufHeader) -> int:
    """Return how many numbers of the file are a copy of its embedding; 0 where the head is its own.

    Converters store it twice where embedding and head are to be quantised differently
    (Qwen2.5-0.5B's files). A few rows of both are read and compared. Types of tensors that the
    package gguf can't read are taken for a head of its own.

    Args:
        header: The file's header.
    """
    shape = header.tensors.get(_GGUF_HEAD)
    if shape is None or shape != header.tensors.get(_GGUF_EMBEDDING) or len(shape) != 2:
        return 0
    rows = sorted({int(row) for row in np.linspace(0, shape[1] - 1, _ROWS)})
    try:
        embedding = np.stack([_gguf_row(header, _GGUF_EMBEDDING, row) for row in rows])
        head = np.stack([_gguf_row(header, _GGUF_HEAD, row) for row in rows])
    except (OSError, ValueError, KeyError, NotImplementedError):
        return 0
    norm = float(np.linalg.norm(embedding))
    if not np.isfinite(norm) or norm == 0:
        return 0
    apart = float(np.linalg.norm(embedding - head)) / norm
    return prod(shape) if apart < _COPY_BELOW else 0


def _gguf_row(header: GgufHeader, name: str, row: int) -> np.ndarray:
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    place, rows = header.places[name], header.tensors[name][1]
    size = place.length // rows
    with open_regular(place.path) as file:
        file.seek(place.start + row * size)
        data = np.frombuffer(file.read(size), dtype=np.uint8)
    kind = GGMLQuantizationType[header.types[name]]
    if kind in (GGMLQuantizationType.F32, GGMLQuantizationType.F16):
        data = data.view(np.float32 if kind == GGMLQuantizationType.F32 else np.float16)
    numbers: np.ndarray = dequantize(data[None], kind)[0].astype(np.float64)
    return numbers
