"""Parts shared by LFM 2 and LFM 2 MoE: gated short convolutions, attention in some layers."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Layer, State, Weight
from weighbridge.planning.anatomy.recurrent import CONVOLUTION, short_convolution
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    Heads,
    attention_of,
    linear,
    norm,
    projections,
)

LFM2_NEEDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
)


def lfm2_kinds(fields: Fields) -> tuple[str, ...]:
    """Return each layer's kind, from a list of kinds or of the layers that attend."""
    listed = fields.numbers("full_attn_idxs")
    layers = range(fields.layers())
    default = [FULL if listed is None or index in listed else CONVOLUTION for index in layers]
    return fields.layer_types(default, (FULL, CONVOLUTION))


def lfm2_layers(fields: Fields, heads: Heads) -> dict[str, Layer]:
    """Return layers of both kinds, still without block and norms."""
    hidden, kernel = heads.hidden, fields.optional_count("conv_L_cache") or 3
    bias = fields.flag("conv_bias", False)
    convolution = (
        short_convolution("conv.conv", hidden, kernel, bias),
        linear("conv.in_proj", "recurrent", hidden, 3 * hidden, bias),
        linear("conv.out_proj", "recurrent", hidden, hidden, bias),
    )
    attention = (
        *projections(heads, out="out_proj"),
        norm("self_attn.q_layernorm", heads.width),
        norm("self_attn.k_layernorm", heads.width),
    )
    return {
        FULL: Layer(attention, attention_of(heads)),
        CONVOLUTION: Layer(convolution, state=State(inputs=hidden * kernel)),
    }


def lfm2_block(hidden: int, inner: int) -> tuple[Weight, ...]:
    """Return the gated block under LFM's own names."""
    return (
        linear("feed_forward.w1", "mlp", hidden, inner),
        linear("feed_forward.w3", "mlp", hidden, inner),
        linear("feed_forward.w2", "mlp", inner, hidden),
    )


def lfm2_norms(hidden: int) -> tuple[Weight, ...]:
    """Return the norms before the mixer and before the block."""
    return norm("operator_norm", hidden), norm("ffn_norm", hidden)
