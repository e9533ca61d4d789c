"""Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).

Keys and values are expanded from one latent a token; what is cached is the latent and the one
rotary key that all heads share: 576 numbers a layer where 128 heads would take 40,960.
"""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import Experts, mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Attention, Layer, Weight
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    Heads,
    assemble,
    gated,
    linear,
    norm,
    outside,
    two_norms,
)

LATENT_NEEDS = (
    *NEEDS,
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "n_routed_experts|num_experts|num_local_experts",
    "num_experts_per_tok",
    "n_shared_experts",
    "moe_intermediate_size",
)


def read_deepseek(fields: Fields, *, dense_first: int, notes: tuple[str, ...] = ()) -> Architecture:
    """Read DeepSeek-V2 or V3: a few dense layers, then mixtures with shared experts.

    Args:
        fields: The configuration.
        dense_first: What the family takes where `first_k_dense_replace` is absent.
        notes: What is not counted.
    """
    fields.assume(q_lora_rank=1536, first_k_dense_replace=dense_first)
    fields.refuse("moe_layer_freq", 1, "as in every published model")
    hidden, layers = fields.count("hidden_size"), fields.layers()
    experts = read_experts(
        fields, "n_routed_experts|num_experts|num_local_experts", "moe_intermediate_size"
    )
    weights, attention = _latent_attention(fields)
    bias = fields.flag("mlp_bias", False)
    dense = gated(hidden, fields.count("intermediate_size"), bias=bias, as_linear=0)
    sparse = _with_shared(fields, hidden, experts, bias)
    first = min(fields.count("first_k_dense_replace", zero=True), layers)
    shared = fields.count("n_shared_experts", zero=True)
    return assemble(
        fields,
        Heads(hidden, attention.heads, 0, attention.key_width),
        outside(fields, hidden),
        [Layer((*weights, *dense, *two_norms(hidden)), attention)] * first
        + [Layer((*weights, *sparse, *two_norms(hidden)), attention)] * (layers - first),
        **(experts.figures if first < layers else {}),
        shared_experts=shared if first < layers else 0,
        notes=notes,
    )


def _with_shared(fields: Fields, hidden: int, experts: Experts, bias: bool) -> tuple[Weight, ...]:
    """Shared experts are one gated block, as wide as all of them together."""
    inner = experts.inner * fields.count("n_shared_experts", zero=True)
    path = "mlp.shared_experts"
    shared = gated(hidden, inner, bias=bias, path=path, role="shared_experts", as_linear=0)
    return (*mixture(hidden, experts, as_linear=True), *shared)


def _latent_attention(fields: Fields) -> tuple[tuple[Weight, ...], Attention]:
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    latent, rotary = fields.count("kv_lora_rank"), fields.count("qk_rope_head_dim")
    plain, value = fields.count("qk_nope_head_dim"), fields.count("v_head_dim")
    rank, bias = fields.optional_count("q_lora_rank"), fields.flag("attention_bias", False)
    queries = heads * (plain + rotary)
    if rank is None:
        query: tuple[Weight, ...] = (linear("self_attn.q_proj", "attention", hidden, queries),)
    else:
        query = (
            linear("self_attn.q_a_proj", "attention", hidden, rank, bias),
            norm("self_attn.q_a_layernorm", rank),
            linear("self_attn.q_b_proj", "attention", rank, queries),
        )
    down, up = "self_attn.kv_a_proj_with_mqa", "self_attn.kv_b_proj"
    weights = (
        *query,
        linear(down, "attention", hidden, latent + rotary, bias),
        norm("self_attn.kv_a_layernorm", latent),
        linear(up, "attention", latent, heads * (plain + value)),
        linear("self_attn.o_proj", "attention", heads * value, hidden, bias),
    )
    return weights, Attention(heads, plain + rotary, value, cached=latent + rotary)
