"""A model's configuration as GGUF metadata: names and rules of llama.cpp's converter.

The inverse of `weighbridge.sources.gguf_config`, which reads back what is written here: a field
that doesn't survive the way there and back is refused by `agreement`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gguf

from weighbridge.errors import InputError, UnknownName

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Written:
    """How the configuration of one model type is written.

    Attributes:
        architecture: GGUF's name for it.
        more: Methods of the writer and the fields that they are given, beside the sizes.
        wide: Whether a head's width is always stated.
        partial: Whether a part of each head is rotated.
        unrotated: Whether it has no rotary embeddings.
        all_heads: Whether each head has keys and values of its own, whatever the fields say.
        tied: Whether llama.cpp takes the embeddings for the head, whatever the file holds.
        finish: Sets what is left.
    """

    architecture: str
    more: Mapping[str, str] = field(default_factory=dict)
    wide: bool = False
    partial: bool = False
    unrotated: bool = False
    all_heads: bool = False
    tied: bool = False
    finish: Callable[[gguf.GGUFWriter, Fields], None] = lambda writer, config: None


def architecture_of(config: Fields) -> Written:
    """Return how a configuration is written.

    Raises:
        UnknownName: Its model type is none of those that our reader reads.
    """
    kind = str(config.get("model_type"))
    if kind not in ARCHITECTURES:
        do = "use its safetensors, or llama.cpp's own convert_hf_to_gguf.py where that knows it"
        raise UnknownName("model type for GGUF", kind, ARCHITECTURES, do)
    return ARCHITECTURES[kind]


def fields_of(config: Any) -> dict[str, Any]:
    """Return a transformers configuration's fields under all names that its class has for them."""
    own: dict[str, Any] = config.to_dict()
    aliases = getattr(type(config), "attribute_map", {})
    return {**{alias: own.get(name) for alias, name in aliases.items()}, **own}


