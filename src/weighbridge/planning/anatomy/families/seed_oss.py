"""Seed-OSS: the common decoder with biases on queries, keys and values."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
    usual_block,
)


def read(fields: Fields) -> Architecture:
    """Read attention whose output has a bias of its own field."""
    fields.assume(head_dim=128)
    heads = read_heads(fields)
    out = fields.flag("attention_out_bias", False)
    weights = (
        *projections(heads, bias=fields.flag("attention_bias", True), out_bias=out),
        *usual_block(fields, heads),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("seed_oss", (*NEEDS, "num_key_value_heads"), read)
