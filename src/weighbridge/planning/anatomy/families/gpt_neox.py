"""GPT-NeoX and Pythia: layer norms, one projection for queries, keys and values, biases."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    Heads,
    assemble,
    attention_of,
    linear,
    norm,
    outer_weights,
    same_layers,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read layers whose attention may go without biases (Black et al. 2022, arXiv:2204.06745)."""
    hidden, queries = fields.count("hidden_size"), fields.count("num_attention_heads")
    width = fields.divides("num_attention_heads", queries, "hidden_size", hidden)
    heads = Heads(hidden, queries, queries, width)
    inner, bias = fields.count("intermediate_size"), fields.flag("attention_bias", True)
    weights = (
        linear("attention.query_key_value", "attention", hidden, 3 * hidden, bias),
        linear("attention.dense", "attention", hidden, hidden, bias),
        linear("mlp.dense_h_to_4h", "mlp", hidden, inner, bias=True),
        linear("mlp.dense_4h_to_h", "mlp", inner, hidden, bias=True),
        *two_norms(hidden, bias=True),
    )
    outer = outer_weights(fields, hidden, last_norm=(norm("final_layer_norm", hidden, bias=True),))
    return assemble(fields, heads, outer, same_layers(fields, weights, attention_of(heads)))


FAMILY = Family("gpt_neox", NEEDS, read)
