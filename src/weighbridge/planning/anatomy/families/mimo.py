"""MiMo 7B: Qwen 2 with layers for multi-token prediction beside it."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    gated,
    later_tokens,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)
from weighbridge.planning.anatomy.windows import qwen_window


def read(fields: Fields) -> Architecture:
    """Read attention whose first three projections have biases (arXiv:2505.07608)."""
    heads = read_heads(fields)
    kinds, window = qwen_window(fields)
    weights = (
        *projections(heads, bias=fields.flag("attention_bias", True)),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    layers = layers_by_kind(kinds, weights, heads, window)
    outer = outer_weights(fields, heads.hidden)
    return assemble(fields, heads, outer, layers, notes=later_tokens(fields))


FAMILY = Family("mimo", (*NEEDS, "num_key_value_heads"), read)
