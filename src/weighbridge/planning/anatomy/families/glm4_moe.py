"""GLM 4.5, 4.6 and 4.7: dense layers first, then mixtures with a shared expert."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.routed import read_routed
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    attention_of,
    head_norms,
    projections,
    read_heads,
)

_EXPERTS = "n_routed_experts|num_local_experts|num_experts"
_NEEDS = (
    *NEEDS,
    "num_key_value_heads",
    _EXPERTS,
    "num_experts_per_tok",
    "n_shared_experts",
    "moe_intermediate_size",
)


def read(fields: Fields) -> Architecture:
    """Read GLM 4.5 (arXiv:2508.06471) without its multi-token prediction."""
    fields.assume(first_k_dense_replace=1)
    heads = read_heads(fields)
    norms = head_norms(heads) if fields.flag("use_qk_norm", False) else ()
    return read_routed(
        fields,
        heads,
        (*projections(heads, bias=fields.flag("attention_bias", False)), *norms),
        [attention_of(heads)] * fields.layers(),
        experts=_EXPERTS,
        as_linear=True,
    )


FAMILY = Family("glm4_moe", _NEEDS, read)