def add_keys(writer: gguf.GGUFWriter, config: Fields, rows: int) -> None:
    """Write what a configuration says.

    Args:
        writer: Of the file.
        config: The configuration's fields, as `fields_of` gives them.
        rows: Of the embedding.

    Raises:
        InputError: Something in it can't be expressed.
    """
    found = architecture_of(config)
    if found.tied and not config.get("tie_word_embeddings"):
        raise InputError(
            f"a {config['model_type']} model whose head is not tied to its embeddings can't be "
            "expressed in GGUF: llama.cpp takes the embeddings for the head",
            "a tied head",
            "use the model's safetensors, or tune neither head nor embeddings",
        )
    hidden = int(_first(config, "hidden_size", "n_embd"))
    heads = int(_first(config, "num_attention_heads", "n_head"))
    width = int(config.get("head_dim") or hidden // heads)
    writer.add_context_length(int(_first(config, "max_position_embeddings", "n_positions")))
    writer.add_embedding_length(hidden)
    writer.add_block_count(int(_first(config, "num_hidden_layers", "n_layer")))
    writer.add_feed_forward_length(_inner(config, hidden))
    writer.add_head_count(heads)
    shared = None if found.all_heads else config.get("num_key_value_heads")
    writer.add_head_count_kv(int(shared or heads))
    writer.add_vocab_size(rows)
    if found.wide or width * heads != hidden:
        writer.add_key_length(width)
        writer.add_value_length(width)
    _add_epsilon(writer, config)
    if not found.unrotated:
        _add_rotary(writer, config, width, found.partial)
    for method, name in found.more.items():
        if (value := config.get(name)) is not None:
            getattr(writer, f"add_{method}")(value)
    found.finish(writer, config)


def _first(config: Fields, *names: str) -> Any:
    for name in names:
        if config.get(name) is not None:
            return config[name]
    raise InputError(f"its config.json has no {names[0]}", "every size of the model")


def _inner(config: Fields, hidden: int) -> int:
    if config["model_type"] == "gpt2":
        return int(config.get("n_inner") or 4 * hidden)
    return int(_first(config, "intermediate_size"))


def _add_epsilon(writer: gguf.GGUFWriter, config: Fields) -> None:
    if (epsilon := config.get("rms_norm_eps")) is not None:
        writer.add_layer_norm_rms_eps(epsilon)
        return
    names = ("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps")
    found = next((config[name] for name in names if config.get(name) is not None), 1e-5)
    writer.add_layer_norm_eps(found)


def _add_rotary(writer: gguf.GGUFWriter, config: Fields, width: int, partial: bool) -> None:
    rope = rotary_of(config)
    share = float(rope.get("partial_rotary_factor") or 1.0) if partial else 1.0
    writer.add_rope_dimension_count(int(width * share))
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    kind = rope.get("rope_type", "default")
    if kind not in _SCALINGS:
        raise InputError(
            f"rope_type {kind} of its rope_parameters can't be expressed in GGUF",
            f"one of: {', '.join(_SCALINGS)}",
            "use the model's safetensors",
        )
    _SCALINGS[kind](writer, rope, config)


def rotary_of(config: Fields) -> Mapping[str, Any]:
    """Return the rotary parameters, those of full attention where layers differ."""
    rope: Mapping[str, Any] = config.get("rope_parameters") or {}
    found: Mapping[str, Any] = rope.get("full_attention") or rope
    if found.get("rope_theta") is None:
        raise InputError(
            "its rope_parameters have no rope_theta", "the base of the rotary embeddings"
        )
    return found


def _linear(writer: gguf.GGUFWriter, rope: Mapping[str, Any], config: Fields) -> None:
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(float(rope["factor"]))


def _yarn(writer: gguf.GGUFWriter, rope: Mapping[str, Any], config: Fields) -> None:
    """GGUF's attention factor multiplies ggml's own 0.1 ln(factor) + 1."""
    if rope.get("mscale") or rope.get("mscale_all_dim"):
        raise InputError(
            "mscale of its rope_parameters can't be expressed in GGUF", "YaRN as ggml has it"
        )
    factor = float(rope["factor"])
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(factor)
    writer.add_rope_scaling_orig_ctx_len(int(_original(rope, config)))
    if (stretch := rope.get("attention_factor")) is not None:
        relative = float(stretch) / (0.1 * math.log(factor) + 1.0)
        if abs(relative - 1) > 1e-6:
            writer.add_rope_scaling_attn_factors(relative)
    for name in ("beta_fast", "beta_slow"):
        if rope.get(name) is not None:
            getattr(writer, f"add_rope_scaling_yarn_{name}")(float(rope[name]))


def _long(writer: gguf.GGUFWriter, rope: Mapping[str, Any], config: Fields) -> None:
    """LongRoPE: both lists of factors are tensors; here is only the factor of the attention."""
    original = _original(rope, config)
    writer.add_rope_scaling_orig_ctx_len(int(original))
    stretch = rope.get("attention_factor")
    if stretch is None:
        scale = float(rope.get("factor") or config["max_position_embeddings"] / original)
        stretch = math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0
    writer.add_rope_scaling_attn_factors(float(stretch))


def _original(rope: Mapping[str, Any], config: Fields) -> Any:
    name = "original_max_position_embeddings"
    found = rope.get(name) or config.get(name) or config.get("max_position_embeddings")
    if not found:
        raise InputError(f"its rope_parameters have no {name}", "the context before scaling")
    return found


_SCALINGS: Mapping[str, Callable[..., None]] = {
    "default": lambda writer, rope, config: None,
    "linear": _linear,
    "yarn": _yarn,
    "longrope": _long,
    "llama3": lambda writer, rope, config: None,  # a tensor of factors says it
}


def _mistral(writer: gguf.GGUFWriter, config: Fields) -> None:
    """llama.cpp reads Mistral as a Llama, and computes no window for it."""
    window, context = config.get("sliding_window"), int(config["max_position_embeddings"])
    if window and int(window) < context:
        raise InputError(
            f"sliding_window {window} of a {config['model_type']} model can't be expressed in GGUF",
            f"none, or one of at least its context of {context}",
            "use the model's safetensors: llama.cpp would see further back than the model does",
        )


def _mixtral(writer: gguf.GGUFWriter, config: Fields) -> None:
    _mistral(writer, config)
    writer.add_expert_count(config["num_local_experts"])


def _gemma3(writer: gguf.GGUFWriter, config: Fields) -> None:
    own = (config.get("rope_parameters") or {}).get("sliding_attention") or {}
    base = float(own.get("rope_theta") or 10_000.0)
    if base != 10_000.0:
        writer.add_rope_freq_base_swa(base)


_EXPERTS = {"expert_used_count": "num_experts_per_tok"}
_SMALL = {
    **_EXPERTS,
    "expert_count": "num_experts",
    "expert_feed_forward_length": "moe_intermediate_size",
}
_WINDOW = {"sliding_window": "sliding_window"}
_CAPS = {
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
}
_SCALES = {
    "attention_scale": "attention_multiplier",
    "logit_scale": "logits_scaling",
    "residual_scale": "residual_multiplier",
    "embedding_scale": "embedding_multiplier",
}
_PARALLEL = {"parallel_residual": "use_parallel_residual"}

ARCHITECTURES: Mapping[str, Written] = {
    "llama": Written("llama"),
    "mistral": Written("llama", finish=_mistral),
    "mixtral": Written("llama", _EXPERTS, finish=_mixtral),
    "qwen2": Written("qwen2"),
    "qwen2_moe": Written(
        "qwen2moe",
        {**_SMALL, "expert_shared_feed_forward_length": "shared_expert_intermediate_size"},
    ),
    "qwen3": Written("qwen3", wide=True),
    "qwen3_moe": Written("qwen3moe", _SMALL, wide=True),
    "gemma": Written("gemma", wide=True, tied=True),
    "gemma2": Written("gemma2", {**_WINDOW, **_CAPS}, wide=True, tied=True),
    "gemma3_text": Written("gemma3", {**_WINDOW, **_CAPS}, wide=True, finish=_gemma3),
    "phi": Written("phi2", partial=True),
    "phi3": Written("phi3", _WINDOW, partial=True),
    "olmo": Written("olmo", {"clamp_kqv": "clip_qkv"}),
    "olmo2": Written("olmo2"),
    "olmo3": Written("olmo2", _WINDOW),
    "olmoe": Written("olmoe", {**_EXPERTS, "expert_count": "num_experts"}),
    "gpt_oss": Written(
        "gpt-oss",
        {
            **_WINDOW,
            **_EXPERTS,
            "expert_count": "num_local_experts",
            "expert_feed_forward_length": "intermediate_size",
        },
        wide=True,
    ),
    "smollm3": Written("smollm3"),
    "gpt2": Written("gpt2", unrotated=True),
    "gpt_neox": Written("gptneox", _PARALLEL, partial=True, all_heads=True),
    "granite": Written("granite", _SCALES),
    "granitemoe": Written(
        "granitemoe", {**_SCALES, **_EXPERTS, "expert_count": "num_local_experts"}
    ),
    "starcoder2": Written("starcoder2"),
    "stablelm": Written("stablelm", _PARALLEL, partial=True),
    "nemotron": Written("nemotron", partial=True),
    "cohere": Written("command-r", {"logit_scale": "logit_scale"}, tied=True),
    "cohere2": Written("cohere2", {"logit_scale": "logit_scale", **_WINDOW}, tied=True),
}
"""By transformers' name of the model type."""
