"""MiMo V2 Flash: windows with sinks in most layers, and values narrower than keys."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Attention, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.routed import read_routed
from weighbridge.planning.anatomy.skeleton import FULL, NEEDS, SLIDING, Heads, linear, read_heads
from weighbridge.records import KeyValueHeads

_EXPERTS = "n_routed_experts|num_local_experts|num_experts"
_NEEDS = (
    *NEEDS,
    "num_key_value_heads",
    "head_dim",
    "v_head_dim",
    _EXPERTS,
    "num_experts_per_tok",
    "moe_intermediate_size",
)


def read(fields: Fields) -> Architecture:
    """Read one global layer in six, whose keys and values have half as many heads as local ones."""
    heads, count, wide = read_heads(fields), fields.layers(), fields.count("v_head_dim")
    _read_published_names(fields, heads, wide, count)
    default = [FULL if i == 0 or (i + 1) % 6 == 0 else SLIDING for i in range(count)]
    kinds = fields.layer_types(default)
    window, bias = fields.count("sliding_window"), fields.flag("attention_bias", False)
    local = replace(heads, key_values=2 * heads.key_values)
    each = {
        FULL: (_projections(heads, wide, bias), _attention(heads, wide, None)),
        SLIDING: (
            (
                *_projections(local, wide, bias),
                Weight("self_attn.sinks", "attention", 1, heads.queries, "vector"),
            ),
            _attention(local, wide, window),
        ),
    }
    return read_routed(
        fields,
        heads,
        [each[kind][0] for kind in kinds],
        [each[kind][1] for kind in kinds],
        experts=_EXPERTS,
        shared="no_shared_experts",
    )


def _read_published_names(fields: Fields, heads: Heads, wide: int, layers: int) -> None:
    """Take what the published configuration says under names of its own, or refuse it."""
    given = fields.optional_count("sliding_window_size")
    if given is not None:  # counts the tokens before the one that attends
        fields.values["sliding_window"] = given + 1
    fields.assume(sliding_window=129, no_shared_experts=0, first_k_dense_replace=1)
    fields.require_default("n_shared_experts", 0, "as it has no shared expert")
    for name, expected in (
        ("swa_num_attention_heads", heads.queries),
        ("swa_num_key_value_heads", 2 * heads.key_values),
        ("swa_head_dim", heads.width),
        ("swa_v_head_dim", wide),
        ("add_swa_attention_sink_bias", True),
        ("add_full_attention_sink_bias", False),
    ):
        fields.require_default(name, expected, "as transformers builds it")
    pattern, kept = fields.numbers("hybrid_layer_pattern"), fields.numbers("moe_layer_freq")
    if pattern is not None and fields.values.get("layer_types") is None:
        fields.values["layer_types"] = [SLIDING if local else FULL for local in pattern]
    if kept is not None and fields.values.get("mlp_layer_types") is None:
        fields.values["mlp_layer_types"] = ["sparse" if moe else "dense" for moe in kept]


def _projections(heads: Heads, wide: int, bias: bool) -> tuple[Weight, ...]:
    hidden, keys = heads.hidden, heads.key_values
    return (
        linear("self_attn.q_proj", "attention", hidden, heads.queries * heads.width, bias),
        linear("self_attn.k_proj", "attention", hidden, keys * heads.width, bias),
        linear("self_attn.v_proj", "attention", hidden, keys * wide, bias),
        linear("self_attn.o_proj", "attention", heads.queries * wide, hidden),
    )


def _attention(heads: Heads, wide: int, window: int | None) -> Attention:
    cached = KeyValueHeads(heads.key_values, heads.width, wide).numbers
    return Attention(heads.queries, heads.width, wide, cached, window)


FAMILY = Family("mimo_v2_flash", _NEEDS, read)
