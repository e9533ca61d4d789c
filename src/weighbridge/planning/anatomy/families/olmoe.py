"""OLMoE: small experts in every layer, and norms on all queries and keys together."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    joint_norms,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)

_EXPERTS = "num_experts|num_local_experts"


def read(fields: Fields) -> Architecture:
    """Read mixtures without shared experts (Muennighoff et al. 2024, arXiv:2409.02060)."""
    heads = read_heads(fields)
    experts = read_experts(fields, _EXPERTS, "intermediate_size")
    bias = fields.flag("attention_bias", False)
    weights = (
        *projections(heads, bias=bias, out_bias=bias),
        *joint_norms(heads),
        *mixture(heads.hidden, experts, as_linear=True),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    outer = outer_weights(fields, heads.hidden)
    return assemble(fields, heads, outer, layers, **experts.figures)


FAMILY = Family("olmoe", (*NEEDS, _EXPERTS, "num_experts_per_tok"), read)
