"""Kimi Linear: three layers of delta attention to one of latent attention, and mixtures."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.latent import latent_attention, latent_heads
from weighbridge.planning.anatomy.parts import NO_ATTENTION, NO_STATE, Architecture, State, Weight
from weighbridge.planning.anatomy.recurrent import (
    LINEAR,
    delta_rule_state,
    short_convolution,
    vector,
)
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.routed import read_routed
from weighbridge.planning.anatomy.skeleton import FULL, NEEDS, linear, norm

_NEEDS = (
    *NEEDS,
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "num_experts|num_local_experts|n_routed_experts",
    "num_experts_per_token|num_experts_per_tok",
    "moe_intermediate_size",
)

_OWN_NAMES = ("num_heads", "head_dim", "short_conv_kernel_size")


def read(fields: Fields) -> Architecture:
    """Read Kimi delta attention (arXiv:2510.26692), which has one decay per channel."""
    fields.assume(q_lora_rank=None, num_shared_experts=1, first_k_dense_replace=1)
    fields.require_default("tie_word_embeddings", False, "as transformers ties none")
    fields.require_default("moe_layer_freq", 1, "as in every published model")
    for name in ("n_shared_experts", "num_experts_per_token"):
        if name in fields.values:
            other = {"n_shared_experts": "num_shared_experts"}.get(name, "num_experts_per_tok")
            fields.values[other] = fields.values[name]
    weights, attention = latent_attention(fields)
    delta = _delta_attention(fields, fields.count("hidden_size"))
    kinds = _kinds(fields, fields.layers())
    full = [kind == FULL for kind in kinds]
    return read_routed(
        fields,
        latent_heads(fields, attention),
        [weights if here else delta[0] for here in full],
        [attention if here else NO_ATTENTION for here in full],
        states=[NO_STATE if here else delta[1] for here in full],
        experts="num_experts|num_local_experts|n_routed_experts",
        shared="num_shared_experts",
    )


def _kinds(fields: Fields, layers: int) -> tuple[str, ...]:
    """Publishers number the layers of each kind from 1, in a configuration of their own."""
    default = [FULL if i and i % 4 == 0 else LINEAR for i in range(layers)]
    if fields.values.get("linear_attn_config") is not None:
        listed = fields.nested("linear_attn_config").numbers("full_attn_layers")
        if listed is not None:
            default = [FULL if i + 1 in listed else LINEAR for i in range(layers)]
    return fields.layer_types(default, (FULL, LINEAR))


def _delta_attention(fields: Fields, hidden: int) -> tuple[tuple[Weight, ...], State]:
    names = ("linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim")
    own = fields
    if fields.values.get("linear_attn_config") is not None:
        own, names = fields.nested("linear_attn_config"), _OWN_NAMES
    own.assume(**dict(zip(names, (32, 128, 4), strict=True)))
    heads, width, kernel = (own.count(name) for name in names)
    inner, path = heads * width, "self_attn"
    weights = (
        *(linear(f"{path}.{n}_proj", "recurrent", hidden, inner) for n in "qkv"),
        short_convolution(f"{path}.conv1d", 3 * inner, kernel),
        linear(f"{path}.forget_gate.f_a_proj", "recurrent", hidden, width),
        linear(f"{path}.forget_gate.f_b_proj", "recurrent", width, inner),
        vector(f"{path}.forget_gate.dt_bias", inner),
        vector(f"{path}.forget_gate.A_log", heads),
        linear(f"{path}.b_proj", "recurrent", hidden, heads),
        linear(f"{path}.g_a_proj", "recurrent", hidden, width),
        linear(f"{path}.g_b_proj", "recurrent", width, inner),
        norm(f"{path}.o_norm", width),
        linear(f"{path}.o_proj", "recurrent", inner, hidden),
    )
    return weights, delta_rule_state(heads, width, width, 3 * inner, kernel)


FAMILY = Family("kimi_linear", _NEEDS, read)
