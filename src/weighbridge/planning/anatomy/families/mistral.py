"""Mistral: the common decoder, with a sliding window in every layer where one is set."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    SLIDING,
    assemble,
    attention_of,
    gated,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read grouped-query attention within a window (Jiang et al. 2023, arXiv:2310.06825)."""
    fields.assume(sliding_window=4096)
    heads = read_heads(fields)
    weights = (
        *projections(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden),
    )
    attention = attention_of(heads, SLIDING, fields.optional_count("sliding_window"))
    layers = same_layers(fields, weights, attention)
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("mistral", (*NEEDS, "num_key_value_heads"), read)
