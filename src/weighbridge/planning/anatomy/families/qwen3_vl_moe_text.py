"""Qwen 3 VL MoE, the text model: Qwen 3 MoE with positions in three dimensions."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts, sparse_layers
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    head_norms,
    outer_weights,
    read_heads,
    two_norms,
    usual_attention,
)

_NEEDS = (
    *NEEDS,
    "num_key_value_heads",
    "num_experts|num_local_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
)


def read(fields: Fields) -> Architecture:
    """Read layers of which each is a mixture or a dense block."""
    fields.assume(head_dim=128)
    heads = read_heads(fields)
    experts = read_experts(fields, "num_experts|num_local_experts", "moe_intermediate_size")
    around = (*usual_attention(fields, heads), *head_norms(heads), *two_norms(heads.hidden))
    dense = gated(heads.hidden, fields.count("intermediate_size"))
    sparse = mixture(heads.hidden, experts)
    is_sparse, attention = sparse_layers(fields, fields.layers()), attention_of(heads)
    layers = [Layer((*around, *(sparse if moe else dense)), attention) for moe in is_sparse]
    figures = experts.figures if any(is_sparse) else {}
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **figures)


FAMILY = Family("qwen3_vl_moe_text", _NEEDS, read)
