"""Ministral: Mistral with a window in some layers."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    NEEDS,
    SLIDING,
    assemble,
    gated,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read layers that are all local where a window is set and no list says otherwise."""
    fields.assume(sliding_window=4096)
    heads, window = read_heads(fields), fields.optional_count("sliding_window")
    weights = (
        *projections(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    kinds = fields.layer_types([SLIDING if window else FULL] * fields.layers())
    layers = layers_by_kind(kinds, weights, heads, window)
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("ministral", (*NEEDS, "num_key_value_heads"), read)
