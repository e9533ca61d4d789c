"""Maps the tensors of a GGUF file to those of the same transformers model.

Each architecture has a table of names; what llama.cpp's converter rearranges (pairs of rotary
dimensions, experts, fused projections, norms that hold their weight plus one) is turned back. A
tensor of the file that no name takes is refused: the model would lack it. The tables serve both
directions: `weighbridge.tuning.gguf_export` writes by them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from weighbridge.errors import InputError
from weighbridge.sources.gguf_header import GgufHeader
from weighbridge.sources.gguf_rotary import TABLES
from weighbridge.sources.regular_files import open_regular

Array = np.ndarray[Any, Any]
Rearrange = Callable[[Array, Mapping[str, Any]], Array]
Join = Callable[..., Array]

_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_LAYER = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
_SHARED = {
    "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
    "ffn_gate_shexp": "mlp.shared_expert.gate_proj",
    "ffn_up_shexp": "mlp.shared_expert.up_proj",
    "ffn_down_shexp": "mlp.shared_expert.down_proj",
}
_SANDWICHED = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_EXPERT = re.compile(r"blk\.(\d+)\.ffn_(gate|up|down)\.(\d+)\.weight")


@dataclass(frozen=True)
class Turn:
    """How numbers stand otherwise in a GGUF file than in the model.

    Attributes:
        read: From the file's order to the model's.
        write: From the model's order to the file's.
        of_biases: Whether biases are rearranged, too.
    """

    read: Rearrange
    write: Rearrange
    of_biases: bool = True


@dataclass(frozen=True)
class Target:
    """A tensor of the transformers model.

    Attributes:
        name: Its name.
        sources: The file's tensors that it is made of.
        make: From their numbers to its own.
    """

    name: str
    sources: tuple[str, ...]
    make: Join


@dataclass(frozen=True)
class Layout:
    """Where an architecture's tensors go.

    Attributes:
        outer: Names outside the layers.
        layer: Names inside a layer.
        prefix: What stands before a layer's number.
        turns: How numbers are rearranged, by GGUF's name without number and suffix.
        experts: What the experts' tensors are called inside a layer; empty without experts.
    """

    outer: Mapping[str, str] = field(default_factory=lambda: _OUTER)
    layer: Mapping[str, str] = field(default_factory=lambda: _LAYER)
    prefix: str = "model.layers"
    turns: Mapping[str, Turn] = field(default_factory=dict)
    experts: str = ""

    def turn_of(self, key: str, suffix: str) -> Turn | None:
        """Return how a tensor is rearranged, by GGUF's name in a layer; None for not at all."""
        turn = self.turns.get(key)
        return None if turn and suffix == "bias" and not turn.of_biases else turn


def targets(header: GgufHeader, config: Mapping[str, Any], where: str) -> list[Target]:
    """Plan the model's tensors; every tensor of the file is used once.

    Args:
        header: The file's.
        config: The model's configuration, as `loadable_config` gives it.
        where: What to call the file in errors.

    Raises:
        InputError: A tensor of the file has no place.
    """
    layout = LAYOUTS[config["model_type"]]
    planned: list[Target] = []
    left = {name: None for name in header.tensors if name not in TABLES}
    for target in _experts(layout, config, left):
        planned.append(target)
        for name in target.sources:
            del left[name]
    unknown = []
    for name in left:
        found = _plain(layout, config, name)
        planned += found
        if not found:
            unknown.append(name)
    if unknown:
        raise InputError(
            f"{where} holds {unknown[0]} ({len(unknown)} such), which a {config['model_type']} "
            "model has no place for",
            "only tensors that are understood for this architecture",
            "without them this would be another model: use the model's safetensors",
        )
    return sorted(planned, key=lambda target: target.name)


def read_tensor(header: GgufHeader, name: str) -> Array:
    """Read one tensor as float32, slowest dimension first.

    Raises:
        InputError: It is stored in a way that can't be read.
    """
    from gguf import GGMLQuantizationType, quants

    place, kind, shape = header.places[name], header.types[name], header.tensors[name][::-1]
    with open_regular(place.path, "a GGUF file") as file:
        raw = np.memmap(file, dtype=np.uint8, mode="r", offset=place.start, shape=place.length)
    plain = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}.get(kind)
    if plain:
        numbers: Array = raw.view(plain).reshape(shape).astype(np.float32)
        return numbers
    try:
        if kind.startswith(("I", "type")) and not kind.startswith("IQ"):
            raise NotImplementedError(kind)  # integers are tables, not weights
        rows = raw.reshape(prod(shape[:-1]), -1)
        read: Array = quants.dequantize(rows, GGMLQuantizationType[kind])
    except (NotImplementedError, KeyError, ValueError) as error:
        raise InputError(
            f"{place.path}: {name} is stored as {kind}, which the installed gguf package "
            "can't turn into numbers",
            "a quantisation that it reads",
            "update gguf, or take a file in another quantisation",
        ) from error
    return read.reshape(shape).astype(np.float32, copy=False)


