"""Whether a GGUF file stores a tied model's embedding a second time, as its head.

Converters do so where embedding and head are to be quantised differently (Qwen2.5-0.5B's files):
the model has the numbers once, the file has them twice.
"""

from math import prod

import numpy as np

from weighbridge.sources.gguf_header import GgufHeader
from weighbridge.sources.regular_files import open_regular

_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"
_ROWS = 16
_COPY_BELOW = 0.5  # of the embedding's norm: 2-bit rounding stays under .35, other weights give 1.4


def copied_head(header: GgufHeader) -> int:
    """Return how many numbers of the file are a copy of its embedding; 0 where the head is its own.

    A few rows of both are read and compared. Types of tensors that the package gguf can't read are
    taken for a head of its own.

    Args:
        header: The file's header.
    """
    shape = header.tensors.get(_HEAD)
    if shape is None or shape != header.tensors.get(_EMBEDDING) or len(shape) != 2:
        return 0
    rows = sorted({int(row) for row in np.linspace(0, shape[1] - 1, _ROWS)})
    try:
        embedding = np.stack([_row(header, _EMBEDDING, row) for row in rows])
        head = np.stack([_row(header, _HEAD, row) for row in rows])
    except (OSError, ValueError, KeyError, NotImplementedError):
        return 0
    norm = float(np.linalg.norm(embedding))
    if not np.isfinite(norm) or norm == 0:
        return 0
    apart = float(np.linalg.norm(embedding - head)) / norm
    return prod(shape) if apart < _COPY_BELOW else 0


def _row(header: GgufHeader, name: str, row: int) -> np.ndarray:
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
