"""Apertus: norms on each head's queries and keys, and a learnt activation function."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    head_norms,
    norm,
    outer_weights,
    plain_block,
    read_heads,
    same_layers,
    usual_attention,
)


def read(fields: Fields) -> Architecture:
    """Read blocks without a gate; their activation xIELU has two numbers (arXiv:2411.13010)."""
    fields.assume(hidden_act="xielu")
    heads = read_heads(fields)
    learnt = fields.values["hidden_act"] == "xielu"
    names = ("mlp.act_fn.alpha_p", "mlp.act_fn.alpha_n")
    weights = (
        *usual_attention(fields, heads),
        *head_norms(heads),
        *plain_block(heads.hidden, fields.count("intermediate_size")),
        *(Weight(name, "mlp", 1, 1, "vector") for name in names if learnt),
        norm("attention_layernorm", heads.hidden),
        norm("feedforward_layernorm", heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("apertus", NEEDS, read)
