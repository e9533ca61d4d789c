"""MiniMax M2: small experts in every layer, and norms on all queries and keys together."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    joint_norms,
    later_tokens,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)

_EXPERTS = "num_local_experts|num_experts"


def read(fields: Fields) -> Architecture:
    """Read mixtures without shared experts."""
    fields.assume(head_dim=128)
    fields.require_default("use_qk_norm", True, "as in every published model")
    fields.require_default("shared_intermediate_size", 0, "as it has no shared expert")
    heads = read_heads(fields)
    experts = read_experts(fields, _EXPERTS, "intermediate_size")
    weights = (
        *projections(heads),
        *joint_norms(heads),
        *mixture(heads.hidden, experts, as_linear=True),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    outer = outer_weights(fields, heads.hidden)
    notes = later_tokens(fields) if fields.flag("use_mtp", False) else ()
    return assemble(fields, heads, outer, layers, **experts.figures, notes=notes)


FAMILY = Family(
    "minimax_m2", (*NEEDS, "num_key_value_heads", _EXPERTS, "num_experts_per_tok"), read
)
