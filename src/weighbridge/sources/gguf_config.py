"""From a GGUF header to the fields that the same model's `config.json` has.

GGUF names architectures and fields in its own way and leaves out what the tensors show: whether the
head is tied, whether projections have biases, how large the vocabulary is. Names are those of
llama.cpp's writer (github.com/ggml-org/llama.cpp, gguf-py/gguf/constants.py).
"""

from collections.abc import Callable, Mapping
from typing import Any

from weighbridge.errors import InputError, UnknownName
from weighbridge.sources.gguf_header import GgufHeader

Config = dict[str, Any]

_COMMON = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "max_position_embeddings": "context_length",
}
_WITH_WIDTH = {"head_dim": "attention.key_length"}
_WINDOW = {"sliding_window": "attention.sliding_window"}
_EXPERTS = {"num_experts_per_tok": "expert_used_count"}
_SMALL_EXPERTS = {**_EXPERTS, "moe_intermediate_size": "expert_feed_forward_length"}
_DEEPSEEK = {
    **_SMALL_EXPERTS,
    "n_routed_experts": "expert_count",
    "n_shared_experts": "expert_shared_count",
    "first_k_dense_replace": "leading_dense_block_count",
    "q_lora_rank": "attention.q_lora_rank",
    "kv_lora_rank": "attention.kv_lora_rank",
    "qk_rope_head_dim": "rope.dimension_count",
}

# From GGUF's architecture to `model_type` and its own fields, beside the common ones.
_ARCHITECTURES: dict[str, tuple[str, Mapping[str, str]]] = {
    "llama": ("llama", _WITH_WIDTH),
    "llama4": (
        "llama4_text",
        {
            **_WITH_WIDTH,
            **_EXPERTS,
            "num_local_experts": "expert_count",
            "interleave_moe_layer_step": "interleave_moe_layer_step",
        },
    ),
    "qwen2": ("qwen2", {}),
    "qwen2moe": (
        "qwen2_moe",
        {
            **_SMALL_EXPERTS,
            "num_experts": "expert_count",
            "shared_expert_intermediate_size": "expert_shared_feed_forward_length",
        },
    ),
    "qwen3": ("qwen3", _WITH_WIDTH),
    "qwen3moe": ("qwen3_moe", {**_WITH_WIDTH, **_SMALL_EXPERTS, "num_experts": "expert_count"}),
    "gemma": ("gemma", _WITH_WIDTH),
    "gemma2": ("gemma2", {**_WITH_WIDTH, **_WINDOW}),
    "gemma3": ("gemma3_text", {**_WITH_WIDTH, **_WINDOW}),
    "phi2": ("phi", {}),
    "phi3": ("phi3", _WINDOW),
    "phimoe": ("phimoe", {**_EXPERTS, **_WINDOW, "num_local_experts": "expert_count"}),
    "olmo": ("olmo", {}),
    "olmo2": ("olmo2", {}),
    "olmoe": ("olmoe", {**_EXPERTS, "num_experts": "expert_count"}),
    "deepseek2": ("deepseek_v2", _DEEPSEEK),
    "gpt-oss": (
        "gpt_oss",
        {**_WITH_WIDTH, **_WINDOW, **_EXPERTS, "num_local_experts": "expert_count"},
    ),
    "smollm3": ("smollm3", _WITH_WIDTH),
    "gpt2": ("gpt2", {}),
    "gptneox": ("gpt_neox", {}),
}


def config_of_gguf(header: GgufHeader, where: str) -> Config:
    """Return a GGUF file's configuration under the names of `config.json`.

    Args:
        header: What it says before its weights.
        where: What to call the file in errors.

    Raises:
        InputError: The header names no architecture, or has no embedding.
        UnknownName: No such architecture is known here.
    """
    name = header.fields.get("general.architecture")
    if not isinstance(name, str):
        raise InputError(f"{where} names no architecture", "general.architecture in its header")
    if name not in _ARCHITECTURES:
        do = "nothing is guessed: name the model's config.json instead"
        raise UnknownName("GGUF architecture", name, _ARCHITECTURES, do)
    model_type, own = _ARCHITECTURES[name]
    config: Config = {"model_type": model_type}
    for field, key in {**_COMMON, **own}.items():
        value = header.fields.get(f"{name}.{key}")
        if value is not None:
            config[field] = _same_everywhere(value, f"{where}, {name}.{key}")
    config |= _from_tensors(header.tensors, where)
    finish = _FINISH.get(name)
    if finish is not None:
        finish(config, header, name)
    return config


