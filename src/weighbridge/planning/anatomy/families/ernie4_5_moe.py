"""ERNIE 4.5 MoE: mixtures with shared experts between a first and a last layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts, shared_experts
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)

_EXPERTS, _CHOSEN = "moe_num_experts|num_experts", "moe_k|num_experts_per_tok"
_NEEDS = (*NEEDS, "num_key_value_heads", _EXPERTS, _CHOSEN, "moe_intermediate_size")


def read(fields: Fields) -> Architecture:
    """Read each `moe_layer_interval`-th layer of a stretch as a mixture."""
    fields.assume(moe_num_shared_experts=2, moe_layer_start_index=1)
    heads, bias = read_heads(fields), fields.flag("use_bias", False)
    experts = read_experts(fields, _EXPERTS, "moe_intermediate_size", _CHOSEN)
    inner, shared = fields.count("intermediate_size"), "moe_num_shared_experts"
    around = (*projections(heads, bias=bias, out_bias=bias), *two_norms(heads.hidden))
    dense = gated(heads.hidden, inner, bias=bias, as_linear=0)
    sparse = (
        *mixture(heads.hidden, experts, as_linear=True),
        *shared_experts(fields, heads.hidden, experts.inner, shared, bias=bias, as_linear=0),
    )
    is_sparse = _sparse(fields, fields.layers())
    attention = attention_of(heads)
    layers = [Layer((*around, *(sparse if moe else dense)), attention) for moe in is_sparse]
    held = fields.count(shared, zero=True)
    figures = {**experts.figures, "shared_experts": held} if any(is_sparse) else {}
    outer = outer_weights(fields, heads.hidden, tied=True, head_bias=bias)
    return assemble(fields, heads, outer, layers, **figures)


def _sparse(fields: Fields, layers: int) -> list[bool]:
    start = fields.count("moe_layer_start_index", zero=True)
    last = fields.values.get("moe_layer_end_index")
    end = layers - 1 if last in (None, -1) else fields.count("moe_layer_end_index", zero=True)
    step = fields.optional_count("moe_layer_interval") or 1
    return [(i + 1) % step == 0 and start <= i <= end for i in range(layers)]


FAMILY = Family("ernie4_5_moe", _NEEDS, read)
