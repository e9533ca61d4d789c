"""GPT-2: learnt positions, layer norms, a fused projection with biases, a tied head."""

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
)

_HIDDEN, _HEADS = "n_embd|hidden_size", "n_head|num_attention_heads"
_LAYERS, _POSITIONS = "n_layer|num_hidden_layers", "n_positions|max_position_embeddings"


def read(fields: Fields) -> Architecture:
    """Read layers under their old names (Radford et al. 2019)."""
    fields.require_default("add_cross_attention", False, "since only decoders are counted")
    hidden, queries = fields.count(_HIDDEN), fields.count(_HEADS)
    heads = Heads(hidden, queries, queries, fields.divides("n_head", queries, "n_embd", hidden))
    inner = fields.optional_count("n_inner") or 4 * hidden
    weights = (
        linear("attn.c_attn", "attention", hidden, 3 * hidden, bias=True),
        linear("attn.c_proj", "attention", hidden, hidden, bias=True),
        linear("mlp.c_fc", "mlp", hidden, inner, bias=True),
        linear("mlp.c_proj", "mlp", inner, hidden, bias=True),
        norm("ln_1", hidden, bias=True),
        norm("ln_2", hidden, bias=True),
    )
    outer = (
        *outer_weights(fields, hidden, tied=True, last_norm=(norm("ln_f", hidden, bias=True),)),
        Weight("wpe", "embedding", fields.count(_POSITIONS), hidden, "table"),
    )
    layers = [Layer(weights, attention_of(heads))] * fields.layers(_LAYERS)
    return assemble(fields, heads, outer, layers)


FAMILY = Family("gpt2", (_HIDDEN, _HEADS, _LAYERS, _POSITIONS, "vocab_size"), read)
