"""DeepSeek V4: windows beside compressed entries, hyper-connections, mixtures."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.latent import ROUTED
from weighbridge.planning.anatomy.mixture import mixture, read_experts
from weighbridge.planning.anatomy.parts import Architecture, Attention, Layer, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    SLIDING,
    Heads,
    assemble,
    gated,
    later_tokens,
    linear,
    norm,
    outer_weights,
    two_norms,
)

_NEEDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
    "head_dim",
    "q_lora_rank",
    "o_lora_rank",
    "o_groups",
    "sliding_window",
    "moe_intermediate_size",
    "num_experts_per_tok",
    ROUTED,
)
_SPARSE, _HEAVY = "compressed_sparse_attention", "heavily_compressed_attention"
_BY_RATIO = {0: SLIDING, 4: _SPARSE, 128: _HEAVY}


def read(fields: Fields) -> Architecture:
    """Read layers that attend to a window and, in two of three kinds, to compressed entries.

    A compressed entry stands for 4 tokens, and an indexer chooses among such entries, or for 128
    tokens, and then all entries are read. Keys serve as values, too, and all queries share one
    key-value head.
    """
    fields.assume(hc_mult=4, index_n_heads=64, index_head_dim=128, index_topk=512)
    fields.require_default("n_shared_experts", 1, "as transformers builds one")
    fields.require_default("attention_bias", False, "as transformers builds none")
    hidden, kinds = fields.count("hidden_size"), _kinds(fields)
    bias = fields.flag("mlp_bias", False)
    heads = Heads(hidden, fields.count("num_attention_heads"), 1, fields.count("head_dim"))
    experts = read_experts(fields, ROUTED, "moe_intermediate_size")
    path = "mlp.shared_experts"
    around = (
        *_attention_weights(fields, heads),
        *mixture(hidden, experts),
        *gated(hidden, experts.inner, bias=bias, path=path, role="shared_experts"),
        *two_norms(hidden),
        *_connection("attn_hc", hidden, fields.count("hc_mult")),
        *_connection("ffn_hc", hidden, fields.count("hc_mult")),
    )
    made = {kind: _layer(fields, heads, kind, around) for kind in set(kinds)}
    outer = (*outer_weights(fields, hidden), *_last_connection(hidden, fields.count("hc_mult")))
    figures = {**experts.figures, "shared_experts": 1}
    layers = [made[kind] for kind in kinds]
    waiting = "tokens that wait to be compressed are not in the cache's figures"
    notes = (*later_tokens(fields), waiting)
    return assemble(fields, heads, outer, layers, **figures, notes=notes)


def _kinds(fields: Fields) -> tuple[str, ...]:
    """Return each layer's kind.

    It comes from a list of kinds, or from the publishers' list of compression ratios; else there
    are two heavily compressed layers, and then both kinds in turn.
    """
    count, ratios = fields.layers(), fields.numbers("compress_ratios")
    if ratios is not None and fields.values.get("layer_types") is None:
        if set(ratios) - set(_BY_RATIO):
            raise fields.wrong("compress_ratios", ratios, "numbers among 0, 4 and 128")
        fields.values["layer_types"] = [_BY_RATIO[ratio] for ratio in ratios[:count]]
    default = [_SPARSE if index > 1 and index % 2 else _HEAVY for index in range(count)]
    return fields.layer_types(default, tuple(_BY_RATIO.values()))


def _rate(fields: Fields, kind: str) -> int:
    short = {_SPARSE: "compress_rate_csa", _HEAVY: "compress_rate_hca"}[kind]
    if fields.values.get("compress_rates") is not None:
        return fields.nested("compress_rates").count(kind)
    return fields.optional_count(short) or {_SPARSE: 4, _HEAVY: 128}[kind]


def _attention_weights(fields: Fields, heads: Heads) -> tuple[Weight, ...]:
    hidden, inner, path = heads.hidden, heads.queries * heads.width, "self_attn"
    rank, groups = fields.count("q_lora_rank"), fields.count("o_groups")
    low = groups * fields.count("o_lora_rank")
    each = fields.divides("o_groups", groups, "heads together", inner)
    return (
        linear(f"{path}.q_a_proj", "attention", hidden, rank),
        norm(f"{path}.q_a_norm", rank),
        linear(f"{path}.q_b_proj", "attention", rank, inner),
        linear(f"{path}.kv_proj", "attention", hidden, heads.width),
        norm(f"{path}.kv_norm", heads.width),
        linear(f"{path}.o_a_proj", "attention", each, low),
        linear(f"{path}.o_b_proj", "attention", low, hidden),
        Weight(f"{path}.sinks", "attention", 1, heads.queries, "vector"),
    )


def _layer(fields: Fields, heads: Heads, kind: str, around: tuple[Weight, ...]) -> Layer:
    near = Attention(
        heads.queries, heads.width, heads.width, heads.width, fields.count("sliding_window")
    )
    if kind == SLIDING:
        return Layer(around, near)
    rate, path = _rate(fields, kind), "self_attn.compressor"
    if kind == _HEAVY:
        weights = _compressor(path, heads.hidden, heads.width, heads.width, rate)
        far = replace(near, compressed_every=rate, compressed=heads.width)
        return Layer((*around, *weights), far)
    width, rank = fields.count("index_head_dim"), fields.count("q_lora_rank")
    own = fields.count("index_n_heads")
    weights = (
        *_compressor(path, heads.hidden, heads.width, 2 * heads.width, rate),
        *_compressor(f"{path}.indexer", heads.hidden, width, 2 * width, rate),
        linear(f"{path}.indexer.q_b_proj", "attention", rank, own * width),
        linear(f"{path}.indexer.scorer.weights_proj", "attention", heads.hidden, own),
    )
    far = replace(
        near,
        compressed_every=rate,
        compressed=heads.width + width,
        selected=fields.count("index_topk"),
        index_heads=own,
        index_width=width,
    )
    return Layer((*around, *weights), far)


def _compressor(path: str, hidden: int, width: int, inner: int, rate: int) -> tuple[Weight, ...]:
    """Return a compressor: keys, the gates that weigh them, and a bias of the gate by position."""
    return (
        linear(f"{path}.kv_proj", "attention", hidden, inner),
        linear(f"{path}.gate_proj", "attention", hidden, inner),
        Weight(f"{path}.position_bias", "attention", rate, inner, "vector"),
        norm(f"{path}.kv_norm", width),
    )


def _connection(path: str, hidden: int, streams: int) -> tuple[Weight, ...]:
    """Return a hyper-connection: several residual streams, mixed before and after a block.

    See arXiv:2512.24880.
    """
    mixed = (2 + streams) * streams
    return (
        Weight(f"{path}.fn", "residual", streams * hidden, mixed, "matrix"),
        Weight(f"{path}.base", "residual", 1, mixed, "vector"),
        Weight(f"{path}.scale", "residual", 1, 3, "vector"),
        Weight(f"{path}.comb", "residual", streams * hidden, streams, "tied"),
    )


def _last_connection(hidden: int, streams: int) -> tuple[Weight, ...]:
    return (
        Weight("hc_head.hc_fn", "residual", streams * hidden, streams, "matrix"),
        Weight("hc_head.hc_base", "residual", 1, streams, "vector"),
        Weight("hc_head.hc_scale", "residual", 1, 1, "vector"),
    )


FAMILY = Family("deepseek_v4", _NEEDS, read)
