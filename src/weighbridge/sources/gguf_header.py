"""Reads what a GGUF file says before its weights, and finds out whether the file is whole.

Layout (github.com/ggml-org/ggml, docs/gguf.md): magic, version, counts; then key, type, value;
then each tensor's name, shape, type and offset. Long lists, such as a vocabulary, are passed over
and only counted, so that the header of a large model takes milliseconds. No tensor is read.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from weighbridge.errors import InputError

_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_LONGEST_LIST = 4096  # numbers of a list that is kept: one a layer, never a vocabulary
_MOST = 1 << 24  # no vocabulary and no list of tensors is longer
_MOST_DIMENSIONS = 8  # ggml has 4


@dataclass(frozen=True)
class GgufHeader:
    """What stands before the weights.

    Attributes:
        fields: Metadata by key; a list of strings, or a long one, is its length.
        tensors: Shapes by tensor name, in the file's order: the fastest dimension first.
        types: What each tensor is stored as, such as `Q4_1`, by its name.
    """

    fields: Mapping[str, Any]
    tensors: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(prod(shape) for shape in self.tensors.values())

    @property
    def quantization(self) -> str:
        """What most numbers are stored as."""
        numbers: dict[str, int] = {}
        for name, shape in self.tensors.items():
            numbers[self.types[name]] = numbers.get(self.types[name], 0) + prod(shape)
        return max(numbers, key=lambda kind: numbers[kind], default="unknown")


def read_gguf_header(path: Path) -> GgufHeader:
    """Read a GGUF file's metadata and list of tensors, and check that its tensors lie inside.

    Raises:
        InputError: Not a GGUF file, of an unknown version, cut short, or against the format.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            if magic != b"GGUF":
                raise InputError(
                    f"{path} starts with {magic!r}", "a GGUF file, which starts with b'GGUF'"
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data, path).read()
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})", "a readable file") from error


class _Reader:
    """Walks through a header; anything that points past the end means that the file is cut."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self.data, self.path, self.at = data, path, 4

    def read(self) -> GgufHeader:
        try:
            version, tensors, pairs = self._unpack("<IQQ")
            if version & 0xFFFF == 0:
                raise InputError(f"{self.path} is a big-endian GGUF file", "a little-endian one")
            if version not in (2, 3):
                raise InputError(f"{self.path} is GGUF version {version}", "version 2 or 3")
            fields = {self._string(): self._value(self._number("I")) for _ in self._times(pairs)}
            found: dict[str, Any] = {}
            for _ in self._times(tensors):
                name, tensor = self._tensor()
                if name in found:
                    raise InputError(f"{self.path} lists the tensor {name!r} twice", "it once")
                found[name] = tensor
        except (struct.error, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise self._cut("inside its header") from error
        self._check_end(fields, found)
        return GgufHeader(
            fields,
            {name: shape for name, (shape, _, _) in found.items()},
            {name: _type_name(kind) for name, (_, kind, _) in found.items()},
        )

    def _check_end(self, fields: dict[str, Any], found: dict[str, Any]) -> None:
        step = fields.get("general.alignment", 32)
        if not isinstance(step, int) or step < 1:
            raise InputError(f"{self.path}: general.alignment is {step!r}", "a number above 0")
        start = -(-self.at // step) * step
        ends = [start + offset + _bytes(shape, kind) for shape, kind, offset in found.values()]
        if ends and max(ends) > len(self.data):
            raise self._cut(f"before its tensors do, at {max(ends):,}")

    def _cut(self, where: str) -> InputError:
        return InputError(
            f"{self.path} has {len(self.data):,} bytes and ends {where}",
            "a whole GGUF file",
            "download the file again and compare its size or digest with the publisher's",
        )

    def _tensor(self) -> tuple[str, tuple[tuple[int, ...], int, int]]:
        name, dimensions = self._string(), self._number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise IndexError(dimensions)
        shape = tuple(self._number("Q") for _ in self._times(dimensions))
        return name, (shape, self._number("I"), self._number("Q"))

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._list()
        return self._number(_NUMBERS[kind])

    def _list(self) -> Any:
        kind, length = self._number("I"), self._number("Q")
        if kind in _NUMBERS and length <= _LONGEST_LIST:
            return list(self._unpack(f"<{length}{_NUMBERS[kind]}"))
        if kind in _NUMBERS:
            self._skip(length * struct.calcsize(_NUMBERS[kind]))
        elif kind == _STRING:
            self._skip_strings(length)
        elif kind == _ARRAY:
            for _ in self._times(length):
                self._list()
        else:
            raise KeyError(kind)
        return length

    def _skip_strings(self, count: int) -> None:
        """Pass over a vocabulary: the one loop of a header that is long."""
        length_at, data, at = struct.Struct("<Q").unpack_from, self.data, self.at
        for _ in self._times(count):
            at += 8 + length_at(data, at)[0]
        self.at = at
        self._skip(0)

    def _string(self) -> str:
        length = self._number("Q")
        start = self._skip(length)
        return self.data[start : start + length].decode("utf-8")

    def _number(self, code: str) -> Any:
        return self._unpack(f"<{code}")[0]

    def _unpack(self, layout: str) -> tuple[Any, ...]:
        found = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return found

    def _skip(self, length: int) -> int:
        start, self.at = self.at, self.at + length
        if self.at > len(self.data):
            raise IndexError(self.at)
        return start

    def _times(self, count: int) -> range:
        if count > _MOST:
            raise IndexError(count)
        return range(count)


def _bytes(shape: tuple[int, ...], kind: int) -> int:
    """A tensor's bytes; 0 for a type that is not known yet, whose end can't be told."""
    try:
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError):
        return 0
    return int(prod(shape) // block * size)


def _type_name(kind: int) -> str:
    try:
        return str(GGMLQuantizationType(kind).name)
    except ValueError:
        return f"type {kind}"
