"""Falcon 7B, 40B, 180B and Falcon 2: one projection for queries, keys and values."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Layer, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    Heads,
    assemble,
    attention_of,
    linear,
    norm,
    outer_weights,
    two_norms,
)

_NEEDS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


def read(fields: Fields) -> Architecture:
    """Read multi-query, grouped-query or multi-head attention (arXiv:2311.16867)."""
    hidden, queries = fields.count("hidden_size"), fields.count("num_attention_heads")
    new = fields.flag("new_decoder_architecture", False)
    keys = 1
    if new or not fields.flag("multi_query", True):
        keys = fields.optional_count("num_kv_heads") or queries
    fields.divides("num_kv_heads", keys, "num_attention_heads", queries)
    if not new and keys not in (1, queries):
        wanted = f"1 or {queries}, where new_decoder_architecture is false"
        raise fields.wrong("num_kv_heads", keys, wanted)
    width = fields.divides("num_attention_heads", queries, "hidden_size", hidden)
    heads, bias = Heads(hidden, queries, keys, width), fields.flag("bias", False)
    inner = fields.optional_count("ffn_hidden_size") or 4 * hidden
    fused = (queries + 2 * keys) * width if new or keys == 1 else 3 * hidden
    weights = (
        linear("self_attention.query_key_value", "attention", hidden, fused, bias),
        linear("self_attention.dense", "attention", hidden, hidden, bias),
        linear("mlp.dense_h_to_4h", "mlp", hidden, inner, bias),
        linear("mlp.dense_4h_to_h", "mlp", inner, hidden, bias),
        *_norms(fields, hidden, new),
    )
    last = (norm("ln_f", hidden, bias=True),)
    layers = [Layer(weights, attention_of(heads))] * fields.layers()
    return assemble(fields, heads, outer_weights(fields, hidden, tied=True, last_norm=last), layers)


def _norms(fields: Fields, hidden: int, new: bool) -> tuple[Weight, ...]:
    """Return the layer norms: one shared norm, or one each for attention and block."""
    if not fields.flag("parallel_attn", True):
        return two_norms(hidden, bias=True)
    count = fields.optional_count("num_ln_in_parallel_attn") or (2 if new else 1)
    names = ("ln_attn", "ln_mlp") if count == 2 else ("input_layernorm",)
    return tuple(norm(name, hidden, bias=True) for name in names)


FAMILY = Family("falcon", _NEEDS, read)