def _plain(layout: Layout, config: Mapping[str, Any], name: str) -> list[Target]:
    """Return what one tensor becomes; several where a fused projection is split."""
    stem, _, suffix = name.rpartition(".")
    if suffix not in ("weight", "bias"):
        return []
    layer = re.fullmatch(r"blk\.(\d+)\.(\w+)", stem)
    if layer is None:
        place, key = layout.outer.get(stem), stem
    else:
        key = layer[2]
        if key == "attn_qkv" and config["model_type"] == "phi":
            return _split_qkv(f"{layout.prefix}.{layer[1]}.self_attn.", name, suffix, config)
        inner = layout.layer.get(key)
        place = f"{layout.prefix}.{layer[1]}.{inner}" if inner else None
    if place is None:
        return []
    turn = layout.turn_of(key, suffix)
    target = place if key == "attn_sinks" else f"{place}.{suffix}"
    if turn is None:
        return [Target(target, (name,), lambda numbers: numbers)]
    return [Target(target, (name,), lambda numbers: turn.read(numbers, config))]


def _split_qkv(prefix: str, name: str, suffix: str, config: Mapping[str, Any]) -> list[Target]:
    """Split rows of queries, keys and values of equal numbers of heads."""

    def third(number: int) -> Join:
        return lambda numbers: np.array_split(numbers, 3)[number]

    return [
        Target(f"{prefix}{part}_proj.{suffix}", (name,), third(number))
        for number, part in enumerate("qkv")
    ]


def _experts(
    layout: Layout, config: Mapping[str, Any], names: Mapping[str, None]
) -> Iterator[Target]:
    """Join each layer's experts, stored by gate, up and down, fused, or (long ago) one by one."""
    if not layout.experts:
        return
    count = config.get("num_local_experts") or config.get("num_experts") or 0
    for layer in range(int(config["num_hidden_layers"])):
        blk, own = f"blk.{layer}.ffn_", f"{layout.prefix}.{layer}.{layout.experts}."
        if config["model_type"] == "gpt_oss":
            yield from _gpt_oss_experts(blk, own, names)
            continue
        gate, up, down = (f"{blk}{part}_exps.weight" for part in ("gate", "up", "down"))
        if gate in names and up in names:
            yield Target(f"{own}gate_up_proj", (gate, up), _side_by_side)
        elif f"{blk}gate_up_exps.weight" in names:
            yield Target(f"{own}gate_up_proj", (f"{blk}gate_up_exps.weight",), lambda a: a)
        elif f"{blk}gate.0.weight" in names:
            each = [f"{blk}{p}.{e}.weight" for p in ("gate", "up") for e in range(count)]
            if all(name in names for name in each):
                yield Target(f"{own}gate_up_proj", tuple(each), _each_side_by_side)
        if down in names:
            yield Target(f"{own}down_proj", (down,), lambda a: a)
        elif f"{blk}down.0.weight" in names:
            each = [f"{blk}down.{e}.weight" for e in range(count)]
            if all(name in names for name in each):
                yield Target(f"{own}down_proj", tuple(each), lambda *a: np.stack(a))


def _side_by_side(gate: Array, up: Array) -> Array:
    return np.concatenate([gate, up], axis=1)


def _each_side_by_side(*parts: Array) -> Array:
    half = len(parts) // 2
    return _side_by_side(np.stack(parts[:half]), np.stack(parts[half:]))


def _gpt_oss_experts(blk: str, own: str, names: Mapping[str, None]) -> Iterator[Target]:
    """gpt-oss stores transposed expert weights, with gate and up columns interleaved."""
    for suffix, end, across in (("weight", "", True), ("bias", "_bias", False)):
        gate, up, down = (f"{blk}{part}_exps.{suffix}" for part in ("gate", "up", "down"))
        if gate in names and up in names:
            yield Target(f"{own}gate_up_proj{end}", (gate, up), _alternating(across))
        if down in names:
            turn: Join = _across if across else lambda numbers: numbers
            yield Target(f"{own}down_proj{end}", (down,), turn)


def _across(numbers: Array) -> Array:
    return np.ascontiguousarray(numbers.swapaxes(1, 2))


def _alternating(across: bool) -> Join:
    def join(gate: Array, up: Array) -> Array:
        if across:
            gate, up = gate.swapaxes(1, 2), up.swapaxes(1, 2)
        return np.stack([gate, up], axis=-1).reshape(*gate.shape[:-1], -1)

    return join


