"""gpt-oss: experts with biases in every layer, attention sinks, a window in every second layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    layers_by_kind,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)
from weighbridge.planning.anatomy.windows import every

_EXPERTS = "num_local_experts|num_experts"


def read(fields: Fields) -> Architecture:
    """Read alternating local and global layers (arXiv:2508.10925)."""
    fields.assume(head_dim=64, sliding_window=128)
    heads = read_heads(fields)
    experts = read_experts(fields, _EXPERTS, "intermediate_size")
    bias = fields.flag("attention_bias", True)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        Weight("self_attn.sinks", "attention", 1, heads.queries, "vector"),
        *mixture(heads.hidden, experts, router="router", bias=True),
        *two_norms(heads.hidden),
    )
    kinds = fields.layer_types(every(2, fields.layers()))
    layers = layers_by_kind(kinds, weights, heads, fields.optional_count("sliding_window"))
    outer = outer_weights(fields, heads.hidden)
    return assemble(fields, heads, outer, layers, **experts.figures)


FAMILY = Family("gpt_oss", (*NEEDS, "num_key_value_heads", _EXPERTS, "num_experts_per_tok"), read)
