"""Translates a GGUF header to the fields of the same model's `config.json`.

GGUF has its own names for architectures and fields, and leaves out what the tensors show: whether
the head is tied, whether projections have biases, how large the vocabulary is. Names are those of
llama.cpp's writer (github.com/ggml-org/llama.cpp, gguf-py/gguf/constants.py). What is not stored at
all, because llama.cpp has it in its code, stands with the architecture below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from weighbridge.errors import InputError, UnknownName
from weighbridge.sources.gguf_header import GgufHeader
from weighbridge.sources.gguf_keys import Keys
from weighbridge.sources.gguf_rotary import TABLES, rotary_parameters

Config = dict[str, Any]

_SIZES = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "max_position_embeddings": "context_length",
}
_RMS = "attention.layer_norm_rms_epsilon"
_NORM = "attention.layer_norm_epsilon"
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
_SOFTMAX, _AFTER_TOP_K = 1, 3  # llama.cpp's numbers for how experts are weighed


@dataclass(frozen=True)
class Draft:
    """A `config.json` under construction.

    Attributes:
        config: Its fields so far.
        keys: The file's metadata.
        header: The file's tensors.
    """

    config: Config
    keys: Keys
    header: GgufHeader

    def has(self, tensor: str) -> bool:
        """Whether the file holds a tensor."""
        return tensor in self.header.tensors

    def put(self, field: str, key: str, *, needed: bool = False) -> None:
        """Set a field from a key, if the file has that key."""
        value = self.keys.take(key, needed=needed)
        if value is not None:
            self.config[field] = value


@dataclass(frozen=True)
class GgufArchitecture:
    """How the metadata of one GGUF architecture become a `config.json`.

    Attributes:
        model_type: transformers' name for it.
        own: Fields of `config.json` and their GGUF keys, beside the sizes.
        epsilon: Field and key of the normalisation's epsilon.
        finish: Sets what is left, from keys and tensors.
        loadable: Whether weights can be loaded, not only counted.
    """

    model_type: str
    own: Mapping[str, str]
    epsilon: tuple[str, str] | None
    finish: Callable[[Draft], None]
    loadable: bool = True


def config_of_gguf(header: GgufHeader, where: str) -> Config:
    """Return a GGUF file's configuration under the names of `config.json`.

    Args:
        header: The file's header.
        where: What to call the file in errors.

    Raises:
        InputError: The header names no architecture, has no embedding, or has a key that is not
            understood and may change numbers.
        UnknownName: No such architecture is known here.
    """
    return _read(header, where)[0]


def loadable_config(header: GgufHeader, where: str) -> Config:
    """Return the same configuration, if it is complete enough to run the model.

    Raises:
        InputError: The architecture's weights can't be read yet, or a needed key is missing.
    """
    config, keys = _read(header, where)
    name = keys.architecture
    if not ARCHITECTURES[name].loadable:
        known = ", ".join(sorted(n for n, a in ARCHITECTURES.items() if a.loadable))
        raise InputError(
            f"{where} has the GGUF architecture {name}, whose weights are not read yet",
            f"one of: {known}",
            "use the model's safetensors",
        )
    if keys.missing:
        raise InputError(
            f"{where} has no {keys.missing[0]}",
            "every key that its numbers depend on: nothing is guessed",
            "convert the model to GGUF again, or use its safetensors",
        )
    return config


def _read(header: GgufHeader, where: str) -> tuple[Config, Keys]:
    name = header.fields.get("general.architecture")
    if not isinstance(name, str):
        raise InputError(f"{where} names no architecture", "general.architecture in its header")
    _require_model(header, where)
    if name not in ARCHITECTURES:
        do = "nothing is guessed: name the model's config.json instead"
        raise UnknownName("GGUF architecture", name, ARCHITECTURES, do)
    architecture, keys = ARCHITECTURES[name], Keys(header.fields, name, where)
    draft = Draft({"model_type": architecture.model_type}, keys, header)
    for field, key in {**_SIZES, **architecture.own}.items():
        draft.put(field, key)
    _require_sizes(draft)
    draft.config.update(_from_tensors(header.tensors, where))
    if architecture.epsilon:
        draft.put(*architecture.epsilon, needed=True)
    _require_rows(draft)
    architecture.finish(draft)
    if architecture.loadable:
        keys.refuse_unread()
    return draft.config, keys


def _require_model(header: GgufHeader, where: str) -> None:
    kind = header.fields.get("general.type", "model")
    if kind != "model":
        raise InputError(
            f"{where} is a GGUF {kind} (general.type)",
            "a model",
            "name the model's own file; an adapter is read in peft's format",
        )


def _require_sizes(draft: Draft) -> None:
    """Check that sizes are numbers above 0, and that heads share keys and values evenly."""
    config, keys = draft.config, draft.keys
    for field, key in _SIZES.items():
        value = config.get(field)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise keys.refused(key, "a whole number above 0")
    heads, shared = config.get("num_attention_heads"), config.get("num_key_value_heads")
    if heads and shared and heads % shared:
        raise keys.refused("attention.head_count_kv", f"a divisor of the {heads} heads")


def _require_rows(draft: Draft) -> None:
    """Note if the embedding has fewer rows than there are tokens; such a file can't be loaded."""
    tokens = draft.header.fields.get("tokenizer.ggml.tokens")
    count = len(tokens) if isinstance(tokens, list) else tokens
    if isinstance(count, int) and count > draft.config["vocab_size"]:
        draft.keys.missing.append(f"row of token_embd.weight for each of {count:,} tokens")


