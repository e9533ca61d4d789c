"""The skeleton of DeepSeekMoE (arXiv:2401.06066): a few dense layers, then mixtures.

Each mixture has many small routed experts, and some that every token goes through.
"""

from collections.abc import Sequence

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import (
    first_dense,
    mixture,
    read_experts,
    shared_experts,
)
from weighbridge.planning.anatomy.parts import (
    NO_STATE,
    Architecture,
    Attention,
    Layer,
    State,
    Weight,
)
from weighbridge.planning.anatomy.skeleton import (
    Heads,
    assemble,
    gated,
    later_tokens,
    outer_weights,
    two_norms,
)


def read_routed(
    fields: Fields,
    heads: Heads,
    attention: tuple[Weight, ...] | list[tuple[Weight, ...]],
    attentions: Sequence[Attention],
    *,
    experts: str,
    shared: str = "n_shared_experts",
    bias: bool = False,
    as_linear: bool = False,
    states: Sequence[State] | None = None,
    notes: tuple[str, ...] = (),
) -> Architecture:
    """Read a decoder whose first layers are dense and whose others are mixtures.

    Args:
        fields: The configuration.
        heads: The attention's heads.
        attention: Attention's weights, the same in all layers, or a list with one tuple per layer.
        attentions: What each layer's attention computes.
        experts: Name of the field with the number of routed experts.
        shared: Name of the field with the number of experts that every token goes through.
        bias: Whether blocks and shared experts have biases.
        as_linear: Whether peft's "all-linear" treats router and experts as linear layers, and then
            leaves out the dense and shared blocks; see `lora.ALL_LINEAR`.
        states: What each layer carries besides keys and values; None if no layer does.
        notes: Notes on what is not counted.
    """
    hidden = heads.hidden
    found = read_experts(fields, experts, "moe_intermediate_size")
    taken = 0 if as_linear else None
    dense = gated(hidden, fields.count("intermediate_size"), bias=bias, as_linear=taken)
    sparse = (
        *mixture(hidden, found, as_linear=as_linear),
        *shared_experts(fields, hidden, found.inner, shared, bias=bias, as_linear=taken),
    )
    is_sparse = first_dense(fields, fields.layers())
    each = attention if isinstance(attention, list) else [attention] * len(attentions)
    carried = states if states is not None else [NO_STATE] * len(attentions)
    layers = [
        Layer((*weights, *(sparse if moe else dense), *two_norms(hidden)), kind, state)
        for moe, weights, kind, state in zip(is_sparse, each, attentions, carried, strict=True)
    ]
    held = fields.count(shared, zero=True)
    figures = {**found.figures, "shared_experts": held} if any(is_sparse) else {}
    said = (*notes, *later_tokens(fields))
    return assemble(fields, heads, outer_weights(fields, hidden), layers, **figures, notes=said)
