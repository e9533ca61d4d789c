"""Tiny random models of GGUF's architectures, written as llama.cpp's converter writes them.

Names come from llama.cpp's own map (`gguf.get_tensor_name_map`); what its converter rearranges is
rearranged here by its rules, in the other direction than the reader.
"""

import json

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tiny import build_tokenizer

COMMON = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.3,
    "bos_token_id": None,
}  # fmt: skip
MIXTURE = {"num_experts_per_tok": 2, "num_experts": 4, "num_local_experts": 4}
SMALL = {**MIXTURE, "moe_intermediate_size": 32, "norm_topk_prob": False}
WIDE = {"head_dim": 32}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
}  # fmt: skip
YARN = {
    "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": 32.0,
    "beta_slow": 1.0, "original_max_position_embeddings": 32,
}  # fmt: skip
LONG = {
    "rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 32,
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.5, 2.0, 2.5, 3.0],
    "long_factor": [1.0, 1.5, 2.0, 3.0, 4.0, 8.0, 12.0, 16.0],
}  # fmt: skip
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
GPT_OSS = {**MIXTURE, **WIDE, "sliding_window": 16}
TIED = {"tie_word_embeddings": True}

# name: (GGUF's architecture, transformers' model type, fields)
MODELS = {
    "llama": ("llama", "llama", {}),
    "llama, tied": ("llama", "llama", TIED),
    "llama, wide heads": ("llama", "llama", WIDE),
    "llama, biases": ("llama", "llama", {"attention_bias": True, "mlp_bias": True}),
    "llama 3.1": ("llama", "llama", {"rope_parameters": LLAMA3}),
    "llama, linear": (
        "llama",
        "llama",
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e5, "factor": 4.0}},
    ),
    "llama, yarn": ("llama", "llama", {"rope_parameters": YARN}),
    "mixtral": ("llama", "mixtral", {**MIXTURE, "sliding_window": None}),
    "qwen2": ("qwen2", "qwen2", TIED),
    "qwen2, yarn": ("qwen2", "qwen2", {"rope_parameters": YARN}),
    "qwen2moe": ("qwen2moe", "qwen2_moe", {**SMALL, "shared_expert_intermediate_size": 64}),
    "qwen3": ("qwen3", "qwen3", WIDE),
    "qwen3moe": ("qwen3moe", "qwen3_moe", {**SMALL, **WIDE, "norm_topk_prob": True}),
    "gemma": ("gemma", "gemma", {**WIDE, **TIED}),
    "gemma2": (
        "gemma2",
        "gemma2",
        {**WIDE, **TIED, "sliding_window": 16, "query_pre_attn_scalar": 32},
    ),
    "gemma3": (
        "gemma3",
        "gemma3_text",
        {**WIDE, **TIED, "sliding_window": 16, "num_hidden_layers": 7, "query_pre_attn_scalar": 32},
    ),
    "gemma3, scaled": (
        "gemma3",
        "gemma3_text",
        {
            **WIDE, **TIED, "sliding_window": 16, "num_hidden_layers": 7,
            "query_pre_attn_scalar": 32,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        },
    ),
    "phi2": ("phi2", "phi", {"num_key_value_heads": 4}),
    "phi3": ("phi3", "phi3", {"sliding_window": None}),
    "phi3, longrope": (
        "phi3",
        "phi3",
        {
            "sliding_window": None, "rope_parameters": LONG,
            "original_max_position_embeddings": 32,
        },
    ),
    "olmo": ("olmo", "olmo", {"clip_qkv": 0.5}),
    "olmo2": ("olmo2", "olmo2", {}),
    "olmoe": ("olmoe", "olmoe", {**SMALL, "num_key_value_heads": 4}),
    "gpt-oss": ("gpt-oss", "gpt_oss", {**GPT_OSS, "rope_parameters": PLAIN}),
    "gpt-oss, yarn": (
        "gpt-oss",
        "gpt_oss",
        {**GPT_OSS, "rope_parameters": {**YARN, "truncate": False}},
    ),
    "smollm3": ("smollm3", "smollm3", {"num_hidden_layers": 5, **TIED}),
    "gpt2": ("gpt2", "gpt2", {"n_inner": 96, **TIED}),
    "gptneox": ("gptneox", "gpt_neox", {"rope_parameters": {
        "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}}),
    "gptneox, one after the other": ("gptneox", "gpt_neox", {"use_parallel_residual": False}),
    "granite": (
        "granite",
        "granite",
        {
            "attention_multiplier": 0.1, "logits_scaling": 3.0, "residual_multiplier": 0.4,
            "embedding_multiplier": 5.0, **TIED,
        },
    ),
    "granitemoe": (
        "granitemoe",
        "granitemoe",
        {
            **MIXTURE, "attention_multiplier": 0.1, "logits_scaling": 3.0,
            "residual_multiplier": 0.4, "embedding_multiplier": 5.0,
        },
    ),
    "starcoder2": ("starcoder2", "starcoder2", {"sliding_window": None, **TIED}),
    "stablelm": ("stablelm", "stablelm", {"use_qkv_bias": True}),
    "stablelm, parallel": ("stablelm", "stablelm", {"use_parallel_residual": True}),
    "nemotron": ("nemotron", "nemotron", {}),
    "command-r": ("command-r", "cohere", {"logit_scale": 0.25, **TIED}),
    "cohere2": ("cohere2", "cohere2", {"logit_scale": 0.25, "sliding_window": 16,
                                       "num_hidden_layers": 5, **TIED}),
}  # fmt: skip


def build(name, folder, **changes):
    """Save the source model and its tokenizer; return the model."""
    _, model_type, own = MODELS[name]
    tokenizer = build_tokenizer()
    fields = {**COMMON, "tie_word_embeddings": False, **own, **changes}
    fields |= {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 2}
    if model_type == "gpt2":
        for theirs, ours in (("n_embd", "hidden_size"), ("n_layer", "num_hidden_layers"),
                             ("n_head", "num_attention_heads"),
                             ("n_positions", "max_position_embeddings")):  # fmt: skip
            fields[theirs] = fields.pop(ours)
        del fields["intermediate_size"], fields["num_key_value_heads"]
    torch.manual_seed(11)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **fields)).eval()
    for parameter in model.parameters():  # norms and biases are not left at their ones and zeros
        with torch.no_grad():
            parameter += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


