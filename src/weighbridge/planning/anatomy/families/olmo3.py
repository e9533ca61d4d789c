"""OLMo 3: OLMo 2 with a window in three layers of four."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    gated,
    joint_norms,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)
from weighbridge.planning.anatomy.windows import every


def read(fields: Fields) -> Architecture:
    """Read three local layers to one global."""
    fields.assume(sliding_window=4096)
    heads = read_heads(fields)
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *joint_norms(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    kinds = fields.layer_types(every(4, fields.layers()))
    layers = layers_by_kind(kinds, weights, heads, fields.optional_count("sliding_window"))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("olmo3", NEEDS, read)
