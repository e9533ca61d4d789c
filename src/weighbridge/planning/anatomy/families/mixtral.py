"""Mixtral: Mistral with a mixture of experts in every layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    SLIDING,
    assemble,
    attention_of,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)

_EXPERTS = "num_local_experts|num_experts"


def read(fields: Fields) -> Architecture:
    """Read attention and experts (Jiang et al. 2024, arXiv:2401.04088)."""
    heads = read_heads(fields)
    experts = read_experts(fields, _EXPERTS, "intermediate_size")
    weights = (
        *projections(heads),
        *mixture(heads.hidden, experts, as_linear=True),
        *two_norms(heads.hidden),
    )
    attention = attention_of(heads, SLIDING, fields.optional_count("sliding_window"))
    layers = same_layers(fields, weights, attention)
    outer = outer_weights(fields, heads.hidden)
    return assemble(fields, heads, outer, layers, **experts.figures)


FAMILY = Family("mixtral", (*NEEDS, "num_key_value_heads", _EXPERTS, "num_experts_per_tok"), read)
