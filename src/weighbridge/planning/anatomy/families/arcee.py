"""AFM by Arcee: the common decoder with an ungated feed-forward block."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    outer_weights,
    plain_block,
    read_heads,
    same_layers,
    two_norms,
    usual_attention,
)


def read(fields: Fields) -> Architecture:
    """Read layers whose feed-forward block uses squared ReLU (So et al. 2021)."""
    heads = read_heads(fields)
    inner, bias = fields.count("intermediate_size"), fields.flag("mlp_bias", False)
    weights = (
        *usual_attention(fields, heads),
        *plain_block(heads.hidden, inner, bias=bias),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("arcee", NEEDS, read)
