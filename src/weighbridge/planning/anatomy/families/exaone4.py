"""EXAONE 4: norms behind attention and block, and windows in most layers of the large one."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    gated,
    head_norms,
    layers_by_kind,
    norm,
    outer_weights,
    projections,
    read_heads,
)
from weighbridge.planning.anatomy.windows import exaone_window


def read(fields: Fields) -> Architecture:
    """Read three local layers to one global (arXiv:2507.11407), or global ones only."""
    heads = read_heads(fields)
    kinds, window = exaone_window(fields)
    weights = (
        *projections(heads),
        *head_norms(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        norm("post_attention_layernorm", heads.hidden),
        norm("post_feedforward_layernorm", heads.hidden),
    )
    layers = layers_by_kind(kinds, weights, heads, window)
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("exaone4", (*NEEDS, "num_key_value_heads"), read)
