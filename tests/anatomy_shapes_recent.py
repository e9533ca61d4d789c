"""Shapes of the families of 2025 and 2026, small and awkward on purpose."""

from typing import Any

SMALL = {
    "hidden_size": 48, "intermediate_size": 72, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "vocab_size": 101, "max_position_embeddings": 128,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
WIDE = {**SMALL, "head_dim": 16}
TIED, UNTIED = {"tie_word_embeddings": True}, {"tie_word_embeddings": False}
BIASED = {"attention_bias": True}
MQA, MHA = {"num_key_value_heads": 1}, {"num_key_value_heads": 6}
WINDOW = {"sliding_window": 9}
KINDS = ["sliding_attention", "full_attention", "sliding_attention"]
MIXTRAL = {**SMALL, "num_experts_per_tok": 2, "num_local_experts": 5}
ROUTED = {
    **WIDE, "n_routed_experts": 8, "num_experts_per_tok": 3, "n_shared_experts": 2,
    "moe_intermediate_size": 11, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1,
}  # fmt: skip
ERNIE_MOE = {
    **SMALL, "moe_num_experts": 8, "moe_k": 3, "moe_intermediate_size": 11,
    "moe_num_shared_experts": 2, "num_hidden_layers": 5, "moe_layer_start_index": 1,
}  # fmt: skip
EXAONE_MOE = {
    **WIDE, "num_experts": 8, "num_experts_per_tok": 3, "num_shared_experts": 2, **WINDOW,
    "moe_intermediate_size": 11, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1,
    "num_hidden_layers": 5,
}  # fmt: skip

# The first shape of a family is its base; the others are the base with these changes.
PLAIN: dict[str, list[dict[str, Any]]] = {
    "granite": [SMALL, TIED, {**BIASED, "mlp_bias": True}, MHA],
    "granitemoe": [MIXTRAL, TIED, BIASED, MQA],
    "granitemoeshared": [{**MIXTRAL, "shared_intermediate_size": 20}, TIED, BIASED,
                         {"shared_intermediate_size": 0}],
    "arcee": [SMALL, TIED, {**BIASED, "mlp_bias": True}, {"head_dim": 10}],
    "nemotron": [SMALL, TIED, {**BIASED, "mlp_bias": True}, {"head_dim": 10}],
    "helium": [{**SMALL, "head_dim": 8}, TIED, BIASED, {"mlp_bias": True}],
    "seed_oss": [WIDE, TIED, {"attention_bias": False}, {"attention_out_bias": True}],
    "apertus": [SMALL, TIED, BIASED, {"hidden_act": "relu2"}],
    "ernie4_5": [WIDE, UNTIED, {"use_bias": True}, MQA],
    "ernie4_5_moe": [
        ERNIE_MOE, UNTIED, {"use_bias": True}, {"moe_layer_interval": 2},
        {"moe_layer_end_index": 2}, {"moe_num_shared_experts": 0}, {"moe_layer_start_index": 9},
    ],
    "hunyuan_v1_dense": [WIDE, TIED, BIASED, MQA],
    "hunyuan_v1_moe": [
        {**WIDE, "num_experts": 5, "moe_topk": 2}, TIED, BIASED, MQA,
        {"moe_topk": [2, 2, 2]},
    ],
    "exaone4": [
        {**WIDE, **WINDOW}, TIED, {"sliding_window_pattern": 2}, {"layer_types": KINDS},
        {"sliding_window": None, "layer_types": ["full_attention"] * 3},
    ],
    "exaone_moe": [
        EXAONE_MOE, TIED, {"first_k_dense_replace": 3}, {"num_shared_experts": 1},
        {"mlp_layer_types": ["sparse", "dense", "sparse", "sparse", "dense"]},
    ],
    "glm": [WIDE, TIED, {"attention_bias": False}, MQA],
    "glm4": [WIDE, TIED, {"attention_bias": False}, MQA],
    "glm4_moe": [
        ROUTED, TIED, BIASED, {"use_qk_norm": True}, {"first_k_dense_replace": 3},
        {"num_nextn_predict_layers": 1},
    ],
    "dots1": [
        ROUTED, TIED, BIASED, {"max_window_layers": 1, **WINDOW}, {"first_k_dense_replace": 0},
    ],
    "minimax_m2": [{**MIXTRAL, "head_dim": 16}, TIED, MQA, {"num_local_experts": 3}],
    "mimo": [SMALL, TIED, MQA, {"num_nextn_predict_layers": 1}],
    "ministral": [{**WIDE, **WINDOW}, TIED, MQA, {"layer_types": KINDS}],
    "ministral3": [WIDE, TIED, MQA, WINDOW],
    "cohere": [SMALL, UNTIED, BIASED, {"use_qk_norm": True}],
    "cohere2": [{**SMALL, **WINDOW}, UNTIED, BIASED, {"layer_types": KINDS},
                {"num_hidden_layers": 5}],
    "starcoder2": [SMALL, UNTIED, {"use_bias": False}, WINDOW],
    "stablelm": [SMALL, TIED, {"use_qkv_bias": True}, {"qk_layernorm": True},
                 {"use_parallel_residual": True}],
}  # fmt: skip

LATENT = {
    **SMALL, "num_key_value_heads": 6, "q_lora_rank": 20, "kv_lora_rank": 12,
    "qk_nope_head_dim": 10, "qk_rope_head_dim": 4, "v_head_dim": 7, "n_routed_experts": 8,
    "num_experts_per_tok": 3, "n_shared_experts": 2, "moe_intermediate_size": 11,
    "n_group": 2, "topk_group": 1,
}  # fmt: skip
FIRST = {"first_k_dense_replace": 1}
INDEXED = {**LATENT, "index_topk": 1000, "index_head_dim": 8, "index_n_heads": 3}
KIMI_LINEAR = {
    **{k: v for k, v in LATENT.items() if k not in ("n_routed_experts", "n_shared_experts")},
    "num_experts": 8, "num_shared_experts": 2, "q_lora_rank": None, "num_hidden_layers": 6,
    "linear_head_dim": 8, "linear_num_heads": 4,
}  # fmt: skip
KIMI_LINEAR_OWN = {
    "num_heads": 3, "head_dim": 12, "short_conv_kernel_size": 3, "full_attn_layers": [2, 6],
    "kda_layers": [1, 3, 4, 5],
}  # fmt: skip
MIMO_V2 = {
    **{k: v for k, v in ROUTED.items() if k not in ("n_shared_experts", "first_k_dense_replace")},
    **WINDOW, "v_head_dim": 10, "num_hidden_layers": 7, "num_attention_heads": 8,
}  # fmt: skip

SPARSE: dict[str, list[dict[str, Any]]] = {
    "kimi_k2": [{**LATENT, **FIRST}, {"q_lora_rank": None}, {"first_k_dense_replace": 2}, TIED],
    "deepseek_v32": [
        {**INDEXED, **FIRST}, {"first_k_dense_replace": 2}, BIASED, TIED, {"index_n_heads": 1},
        {"num_nextn_predict_layers": 1},
    ],
    "glm4_moe_lite": [
        {**LATENT, "mlp_layer_types": ["dense", "sparse", "sparse"]}, {"q_lora_rank": None},
        {"mlp_layer_types": ["sparse", "dense", "sparse"]}, BIASED, TIED,
    ],
    "glm_moe_dsa": [
        {**INDEXED, **FIRST, "num_hidden_layers": 5}, BIASED, TIED,
        {"indexer_types": ["full", "shared", "full", "shared", "shared"]},
        {"index_topk_freq": 3}, {"index_topk_pattern": "FSSFS"},
        {"index_topk_freq": 2, "index_skip_topk_offset": 1},
    ],
    "kimi_linear": [
        KIMI_LINEAR, {"q_lora_rank": 20}, {"first_k_dense_replace": 2},
        {"layer_types": ["full_attention", *["linear_attention"] * 4, "full_attention"]},
        {"linear_attn_config": KIMI_LINEAR_OWN},
    ],
    "mimo_v2_flash": [
        MIMO_V2, TIED, {"num_key_value_heads": 4}, BIASED,
        {"mlp_layer_types": ["sparse", "dense", *["sparse"] * 5]},
        {"layer_types": ["full_attention", "sliding_attention"] * 3 + ["full_attention"]},
    ],
}  # fmt: skip

DELTA = {
    **WIDE, "num_hidden_layers": 4, "linear_num_value_heads": 4, "linear_num_key_heads": 2,
    "linear_key_head_dim": 8, "linear_value_head_dim": 10,
}  # fmt: skip
QWEN_EXPERTS = {
    "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 13,
    "shared_expert_intermediate_size": 9,
}  # fmt: skip
LINEAR_FIRST = ["linear_attention", "full_attention", "full_attention", "linear_attention"]
NEMOTRON_H = {
    **WIDE, "mamba_num_heads": 4, "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 6,
    "layers_block_type": ["mamba", "attention", "mlp", "mamba", "moe"], "n_routed_experts": 4,
    "num_experts_per_tok": 2, "moe_intermediate_size": 9, "num_hidden_layers": 5,
    "moe_shared_expert_intermediate_size": 11,
}  # fmt: skip
MAMBA2 = {"mamba_d_head": 8, "mamba_n_groups": 2, "mamba_d_state": 6}
GRANITE_HYBRID = {
    **SMALL, **MAMBA2, "mamba_n_heads": 12, "num_local_experts": 4, "num_experts_per_tok": 2,
    "shared_intermediate_size": 20, "layer_types": ["mamba", "attention", "mamba"],
}  # fmt: skip
FALCON_H1 = {**SMALL, **MAMBA2, "mamba_n_heads": 4, "mamba_d_ssm": 32}
MAMBA = {"hidden_size": 48, "num_hidden_layers": 3, "vocab_size": 101, "state_size": 6}
LFM2 = {**SMALL, "layer_types": ["conv", "full_attention", "conv"], "block_multiple_of": 5}

RECURRENT: dict[str, list[dict[str, Any]]] = {
    "qwen3_next": [
        {**DELTA, **QWEN_EXPERTS}, TIED, BIASED, {"layer_types": LINEAR_FIRST},
        {"mlp_only_layers": [1]}, {"decoder_sparse_step": 2}, {"linear_conv_kernel_dim": 3},
        {"full_attention_interval": 2},
    ],
    "qwen3_5_text": [
        DELTA, TIED, BIASED, {"layer_types": LINEAR_FIRST}, {"linear_num_value_heads": 2},
    ],
    "qwen3_5_moe_text": [
        {**DELTA, **QWEN_EXPERTS}, TIED, BIASED, {"layer_types": LINEAR_FIRST},
    ],
    "nemotron_h": [
        NEMOTRON_H, {"use_bias": True, "mlp_bias": True, "use_conv_bias": False},
        {"moe_latent_size": 10}, {"layers_block_type": None, "hybrid_override_pattern": "M-M*E"},
        {"layers_block_type": ["attention", "mlp", "mamba", "mlp", "mlp"]},
        {"num_nextn_predict_layers": 1},
    ],
    "granitemoehybrid": [
        GRANITE_HYBRID, TIED, BIASED, {"num_local_experts": 0}, {"layer_types": None},
        {"mamba_proj_bias": True, "mamba_conv_bias": False}, {"mamba_expand": 4,
        "mamba_d_head": "auto"}, {"layer_types": ["attention"] * 3},
    ],
    "falcon_h1": [
        FALCON_H1, TIED, {**BIASED, "mlp_bias": True}, {"mamba_rms_norm": True},
        {"projectors_bias": True, "mamba_proj_bias": True}, {"head_dim": 16},
        {"mamba_d_ssm": None, "mamba_d_head": 24},
    ],
    "bamba": [
        {**SMALL, **MAMBA2, "mamba_n_heads": 12, "attn_layer_indices": [1]}, TIED, BIASED,
        {"attn_layer_indices": None}, {"mlp_bias": True, "mamba_proj_bias": True},
    ],
    "jamba": [
        {**SMALL, "num_hidden_layers": 8, "num_experts": 4, "num_experts_per_tok": 2}, TIED,
        {"attn_layer_period": 3, "attn_layer_offset": 1}, {"mamba_dt_rank": 7},
        {"mamba_proj_bias": True, "mamba_conv_bias": False}, {"expert_layer_offset": 0},
        {"num_experts": 1, "num_experts_per_tok": 1},
    ],
    "mamba": [MAMBA, UNTIED, {"use_bias": True}, {"expand": 3, "time_step_rank": 7}],
    "falcon_mamba": [MAMBA, UNTIED, {"use_bias": True}, {"use_conv_bias": False}],
    "mamba2": [
        {**MAMBA, "num_heads": 12, "head_dim": 8, "n_groups": 2}, TIED, {"use_bias": True},
        {"conv_kernel": 3},
    ],
    "lfm2": [
        LFM2, UNTIED, {"conv_bias": True}, {"block_auto_adjust_ff_dim": False},
        {"conv_L_cache": 4}, {"block_ffn_dim_multiplier": 1.3},
        {"layer_types": None, "full_attn_idxs": [2]}, {"block_ff_dim": 55},
    ],
    "lfm2_moe": [
        {**LFM2, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 13,
         "num_dense_layers": 1}, UNTIED, {"conv_bias": True}, {"num_dense_layers": 3},
    ],
    "olmo_hybrid": [
        {**SMALL, "num_hidden_layers": 4}, TIED, BIASED, {"num_hidden_layers": 6},
        {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 5},
    ],
    "minimax": [
        {**MIXTRAL, "head_dim": 16}, TIED, MQA,
        {"layer_types": ["linear_attention", "full_attention", "linear_attention"]},
    ],
}  # fmt: skip

QWEN_TOWER = {
    "depth": 3, "hidden_size": 24, "intermediate_size": 40, "num_heads": 2, "patch_size": 4,
    "out_hidden_size": 48, "num_position_embeddings": 36, "deepstack_visual_indexes": [0, 2],
}  # fmt: skip
QWEN_TOWER_35 = {k: v for k, v in QWEN_TOWER.items() if k != "deepstack_visual_indexes"}
PIXTRAL = {
    "model_type": "pixtral", "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
    "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
}  # fmt: skip
GEMMA4_TOWER = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 12, "position_embedding_size": 30, "patch_size": 4,
}  # fmt: skip
GEMMA4 = {
    **WIDE, **WINDOW, "num_hidden_layers": 7, "global_head_dim": 20,
    "hidden_size_per_layer_input": 5, "vocab_size_per_layer_input": 80,
}  # fmt: skip
QWEN_VL_MOE = {
    **WIDE, "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 13,
}  # fmt: skip


