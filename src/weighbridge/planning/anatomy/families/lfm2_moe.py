"""LFM 2 MoE: LFM 2 with mixtures behind the first layers."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.lfm import (
    LFM2_NEEDS,
    lfm2_block,
    lfm2_kinds,
    lfm2_layers,
    lfm2_norms,
)
from weighbridge.planning.anatomy.mixture import first_dense, mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import assemble, norm, outer_weights, read_heads

_NEEDS = (
    *LFM2_NEEDS,
    "intermediate_size",
    "num_experts|num_local_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
)


def read(fields: Fields) -> Architecture:
    """Read a few dense layers, then mixtures without shared experts."""
    fields.assume(num_dense_layers=2)
    heads, kinds = read_heads(fields), lfm2_kinds(fields)
    experts = read_experts(fields, "num_experts|num_local_experts", "moe_intermediate_size")
    dense = lfm2_block(heads.hidden, fields.count("intermediate_size"))
    sparse = mixture(heads.hidden, experts, path="feed_forward")
    is_sparse = first_dense(fields, fields.layers(), "num_dense_layers")
    made, norms = lfm2_layers(fields, heads), lfm2_norms(heads.hidden)
    layers = [
        replace(made[kind], weights=(*made[kind].weights, *norms, *(sparse if moe else dense)))
        for kind, moe in zip(kinds, is_sparse, strict=True)
    ]
    last = (norm("embedding_norm", heads.hidden),)
    outer = outer_weights(fields, heads.hidden, tied=True, last_norm=last)
    figures = experts.figures if any(is_sparse) else {}
    return assemble(fields, heads, outer, layers, **figures)


FAMILY = Family("lfm2_moe", _NEEDS, read)
