"""Gemma 3, the text model: Gemma 2 with norms on queries and keys, five windows to one layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    assemble,
    four_norms,
    gated,
    head_norms,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
)
from weighbridge.planning.anatomy.windows import every


def read(fields: Fields) -> Architecture:
    """Read five local layers to one global (arXiv:2503.19786).

    The published configurations leave out what equals the 4B model's.
    """
    fields.assume(
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=256,
        vocab_size=262_208,
        sliding_window=4096,
    )
    heads = read_heads(fields)
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *head_norms(heads),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *four_norms(heads.hidden),
    )
    period = fields.optional_count("sliding_window_pattern|_sliding_window_pattern") or 6
    kinds = fields.layer_types(every(period, fields.layers()))
    layers = layers_by_kind(kinds, weights, heads, fields.optional_count("sliding_window"))
    return assemble(fields, heads, outer_weights(fields, heads.hidden, tied=True), layers)


FAMILY = Family("gemma3_text", ("hidden_size", "num_hidden_layers", "intermediate_size"), read)
