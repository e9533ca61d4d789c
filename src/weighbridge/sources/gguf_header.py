"""Reads the header of a GGUF file, and checks that the file is complete.

Layout (github.com/ggml-org/ggml, docs/gguf.md): magic, version, counts; then key, type, value;
then each tensor's name, shape, type and offset. Long lists, such as a vocabulary, are skipped
and only counted unless they are asked for, so that the header of a large model takes milliseconds.
No tensor is read.

A large model may be split over files named NAME-00001-of-0000N.gguf (gguf-split of llama.cpp): any
of them stands for all, the first holds the metadata, each its own tensors.
"""

import mmap
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from weighbridge.errors import InputError
from weighbridge.sources.regular_files import open_regular

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
_SHARD = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_MOST_SHARDS = 99_999


@dataclass(frozen=True)
class TensorLocation:
    """Where a tensor's bytes are.

    Attributes:
        path: The file.
        start: First byte.
        length: Bytes; 0 for an unknown type.
    """

    path: Path
    start: int
    length: int


@dataclass(frozen=True)
class GgufHeader:
    """The part of the file before the weights.

    Attributes:
        fields: Metadata by key; a list of strings, or a long one, is its length unless lists were
            asked for.
        tensors: Shapes by tensor name, in the file's order: the fastest dimension first.
        types: What each tensor is stored as, such as `Q4_1`, by its name.
        places: Each tensor's location, by its name.
        shards: The files, in order; one where the model is not split.
        tables: Tensors of factors that are at hand, of a file that is yet to be written.
    """

    fields: Mapping[str, Any]
    tensors: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]
    places: Mapping[str, TensorLocation]
    shards: tuple[Path, ...]
    tables: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Number of elements in all tensors."""
        return sum(prod(shape) for shape in self.tensors.values())

    @property
    def quantization(self) -> str:
        """The type that most elements are stored in."""
        numbers: dict[str, int] = {}
        for name, shape in self.tensors.items():
            numbers[self.types[name]] = numbers.get(self.types[name], 0) + prod(shape)
        return max(numbers, key=lambda kind: numbers[kind], default="unknown")


def read_gguf_header(path: Path, *, lists: bool = False) -> GgufHeader:
    """Read a GGUF model's metadata and list of tensors, and check that its tensors are inside.

    Args:
        path: The file, or any of the files that a model is split over.
        lists: Keep every list, such as the vocabulary, not only its length.

    Raises:
        InputError: Not a GGUF file, of an unknown version, cut short, or against the format; or
            a file of a split model is missing or belongs to another one.
    """
    first = first_shard(path)
    whole = _read_one(first, lists)
    count = whole.fields.get("split.count", 1)
    if count == 1:
        return whole
    paths = _shard_paths(first, count)
    # The file that a person named may be a link; the others are found by its name.
    shards = [whole, *(_read_one(shard, False, first.parent) for shard in paths[1:])]
    return _joined(shards, paths)


def first_shard(path: Path) -> Path:
    """Return the file with a model's metadata: the first one of a split model.

    Raises:
        InputError: It is not there.
    """
    named = _SHARD.fullmatch(path.name)
    if named is None or int(named["number"]) == 1 or not path.is_file():
        return path
    first = path.with_name(f"{named['name']}-00001-of-{named['count']}.gguf")
    if not first.is_file():
        raise _missing([first], int(named["count"]))
    return first


def _shard_paths(first: Path, count: Any) -> tuple[Path, ...]:
    if not isinstance(count, int) or not 1 <= count <= _MOST_SHARDS:
        raise InputError(f"{first}: split.count is {count!r}", "the number of files")
    named = _SHARD.fullmatch(first.name)
    if named is None or int(named["count"]) != count:
        raise InputError(
            f"{first} is one of {count} files of a split model (split.count)",
            f"the name that llama.cpp gave it, such as NAME-00001-of-{count:05}.gguf",
            "name the files as they were published, side by side, or join them with "
            "llama-gguf-split --merge",
        )
    paths = tuple(
        first.with_name(f"{named['name']}-{n:05}-of-{count:05}.gguf") for n in range(1, count + 1)
    )
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise _missing(missing, count)
    return paths


def _missing(paths: list[Path], count: int) -> InputError:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return InputError(
        f"{paths[0].name}{more} of {count} files is not in {paths[0].parent}",
        f"all {count} files of the split model side by side",
        "download what is missing: a part of the weights is not the model",
    )


def _joined(shards: list[GgufHeader], paths: tuple[Path, ...]) -> GgufHeader:
    """Join the tensors of a split model's files; the metadata are those of the first."""
    whole = shards[0]
    tensors: dict[str, tuple[int, ...]] = {}
    for number, (shard, path) in enumerate(zip(shards, paths, strict=True)):
        said = (shard.fields.get("split.no"), shard.fields.get("split.count"))
        if said != (number, len(paths)):
            raise InputError(
                f"{path}: split.no is {said[0]!r} and split.count {said[1]!r}",
                f"{number} and {len(paths)}, as its name says",
                "name the files as they were published",
            )
        twice = tensors.keys() & shard.tensors.keys()
        if twice:
            raise InputError(
                f"{path} lists {min(twice)}, which an earlier file of the model holds",
                "each tensor once",
                "take all files from one publisher",
            )
        tensors |= shard.tensors
    expected = whole.fields.get("split.tensors.count", len(tensors))
    if expected != len(tensors):
        raise InputError(
            f"the {len(paths)} files of {paths[0]} hold {len(tensors)} tensors",
            f"the {expected} that split.tensors.count says",
            "take all files from one publisher",
        )
    return GgufHeader(
        whole.fields,
        tensors,
        {name: kind for shard in shards for name, kind in shard.types.items()},
        {name: place for shard in shards for name, place in shard.places.items()},
        paths,
    )


