"""dots.llm1: norms on each head's queries and keys, mixtures with shared experts."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.routed import read_routed
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    NEEDS,
    SLIDING,
    attention_of,
    head_norms,
    read_heads,
    usual_attention,
)

_EXPERTS = "n_routed_experts|num_local_experts|num_experts"
_NEEDS = (
    *NEEDS,
    _EXPERTS,
    "num_experts_per_tok",
    "n_shared_experts",
    "moe_intermediate_size",
)


def read(fields: Fields) -> Architecture:
    """Read dense layers first, then mixtures (arXiv:2506.05767)."""
    fields.assume(first_k_dense_replace=0, sliding_window=4096, max_window_layers=62)
    heads, count = read_heads(fields), fields.layers()
    window = fields.optional_count("sliding_window")
    first = fields.count("max_window_layers", zero=True)
    default = [SLIDING if window is not None and i >= first else FULL for i in range(count)]
    kinds = fields.layer_types(default)
    return read_routed(
        fields,
        heads,
        (*usual_attention(fields, heads), *head_norms(heads)),
        [attention_of(heads, kind, window) for kind in kinds],
        experts=_EXPERTS,
        as_linear=True,
    )


FAMILY = Family("dots1", _NEEDS, read)