def _from_tensors(tensors: Mapping[str, tuple[int, ...]], where: str) -> Config:
    embedding = tensors.get("token_embd.weight")
    if embedding is None or len(embedding) != 2:
        raise InputError(f"{where} has no token_embd.weight", "a whole language model")
    return {
        "vocab_size": embedding[1],
        "tie_word_embeddings": "output.weight" not in tensors,
        "attention_bias": "blk.0.attn_output.bias" in tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in tensors,
    }


def _head_width(draft: Draft) -> int | None:
    """Width of a head; keys and values must have the same."""
    keys, config = draft.keys, draft.config
    key, value = keys.take("attention.key_length"), keys.take("attention.value_length")
    hidden, heads = config.get("hidden_size"), config.get("num_attention_heads")
    width = key or (hidden // heads if hidden and heads else None)
    if value is not None and value != width:
        raise keys.refused("attention.value_length", f"{width}, the width of keys")
    return width


def _rotary(draft: Draft, *, partial: bool = False) -> int | None:
    """Set the rotary embeddings; return a head's width."""
    width = _head_width(draft)
    turned = draft.keys.take("rope.dimension_count", width)
    parameters = rotary_parameters(
        draft.keys, draft.header, turned, draft.config.get("max_position_embeddings")
    )
    if partial and width:
        parameters["partial_rotary_factor"] = turned / width
    elif turned != width:
        raise draft.keys.refused("rope.dimension_count", f"{width}, the width of a head")
    draft.config["rope_parameters"] = parameters
    return width


def _softmax_experts(draft: Draft) -> None:
    """Check that experts are weighed by a softmax, as transformers does it for this model."""
    if draft.keys.take("expert_gating_func", _SOFTMAX) != _SOFTMAX:
        raise draft.keys.refused("expert_gating_func", f"{_SOFTMAX} (softmax)")


def _weights_norm(draft: Draft, default: bool) -> None:
    draft.config["norm_topk_prob"] = bool(draft.keys.take("expert_weights_norm", default))


def _llama(draft: Draft) -> None:
    """Read architecture `llama`: GGUF also stores Mixtral (with experts) and Mistral under it."""
    config, keys = draft.config, draft.keys
    width = _rotary(draft)
    if width:
        config["head_dim"] = width
    experts = keys.take("expert_count", 0)
    if experts:
        _softmax_experts(draft)
        if not keys.take("expert_weights_norm", True):
            raise keys.refused("expert_weights_norm", "true, as Mixtral weighs its experts")
        config |= {
            "model_type": "mixtral",
            "num_local_experts": experts,
            "num_experts_per_tok": keys.take("expert_used_count", needed=True),
        }
        inner = keys.take("expert_feed_forward_length", 0) or config.get("intermediate_size")
        config["intermediate_size"] = inner
        if width and width * config.get("num_attention_heads", 0) == config.get("hidden_size"):
            config.pop("head_dim")
    window = keys.take("attention.sliding_window", 0)
    if experts:
        config["sliding_window"] = window or None
    elif window:
        config |= {"model_type": "mistral", "sliding_window": window}


def _llama4(draft: Draft) -> None:
    """GGUF calls the dense blocks' width feed_forward_length and the experts' their own."""
    config = draft.config
    config["intermediate_size_mlp"] = config.get("intermediate_size")
    config["intermediate_size"] = draft.keys.take("expert_feed_forward_length")


def _qwen2(draft: Draft) -> None:
    config = draft.config
    width = _rotary(draft)
    plain = config.get("hidden_size", 0) // (config.get("num_attention_heads") or 1)
    if width and width != plain:
        raise draft.keys.refused("attention.key_length", f"{plain}, as Qwen2 has it")
    config["use_sliding_window"] = False


def _qwen2_moe(draft: Draft) -> None:
    _qwen2(draft)
    _softmax_experts(draft)
    _weights_norm(draft, False)
    draft.config.update({"decoder_sparse_step": 1, "mlp_only_layers": [], "qkv_bias": True})


def _qwen3(draft: Draft) -> None:
    width = _rotary(draft)
    draft.config.update({"use_sliding_window": False, **({"head_dim": width} if width else {})})


def _qwen3_moe(draft: Draft) -> None:
    _qwen3(draft)
    _softmax_experts(draft)
    _weights_norm(draft, True)
    draft.config.update({"decoder_sparse_step": 1, "mlp_only_layers": []})


def _gemma(draft: Draft) -> None:
    width = _rotary(draft)
    if width:
        draft.config["head_dim"] = width
    draft.config["hidden_activation"] = "gelu_pytorch_tanh"


def _query_scale(draft: Draft, layers_of_27b: int) -> None:
    """Query scale of Gemma 2 and 3: the head's width, but hidden / heads in the 27B models.

    llama.cpp tells the 27B by its number of layers; newer files state the scale.
    """
    config = draft.config
    scale = draft.keys.take("attention.scale")
    hidden, heads = config.get("hidden_size", 0), config.get("num_attention_heads") or 1
    if scale:
        config["query_pre_attn_scalar"] = _whole(1.0 / float(scale) ** 2)
    elif config.get("num_hidden_layers") == layers_of_27b:
        config["query_pre_attn_scalar"] = hidden // heads
    else:
        config["query_pre_attn_scalar"] = config.get("head_dim")


def _whole(number: float) -> float | int:
    return round(number) if abs(number - round(number)) < 1e-3 * number else number


def _gemma2(draft: Draft) -> None:
    _gemma(draft)
    _query_scale(draft, 46)
    draft.config.update(
        {  # absent in the first files; every Gemma 2 has these
            "attn_logit_softcapping": draft.keys.take("attn_logit_softcapping", 50.0) or None,
            "final_logit_softcapping": draft.keys.take("final_logit_softcapping", 30.0) or None,
        }
    )
    _alternating(draft, 2)


def _gemma3(draft: Draft) -> None:
    """Layers with a sliding window have their own rotary base, without scaling."""
    _gemma(draft)
    _query_scale(draft, 62)
    config, keys = draft.config, draft.keys
    config["attn_logit_softcapping"] = keys.take("attn_logit_softcapping") or None
    config["final_logit_softcapping"] = keys.take("final_logit_softcapping") or None
    own = float(keys.take("rope.freq_base_swa", 10_000.0))
    config["rope_parameters"] = {
        "full_attention": config["rope_parameters"],
        "sliding_attention": {"rope_type": "default", "rope_theta": own},
    }
    _alternating(draft, 6)


def _alternating(draft: Draft, every: int) -> None:
    """Set layer types: every n-th layer has full attention, the others a sliding window."""
    config, keys = draft.config, draft.keys
    pattern = keys.layers("attention.sliding_window_pattern")
    layers = config.get("num_hidden_layers")
    if not isinstance(layers, int) or not 0 < layers < 10_000:
        return
    if isinstance(pattern, list):
        if len(pattern) != layers:
            raise keys.refused("attention.sliding_window_pattern", f"{layers} values, one a layer")
        windowed = [bool(value) for value in pattern]
    else:
        every = int(pattern or every)
        windowed = [bool((layer + 1) % every) for layer in range(layers)]
    config["layer_types"] = [
        "sliding_attention" if window else "full_attention" for window in windowed
    ]


def _phi3(draft: Draft) -> None:
    _rotary(draft, partial=True)
    config = draft.config
    parameters = config["rope_parameters"]
    original = parameters.get("original_max_position_embeddings")
    if original:
        config["original_max_position_embeddings"] = original
    config["sliding_window"] = draft.keys.take("attention.sliding_window", 0) or None


def _phi2(draft: Draft) -> None:
    draft.config["qk_layernorm"] = draft.has("blk.0.attn_q_norm.weight")
    _rotary(draft, partial=True)
    draft.config["hidden_act"] = "gelu_new"


def _phimoe(draft: Draft) -> None:
    _rotary(draft)
    _softmax_experts(draft)
    draft.config["lm_head_bias"] = draft.has("output.bias")
    draft.config["sliding_window"] = draft.keys.take("attention.sliding_window", 0) or None


def _olmo(draft: Draft) -> None:
    _rotary(draft)
    draft.keys.take("attention.layer_norm_epsilon")  # transformers has the same 1e-5 in its code
    draft.config["clip_qkv"] = draft.keys.take("attention.clamp_kqv") or None


def _olmo2(draft: Draft) -> None:
    """GGUF calls OLMo 3 `olmo2` with windows; only full-attention layers scale their rotation."""
    _rotary(draft)
    window = draft.keys.take("attention.sliding_window", 0)
    if window:
        draft.config.update({"model_type": "olmo3", "sliding_window": window})
        _alternating(draft, 4)
        own = draft.config["rope_parameters"]
        plain = {"rope_type": "default", "rope_theta": own["rope_theta"]}
        draft.config["rope_parameters"] = {"full_attention": own, "sliding_attention": plain}


def _olmoe(draft: Draft) -> None:
    _rotary(draft)
    _softmax_experts(draft)
    _weights_norm(draft, False)
    inner = draft.keys.take("expert_feed_forward_length", 0)
    if inner:
        draft.config["intermediate_size"] = inner


def _deepseek2(draft: Draft) -> None:
    """Head widths (MLA) are those of expanded keys and values; newer files state both forms."""
    config, fields = draft.config, draft.header.fields
    name = draft.keys.architecture
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
    if any(tensor.endswith("exp_probs_b.bias") for tensor in draft.header.tensors):
        config["model_type"] = "deepseek_v3"
        del config["mlp_bias"]


def _gpt_oss(draft: Draft) -> None:
    """gpt-oss does not round the ends of YaRN's band to whole dimensions, as ggml does."""
    config, keys = draft.config, draft.keys
    width = _rotary(draft)
    if width:
        config["head_dim"] = width
    if config["rope_parameters"]["rope_type"] == "yarn":
        config["rope_parameters"]["truncate"] = False
    if keys.take("expert_gating_func", _AFTER_TOP_K) != _AFTER_TOP_K:
        raise keys.refused("expert_gating_func", f"{_AFTER_TOP_K} (softmax of the chosen)")
    inner = keys.take("expert_feed_forward_length", 0)
    if inner:
        config["intermediate_size"] = inner
    _alternating(draft, 2)


def _smollm3(draft: Draft) -> None:
    """Every fourth layer has no rotary embedding; llama.cpp has that in its code."""
    width = _rotary(draft)
    if width:
        draft.config["head_dim"] = width
    draft.config.update({"no_rope_layer_interval": 4, "use_sliding_window": False})


def _gpt2(draft: Draft) -> None:
    config = draft.config
    positions = draft.header.tensors.get("position_embd.weight")
    config |= {
        "tie_word_embeddings": True,  # some files hold the embedding a second time as head
        "n_embd": config.get("hidden_size"),
        "n_head": config.get("num_attention_heads"),
        "n_layer": config.get("num_hidden_layers"),
        "n_inner": config.get("intermediate_size"),
        "n_positions": positions[-1] if positions else config.get("max_position_embeddings"),
        "activation_function": "gelu_new",
    }


def _gpt_neox(draft: Draft) -> None:
    _rotary(draft, partial=True)
    draft.config["use_parallel_residual"] = bool(draft.keys.take("use_parallel_residual", True))
    draft.config["hidden_act"] = "gelu"


def _granite(draft: Draft) -> None:
    width = _rotary(draft)
    config, keys = draft.config, draft.keys
    config |= {
        "attention_multiplier": keys.take("attention.scale", 0) or (width or 1) ** -0.5,
        "logits_scaling": keys.take("logit_scale", 0) or 1.0,
        "residual_multiplier": keys.take("residual_scale", 0) or 1.0,
        "embedding_multiplier": keys.take("embedding_scale", 0) or 1.0,
    }


def _granite_moe(draft: Draft) -> None:
    _granite(draft)
    _softmax_experts(draft)
    draft.config["num_local_experts"] = draft.keys.take("expert_count", needed=True)


def _starcoder2(draft: Draft) -> None:
    _rotary(draft)
    draft.config.update(
        {"use_bias": True, "hidden_act": "gelu_pytorch_tanh", "sliding_window": None}
    )


def _stablelm(draft: Draft) -> None:
    _rotary(draft, partial=True)
    parallel = not draft.has("blk.0.ffn_norm.weight")
    if bool(draft.keys.take("use_parallel_residual", parallel)) != parallel:
        raise draft.keys.refused("use_parallel_residual", "what the file's ffn_norm tensors say")
    draft.config.update(
        {
            "use_qkv_bias": draft.has("blk.0.attn_q.bias"),
            "use_parallel_residual": parallel,
            "hidden_act": "silu",
        }
    )


def _nemotron(draft: Draft) -> None:
    _rotary(draft, partial=True)
    draft.config["hidden_act"] = "relu2"
    width = _head_width(draft)
    if width:
        draft.config["head_dim"] = width


def _cohere(draft: Draft) -> None:
    _rotary(draft)
    draft.config.update(
        {
            "logit_scale": draft.keys.take("logit_scale", needed=True),
            "use_qk_norm": draft.has("blk.0.attn_q_norm.weight"),
            "tie_word_embeddings": True,
        }
    )


def _cohere2(draft: Draft) -> None:
    _cohere(draft)
    width = _head_width(draft)
    if width:
        draft.config["head_dim"] = width
    _alternating(draft, 4)


_WINDOW = {"sliding_window": "attention.sliding_window"}
_R, _L = ("rms_norm_eps", _RMS), ("layer_norm_eps", _NORM)

ARCHITECTURES: Mapping[str, GgufArchitecture] = {
    "llama": GgufArchitecture("llama", {}, _R, _llama),
    "llama4": GgufArchitecture(
        "llama4_text",
        {
            **_EXPERTS,
            "head_dim": "attention.key_length",
            "num_local_experts": "expert_count",
            "interleave_moe_layer_step": "interleave_moe_layer_step",
        },
        _R,
        _llama4,
        loadable=False,
    ),
    "qwen2": GgufArchitecture("qwen2", {}, _R, _qwen2),
    "qwen2moe": GgufArchitecture(
        "qwen2_moe",
        {
            **_SMALL_EXPERTS,
            "num_experts": "expert_count",
            "shared_expert_intermediate_size": "expert_shared_feed_forward_length",
        },
        _R,
        _qwen2_moe,
    ),
    "qwen3": GgufArchitecture("qwen3", {}, _R, _qwen3),
    "qwen3moe": GgufArchitecture(
        "qwen3_moe", {**_SMALL_EXPERTS, "num_experts": "expert_count"}, _R, _qwen3_moe
    ),
    "gemma": GgufArchitecture("gemma", {}, _R, _gemma),
    "gemma2": GgufArchitecture("gemma2", _WINDOW, _R, _gemma2),
    "gemma3": GgufArchitecture("gemma3_text", _WINDOW, _R, _gemma3),
    "phi2": GgufArchitecture("phi", {}, _L, _phi2),
    "phi3": GgufArchitecture("phi3", {}, _R, _phi3),
    "phimoe": GgufArchitecture(
        "phimoe", {**_EXPERTS, "num_local_experts": "expert_count"}, _R, _phimoe, loadable=False
    ),
    "olmo": GgufArchitecture("olmo", {}, None, _olmo),
    "olmo2": GgufArchitecture("olmo2", {}, _R, _olmo2),
    "olmoe": GgufArchitecture("olmoe", {**_EXPERTS, "num_experts": "expert_count"}, _R, _olmoe),
    "deepseek2": GgufArchitecture("deepseek_v2", _DEEPSEEK, _R, _deepseek2, loadable=False),
    "gpt-oss": GgufArchitecture(
        "gpt_oss", {**_WINDOW, **_EXPERTS, "num_local_experts": "expert_count"}, _R, _gpt_oss
    ),
    "smollm3": GgufArchitecture("smollm3", {}, _R, _smollm3),
    "gpt2": GgufArchitecture("gpt2", {}, ("layer_norm_epsilon", _NORM), _gpt2),
    "gptneox": GgufArchitecture("gpt_neox", {}, _L, _gpt_neox),
    "granite": GgufArchitecture("granite", {}, _R, _granite),
    "granitemoe": GgufArchitecture("granitemoe", _EXPERTS, _R, _granite_moe),
    "starcoder2": GgufArchitecture("starcoder2", {}, ("norm_epsilon", _NORM), _starcoder2),
    "stablelm": GgufArchitecture("stablelm", {}, _L, _stablelm),
    "nemotron": GgufArchitecture("nemotron", {}, ("norm_eps", _NORM), _nemotron),
    "command-r": GgufArchitecture("cohere", {}, _L, _cohere),
    "cohere2": GgufArchitecture("cohere2", _WINDOW, _L, _cohere2),
}


def is_weight(tensor: str) -> bool:
    """Whether a GGUF tensor is a parameter of the model, not a table that its code makes.

    Rotary factors and the bias by which DeepSeek-V3 balances its experts are buffers elsewhere.
    """
    return tensor not in TABLES and "rope_freqs" not in tensor and "exp_probs" not in tensor
