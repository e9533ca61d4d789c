"""Jamba: Mamba with attention in every eighth layer, and mixtures in every second."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.recurrent import read_mamba
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    norm,
    outer_weights,
    projections,
    read_heads,
)

_NEEDS = (*NEEDS, "num_experts|num_local_experts", "num_experts_per_tok")


def read(fields: Fields) -> Architecture:
    """Read layers of two mixers and two kinds of blocks (arXiv:2403.19887)."""
    fields.assume(
        attn_layer_period=8, attn_layer_offset=4, expert_layer_period=2, expert_layer_offset=1
    )
    heads, count = read_heads(fields), fields.layers()
    experts = read_experts(fields, "num_experts|num_local_experts", "intermediate_size")
    path = "feed_forward"
    dense = gated(heads.hidden, experts.inner, path=path)
    sparse = mixture(heads.hidden, experts, path=path, router="router")
    attending = _every(fields, "attn", count)
    mixed = [here and experts.held > 1 for here in _every(fields, "expert", count)]
    weights, state = read_mamba(
        fields, heads.hidden, "mamba_", path="mamba", norms=True, adapted=True
    )
    norms = (norm("input_layernorm", heads.hidden), norm("pre_ff_layernorm", heads.hidden))
    layers = [
        Layer((*projections(heads), *norms, *(sparse if moe else dense)), attention_of(heads))
        if here
        else Layer((*weights, *norms, *(sparse if moe else dense)), state=state)
        for here, moe in zip(attending, mixed, strict=True)
    ]
    last = (norm("final_layernorm", heads.hidden),)
    outer = outer_weights(fields, heads.hidden, last_norm=last)
    figures = experts.figures if any(mixed) else {}
    return assemble(fields, heads, outer, layers, **figures)


def _every(fields: Fields, name: str, layers: int) -> list[bool]:
    period = fields.count(f"{name}_layer_period")
    offset = fields.count(f"{name}_layer_offset", zero=True)
    fields.at_most(f"{name}_layer_offset", offset, f"{name}_layer_period - 1", period - 1)
    return [index % period == offset for index in range(layers)]


FAMILY = Family("jamba", _NEEDS, read)
