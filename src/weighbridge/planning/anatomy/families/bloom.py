"""BLOOM: ALiBi, layer norms, one projection for queries, keys and values, a tied head."""

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
    two_norms,
)

_NEEDS = (
    "n_embed|hidden_size",
    "n_layer|num_hidden_layers",
    "n_head|num_attention_heads",
    "vocab_size",
)


def read(fields: Fields) -> Architecture:
    """Read layers with biases everywhere, and a norm behind the embedding (arXiv:2211.05100)."""
    hidden, queries = (
        fields.count("n_embed|hidden_size"),
        fields.count("n_head|num_attention_heads"),
    )
    heads = Heads(hidden, queries, queries, fields.divides("n_head", queries, "n_embed", hidden))
    weights = (
        linear("self_attention.query_key_value", "attention", hidden, 3 * hidden, bias=True),
        linear("self_attention.dense", "attention", hidden, hidden, bias=True),
        linear("mlp.dense_h_to_4h", "mlp", hidden, 4 * hidden, bias=True),
        linear("mlp.dense_4h_to_h", "mlp", 4 * hidden, hidden, bias=True),
        *two_norms(hidden, bias=True),
    )
    around = ("word_embeddings_layernorm", "ln_f")
    last = tuple(norm(name, hidden, bias=True) for name in around)
    layers = [Layer(weights, attention_of(heads))] * fields.layers("n_layer|num_hidden_layers")
    return assemble(fields, heads, outer_weights(fields, hidden, tied=True, last_norm=last), layers)


FAMILY = Family("bloom", _NEEDS, read)