def write(name, model, tokenizer, path, *, skip=(), change=None, pre="gpt-2", extra=(), arch=None):
    """Write a model as a GGUF file; `change` may alter the tensors, `extra` adds keys."""
    arch = arch or MODELS[name][0]
    writer = gguf.GGUFWriter(path, arch)
    add_keys(writer, arch, model.config, skip)
    add_tokenizer(writer, tokenizer, pre)
    for key, value, kind in extra:
        for held in writer.kv_data:
            held.pop(key, None)
        writer.add_key_value(key, value, kind)
    held = dict(converted(MODELS[name][0], model))
    if change:
        held = change(held) or held
    for tensor, numbers in held.items():
        writer.add_tensor(tensor, np.ascontiguousarray(numbers))
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    return path


def add_tokenizer(writer, tokenizer, pre):
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    special = {token["content"] for token in backend["added_tokens"]}
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in backend["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    kinds = (gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in tokens)
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)


def add_keys(writer, arch, config, skip):
    def get(*names):
        return next((v for n in names if (v := getattr(config, n, None)) is not None), None)

    hidden, heads = get("hidden_size", "n_embd"), get("num_attention_heads", "n_head")
    width = get("head_dim") or hidden // heads
    rope = getattr(config, "rope_parameters", None) or {}
    full = rope.get("full_attention", rope)
    inner = get("intermediate_size", "n_inner")
    for key, value in {
        "context_length": get("max_position_embeddings", "n_positions"),
        "embedding_length": hidden,
        "block_count": get("num_hidden_layers", "n_layer"),
        "feed_forward_length": inner,
        "head_count": heads,
        "head_count_kv": heads if arch == "gptneox" else get("num_key_value_heads") or heads,
        "vocab_size": config.vocab_size,
        "expert_count": get("num_experts", "num_local_experts") if "num_experts_per_tok" in
            config.to_dict() else None,
        "expert_used_count": get("num_experts_per_tok"),
        "expert_feed_forward_length": inner if arch == "gpt-oss"
            else get("moe_intermediate_size") if arch != "olmoe" else None,
        "expert_shared_feed_forward_length": get("shared_expert_intermediate_size")
            if arch == "qwen2moe" else None,
        "sliding_window": get("sliding_window") if arch in ("gemma2", "gemma3", "gpt-oss",
            "cohere2") else None,
        "key_length": width if width * heads != hidden or arch in ("gemma", "gemma2", "gemma3",
            "qwen3", "qwen3moe", "gpt-oss") else None,
        "value_length": width if width * heads != hidden else None,
        "attn_logit_softcapping": get("attn_logit_softcapping") if arch == "gemma2" else None,
        "final_logit_softcapping": get("final_logit_softcapping") if arch == "gemma2" else None,
        "clamp_kqv": get("clip_qkv"),
        "parallel_residual": get("use_parallel_residual") if arch in ("gptneox", "stablelm")
            else None,
        "logit_scale": get("logits_scaling", "logit_scale"),
        "attention_scale": get("attention_multiplier"),
        "residual_scale": get("residual_multiplier"),
        "embedding_scale": get("embedding_multiplier"),
    }.items():  # fmt: skip
        if value is not None and key not in skip:
            getattr(writer, f"add_{key}")(value)
    eps = get("rms_norm_eps")
    if "eps" in skip:
        pass
    elif eps is not None:
        writer.add_layer_norm_rms_eps(eps)
    else:
        writer.add_layer_norm_eps(
            get("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps") or 1e-5
        )
    if full:
        partial = full.get("partial_rotary_factor") or 1.0
        writer.add_rope_dimension_count(int(width * partial))
        writer.add_rope_freq_base(full["rope_theta"])
        add_scaling(writer, full, config)


