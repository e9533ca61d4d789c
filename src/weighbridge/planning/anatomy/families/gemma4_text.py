"""Gemma 4, the text model: wide global heads, layers that share keys and values, mixtures."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import Experts, mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Layer, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    NEEDS,
    Heads,
    assemble,
    attention_of,
    four_norms,
    gated,
    head_norms,
    linear,
    norm,
    outer_weights,
    projections,
    read_heads,
)
from weighbridge.planning.anatomy.windows import every


def read(fields: Fields) -> Architecture:
    """Read five local layers to one global, which has heads of a width of its own."""
    fields.assume(
        head_dim=256,
        global_head_dim=512,
        sliding_window=512,
        hidden_size_per_layer_input=256,
        vocab_size_per_layer_input=262_144,
        num_kv_shared_layers=0,
    )
    fields.require_default(
        "use_bidirectional_attention", None if _causal(fields) else "vision", "as causal"
    )
    fields.require_default(
        "per_layer_config", None, "as published models name global heads by fields"
    )
    heads, count = read_heads(fields), fields.layers()
    kinds = list(fields.layer_types(every(6, count)))
    kinds[-1] = FULL  # whatever the list says
    shared = fields.count("num_kv_shared_layers", zero=True)
    fields.at_most("num_kv_shared_layers", shared, "num_hidden_layers", count - 1)
    first = count - shared
    if set(kinds[first:]) - set(kinds[:first]):
        raise fields.wrong("num_kv_shared_layers", shared, "a layer of each kind before them")
    experts = _experts(fields)
    own = fields.count("hidden_size_per_layer_input", zero=True)
    made = {
        (kind, reads): _layer(fields, heads, kind, reads, experts, own)
        for kind in set(kinds)
        for reads in (False, True)
    }
    layers = [made[kind, index >= first] for index, kind in enumerate(kinds)]
    outer = (*outer_weights(fields, heads.hidden, tied=True), *_own_embeddings(fields, heads, own))
    return assemble(fields, heads, outer, layers, **(experts.figures if experts else {}))


def _causal(fields: Fields) -> bool:
    return fields.values.get("use_bidirectional_attention") != "vision"


def _experts(fields: Fields) -> Experts | None:
    if not fields.flag("enable_moe_block", False):
        return None
    return read_experts(
        fields, "num_experts", "moe_intermediate_size", "top_k_experts|num_experts_per_tok"
    )


def _layer(
    fields: Fields, heads: Heads, kind: str, reads: bool, experts: Experts | None, own: int
) -> Layer:
    bias, inner = fields.flag("attention_bias", False), fields.count("intermediate_size")
    one_for_both = fields.flag("attention_k_eq_v", False) and kind == FULL
    if kind == FULL:
        keys = fields.optional_count("num_global_key_value_heads") if one_for_both else None
        width = fields.count("global_head_dim")
        heads = replace(heads, width=width, key_values=keys or heads.key_values)
    wide = 2 if reads and fields.flag("use_double_wide_mlp", False) else 1
    missing: tuple[str, ...] = ("v_proj",) if one_for_both else ()
    missing += ("k_proj", "v_proj", "k_norm") if reads else ()
    attention = (*projections(heads, bias=bias, out_bias=bias), *head_norms(heads))
    weights = (
        *(weight for weight in attention if not weight.name.endswith(missing or ("?",))),
        *gated(heads.hidden, wide * inner),
        *four_norms(heads.hidden),
        *(_own_embedding(heads.hidden, own) if own else ()),
        *(_mixture(heads.hidden, experts) if experts else ()),
    )
    window = fields.optional_count("sliding_window")
    return Layer(weights, attention_of(heads, kind, window, shared=reads))


def _own_embedding(hidden: int, own: int) -> tuple[Weight, ...]:
    return (
        linear("per_layer_input_gate", "residual", hidden, own),
        linear("per_layer_projection", "residual", own, hidden),
        norm("post_per_layer_input_norm", hidden),
    )


def _mixture(hidden: int, experts: Experts) -> tuple[Weight, ...]:
    """Return a mixture of experts beside the dense block; both have norms of their own."""
    names = ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2")
    routed = mixture(hidden, experts, path="moe", router="router.proj", linear_router=True)
    return (
        *(replace(w, name=w.name.removeprefix("moe.")) for w in routed),
        Weight("router.scale", "router", 1, hidden, "vector"),
        Weight("router.per_expert_scale", "router", 1, experts.held, "vector"),
        *(norm(name, hidden) for name in (*names, "pre_feedforward_layernorm_2")),
    )


def _own_embeddings(fields: Fields, heads: Heads, own: int) -> tuple[Weight, ...]:
    """Return embeddings that each layer adds for itself (as in Gemma 3n), and their projections."""
    if not own:
        return ()
    rows, all_own = fields.count("vocab_size_per_layer_input"), fields.layers() * own
    return (
        Weight("embed_tokens_per_layer", "embedding", rows, all_own, "table"),
        linear("per_layer_model_projection", "residual", heads.hidden, all_own),
        norm("per_layer_projection_norm", own),
    )


FAMILY = Family("gemma4_text", (*NEEDS, "num_key_value_heads"), read)
