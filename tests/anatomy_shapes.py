"""Shapes of every family for comparisons with transformers, small and awkward on purpose."""

import copy
from typing import Any

from anatomy_shapes_recent import RECENT, TOWERS, UNSEEN
from anatomy_shapes_recent import RECURRENT as RECURRENT_SHAPES

SMALL = {
    "hidden_size": 48, "intermediate_size": 72, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "vocab_size": 101, "max_position_embeddings": 128,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
MOE = {"num_experts_per_tok": 2, "num_local_experts": 5}
LATENT = {
    **SMALL, "num_key_value_heads": 6, "q_lora_rank": 20, "kv_lora_rank": 12,
    "qk_nope_head_dim": 10, "qk_rope_head_dim": 4, "v_head_dim": 7, "n_routed_experts": 8,
    "num_experts_per_tok": 3, "n_shared_experts": 2, "moe_intermediate_size": 11,
    "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1,
}  # fmt: skip
KINDS = ["sliding_attention", "full_attention", "sliding_attention"]
TIED, UNTIED = {"tie_word_embeddings": True}, {"tie_word_embeddings": False}
BIASED = {"attention_bias": True}
MQA, MHA = {"num_key_value_heads": 1}, {"num_key_value_heads": 6}
SIGLIP = {
    "model_type": "siglip_vision_model", "hidden_size": 24, "intermediate_size": 40,
    "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
    "vision_use_head": False,
}  # fmt: skip
LLAMA4 = {
    **SMALL, "head_dim": 8, "intermediate_size_mlp": 90, "num_local_experts": 4,
    "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "attention_chunk_size": 16,
}  # fmt: skip
LLAMA4_TOWER = {
    "model_type": "llama4_vision_model", "hidden_size": 32, "intermediate_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
    "vision_output_dim": 20, "projector_input_dim": 20, "projector_output_dim": 20,
}  # fmt: skip
GEMMA3N = {
    **SMALL, "num_hidden_layers": 7, "head_dim": 16, "sliding_window": 9, "laurel_rank": 6,
    "num_kv_shared_layers": 2, "altup_num_inputs": 3, "hidden_size_per_layer_input": 5,
    "vocab_size_per_layer_input": 80,
}  # fmt: skip
GPT2 = {"n_embd": 48, "n_layer": 3, "n_head": 6, "n_positions": 64, "vocab_size": 101}
NEOX = {k: v for k, v in SMALL.items() if k != "num_key_value_heads"}
QWEN_MOE = {
    **SMALL, "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 13,
}  # fmt: skip
WINDOW = {"sliding_window": 9}
QWEN_WINDOW = {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}

# The first shape of a family is its base; the others are the base with these changes.
SHAPES: dict[str, list[dict[str, Any]]] = {
    "llama": [SMALL, TIED, MQA, MHA, {**BIASED, "mlp_bias": True}, {"head_dim": 10}],
    "mistral": [{**SMALL, **WINDOW}, TIED, MQA, {"sliding_window": None}, {"head_dim": 20}],
    "mixtral": [{**SMALL, **MOE}, TIED, MHA, WINDOW, {"num_local_experts": 2}],
    "qwen2": [SMALL, TIED, MQA, QWEN_WINDOW, {"num_hidden_layers": 1}],
    "qwen3": [{**SMALL, "head_dim": 16}, TIED, BIASED, MQA, QWEN_WINDOW],
    "qwen2_moe": [
        {**QWEN_MOE, "shared_expert_intermediate_size": 31}, {"qkv_bias": False}, TIED,
        {"decoder_sparse_step": 2}, {"mlp_only_layers": [0, 2]}, QWEN_WINDOW,
    ],
    "qwen3_moe": [
        {**QWEN_MOE, "head_dim": 16}, TIED, BIASED, {"decoder_sparse_step": 3},
        {"mlp_only_layers": [1]}, {"use_sliding_window": True, "sliding_window": 9},
    ],
    "gemma": [{**SMALL, "head_dim": 16}, UNTIED, MQA, BIASED],
    "gemma2": [{**SMALL, "head_dim": 16, **WINDOW}, UNTIED, MQA, BIASED, {"layer_types": KINDS}],
    "gemma3_text": [
        {**SMALL, "head_dim": 16, **WINDOW}, UNTIED, MHA, BIASED, {"layer_types": KINDS},
    ],
    "gemma3": [
        {"text_config": {**SMALL, "model_type": "gemma3_text"}, "vision_config": SIGLIP},
        {"vision_config": {**SIGLIP, "num_hidden_layers": 5, "image_size": 70}},
    ],
    "gemma3n_text": [
        GEMMA3N, UNTIED, BIASED, {"num_kv_shared_layers": 0}, {"laurel_rank": 9},
        {"layer_types": ["sliding_attention", "full_attention"] * 3, "num_hidden_layers": 6},
        {"intermediate_size": [30, 40, 50, 60, 70, 80, 90]}, {"altup_num_inputs": 2},
    ],
    "gemma3n": [{"text_config": {**GEMMA3N, "model_type": "gemma3n_text"}}, UNTIED],
    "phi": [SMALL, MHA, {"qk_layernorm": True}, {"num_hidden_layers": 5}],
    "phi3": [SMALL, TIED, MHA, WINDOW],
    "phimoe": [{**SMALL, **MOE}, BIASED, {"lm_head_bias": True}, TIED, MHA],
    "olmo": [SMALL, TIED, BIASED, MHA],
    "olmo2": [SMALL, TIED, BIASED, MHA],
    "olmo3": [{**SMALL, **WINDOW}, TIED, MQA, {"layer_types": KINDS}],
    "olmoe": [{**SMALL, "num_experts": 6, "num_experts_per_tok": 2}, TIED, BIASED, MHA],
    "deepseek_v2": [
        LATENT, {"q_lora_rank": None}, {"first_k_dense_replace": 0}, BIASED, {"mlp_bias": True},
        {"n_shared_experts": 1}, TIED, {"first_k_dense_replace": 3},
    ],
    "deepseek_v3": [
        LATENT, {"q_lora_rank": None}, {"first_k_dense_replace": 2}, BIASED, TIED,
        {"num_nextn_predict_layers": 1},
    ],
    "gpt_oss": [
        {**SMALL, **MOE, "head_dim": 16, **WINDOW}, TIED, {"attention_bias": False}, MQA,
        {"layer_types": KINDS},
    ],
    "smollm3": [
        SMALL, UNTIED, {**BIASED, "mlp_bias": True}, MHA,
        {"use_sliding_window": True, "sliding_window": 9, "num_hidden_layers": 8},
    ],
    "gpt2": [GPT2, UNTIED, {"n_inner": 50}, {"n_head": 1}],
    "gpt_neox": [NEOX, TIED, {"attention_bias": False}, {"num_attention_heads": 2}],
    "llama4_text": [
        LLAMA4, BIASED, {"interleave_moe_layer_step": 2}, {"moe_layers": [2]}, TIED,
        {"no_rope_layers": [1, 0, 0]}, {"num_hidden_layers": 9},
    ],
    "llama4": [
        {"text_config": {**LLAMA4, "model_type": "llama4_text"}, "vision_config": LLAMA4_TOWER},
        {"vision_config": {**LLAMA4_TOWER, "num_hidden_layers": 4, "hidden_size": 40}},
    ],
}  # fmt: skip
SHAPES |= RECENT

# Families whose code comes with the weights, and the one in transformers that has their structure.
BUILT_AS = {
    "mimo": "qwen2", "kimi_k2": "deepseek_v3", "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
}  # fmt: skip
# Families whose heads or states together are as wide as the model.
FIXED_WIDTH = ("helium", "gptj", "mamba2", "bamba", "granitemoehybrid", "falcon_h1")
# Families with a tower beside the text model; those in NOT_BUILT have towers from elsewhere.
SEEING = ("gemma3", "llama4", *TOWERS)
NOT_BUILT = ("gemma3n", *UNSEEN)
# Families some of whose layers carry a state of constant size.
RECURRENT = sorted([*RECURRENT_SHAPES, "kimi_linear"])
# Qwen 3 VL MoE's text model is in no library by itself, and peft adapts Qwen 3 MoE otherwise.
TEXT = sorted(set(SHAPES) - {*SEEING, *NOT_BUILT, "qwen3_vl_moe_text"})


def library_config(config: dict[str, Any]) -> Any:
    """The configuration as an object of transformers."""
    import transformers

    fields = {k: v for k, v in copy.deepcopy(config).items() if k != "model_type"}
    name = BUILT_AS.get(config["model_type"], config["model_type"])
    return transformers.CONFIG_MAPPING[name](**fields)


def configurations(family: str) -> list[dict[str, Any]]:
    """All shapes of a family as `config.json` would hold them."""
    base, *changes = SHAPES[family]
    return [{"model_type": family, **base, **change} for change in ({}, *changes)]


ALL = [
    (family, index, config)
    for family in SHAPES
    for index, config in enumerate(configurations(family))
]
