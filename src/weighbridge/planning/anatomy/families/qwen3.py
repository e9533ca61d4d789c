"""Qwen 3: the common decoder with a norm on each head's queries and keys."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    gated,
    head_norms,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)
from weighbridge.planning.anatomy.windows import qwen_window


def read(fields: Fields) -> Architecture:
    """Read attention with heads of a width of their own."""
    fields.assume(head_dim=128)
    heads = read_heads(fields)
    kinds, window = qwen_window(fields)
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *head_norms(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    layers = layers_by_kind(kinds, weights, heads, window)
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("qwen3", (*NEEDS, "num_key_value_heads"), read)
