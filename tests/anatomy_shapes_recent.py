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

RECENT = PLAIN
