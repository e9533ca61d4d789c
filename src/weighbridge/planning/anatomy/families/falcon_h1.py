"""Falcon H1: attention and a state space side by side in every layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.recurrent import read_mamba2
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    norm,
    outer_weights,
    read_heads,
    usual_attention,
)


def read(fields: Fields) -> Architecture:
    """Read layers with both mixers and a gated block (arXiv:2507.22448)."""
    heads = read_heads(fields)
    inner, bias = fields.count("intermediate_size"), fields.flag("mlp_bias", False)
    weights, state = read_mamba2(
        fields,
        heads.hidden,
        out_bias=fields.flag("projectors_bias", False),
        norm=fields.flag("mamba_rms_norm", False),
        adapted=False,
    )
    whole = (
        *usual_attention(fields, heads),
        *weights,
        *gated(heads.hidden, inner, bias=bias, path="feed_forward"),
        norm("input_layernorm", heads.hidden),
        norm("pre_ff_layernorm", heads.hidden),
    )
    layers = [Layer(whole, attention_of(heads), state)] * fields.layers()
    last = (norm("final_layernorm", heads.hidden),)
    return assemble(fields, heads, outer_weights(fields, heads.hidden, last_norm=last), layers)


FAMILY = Family("falcon_h1", NEEDS, read)