def inside(text: dict[str, Any], tower: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A text model's shape beside a tower's."""
    return {"text_config": text, "vision_config": tower, **more}


TEXTS: dict[str, list[dict[str, Any]]] = {
    "qwen3_vl_text": [WIDE, TIED, BIASED, MQA],
    "qwen3_vl_moe_text": [QWEN_VL_MOE, TIED, BIASED, {"mlp_only_layers": [1]}],
    "gemma4_text": [
        GEMMA4, UNTIED, BIASED, {"num_kv_shared_layers": 4, "layer_types": (KINDS + KINDS[:1]) * 2,
        "num_hidden_layers": 8}, {"hidden_size_per_layer_input": 0},
        {"enable_moe_block": True, "num_experts": 5, "top_k_experts": 2,
         "moe_intermediate_size": 9}, {"attention_k_eq_v": True, "num_global_key_value_heads": 1},
        {"num_kv_shared_layers": 4, "layer_types": (KINDS + KINDS[:1]) * 2,
         "num_hidden_layers": 8, "use_double_wide_mlp": True},
    ],
}  # fmt: skip
TOWERS: dict[str, list[dict[str, Any]]] = {
    "qwen3_vl": [
        inside({**WIDE, "model_type": "qwen3_vl_text"}, QWEN_TOWER), TIED,
        {"vision_config": {**QWEN_TOWER, "spatial_merge_size": 3, "in_channels": 1}},
    ],
    "qwen3_vl_moe": [
        inside({**QWEN_VL_MOE, "model_type": "qwen3_vl_moe_text"}, QWEN_TOWER), TIED,
    ],
    "qwen3_5": [inside({**DELTA, "model_type": "qwen3_5_text"}, QWEN_TOWER_35), TIED],
    "qwen3_5_moe": [
        inside({**DELTA, **QWEN_EXPERTS, "model_type": "qwen3_5_moe_text"}, QWEN_TOWER_35), TIED,
    ],
    "mistral3": [
        inside({**WIDE, "model_type": "mistral"}, PIXTRAL, **UNTIED), TIED,
        {"text_config": {**WIDE, "model_type": "ministral3"}, "spatial_merge_size": 3},
        {"multimodal_projector_bias": True, "vision_feature_layer": [-1, -2]},
    ],
    "gemma4": [
        inside({**GEMMA4, "model_type": "gemma4_text"}, GEMMA4_TOWER), UNTIED,
        {"vision_config": {**GEMMA4_TOWER, "num_key_value_heads": 1}},
    ],
}  # fmt: skip
UNSEEN: dict[str, list[dict[str, Any]]] = {
    "kimi_k25": [{"text_config": {**LATENT, **FIRST, "model_type": "kimi_k2"}}, TIED],
}

FALCON = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 6, "vocab_size": 101}
OPT = {"ffn_dim": 72, **{k: v for k, v in SMALL.items() if k[:3] not in ("int", "pad")}}
del OPT["num_key_value_heads"]
OLDER: dict[str, list[dict[str, Any]]] = {
    "gptj": [
        {"n_embd": 48, "n_layer": 3, "n_head": 6, "n_positions": 64, "vocab_size": 101,
         "rotary_dim": 4, "bos_token_id": 1, "eos_token_id": 2}, TIED, {"n_inner": 50},
    ],
    "bloom": [{"hidden_size": 48, "n_layer": 3, "n_head": 6, "vocab_size": 101}, UNTIED],
    "mpt": [{"d_model": 48, "n_layers": 3, "n_heads": 6, "vocab_size": 101}, UNTIED],
    "falcon": [
        FALCON, UNTIED, {"bias": True}, {"multi_query": False}, {"parallel_attn": False},
        {"new_decoder_architecture": True, "num_kv_heads": 2}, {"ffn_hidden_size": 50},
        {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1},
    ],
    "opt": [
        OPT, UNTIED, {"enable_bias": False}, {"word_embed_proj_dim": 24},
        {"do_layer_norm_before": False}, {"layer_norm_elementwise_affine": False},
    ],
}  # fmt: skip

V4_KINDS = ["sliding_attention", "heavily_compressed_attention", "compressed_sparse_attention"]
DEEPSEEK_V4 = {
    **WIDE, **WINDOW, "num_key_value_heads": 1, "q_lora_rank": 20, "o_lora_rank": 10, "o_groups": 3,
    "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 11, "hc_mult": 3,
    "index_topk": 1000, "index_head_dim": 8, "index_n_heads": 3, "layer_types": V4_KINDS,
    "qk_rope_head_dim": 4,
    "compress_rates": {"compressed_sparse_attention": 2, "heavily_compressed_attention": 3},
}  # fmt: skip
del DEEPSEEK_V4["intermediate_size"]
SPARSE["deepseek_v4"] = [
    DEEPSEEK_V4,
    TIED,
    {"hc_mult": 2},
    {"num_nextn_predict_layers": 1},
    {"layer_types": None, "compress_ratios": [128, 4, 0], "compress_rates": None},
    {"layer_types": None, "num_hidden_layers": 5},
    {"o_groups": 2},
]

RECENT = OLDER | PLAIN | SPARSE | RECURRENT | TEXTS | TOWERS | UNSEEN
