"""GPT-J: attention and block side by side after one norm; the head has a bias."""

from dataclasses import replace

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
    projections,
)

_NEEDS = (
    "n_embd|hidden_size",
    "n_layer|num_hidden_layers",
    "n_head|num_attention_heads",
    "vocab_size",
)


def read(fields: Fields) -> Architecture:
    """Read layers under GPT-2's names, with rotary positions (Wang and Komatsuzaki 2021)."""
    hidden, queries = fields.count("n_embd|hidden_size"), fields.count("n_head|num_attention_heads")
    width = fields.divides("n_head", queries, "n_embd", hidden)
    heads = Heads(hidden, queries, queries, width)
    inner = fields.optional_count("n_inner") or 4 * hidden
    weights = (
        *(
            replace(w, name=w.name.replace("self_attn", "attn"))
            for w in projections(heads, out="out_proj")
        ),
        linear("mlp.fc_in", "mlp", hidden, inner, bias=True),
        linear("mlp.fc_out", "mlp", inner, hidden, bias=True),
        norm("ln_1", hidden, bias=True),
    )
    last = (norm("ln_f", hidden, bias=True),)
    layers = [Layer(weights, attention_of(heads))] * fields.layers("n_layer|num_hidden_layers")
    return assemble(
        fields, heads, outer_weights(fields, hidden, head_bias=True, last_norm=last), layers
    )


FAMILY = Family("gptj", _NEEDS, read)
