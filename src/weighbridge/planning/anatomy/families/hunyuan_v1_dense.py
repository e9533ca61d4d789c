"""Hunyuan (dense): the common decoder with a norm on each head's queries and keys."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    norm,
    outer_weights,
    read_heads,
    same_layers,
    two_norms,
    usual_attention,
)


def read(fields: Fields) -> Architecture:
    """Read layers in which those norms stand behind the rotary positions."""
    heads = read_heads(fields)
    weights = (
        *usual_attention(fields, heads),
        norm("self_attn.query_layernorm", heads.width),
        norm("self_attn.key_layernorm", heads.width),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("hunyuan_v1_dense", NEEDS, read)
