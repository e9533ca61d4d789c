"""Qwen 1.5 and 2 MoE: Qwen 2 with mixtures that have one gated shared expert."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts, sparse_layers
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    NEEDS,
    SLIDING,
    assemble,
    attention_of,
    gated,
    linear,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)

_NEEDS = (
    *NEEDS,
    "num_key_value_heads",
    "num_experts|num_local_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
)


def read(fields: Fields) -> Architecture:
    """Read layers of which each is a mixture or a dense block."""
    heads = read_heads(fields)
    experts = read_experts(fields, "num_experts|num_local_experts", "moe_intermediate_size")
    shared = fields.count("shared_expert_intermediate_size")
    around = (
        *projections(heads, bias=fields.flag("qkv_bias", True)),
        *two_norms(heads.hidden),
    )
    dense = gated(heads.hidden, fields.count("intermediate_size"))
    sparse = (
        *mixture(heads.hidden, experts),
        *gated(heads.hidden, shared, path="mlp.shared_expert", role="shared_experts"),
        linear("mlp.shared_expert_gate", "shared_experts", heads.hidden, 1),
    )
    is_sparse = sparse_layers(fields, fields.layers())
    layers = [
        Layer((*around, *(sparse if moe else dense)), attention_of(heads, kind, window))
        for moe, (kind, window) in zip(is_sparse, _windows(fields), strict=True)
    ]
    figures = {**experts.figures, "shared_experts": 1} if any(is_sparse) else {}
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **figures)


def _windows(fields: Fields) -> list[tuple[str, int | None]]:
    """Every second of the first `max_window_layers` has a window, where windows are used."""
    used = fields.flag("use_sliding_window", False)
    fields.assume(**({"sliding_window": 4096, "max_window_layers": 28} if used else {}))
    last = fields.count("max_window_layers", zero=True) if used else 0
    default = [SLIDING if i % 2 == 0 and i < last else FULL for i in range(fields.layers())]
    window = fields.optional_count("sliding_window") if used else None
    return [(kind, window) for kind in fields.layer_types(default)]


FAMILY = Family("qwen2_moe", _NEEDS, read)
