"""Ministral 3: Mistral with heads of a width of their own; queries grow with the position."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    SLIDING,
    assemble,
    attention_of,
    gated,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read the common decoder; the scale of its queries is no weight."""
    fields.assume(head_dim=128)
    heads = read_heads(fields)
    weights = (
        *projections(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    attention = attention_of(heads, SLIDING, fields.optional_count("sliding_window"))
    layers = same_layers(fields, weights, attention)
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("ministral3", (*NEEDS, "num_key_value_heads"), read)
