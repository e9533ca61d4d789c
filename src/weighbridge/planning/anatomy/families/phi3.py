"""Phi 3 and 4: the common decoder with fused projections, and a window where one is set."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    SLIDING,
    assemble,
    attention_of,
    linear,
    outer_weights,
    read_heads,
    same_layers,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read one projection for queries, keys and values, and one for gate and up."""
    heads = read_heads(fields)
    hidden, inner = heads.hidden, fields.count("intermediate_size")
    queries, key_values = heads.queries * heads.width, heads.key_values * heads.width
    weights = (
        linear("self_attn.qkv_proj", "attention", hidden, queries + 2 * key_values),
        linear("self_attn.o_proj", "attention", queries, hidden),
        linear("mlp.gate_up_proj", "mlp", hidden, 2 * inner),
        linear("mlp.down_proj", "mlp", inner, hidden),
        *two_norms(hidden),
    )
    attention = attention_of(heads, SLIDING, fields.optional_count("sliding_window"))
    layers = same_layers(fields, weights, attention)
    return assemble(fields, heads, outer_weights(fields, hidden), layers)


FAMILY = Family("phi3", NEEDS, read)
