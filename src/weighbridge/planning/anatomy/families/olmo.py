"""OLMo 1: the common decoder with norms that have no parameters."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    outer_weights,
    projections,
    read_heads,
    same_layers,
)


def read(fields: Fields) -> Architecture:
    """Read layers of linear layers only."""
    heads = read_heads(fields)
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *gated(heads.hidden, fields.count("intermediate_size")),
    )
    outer = outer_weights(fields, heads.hidden, last_norm=())
    return assemble(fields, heads, outer, same_layers(fields, weights, attention_of(heads)))


FAMILY = Family("olmo", NEEDS, read)
