"""Bamba: state spaces with attention in a few layers, and dense blocks."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.recurrent import LINEAR, read_mamba2
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
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
    """Read layers of two kinds with the same block."""
    heads, count = read_heads(fields), fields.layers()
    inner, bias = fields.count("intermediate_size"), fields.flag("mlp_bias", False)
    attending = fields.numbers("attn_layer_indices") or []
    default = [FULL if index in attending else LINEAR for index in range(count)]
    around = (
        *gated(heads.hidden, inner, bias=bias, path="feed_forward"),
        norm("input_layernorm", heads.hidden),
        norm("pre_ff_layernorm", heads.hidden),
    )
    weights, state = read_mamba2(fields, heads.hidden)
    made = {
        FULL: Layer((*usual_attention(fields, heads), *around), attention_of(heads)),
        LINEAR: Layer((*weights, *around), state=state),
    }
    last = (norm("final_layernorm", heads.hidden),)
    outer = outer_weights(fields, heads.hidden, last_norm=last)
    return assemble(fields, heads, outer, [made[kind] for kind in default])


FAMILY = Family("bamba", NEEDS, read)
