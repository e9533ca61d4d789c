"""Granite 3 MoE: the common decoder with a mixture in every layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    outer_weights,
    read_heads,
    same_layers,
    two_norms,
    usual_attention,
)

_EXPERTS = "num_local_experts|num_experts"


def read(fields: Fields) -> Architecture:
    """Read layers whose feed-forward block is a mixture."""
    heads = read_heads(fields)
    experts = read_experts(fields, _EXPERTS, "intermediate_size")
    weights = (
        *usual_attention(fields, heads),
        *mixture(heads.hidden, experts, path="block_sparse_moe", router="router"),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **experts.figures)


FAMILY = Family("granitemoe", (*NEEDS, _EXPERTS, "num_experts_per_tok"), read)
