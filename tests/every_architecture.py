"""A tiny configuration of every causal language model that the installed transformers has.

A class's own defaults, with sizes made small by the names that fields have in transformers.
"""

import contextlib
import copy
import io
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from architectures import VOCABULARY

NAMES = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
MOST_PARAMETERS = 3_000_000
WINDOW = 9

_SMALL: dict[str, Any] = {
    "hidden_size": 64, "d_model": 64, "n_embd": 64, "model_dim": 64, "dim": 64, "emb_dim": 64,
    "embedding_size": 64, "word_embed_proj_dim": 64, "attention_hidden_size": 64,
    "cross_attention_hidden_size": 64, "embedding_dim": 64, "lru_width": 64,
    "num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "num_layers": 2, "decoder_layers": 2,
    "num_decoder_layers": 2, "num_blocks": 2, "encoder_layers": 1, "num_encoder_layers": 1,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "num_heads": 4,
    "decoder_attention_heads": 4, "encoder_attention_heads": 4, "num_key_value_heads": 2,
    "num_decoder_attention_heads": 4, "num_encoder_attention_heads": 4,
    "num_global_key_value_heads": 2, "head_dim": 16, "global_head_dim": 16, "kv_channels": 16,
    "intermediate_size": 96, "ffn_dim": 96, "decoder_ffn_dim": 96, "encoder_ffn_dim": 96,
    "ffn_hidden_size": 96, "n_inner": 96, "dim_ff": 96, "d_ff": 96, "dff": 96, "d_inner": 96,
    "intermediate_size_mlp": 96, "shared_intermediate_size": 96, "block_ff_dim": 96,
    "vocab_size": VOCABULARY, "vocab_size_per_layer_input": VOCABULARY,
    "decoder_vocab_size": VOCABULARY, "hidden_size_per_layer_input": 16,
    "max_position_embeddings": 256, "n_positions": 256, "max_seq_len": 256, "n_ctx": 256,
    "max_target_positions": 256, "max_source_positions": 256, "context_length": 256,
    "max_sequence_length": 256,
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "moe_num_experts": 4,
    "num_routed_experts": 4, "num_experts_per_tok": 2, "num_experts_per_token": 2, "top_k": 2,
    "moe_top_k": 2, "moe_k": 2, "moe_topk": 2, "moe_intermediate_size": 32, "n_shared_experts": 1,
    "moe_ffn_hidden_size": 32, "expert_ffn_hidden_size": 32, "num_shared_experts": 1,
    "shared_expert_intermediate_size": 32, "moe_shared_expert_intermediate_size": 32,
    "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "zero_expert_num": 1,
    "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8,
    "qk_head_dim": 24, "v_head_dim": 16, "index_topk": 64, "index_head_dim": 16, "index_n_heads": 2,
    "o_lora_rank": 16, "rotary_dim": 8, "sliding_window": WINDOW,
    "state_size": 8, "ssm_state_size": 8, "mamba_d_state": 8, "mamba_n_heads": 8,
    "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_num_heads": 8, "mamba_head_dim": 16,
    "mamba_d_ssm": 128, "n_groups": 1, "mamba_ngroups": 1, "n_mamba_heads": 2, "mamba_dt_rank": 8,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16,
    "linear_value_head_dim": 16, "attention_chunk_size": WINDOW, "chunk_size": 8,
    "laurel_rank": 8, "altup_num_inputs": 2, "num_kv_shared_layers": 0, "adapter_rank": 8,
    "initializer_range": 0.2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "is_decoder": True, "use_cache": True, "decoder_start_token_id": 1,
}  # fmt: skip
# What a class's own defaults tie to its own sizes.
_OWN: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "gemma4_assistant": {"hidden_size_per_layer_input": 0},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "num_hidden_layers": 2},
    "zaya": {"num_experts_per_tok": 1},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": WINDOW},
    "reformer": {"axial_pos_embds": False, "attn_layers": ["local", "local"]},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "dots3_note": {"num_key_value_heads": 4},
    "dots3_note_text": {"num_key_value_heads": 4},
    "zamba2": {"mamba_expand": 2, "mamba_headdim": 16, "n_mamba_heads": 8},
    "xlstm": {"qk_dim_factor": 1.0, "chunkwise_kernel": "chunkwise--native_autograd"},
    "roc_bert": {
        "pronunciation_vocab_size": 61,
        "shape_vocab_size": 61,
        "pronunciation_embed_dim": 16,
        "shape_embed_dim": 16,
    },
    "minicpm3": {"head_dim": 24},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "mamba2": {"num_heads": 8, "head_dim": 16},
    "moshi": {"audio_vocab_size": 32},
}


def tiny_config(model_type: str) -> Any:
    """A configuration of about a hundred thousand parameters.

    Raises:
        Exception: Whatever the class makes of the small sizes.
    """
    return _shrunk(CONFIG_MAPPING[model_type], model_type)


def _shrunk(kind: Any, model_type: str) -> Any:
    default = kind()
    fields = set(default.to_dict()) | set(default.attribute_map)
    small = {name: value for name, value in _SMALL.items() if name in fields}
    for name in list(small):
        mapped = default.attribute_map.get(name)
        if mapped in small and mapped != name:
            del small[name]
        elif name in ("sliding_window", "attention_chunk_size", "q_lora_rank") and not getattr(
            default, name, None
        ):
            del small[name]  # switched off by default
    if "qk_rope_head_dim" in fields:  # keys of two parts, one a head
        small |= {"num_key_value_heads": 4, "head_dim": 8}
    layer_types = getattr(default, "layer_types", None)
    own_name = default.attribute_map.get("layer_types", "layer_types")
    if layer_types and not isinstance(getattr(kind, own_name, None), property):
        kinds = list(dict.fromkeys(layer_types))
        depth = max(2, len(kinds))
        small["layer_types"] = (kinds * 2)[:depth]
        small["num_hidden_layers"] = depth
    for name, part in getattr(default, "sub_configs", {}).items():
        if "text" in name or "decoder" in name:
            sub = getattr(default, name, None)
            sub_kind = type(sub) if sub is not None else part
            small[name] = _shrunk(sub_kind, model_type).to_dict()
    for name in [n for n in small if isinstance(getattr(kind, n, None), property)]:
        if getattr(kind, name).fset is None:
            del small[name]
    small |= _OWN.get(model_type, {})
    return kind(**copy.deepcopy(small))


def build_tiny(model_type: str) -> Any:
    """A model with random weights, the same at each call, in evaluation mode."""
    with contextlib.redirect_stderr(io.StringIO()):
        config = tiny_config(model_type)
        with torch.device("meta"):
            sketch = transformers.AutoModelForCausalLM.from_config(copy.deepcopy(config))
        count = sum(p.numel() for p in sketch.parameters())
        if count > MOST_PARAMETERS:
            raise ValueError(f"{count:,} parameters stay, whatever sizes are made small")
        torch.manual_seed(3)
        return transformers.AutoModelForCausalLM.from_config(config).eval()