def _read_one(path: Path, lists: bool, within: Path | None = None) -> GgufHeader:
    try:
        with open_regular(path, "a GGUF file", within=within) as file:
            magic = file.read(4)
            if magic != b"GGUF":
                raise InputError(
                    f"{path} starts with {magic!r}", "a GGUF file, which starts with b'GGUF'"
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Reader(data, path, lists).read()
    except (OSError, ValueError) as error:  # such as an empty file, which can't be mapped
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} can't be read ({why})", "a readable file") from error


class _Reader:
    """Reads a header field by field; a field that reaches past the end means a truncated file."""

    def __init__(self, data: mmap.mmap, path: Path, lists: bool) -> None:
        self.data, self.path, self.lists, self.at = data, path, lists, 4

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
                    raise InputError(
                        f"{self.path} lists the tensor {name!r} twice", "each tensor once"
                    )
                found[name] = tensor
        except (struct.error, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise self._cut("inside its header") from error
        start = self._start(fields, found)
        return GgufHeader(
            fields,
            {name: shape for name, (shape, _, _) in found.items()},
            {name: _type_name(kind) for name, (_, kind, _) in found.items()},
            {
                name: TensorLocation(self.path, start + offset, _bytes(shape, kind))
                for name, (shape, kind, offset) in found.items()
            },
            (self.path,),
        )

    def _start(self, fields: dict[str, Any], found: dict[str, Any]) -> int:
        """Check that all tensors lie inside the file, and return where they begin."""
        step = fields.get("general.alignment", 32)
        if not isinstance(step, int) or step < 1:
            raise InputError(f"{self.path}: general.alignment is {step!r}", "a number above 0")
        start = -(-self.at // step) * step
        ends = [start + offset + _bytes(shape, kind) for shape, kind, offset in found.values()]
        if ends and max(ends) > len(self.data):
            raise self._cut(f"before its tensors do, at {max(ends):,}")
        return start

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
        if self.lists and kind == _STRING:
            return [self._string() for _ in self._times(length)]
        if kind in _NUMBERS and (self.lists or length <= _LONGEST_LIST):
            return list(self._unpack(f"<{len(self._times(length))}{_NUMBERS[kind]}"))
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
        """Skip the strings of a list, such as a vocabulary: the only long loop of a header."""
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
    """Return a tensor's size in bytes; 0 for an unknown type."""
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
