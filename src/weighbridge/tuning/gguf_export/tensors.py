"""Which of a model's tensors becomes which of a GGUF file's, in whose order of numbers.

Names and rearrangements are those of the reader (`weighbridge.models.gguf_tensors`), taken the
other way. A tensor that no name takes is refused: the file would lack it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from weighbridge.errors import InputError
from weighbridge.models.gguf_tensors import LAYOUTS, Array, Layout
from weighbridge.sources.gguf_rotary import FREQUENCIES, LONG, SHORT
from weighbridge.tuning.gguf_export.keys import rotary_of

_MADE_BY_CODE = re.compile(r"\.attn\.(bias|masked_bias)$|\.attention\.(bias|masked_bias)$|inv_freq")


@dataclass(frozen=True)
class FileTensor:
    """A tensor of the file.

    Attributes:
        name: GGUF's.
        shape: Slowest dimension first.
        numbers: Makes its numbers, in float32.
        is_table: Whether it is no weight, but a table of factors.
    """

    name: str
    shape: tuple[int, ...]
    numbers: Callable[[], Array]
    is_table: bool = False


def file_tensors(module: Any, config: Mapping[str, Any]) -> list[FileTensor]:
    """Plan a file's tensors; nothing is copied yet.

    Args:
        module: The transformers model.
        config: Its configuration's fields.

    Raises:
        InputError: A tensor has no place in GGUF.
    """
    layout = LAYOUTS[config["model_type"]]
    found = [*_tables(config)]
    stored = module.state_dict()
    for name, tensor in stored.items():
        if is_made_by_code(module, stored, name):
            continue
        if layout.experts and f".{layout.experts}." in name:
            found += _experts(layout, config, name, tensor)
        else:
            found.append(_plain(layout, config, name, tensor))
    return found


def is_made_by_code(module: Any, stored: Mapping[str, torch.Tensor], name: str) -> bool:
    """Whether a tensor is another one under a second name, or a table that the code makes.

    Args:
        module: The model.
        stored: Its tensors.
        name: The tensor's.
    """
    if _MADE_BY_CODE.search(name):
        return True
    tied = getattr(module, "all_tied_weights_keys", None) or {}
    source = stored.get(tied[name]) if isinstance(tied, Mapping) and name in tied else None
    return source is not None and source.data_ptr() == stored[name].data_ptr()


def _plain(
    layout: Layout, config: Mapping[str, Any], name: str, tensor: torch.Tensor
) -> FileTensor:
    stem, _, suffix = name.rpartition(".")
    if name.endswith(".sinks"):
        stem, suffix = name, "weight"
    place, key = _place(layout, stem)
    if place is None or suffix not in ("weight", "bias"):
        raise InputError(
            f"{name} has no place in a GGUF file of a {config['model_type']} model",
            "only tensors that GGUF has names for",
            "use the model's safetensors: without it this would be another model",
        )
    turn = layout.turn_of(key, suffix)
    if turn is None:
        return FileTensor(f"{place}.{suffix}", tuple(tensor.shape), lambda: _array(tensor))
    shape = turn.write(np.broadcast_to(np.float32(0), tuple(tensor.shape)), config).shape
    return FileTensor(
        f"{place}.{suffix}", shape, lambda: np.ascontiguousarray(turn.write(_array(tensor), config))
    )


def _place(layout: Layout, stem: str) -> tuple[str | None, str]:
    """Return GGUF's name of a tensor, and its name inside a layer."""
    outer = {place: key for key, place in layout.outer.items()}
    if stem in outer:
        return outer[stem], outer[stem]
    found = re.fullmatch(rf"{re.escape(layout.prefix)}\.(\d+)\.(.+)", stem)
    if found is None:
        return None, ""
    # Where two of GGUF's names stand for one, the later is the one that the architecture has.
    inner = {place: key for key, place in layout.layer.items()}
    key = inner.get(found[2])
    return (f"blk.{found[1]}.{key}", key) if key else (None, "")


def _array(tensor: torch.Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().to("cpu", torch.float32).numpy())


def _experts(
    layout: Layout, config: Mapping[str, Any], name: str, tensor: torch.Tensor
) -> Iterator[FileTensor]:
    """Take a layer's experts apart into gate, up and down."""
    number = re.search(r"\.(\d+)\.", name)
    blk, last = f"blk.{number[1] if number else ''}.ffn_", name.rsplit(".", 1)[-1]
    suffix = "bias" if last.endswith("_bias") else "weight"
    across = config["model_type"] == "gpt_oss"
    if not last.startswith(("gate_up_proj", "down_proj")):
        raise InputError(f"{name} has no place in a GGUF file", "experts by gate, up and down")
    if last.startswith("down_proj"):
        yield _cut(f"{blk}down_exps.{suffix}", tensor, slice(None), across and suffix == "weight")
        return
    half = tensor.shape[1] // 2
    parts = (slice(0, half), slice(half, None))
    if across:  # transposed, and columns of gate and up in turn
        parts = (slice(0, None, 2), slice(1, None, 2))
    for part, rows in zip(("gate", "up"), parts, strict=True):
        yield _cut(f"{blk}{part}_exps.{suffix}", tensor, rows, across and suffix == "weight")


def _cut(name: str, tensor: torch.Tensor, rows: slice, across: bool) -> FileTensor:
    turned = tensor.transpose(1, 2) if across else tensor
    chosen = turned[:, rows]
    return FileTensor(name, tuple(chosen.shape), lambda: _array(chosen))


def _tables(config: Mapping[str, Any]) -> Iterator[FileTensor]:
    """Yield the factors that scale rotary frequencies one by one."""
    if config["model_type"] == "gpt2":
        return
    rope = rotary_of(config)
    if rope.get("rope_type") == "llama3":
        yield _table(FREQUENCIES, _llama3_factors(rope, config))
    if rope.get("rope_type") == "longrope":
        yield _table(LONG, rope["long_factor"])
        yield _table(SHORT, rope["short_factor"])


def _table(name: str, values: Any) -> FileTensor:
    numbers = np.asarray(values, dtype=np.float32)
    return FileTensor(name, numbers.shape, lambda: numbers, is_table=True)


def _llama3_factors(rope: Mapping[str, Any], config: Mapping[str, Any]) -> Array:
    """Return by what Llama 3.1 divides each frequency (Dubey et al. 2024, arXiv:2407.21783)."""
    hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    width = int(config.get("head_dim") or hidden // heads)
    waves = 2 * np.pi * float(rope["rope_theta"]) ** (np.arange(0, width, 2) / width)
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    context = float(rope["original_max_position_embeddings"])
    smooth = np.clip((context / waves - low) / (high - low), 0.0, 1.0)
    return np.asarray(1 / ((1 - smooth) / float(rope["factor"]) + smooth), dtype=np.float32)
