"""Lists the files and tensors in a folder of safetensors, from their headers.

A header is a length in eight bytes and JSON: each tensor's type, shape and place
(github.com/huggingface/safetensors, README). No tensor is read.
"""

import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError
from weighbridge.sources.documents import read_settings
from weighbridge.sources.json_bounds import require_bounded, whole_number
from weighbridge.sources.regular_files import open_regular

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_LARGEST_HEADER_BYTES = 100_000_000  # safetensors' own limit
_FLOATS = {"F64", "F32", "F16", "BF16"}
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_AGAIN = "fetch the model again"


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file.

    Attributes:
        file: The file's name.
        dtype: As safetensors calls it, such as `BF16`.
        shape: Its shape.
        start: Where its bytes begin in the file.
        end: Where they end.
    """

    file: str
    dtype: str
    shape: tuple[int, ...]
    start: int = 0
    end: int = 0

    @property
    def parameters(self) -> int:
        """Number of elements."""
        return prod(self.shape)


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """List the tensors in a model's folder, in the files that a loader would read.

    Args:
        folder: Holds `model.safetensors`, or an index with the shards that it names.

    Raises:
        InputError: A shard is missing or cut, a tensor is duplicate, or index and shards disagree.
    """
    whole, index = folder / WHOLE, folder / INDEX
    listed = _index(index) if index.is_file() else {}
    shards = sorted(set(listed.values()))
    if whole.is_file():
        _require_one_set(folder, shards)
        return read_header(whole)
    if not index.is_file():
        found = sorted(path.name for path in folder.glob("*.safetensors"))
        raise InputError(
            f"{folder} holds {', '.join(found[:3]) or 'no safetensors'}",
            f"{WHOLE}, or {INDEX} with the shards that it names",
            f"{_AGAIN}, with its index",
        )
    missing = [name for name in shards if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} lacks {', '.join(missing[:3])}, which {INDEX} names "
            f"({len(missing)} of {len(shards)} files)",
            "every shard",
            _AGAIN,
        )
    over = sorted(p.name for p in folder.glob("*.safetensors") if _SHARD.fullmatch(p.name))
    stray = [name for name in over if name not in shards]
    if stray:
        raise InputError(
            f"{folder} holds {stray[0]}, which {INDEX} does not name",
            "only the shards of one model",
            "remove what belongs to another model, or fetch the index again",
        )
    return _joined(folder, shards, listed)


_LONGEST_NAME_BYTES = 255  # of a file, on every usual file system


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Read a safetensors file's header and check that its tensors fill it.

    Raises:
        InputError: It isn't a safetensors file, or is cut short.
    """
    try:
        with open_regular(path, "a safetensors file", within=path.parent) as file:
            size = os.fstat(file.fileno()).st_size
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(_LARGEST_HEADER_BYTES, size - 8):
                raise ValueError(f"its header would take {length:,} of {size:,} bytes")
            data = file.read(length)
        require_bounded(data)
        header = json.loads(data, object_pairs_hook=_once, parse_int=whole_number)
        header.pop("__metadata__", None)
        found = {
            name: StoredTensor(
                path.name,
                str(entry["dtype"]),
                tuple(map(int, entry["shape"])),
                8 + length + int(entry["data_offsets"][0]),
                8 + length + int(entry["data_offsets"][1]),
            )
            for name, entry in header.items()
        }
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
    except (OSError, struct.error, ValueError, LookupError, TypeError, AttributeError,
            RecursionError, OverflowError) as error:  # fmt: skip
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path} can't be loaded ({why})", "a safetensors file", _AGAIN) from error
    if 8 + length + end != size:
        raise InputError(
            f"{path} can't be loaded (it has {size:,} bytes, its header describes "
            f"{8 + length + end:,})",
            "a whole safetensors file",
            _AGAIN,
        )
    return found


def require_plain_numbers(tensors: Mapping[str, StoredTensor], folder: Path) -> None:
    """Check that weights are stored as floating point numbers, unless config.json says how else.

    Packed weights without their `quantization_config` would be read as if their integers were the
    weights, and their scales would be ignored.

    Raises:
        InputError: A tensor is stored in another way and config.json does not say so.
    """
    config = read_settings(folder / "config.json", "a model's config.json", within=folder)
    if config.get("quantization_config") or config.get("compression_config"):
        return
    for name, tensor in tensors.items():
        if tensor.dtype not in _FLOATS and name.rsplit(".", 1)[-1] in ("weight", "bias"):
            mask = re.search(r"(^|\.)attn(ention)?\.bias$", name)  # GPT-2's, a table
            if mask is None:
                raise InputError(
                    f"{folder.name}/{tensor.file} stores {name} as {tensor.dtype}, and its "
                    "config.json has no quantization_config",
                    "floating point numbers, or the quantization_config that tells what they mean",
                    "take the config.json that belongs to these weights, or the unquantised model",
                )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its header lists a tensor twice")
    return found


def _index(path: Path) -> dict[str, str]:
    try:
        listed = read_settings(path, "an index of shards", within=path.parent)["weight_map"]
        if not all(isinstance(n, str) and isinstance(f, str) for n, f in listed.items()):
            raise ValueError("weight_map holds other things than names")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no index of shards ({type(error).__name__}: {error})",
            "JSON with a weight_map from tensors to files",
            _AGAIN,
        ) from error
    outside = [
        file
        for file in listed.values()
        if os.path.basename(file) != file
        or len(file.encode(errors="replace")) > _LONGEST_NAME_BYTES
    ]
    if outside:
        raise InputError(
            f"{path} points to {outside[0]}", "files beside it", "take the publisher's own index"
        )
    return dict(listed)


def _require_one_set(folder: Path, shards: list[str]) -> None:
    both = [name for name in shards if name != WHOLE and (folder / name).is_file()]
    if both:
        raise InputError(
            f"{folder} holds {WHOLE} and, by {INDEX}, {both[0]}",
            "the weights once",
            "remove those that are out of date",
        )


def _joined(folder: Path, shards: list[str], listed: Mapping[str, str]) -> dict[str, StoredTensor]:
    found: dict[str, StoredTensor] = {}
    for shard in shards:
        for name, tensor in read_header(folder / shard).items():
            if name in found:
                raise InputError(
                    f"{folder}: {name} stands in {found[name].file} and in {shard}",
                    "each tensor once",
                    _AGAIN,
                )
            if listed.get(name) != shard:
                said = f"in {listed[name]}" if name in listed else "nowhere"
                raise InputError(
                    f"{folder}: {shard} holds {name}, which stands {said} by {INDEX}",
                    "an index and shards that agree",
                    f"{_AGAIN}, with its index",
                )
            found[name] = tensor
    lost = sorted(listed.keys() - found.keys())
    if lost:
        raise InputError(
            f"{folder}: {lost[0]} is not in {listed[lost[0]]}, where {INDEX} has it "
            f"({len(lost)} such)",
            "an index and shards that agree",
            f"{_AGAIN}, with its index",
        )
    return found
