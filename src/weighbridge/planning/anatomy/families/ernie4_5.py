"""ERNIE 4.5 (dense): the common decoder, with biases everywhere or nowhere."""

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
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read a decoder in which one field says whether all linear layers have biases."""
    fields.assume(head_dim=128)
    heads, bias = read_heads(fields), fields.flag("use_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *gated(heads.hidden, fields.count("intermediate_size"), bias=bias),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden, tied=True), layers)


FAMILY = Family("ernie4_5", (*NEEDS, "num_key_value_heads"), read)
