"""Granite 4: state spaces with attention between them, a shared block, and mixtures."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import Experts, mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Layer, Weight
from weighbridge.planning.anatomy.recurrent import LINEAR, read_mamba2
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    assemble,
    attention_of,
    outer_weights,
    read_heads,
    two_norms,
    usual_attention,
)
from weighbridge.records import PartRole

_NEEDS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


def read(fields: Fields) -> Architecture:
    """Read layers of two kinds; models without experts have the shared block alone."""
    fields.assume(shared_intermediate_size=1024, num_local_experts=0)
    heads, count = read_heads(fields), fields.layers()
    kinds = fields.layer_types([LINEAR] * count, (LINEAR, FULL), "layer_types|layers_block_type")
    experts = None
    if fields.count("num_local_experts", zero=True):
        experts = read_experts(fields, "num_local_experts", "intermediate_size")
    block = _block(fields, heads.hidden, experts)
    around = (*two_norms(heads.hidden), *block)
    made = {FULL: Layer((*usual_attention(fields, heads), *around), attention_of(heads))}
    if LINEAR in kinds:
        weights, state = read_mamba2(fields, heads.hidden)
        made[LINEAR] = Layer((*weights, *around), state=state)
    layers = [made[kind] for kind in kinds]
    figures = {**experts.figures, "shared_experts": 1} if experts else {}
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **figures)


def _block(fields: Fields, hidden: int, experts: Experts | None) -> tuple[Weight, ...]:
    inner = fields.count("shared_intermediate_size")
    role: PartRole = "shared_experts" if experts else "mlp"
    routed = (
        ()
        if experts is None
        else mixture(hidden, experts, path="block_sparse_moe", router="router")
    )
    return (
        *routed,
        Weight("shared_mlp.input_linear", role, hidden, 2 * inner),
        Weight("shared_mlp.output_linear", role, inner, hidden),
    )


FAMILY = Family("granitemoehybrid", _NEEDS, read)
