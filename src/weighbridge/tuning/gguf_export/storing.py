"""What type each tensor of a GGUF file is stored in, as llama.cpp's converter chooses it.

Vectors, norms, biases, routers and position tables stay float32: they are small, and llama.cpp
expects it. A matrix whose rows are no whole number of blocks stays float16 in a file of 8 bits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

from weighbridge.errors import InputError, UnknownName
from weighbridge.models.gguf_tensors import Array
from weighbridge.tuning.gguf_export.tensors import FileTensor

_ALWAYS_FLOAT32 = ("_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", ".bias")
_BLOCK = 32
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class FileType:
    """A type that a whole file is said to be of.

    Attributes:
        name: At the command line.
        stores: What matrices are stored in by us; None where llama.cpp's quantiser makes it.
        number: llama.cpp's number of it, for `general.file_type`.
    """

    name: str
    stores: Kind | None
    number: int


FILE_TYPES: Mapping[str, FileType] = {
    "f16": FileType("f16", Kind.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": FileType("q8_0", Kind.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_k_m": FileType("q4_k_m", None, gguf.LlamaFileType.MOSTLY_Q4_K_M),
}


def find_file_type(name: str) -> FileType:
    """Return a type by its name, in letters of either case.

    Raises:
        UnknownName: There is no such type here.
    """
    if name.lower() not in FILE_TYPES:
        raise UnknownName("GGUF type", name, FILE_TYPES)
    return FILE_TYPES[name.lower()]


def kind_of(tensor: FileTensor, wanted: Kind) -> Kind:
    """Return what a tensor is stored in."""
    if tensor.is_table or len(tensor.shape) < 2 or tensor.name.endswith(_ALWAYS_FLOAT32):
        return Kind.F32
    if wanted == Kind.Q8_0 and tensor.shape[-1] % _BLOCK:
        return Kind.F16
    return wanted


def stored_bytes(tensor: FileTensor, kind: Kind) -> int:
    """Return how many bytes it takes."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    return math.prod(tensor.shape) // int(block) * int(size)


def stored(tensor: FileTensor, kind: Kind) -> "np.ndarray[Any, Any]":
    """Return a tensor's numbers as they stand in the file.

    Raises:
        InputError: They don't fit the type.
    """
    numbers = tensor.numbers()
    if kind == Kind.F32:
        return numbers
    largest = float(np.abs(numbers).max(initial=0.0))
    if not largest <= _LARGEST * (1 if kind == Kind.F16 else 127):  # Q8_0 scales blocks in float16
        raise InputError(
            f"{tensor.name} holds {largest:.3g}, beyond what {kind.name} can store",
            "weights of at most 65504",
            "use the model's safetensors",
        )
    if kind == Kind.F16:
        return numbers.astype(np.float16)
    made: np.ndarray[Any, Any] = gguf.quants.quantize(numbers, kind)
    return made


def as_stored(numbers: "np.ndarray[Any, Any]", kind: Kind) -> Array:
    """Return what a reader must get for numbers that `stored` returned."""
    if kind in (Kind.F32, Kind.F16):
        return numbers.astype(np.float32)
    read: Array = gguf.quants.dequantize(numbers, kind)
    return read