def add_scaling(writer, rope, config):
    kind = rope.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if kind == "longrope":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        scale = config.max_position_embeddings / rope["original_max_position_embeddings"]
        original = rope["original_max_position_embeddings"]
        writer.add_rope_scaling_attn_factors(np.sqrt(1 + np.log(scale) / np.log(original)).item())


def converted(arch, model):
    """Yield GGUF's name and numbers of each tensor, by llama.cpp's names and rules."""
    config = model.config
    layers = getattr(config, "num_hidden_layers", None) or config.n_layer
    enum = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == arch)
    names = gguf.get_tensor_name_map(enum, layers)
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    yield from tables(config)
    for name, tensor in model.state_dict().items():
        numbers = tensor.detach().float().numpy()
        if name in tied or name.endswith((".attn.bias", "masked_bias")):
            continue
        if "experts." in name and "shared" not in name:
            yield from experts(arch, name, numbers)
            continue
        stem, suffix = name, ".weight"
        if not name.endswith("sinks"):
            stem, _, suffix = name.rpartition(".")
            suffix = f".{suffix}"
        found = names.get_name(stem)
        found = found or OWN_NAMES.get((arch, stem.split(".")[-1]), "").format(
            bid=next((p for p in stem.split(".") if p.isdigit()), "")
        )
        assert found, (arch, name)
        yield found + suffix, rearranged(arch, found, suffix, numbers, config)


OWN_NAMES = {
    ("gpt-oss", "router"): "blk.{bid}.ffn_gate_inp",
    ("granitemoe", "router"): "blk.{bid}.ffn_gate_inp",
}


def tables(config):
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "llama3":
        from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

        width = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
        plain = 1.0 / rope["rope_theta"] ** (torch.arange(0, width, 2).float() / width)
        yield "rope_freqs.weight", (plain / scaled).numpy()
    if rope.get("rope_type") == "longrope":
        for kind in ("long", "short"):
            yield f"rope_factors_{kind}.weight", np.array(rope[f"{kind}_factor"], np.float32)


def experts(arch, name, numbers):
    layer = next(part for part in name.split(".") if part.isdigit())
    blk, last = f"blk.{layer}.ffn_", name.split(".")[-1]
    suffix = ".bias" if last.endswith("_bias") else ".weight"
    if arch == "gpt-oss":
        if suffix == ".weight":
            numbers = numbers.swapaxes(1, 2)
            gate, up = numbers[:, 0::2], numbers[:, 1::2]
        else:
            gate, up = numbers[:, 0::2], numbers[:, 1::2]
    else:
        half = numbers.shape[1] // 2
        gate, up = numbers[:, :half], numbers[:, half:]
    if last.startswith("gate_up_proj"):
        yield f"{blk}gate_exps{suffix}", gate
        yield f"{blk}up_exps{suffix}", up
    else:
        yield f"{blk}down_exps{suffix}", numbers


PAIRED = ("llama", "smollm3", "granite", "granitemoe", "olmo")


def rearranged(arch, name, suffix, numbers, config):
    last = name.split(".")[-1]
    if last in ("attn_q", "attn_k") and arch in (
        "llama",
        "smollm3",
        "granite",
        "granitemoe",
        "olmo",
    ):
        heads = config.num_attention_heads if last == "attn_q" else config.num_key_value_heads
        halves = numbers.reshape(heads, 2, numbers.shape[0] // heads // 2, *numbers.shape[1:])
        return halves.swapaxes(1, 2).reshape(numbers.shape)
    if "norm" in last and suffix == ".weight" and arch in ("gemma", "gemma2", "gemma3", "nemotron"):
        return numbers + 1
    if arch == "gpt2" and suffix == ".weight" and last in ("attn_qkv", "attn_output", "ffn_up",
                                                            "ffn_down"):  # fmt: skip
        return numbers.T
    if arch == "gptneox" and last == "attn_qkv":
        heads = config.num_attention_heads
        return (
            numbers.reshape(heads, 3, -1, *numbers.shape[1:]).swapaxes(0, 1).reshape(numbers.shape)
        )
    if last == "ffn_gate_inp_shexp":
        return numbers.reshape(-1)
    return numbers
