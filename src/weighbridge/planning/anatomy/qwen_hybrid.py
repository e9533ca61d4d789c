"""Qwen 3 Next and 3.5: three layers with a gated delta net to one with gated attention."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts, sparse_layers
from weighbridge.planning.anatomy.parts import Architecture, Layer, Weight
from weighbridge.planning.anatomy.recurrent import LINEAR, gated_delta_net
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    Heads,
    assemble,
    attention_of,
    gated,
    head_norms,
    later_tokens,
    linear,
    outer_weights,
    read_heads,
    two_norms,
)

HYBRID_NEEDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "linear_num_key_heads",
    "linear_num_value_heads",
    "linear_key_head_dim",
    "linear_value_head_dim",
)
EXPERT_NEEDS = (
    "num_experts|num_local_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
)


def read_qwen_hybrid(
    fields: Fields,
    *,
    fused: bool,
    dense: bool = False,
    sparse: bool = True,
    as_linear: bool = False,
) -> Architecture:
    """Read layers of two mixers, with dense blocks, mixtures, or both behind them.

    Args:
        fields: The configuration.
        fused: See `gated_delta_net`.
        dense: Whether there may be dense blocks.
        sparse: Whether there may be mixtures.
        as_linear: Whether peft's "all-linear" takes router and experts for linear layers.
    """
    fields.assume(head_dim=256, linear_conv_kernel_dim=4)
    heads, count = read_heads(fields), fields.layers()
    period = fields.optional_count("full_attention_interval") or 4
    default = [LINEAR if (index + 1) % period else FULL for index in range(count)]
    kinds = fields.layer_types(default, (LINEAR, FULL))
    weights, state = gated_delta_net(fields, heads.hidden, fused=fused)
    mixers = {
        LINEAR: Layer(weights, state=state),
        FULL: Layer(_gated_attention(fields, heads), attention_of(heads)),
    }
    is_sparse = sparse_layers(fields, count) if dense and sparse else [sparse] * count
    taken = 0 if as_linear else None
    blocks: dict[bool, tuple[Weight, ...]] = {}
    if not all(is_sparse):
        blocks[False] = gated(heads.hidden, fields.count("intermediate_size"), as_linear=taken)
    figures: dict[str, int] = {}
    if any(is_sparse):
        blocks[True], figures = _mixture(fields, heads.hidden, as_linear)
    norms = two_norms(heads.hidden)
    made = {
        (kind, moe): Layer((*mixer.weights, *block, *norms), mixer.attention, mixer.state)
        for kind, mixer in mixers.items()
        for moe, block in blocks.items()
    }
    layers = [made[kind, moe] for kind, moe in zip(kinds, is_sparse, strict=True)]
    notes = later_tokens(fields)
    return assemble(
        fields, heads, outer_weights(fields, heads.hidden), layers, **figures, notes=notes
    )


def _gated_attention(fields: Fields, heads: Heads) -> tuple[Weight, ...]:
    """Return attention's weights; the query projection also gives a gate of the output."""
    bias = fields.flag("attention_bias", False)
    inner, keys = heads.queries * heads.width, heads.key_values * heads.width
    return (
        linear("self_attn.q_proj", "attention", heads.hidden, 2 * inner, bias),
        linear("self_attn.k_proj", "attention", heads.hidden, keys, bias),
        linear("self_attn.v_proj", "attention", heads.hidden, keys, bias),
        linear("self_attn.o_proj", "attention", inner, heads.hidden, bias),
        *head_norms(heads),
    )


def _mixture(
    fields: Fields, hidden: int, as_linear: bool
) -> tuple[tuple[Weight, ...], dict[str, int]]:
    experts = read_experts(fields, "num_experts|num_local_experts", "moe_intermediate_size")
    inner = fields.count("shared_expert_intermediate_size")
    path, taken = "mlp.shared_expert", 0 if as_linear else None
    weights = (
        *mixture(hidden, experts, as_linear=as_linear),
        *gated(hidden, inner, path=path, role="shared_experts", as_linear=taken),
        linear("mlp.shared_expert_gate", "shared_experts", hidden, 1),
    )
    return weights, {**experts.figures, "shared_experts": 1}
