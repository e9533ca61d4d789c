"""Granite 3 MoE with a shared expert, whose gate and up are one projection."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    linear,
    outer_weights,
    read_heads,
    same_layers,
    two_norms,
    usual_attention,
)

_EXPERTS = "num_local_experts|num_experts"


def read(fields: Fields) -> Architecture:
    """Read layers with a mixture and, where it has a width, a shared block beside it."""
    fields.assume(shared_intermediate_size=0)
    heads = read_heads(fields)
    experts = read_experts(fields, _EXPERTS, "intermediate_size")
    inner = fields.count("shared_intermediate_size", zero=True)
    shared = (
        linear("shared_mlp.input_linear", "shared_experts", heads.hidden, 2 * inner),
        linear("shared_mlp.output_linear", "shared_experts", inner, heads.hidden),
    )
    weights = (
        *usual_attention(fields, heads),
        *mixture(heads.hidden, experts, path="block_sparse_moe", router="router"),
        *(shared if inner else ()),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    figures = {**experts.figures, "shared_experts": int(inner > 0)}
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **figures)


FAMILY = Family("granitemoeshared", (*NEEDS, _EXPERTS, "num_experts_per_tok"), read)
