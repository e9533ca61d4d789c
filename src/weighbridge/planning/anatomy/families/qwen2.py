"""Qwen 2 and 2.5: the common decoder with biases on queries, keys and values."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    gated,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)
from weighbridge.planning.anatomy.windows import qwen_window


def read(fields: Fields) -> Architecture:
    """Read attention whose first three projections have biases."""
    heads = read_heads(fields)
    kinds, window = qwen_window(fields)
    weights = (
        *projections(heads, bias=True),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    layers = layers_by_kind(kinds, weights, heads, window)
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("qwen2", (*NEEDS, "num_key_value_heads"), read)
