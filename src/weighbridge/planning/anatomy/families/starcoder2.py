"""StarCoder 2: layer norms, a block without a gate, biases everywhere."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    SLIDING,
    assemble,
    attention_of,
    linear,
    norm,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read layers with grouped queries and, where one is set, a window (arXiv:2402.19173)."""
    heads, inner = read_heads(fields), fields.count("intermediate_size")
    bias = fields.flag("use_bias", True)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        linear("mlp.c_fc", "mlp", heads.hidden, inner, bias),
        linear("mlp.c_proj", "mlp", inner, heads.hidden, bias),
        *two_norms(heads.hidden, bias=True),
    )
    attention = attention_of(heads, SLIDING, fields.optional_count("sliding_window"))
    last = (norm("norm", heads.hidden, bias=True),)
    outer = outer_weights(fields, heads.hidden, tied=True, last_norm=last)
    return assemble(fields, heads, outer, same_layers(fields, weights, attention))


FAMILY = Family("starcoder2", (*NEEDS, "num_key_value_heads"), read)
