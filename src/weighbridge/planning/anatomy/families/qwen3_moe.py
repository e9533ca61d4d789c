"""Qwen 3 MoE: Qwen 3 with mixtures of many small experts."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts, sparse_layers
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    SLIDING,
    assemble,
    attention_of,
    gated,
    head_norms,
    outer_weights,
    projections,
    read_heads,
    two_norms,
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
    heads = read_heads(fields)
    experts = read_experts(fields, "num_experts|num_local_experts", "moe_intermediate_size")
    bias = fields.flag("attention_bias", False)
    around = (
        *projections(heads, bias=bias, out_bias=bias),
        *head_norms(heads),
        *two_norms(heads.hidden),
    )
    dense = gated(heads.hidden, fields.count("intermediate_size"), as_linear=0)
    sparse = mixture(heads.hidden, experts, as_linear=True)
    used = fields.flag("use_sliding_window", False)
    attention = attention_of(
        heads, SLIDING, fields.optional_count("sliding_window") if used else None
    )
    is_sparse = sparse_layers(fields, fields.layers())
    layers = [Layer((*around, *(sparse if moe else dense)), attention) for moe in is_sparse]
    figures = experts.figures if any(is_sparse) else {}
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **figures)


FAMILY = Family("qwen3_moe", _NEEDS, read)
