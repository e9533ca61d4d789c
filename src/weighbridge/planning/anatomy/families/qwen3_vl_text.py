"""Qwen 3 VL, the text model: Qwen 3 with positions in three dimensions."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    head_norms,
    outer_weights,
    read_heads,
    same_layers,
    two_norms,
    usual_attention,
)


def read(fields: Fields) -> Architecture:
    """Read the common decoder with norms on each head's queries and keys."""
    fields.assume(head_dim=128)
    heads = read_heads(fields)
    weights = (
        *usual_attention(fields, heads),
        *head_norms(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("qwen3_vl_text", (*NEEDS, "num_key_value_heads"), read)
