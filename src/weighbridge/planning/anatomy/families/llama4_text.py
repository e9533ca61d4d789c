"""Llama 4, the text model: mixtures of one routed and one shared expert, and chunked attention."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    CHUNKED,
    FULL,
    NEEDS,
    assemble,
    attention_of,
    gated,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)

_NEEDS = (
    *NEEDS,
    "num_key_value_heads",
    "num_local_experts",
    "num_experts_per_tok",
    "intermediate_size_mlp",
)


def read(fields: Fields) -> Architecture:
    """Read layers that are mixtures or dense, and local but for those without rotary positions."""
    fields.assume(head_dim=128, attention_chunk_size=8192)
    heads, count = read_heads(fields), fields.layers()
    experts = read_experts(fields, "num_local_experts", "intermediate_size")
    bias = fields.flag("attention_bias", False)
    around = (*projections(heads, bias=bias, out_bias=bias), *two_norms(heads.hidden))
    path = "feed_forward"
    dense = gated(heads.hidden, fields.count("intermediate_size_mlp"), path=path)
    sparse = (
        *mixture(heads.hidden, experts, path=path, router="router", linear_router=True),
        *gated(heads.hidden, experts.inner, path=f"{path}.shared_expert", role="shared_experts"),
    )
    chunk, mixtures = fields.optional_count("attention_chunk_size"), _mixtures(fields, count)
    layers = [
        Layer(
            (*around, *(sparse if index in mixtures else dense)), attention_of(heads, kind, chunk)
        )
        for index, kind in enumerate(fields.layer_types(_kinds(fields, count)))
    ]
    figures = {**experts.figures, "shared_experts": 1} if mixtures else {}
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **figures)


def _mixtures(fields: Fields, layers: int) -> set[int]:
    listed = fields.numbers("moe_layers")
    if listed is None:
        step = fields.optional_count("interleave_moe_layer_step") or 1
        return set(range(step - 1, layers, step))
    for index in listed:
        if index >= layers:
            raise fields.wrong("moe_layers", index, f"layers from 0 to {layers - 1}")
    return set(listed)


def _kinds(fields: Fields, layers: int) -> list[str]:
    """Every fourth layer has no rotary positions and sees all; a list says otherwise."""
    rotary = fields.numbers("no_rope_layers")
    if not rotary:
        period = fields.optional_count("no_rope_layer_interval") or 4
        rotary = [int((index + 1) % period != 0) for index in range(layers)]
    if len(rotary) < layers:
        fields.require_length("no_rope_layers", len(rotary), "num_hidden_layers", layers)
    return [CHUNKED if rotary[index] else FULL for index in range(layers)]


FAMILY = Family("llama4_text", _NEEDS, read)
