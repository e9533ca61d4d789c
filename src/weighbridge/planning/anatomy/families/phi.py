"""Phi 1 and 2: attention and block side by side after one norm, with biases everywhere."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    linear,
    norm,
    outer_weights,
    projections,
    read_heads,
    same_layers,
)


def read(fields: Fields) -> Architecture:
    """Read layers with layer norms and a block without a gate."""
    heads = read_heads(fields)
    inner = fields.count("intermediate_size")
    head_norms = fields.flag("qk_layernorm", False)
    width = heads.hidden // heads.queries
    weights = (
        *projections(heads, bias=True, out_bias=True, out="dense"),
        *((norm("self_attn.q_layernorm", width, bias=True),) if head_norms else ()),
        *((norm("self_attn.k_layernorm", width, bias=True),) if head_norms else ()),
        linear("mlp.fc1", "mlp", heads.hidden, inner, bias=True),
        linear("mlp.fc2", "mlp", inner, heads.hidden, bias=True),
        norm("input_layernorm", heads.hidden, bias=True),
    )
    last = (norm("final_layernorm", heads.hidden, bias=True),)
    outer = outer_weights(fields, heads.hidden, head_bias=True, last_norm=last)
    return assemble(fields, heads, outer, same_layers(fields, weights, attention_of(heads)))


FAMILY = Family("phi", NEEDS, read)
