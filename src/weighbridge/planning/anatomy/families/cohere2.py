"""Command R7B and A: Command R with three windows to one global layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    gated,
    layers_by_kind,
    norm,
    outer_weights,
    read_heads,
    usual_attention,
)
from weighbridge.planning.anatomy.windows import every


def read(fields: Fields) -> Architecture:
    """Read attention and block side by side after one norm."""
    fields.assume(sliding_window=4096)
    heads = read_heads(fields)
    weights = (
        *usual_attention(fields, heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        norm("input_layernorm", heads.hidden),
    )
    period = fields.optional_count("sliding_window_pattern|_sliding_window_pattern") or 4
    kinds = fields.layer_types(every(period, fields.layers()))
    layers = layers_by_kind(kinds, weights, heads, fields.optional_count("sliding_window"))
    return assemble(fields, heads, outer_weights(fields, heads.hidden, tied=True), layers)


FAMILY = Family("cohere2", NEEDS, read)
