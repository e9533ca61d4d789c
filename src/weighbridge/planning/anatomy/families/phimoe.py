"""Phi 3.5 MoE: mixtures in every layer, layer norms, biases in attention."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    SLIDING,
    assemble,
    attention_of,
    norm,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)

_EXPERTS = "num_local_experts|num_experts"


def read(fields: Fields) -> Architecture:
    """Read layers whose router is a linear layer."""
    heads = read_heads(fields)
    experts = read_experts(fields, _EXPERTS, "intermediate_size")
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *mixture(heads.hidden, experts, router="router", linear_router=True),
        *two_norms(heads.hidden, bias=True),
    )
    attention = attention_of(heads, SLIDING, fields.optional_count("sliding_window"))
    outer = outer_weights(
        fields,
        heads.hidden,
        head_bias=fields.flag("lm_head_bias", False),
        last_norm=(norm("norm", heads.hidden, bias=True),),
    )
    layers = same_layers(fields, weights, attention)
    return assemble(fields, heads, outer, layers, **experts.figures)


FAMILY = Family("phimoe", (*NEEDS, "num_key_value_heads", _EXPERTS, "num_experts_per_tok"), read)
