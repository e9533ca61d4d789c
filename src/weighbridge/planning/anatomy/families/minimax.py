"""MiniMax Text 01 and M1: lightning attention with softmax attention between, and mixtures."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Layer, State, Weight
from weighbridge.planning.anatomy.recurrent import LINEAR, linear_attention_state
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    NEEDS,
    Heads,
    assemble,
    attention_of,
    linear,
    norm,
    outer_weights,
    projections,
    read_heads,
    two_norms,
)

_EXPERTS = "num_local_experts|num_experts"


def read(fields: Fields) -> Architecture:
    """Read layers of two kinds with the same mixture (arXiv:2501.08313)."""
    heads, count = read_heads(fields), fields.layers()
    experts = read_experts(fields, _EXPERTS, "intermediate_size")
    kinds = _kinds(fields, count)
    around = (*mixture(heads.hidden, experts, as_linear=True), *two_norms(heads.hidden))
    weights, state = _lightning(heads)
    made = {
        FULL: Layer((*projections(heads), *around), attention_of(heads)),
        LINEAR: Layer((*weights, *around), state=state),
    }
    layers = [made[kind] for kind in kinds]
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **experts.figures)


def _kinds(fields: Fields, layers: int) -> tuple[str, ...]:
    """A list, or publishers' own: 1 for softmax attention, 0 for lightning attention."""
    listed = fields.numbers("attn_type_list")
    if listed is not None and fields.values.get("layer_types") is None:
        fields.values["layer_types"] = [FULL if softmax else LINEAR for softmax in listed]
    default = [FULL if (index + 1) % 2 else LINEAR for index in range(layers)]
    return fields.layer_types(default, (FULL, LINEAR))


def _lightning(heads: Heads) -> tuple[tuple[Weight, ...], State]:
    """Linear attention with a fixed decay a head (Qin et al. 2024, arXiv:2405.17381)."""
    inner, path = heads.queries * heads.width, "self_attn"
    weights = (
        linear(f"{path}.qkv_proj", "recurrent", heads.hidden, 3 * inner),
        norm(f"{path}.norm", inner),
        linear(f"{path}.out_proj", "recurrent", inner, heads.hidden),
        linear(f"{path}.output_gate", "recurrent", heads.hidden, inner),
    )
    return weights, linear_attention_state(heads.queries, heads.width)


FAMILY = Family("minimax", (*NEEDS, "num_key_value_heads", _EXPERTS, "num_experts_per_tok"), read)
