"""SmolLM 3: the common decoder with a tied head; some layers have no rotary positions."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    NEEDS,
    SLIDING,
    assemble,
    gated,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read layers; where a window is used, the layers without rotary positions have it."""
    heads = read_heads(fields)
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *gated(
            heads.hidden, fields.count("intermediate_size"), bias=fields.flag("mlp_bias", False)
        ),
        *two_norms(heads.hidden),
    )
    used = fields.flag("use_sliding_window", False)
    window = fields.optional_count("sliding_window") if used else None
    kinds = fields.layer_types(_kinds(fields, window))
    layers = layers_by_kind(kinds, weights, heads, window)
    return assemble(fields, heads, outer_weights(fields, heads.hidden, tied=True), layers)


def _kinds(fields: Fields, window: int | None) -> list[str]:
    layers = fields.layers()
    rotary = fields.numbers("no_rope_layers")
    if rotary is None:
        period = fields.optional_count("no_rope_layer_interval") or 4
        rotary = [int((index + 1) % period != 0) for index in range(layers)]
    if len(rotary) < layers:
        fields.require_length("no_rope_layers", len(rotary), "num_hidden_layers", layers)
    return [SLIDING if window and not rotary[index] else FULL for index in range(layers)]


FAMILY = Family("smollm3", (*NEEDS, "num_key_value_heads"), read)
