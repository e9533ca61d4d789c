"""MPT: ALiBi, layer norms without shifts, one projection for queries, keys and values."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    Heads,
    assemble,
    attention_of,
    linear,
    norm,
    outer_weights,
)

_NEEDS = (
    "d_model|hidden_size",
    "n_layers|num_hidden_layers",
    "n_heads|num_attention_heads",
    "vocab_size",
)


def read(fields: Fields) -> Architecture:
    """Read layers without biases and with a tied head."""
    fields.require_default("no_bias", True, "as transformers builds it")
    hidden, queries = (
        fields.count("d_model|hidden_size"),
        fields.count("n_heads|num_attention_heads"),
    )
    heads = Heads(hidden, queries, queries, fields.divides("n_heads", queries, "d_model", hidden))
    fields.require_default("expansion_ratio", 4, "as transformers builds it")
    weights = (
        linear("attn.Wqkv", "attention", hidden, 3 * hidden),
        linear("attn.out_proj", "attention", hidden, hidden),
        linear("ffn.up_proj", "mlp", hidden, 4 * hidden),
        linear("ffn.down_proj", "mlp", 4 * hidden, hidden),
        norm("norm_1", hidden),
        norm("norm_2", hidden),
    )
    last = (norm("norm_f", hidden),)
    layers = [Layer(weights, attention_of(heads))] * fields.layers("n_layers|num_hidden_layers")
    return assemble(fields, heads, outer_weights(fields, hidden, tied=True, last_norm=last), layers)


FAMILY = Family("mpt", _NEEDS, read)
