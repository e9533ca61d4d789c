"""Nemotron 3, 4 and Minitron: layer norms, and a block without a gate."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    norm,
    outer_weights,
    plain_block,
    read_heads,
    same_layers,
    two_norms,
    usual_attention,
)


def read(fields: Fields) -> Architecture:
    """Read layers whose norms have a shift (arXiv:2402.16819)."""
    heads = read_heads(fields)
    inner, bias = fields.count("intermediate_size"), fields.flag("mlp_bias", False)
    weights = (
        *usual_attention(fields, heads),
        *plain_block(heads.hidden, inner, bias=bias),
        *two_norms(heads.hidden, bias=True),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    last = (norm("norm", heads.hidden, bias=True),)
    return assemble(fields, heads, outer_weights(fields, heads.hidden, last_norm=last), layers)


FAMILY = Family("nemotron", NEEDS, read)
