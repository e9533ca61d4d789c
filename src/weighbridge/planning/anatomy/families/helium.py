"""Helium by Kyutai: the common decoder; attention's output projection has no bias."""

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
    """Read the common decoder."""
    fields.assume(head_dim=128)
    heads = read_heads(fields)
    if heads.queries * heads.width != heads.hidden:
        wanted = f"{heads.hidden:,} / {heads.queries}, as heads together are as wide as the model"
        raise fields.wrong("head_dim", heads.width, wanted)
    weights = (
        *projections(heads, bias=fields.flag("attention_bias", False)),
        *usual_block(fields, heads),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("helium", (*NEEDS, "num_key_value_heads"), read)
