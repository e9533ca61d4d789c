"""Gemma 2: Gemma with norms on both sides of each block, and a window in every second layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    four_norms,
    gated,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
)
from weighbridge.planning.anatomy.windows import every


def read(fields: Fields) -> Architecture:
    """Read alternating local and global layers (arXiv:2408.00118)."""
    fields.assume(head_dim=256, sliding_window=4096)
    heads = read_heads(fields)
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *four_norms(heads.hidden),
    )
    kinds = fields.layer_types(every(2, fields.layers()))
    layers = layers_by_kind(kinds, weights, heads, fields.optional_count("sliding_window"))
    return assemble(fields, heads, outer_weights(fields, heads.hidden, tied=True), layers)


FAMILY = Family("gemma2", (*NEEDS, "num_key_value_heads"), read)
