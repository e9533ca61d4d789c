"""Granite 3 and 4 (dense): the common decoder; its multipliers change no size."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    outer_weights,
    read_heads,
    same_layers,
    two_norms,
    usual_attention,
    usual_block,
)


def read(fields: Fields) -> Architecture:
    """Read the common decoder, whose scales stand in the configuration and not in weights."""
    heads = read_heads(fields)
    weights = (
        *usual_attention(fields, heads),
        *usual_block(fields, heads),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("granite", NEEDS, read)