def _same_everywhere(value: Any, where: str) -> Any:
    """One value where the header has a list with one a layer."""
    if not isinstance(value, list):
        return value
    if len(set(value)) != 1:
        shown = ", ".join(map(str, sorted(set(value))[:6]))
        raise InputError(
            f"{where} differs between layers ({shown})",
            "one value for all layers",
            "such models are not taken apart yet",
        )
    return value[0]


def _from_tensors(tensors: Mapping[str, tuple[int, ...]], where: str) -> Config:
    embedding = tensors.get("token_embd.weight")
    if embedding is None or len(embedding) != 2:
        raise InputError(f"{where} has no token_embd.weight", "a whole language model")
    bias = "blk.0.attn_output.bias" in tensors
    return {
        "vocab_size": embedding[1],
        "tie_word_embeddings": "output.weight" not in tensors,
        "attention_bias": bias,
        "mlp_bias": "blk.0.ffn_up.bias" in tensors,
    }


def _llama(config: Config, header: GgufHeader, name: str) -> None:
    """Mixtral is written as llama with experts; a llama's biases may stand at queries alone."""
    experts = header.fields.get(f"{name}.expert_count")
    if experts:
        config |= {
            "model_type": "mixtral",
            "num_local_experts": experts,
            "num_experts_per_tok": header.fields.get(f"{name}.expert_used_count"),
        }
        config.pop("head_dim", None)


def _llama4(config: Config, header: GgufHeader, name: str) -> None:
    """GGUF calls the dense blocks' width feed_forward_length and the experts' their own."""
    config["intermediate_size_mlp"] = config.get("intermediate_size")
    config["intermediate_size"] = header.fields.get(f"{name}.expert_feed_forward_length")


def _deepseek2(config: Config, header: GgufHeader, name: str) -> None:
    """Head widths are of expanded keys and values; newer files add those to the absorbed ones."""
    fields = header.fields
    key = fields.get(f"{name}.attention.key_length_mla", fields.get(f"{name}.attention.key_length"))
    value = fields.get(
        f"{name}.attention.value_length_mla", fields.get(f"{name}.attention.value_length")
    )
    rotary = config.get("qk_rope_head_dim")
    if isinstance(key, int) and isinstance(rotary, int):
        config["qk_nope_head_dim"] = key - rotary
    config["v_head_dim"] = value
    config.setdefault("q_lora_rank", None)
    config.setdefault("first_k_dense_replace", 0)
    config.pop("num_key_value_heads", None)  # 1 where the file is written for absorbed keys
    # V3 chooses experts with a bias that V2 lacks; the rest of the skeleton is the same.
    if any(tensor.endswith("exp_probs_b.bias") for tensor in header.tensors):
        config["model_type"] = "deepseek_v3"
        del config["mlp_bias"]


def _olmo2(config: Config, header: GgufHeader, name: str) -> None:
    if header.fields.get(f"{name}.attention.sliding_window"):
        config["model_type"] = "olmo3"
        config["sliding_window"] = header.fields[f"{name}.attention.sliding_window"]


def _gpt2(config: Config, header: GgufHeader, name: str) -> None:
    positions = header.tensors.get("position_embd.weight")
    config |= {
        "tie_word_embeddings": True,  # some files hold the embedding a second time as head
        "n_embd": config.get("hidden_size"),
        "n_head": config.get("num_attention_heads"),
        "n_layer": config.get("num_hidden_layers"),
        "n_inner": config.get("intermediate_size"),
        "n_positions": positions[-1] if positions else config.get("max_position_embeddings"),
    }


def _phimoe(config: Config, header: GgufHeader, name: str) -> None:
    config["lm_head_bias"] = "output.bias" in header.tensors


def _phi2(config: Config, header: GgufHeader, name: str) -> None:
    config["qk_layernorm"] = "blk.0.attn_q_norm.weight" in header.tensors


_FINISH: dict[str, Callable[[Config, GgufHeader, str], None]] = {
    "llama": _llama,
    "llama4": _llama4,
    "deepseek2": _deepseek2,
    "olmo2": _olmo2,
    "gpt2": _gpt2,
    "phi2": _phi2,
    "phimoe": _phimoe,
}


def is_weight(tensor: str) -> bool:
    """Whether a GGUF tensor is a parameter of the model, not a table that its code makes.

    Rotary factors and the bias by which DeepSeek-V3 balances its experts are buffers elsewhere.
    """
    return (
        not tensor.startswith("rope_") and "rope_freqs" not in tensor and "exp_probs" not in tensor
    )
