"""Reads a GGUF file's header and finds out whether the file is whole, before anything is loaded."""

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

from weighbridge.errors import InputError


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says of itself.

    Attributes:
        architecture: Such as `llama`.
        quantization: The type that most weights are stored in, such as `Q4_1`.
        parameters: Number of weights.
    """

    architecture: str
    quantization: str
    parameters: int


def read_gguf_header(path: Path) -> GgufHeader:
    """Read the header and check that all tensors lie inside the file.

    Raises:
        InputError: Not a GGUF file, or cut short.
    """
    again = "download the file again and compare its size or digest with the publisher's"
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise InputError(f"{path} starts with {magic!r}", "a GGUF file, which starts with b'GGUF'")
    try:
        reader = gguf.GGUFReader(path)
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{path} has {size:,} bytes and ends inside its header or tensors ({error})",
            "a whole GGUF file",
            again,
        ) from error
    end = max((int(t.data_offset) + int(t.n_bytes) for t in reader.tensors), default=0)
    if end > size:
        raise InputError(f"{path} has {size:,} bytes", f"at least {end:,} bytes of tensors", again)
    weights: dict[str, int] = {}
    for tensor in reader.tensors:
        kind = tensor.tensor_type.name
        weights[kind] = weights.get(kind, 0) + int(np.prod(tensor.shape))
    field = reader.get_field("general.architecture")
    return GgufHeader(
        architecture=str(field.contents()) if field else "unknown",
        quantization=max(weights, key=lambda k: weights[k], default="unknown"),
        parameters=sum(weights.values()),
    )
