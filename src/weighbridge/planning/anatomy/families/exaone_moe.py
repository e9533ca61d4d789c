"""K-EXAONE: EXAONE 4 with mixtures, and norms before attention and block."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import first_dense, mixture, read_experts, shared_experts
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    head_norms,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)
from weighbridge.planning.anatomy.windows import exaone_window

_NEEDS = (
    *NEEDS,
    "num_key_value_heads",
    "num_experts|n_routed_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
)


def read(fields: Fields) -> Architecture:
    """Read dense layers first, then mixtures with shared experts."""
    fields.assume(num_shared_experts=1, first_k_dense_replace=1)
    heads = read_heads(fields)
    experts = read_experts(fields, "num_experts|n_routed_experts", "moe_intermediate_size")
    kinds, window = exaone_window(fields)
    around = (*projections(heads), *head_norms(heads), *two_norms(heads.hidden))
    dense = gated(heads.hidden, fields.count("intermediate_size"), as_linear=0)
    sparse = (
        *mixture(heads.hidden, experts, as_linear=True),
        *shared_experts(fields, heads.hidden, experts.inner, "num_shared_experts", as_linear=0),
    )
    is_sparse = first_dense(fields, fields.layers())
    layers = [
        Layer((*around, *(sparse if moe else dense)), attention_of(heads, kind, window))
        for moe, kind in zip(is_sparse, kinds, strict=True)
    ]
    shared = fields.count("num_shared_experts", zero=True)
    figures = {**experts.figures, "shared_experts": shared} if any(is_sparse) else {}
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **figures)


FAMILY = Family("exaone_moe", _NEEDS, read)
