"""Nemotron H, Nano 2 and 3: each layer is a state space, attention, a block or a mixture."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import Experts, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Layer, State, Weight
from weighbridge.planning.anatomy.recurrent import LINEAR, mamba2
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    Heads,
    assemble,
    attention_of,
    later_tokens,
    linear,
    norm,
    outer_weights,
    plain_block,
    projections,
    read_heads,
)

_LAYERS = "layers_block_type|layer_types"
_KINDS = {"M": LINEAR, "*": FULL, "-": "mlp", "E": "moe"}
_NEEDS = (
    "hidden_size",
    "vocab_size",
    "num_attention_heads",
    "mamba_num_heads",
    "mamba_head_dim",
    "ssm_state_size",
)


def read(fields: Fields) -> Architecture:
    """Read layers of one mixer after one norm (arXiv:2504.03624)."""
    fields.assume(head_dim=128, num_key_value_heads=8)
    fields.require_default("n_shared_experts", 1, "as transformers builds one")
    fields.require_default("tie_word_embeddings", False, "as transformers ties none")
    fields.require_default("sliding_window", None, "as in every published model")
    heads, kinds = read_heads(fields), _kinds(fields)
    experts = _experts(fields) if "moe" in kinds else None
    made = {kind: _layer(fields, heads, kind, experts) for kind in set(kinds)}
    outer = outer_weights(fields, heads.hidden, last_norm=(norm("norm_f", heads.hidden),))
    figures = {**experts.figures, "shared_experts": 1} if experts else {}
    layers = [made[kind] for kind in kinds]
    return assemble(fields, heads, outer, layers, **figures, notes=later_tokens(fields))


def _kinds(fields: Fields) -> tuple[str, ...]:
    """Return each layer's kind, from a list or a pattern with one letter per layer."""
    pattern = fields.values.get("hybrid_override_pattern")
    if fields.values.get("layers_block_type") is None and isinstance(pattern, str):
        fields.values["layers_block_type"] = [_KINDS.get(letter, letter) for letter in pattern]
    fields.require("layers_block_type|layer_types|hybrid_override_pattern")
    listed = fields.values.get("layers_block_type") or fields.values.get("layer_types")
    count = len(listed) if isinstance(listed, list) and listed else 1
    if fields.values.get("num_hidden_layers") is not None:
        count = fields.layers()
    return fields.layer_types((), tuple(_KINDS.values()), _LAYERS, layers=count)


def _experts(fields: Fields) -> Experts:
    return read_experts(fields, "n_routed_experts|num_local_experts", "moe_intermediate_size")


def _layer(fields: Fields, heads: Heads, kind: str, experts: Experts | None) -> Layer:
    before = norm("norm", heads.hidden)
    if kind == LINEAR:
        weights, state = _state_space(fields, heads.hidden)
        return Layer((before, *weights), state=state)
    if kind == FULL:
        moved = (replace(w, name=w.name.replace("self_attn", "mixer")) for w in projections(heads))
        return Layer((before, *moved), attention_of(heads))
    bias = fields.flag("mlp_bias", False)
    if experts is None or kind == "mlp":
        inner = fields.count("intermediate_size")
        return Layer((before, *plain_block(heads.hidden, inner, bias=bias, path="mixer")))
    return Layer((before, *_mixture(fields, heads.hidden, experts, bias)))


def _state_space(fields: Fields, hidden: int) -> tuple[tuple[Weight, ...], State]:
    bias = fields.flag("use_bias", False)
    fields.assume(n_groups=fields.values.get("mamba_n_groups", 8))
    fields.assume(conv_kernel=fields.values.get("mamba_d_conv", 4))
    return mamba2(
        hidden,
        heads=fields.count("mamba_num_heads"),
        width=fields.count("mamba_head_dim"),
        groups=fields.count("n_groups"),
        state=fields.count("ssm_state_size"),
        kernel=fields.count("conv_kernel"),
        path="mixer",
        bias=bias,
        conv_bias=fields.flag("use_conv_bias", True),
        out_bias=bias,
        adapted=False,
    )


def _mixture(fields: Fields, hidden: int, experts: Experts, bias: bool) -> tuple[Weight, ...]:
    """Return experts without gates, in a narrower space where one is set, and one shared block."""
    latent = fields.optional_count("moe_latent_size")
    held, active, inner, width = experts.held, experts.active, experts.inner, latent or hidden
    around = (
        linear("mixer.fc1_latent_proj", "experts", hidden, width, bias),
        linear("mixer.fc2_latent_proj", "experts", width, hidden, bias),
    )
    up, down = "mixer.experts.up_proj", "mixer.experts.down_proj"
    shared = fields.count("moe_shared_expert_intermediate_size")
    return (
        Weight("mixer.gate", "router", hidden, held, "matrix"),
        Weight(up, "experts", width, inner, "stacked", held=held, active=active),
        Weight(down, "experts", inner, width, "stacked", held=held, active=active),
        *(around if latent else ()),
        linear("mixer.shared_experts.up_proj", "shared_experts", hidden, shared, bias),
        linear("mixer.shared_experts.down_proj", "shared_experts", shared, hidden, bias),
    )


FAMILY = Family("nemotron_h", _NEEDS, read)