def _halves(heads_field: str) -> Turn:
    """llama.cpp's order of rotary dimensions: a head's two halves stand as neighbouring pairs."""

    def swapped(numbers: Array, heads: int, *parts: int) -> Array:
        split = numbers.reshape(heads, *parts, *numbers.shape[1:])
        return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(numbers.shape)

    def read(numbers: Array, config: Mapping[str, Any]) -> Array:
        heads = int(config[heads_field])
        return swapped(numbers, heads, numbers.shape[0] // heads // 2, 2)

    def write(numbers: Array, config: Mapping[str, Any]) -> Array:
        heads = int(config[heads_field])
        return swapped(numbers, heads, 2, numbers.shape[0] // heads // 2)

    return Turn(read, write)


def _transposed(numbers: Array, config: Mapping[str, Any]) -> Array:
    return np.ascontiguousarray(numbers.T)


def _by_head(numbers: Array, config: Mapping[str, Any]) -> Array:
    """Undo the order of GPT-NeoX's fused projection: each head's query, key and value together."""
    heads = int(config["num_attention_heads"])
    parts = numbers.reshape(3, heads, -1, *numbers.shape[1:])
    return np.ascontiguousarray(parts.swapaxes(0, 1)).reshape(numbers.shape)


def _by_part(numbers: Array, config: Mapping[str, Any]) -> Array:
    heads = int(config["num_attention_heads"])
    parts = numbers.reshape(heads, 3, -1, *numbers.shape[1:])
    return np.ascontiguousarray(parts.swapaxes(0, 1)).reshape(numbers.shape)


_ONE_MORE = Turn(  # GGUF adds 1 to norm weights where the model adds it in its own code
    lambda numbers, config: numbers - np.float32(1),
    lambda numbers, config: numbers + np.float32(1),
    of_biases=False,
)
_TURNED = Turn(_transposed, _transposed, of_biases=False)
_ROW = Turn(lambda numbers, config: numbers.reshape(1, -1), lambda numbers, config: numbers[0])
_HALVES = {"attn_q": _halves("num_attention_heads"), "attn_k": _halves("num_key_value_heads")}
_LLAMA = Layout(turns=_HALVES)
_PLAIN = Layout()
_NORMS_PLUS_ONE = dict.fromkeys(
    ("attn_norm", "ffn_norm", "output_norm", "attn_q_norm", "attn_k_norm", "post_attention_norm",
     "post_ffw_norm"), _ONE_MORE,
)  # fmt: skip
_GEMMA2 = Layout(layer={**_LAYER, **_SANDWICHED}, turns=_NORMS_PLUS_ONE)
_MIXTURE = Layout(layer={**_LAYER, "ffn_gate_inp": "mlp.gate"}, experts="mlp.experts")
_GPT2_TURNS = dict.fromkeys(("attn_qkv", "attn_output", "ffn_up", "ffn_down"), _TURNED)

LAYOUTS: Mapping[str, Layout] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "smollm3": _LLAMA,
    "granite": _LLAMA,
    "olmo": _LLAMA,
    "mixtral": replace(_MIXTURE, turns=_HALVES),
    "granitemoe": Layout(
        layer={**_LAYER, "ffn_gate_inp": "block_sparse_moe.router"},
        turns=_HALVES,
        experts="block_sparse_moe.experts",
    ),
    "qwen2": _PLAIN,
    "qwen3": _PLAIN,
    "qwen2_moe": replace(
        _MIXTURE, layer={**_MIXTURE.layer, **_SHARED}, turns={"ffn_gate_inp_shexp": _ROW}
    ),
    "qwen3_moe": _MIXTURE,
    "olmoe": _MIXTURE,
    "gemma": Layout(turns=_NORMS_PLUS_ONE),
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA2,
    "olmo2": Layout(layer={**_LAYER, **_SANDWICHED}),
    "olmo3": Layout(layer={**_LAYER, **_SANDWICHED}),
    "phi3": Layout(
        layer={**_LAYER, "attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}
    ),
    "phi": Layout(
        outer={**_OUTER, "output_norm": "model.final_layernorm"},
        layer={
            **_LAYER, "attn_output": "self_attn.dense", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2",
            "attn_q_norm": "self_attn.q_layernorm", "attn_k_norm": "self_attn.k_layernorm",
        },
    ),
    "gpt_oss": Layout(
        layer={
            **_LAYER, "post_attention_norm": "post_attention_layernorm",
            "ffn_gate_inp": "mlp.router", "attn_sinks": "self_attn.sinks",
        },
        experts="mlp.experts",
    ),
    "gpt2": Layout(
        outer={
            "token_embd": "transformer.wte", "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f", "output": "lm_head",
        },
        layer={
            "attn_norm": "ln_1", "ffn_norm": "ln_2", "attn_qkv": "attn.c_attn",
            "attn_output": "attn.c_proj", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
        },
        prefix="transformer.h",
        turns=_GPT2_TURNS,
    ),
    "gpt_neox": Layout(
        outer={
            "token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm",
            "output": "lm_head",
        },
        layer={
            "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
            "attn_qkv": "attention.query_key_value", "attn_output": "attention.dense",
            "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h",
        },
        prefix="gpt_neox.layers",
        turns={"attn_qkv": Turn(_by_head, _by_part)},
    ),
    "starcoder2": Layout(layer={**_LAYER, "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}),
    "stablelm": _PLAIN,
    "nemotron": Layout(turns=_NORMS_PLUS_ONE),
    "cohere": _PLAIN,
    "cohere2": _PLAIN,
}  # fmt: skip
