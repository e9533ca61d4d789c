"""OLMo 2: norms after each block instead of before, and on all queries and keys together."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    joint_norms,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read layers with as many norms as the common decoder, at other places."""
    heads = read_heads(fields)
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *joint_norms(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("olmo2", NEEDS, read)
