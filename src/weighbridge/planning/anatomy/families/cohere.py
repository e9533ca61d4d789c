"""Command R: attention and block side by side after one norm, a tied head."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    gated,
    norm,
    outer_weights,
    read_heads,
    same_layers,
    usual_attention,
)


def read(fields: Fields) -> Architecture:
    """Read layers whose norms have no bias; queries and keys may have per-head norms."""
    heads = read_heads(fields)
    names = (("q_norm", heads.queries), ("k_norm", heads.key_values))
    normed = names if fields.flag("use_qk_norm", False) else ()
    weights = (
        *usual_attention(fields, heads),
        *(norm(f"self_attn.{name}", count * heads.width) for name, count in normed),
        *gated(heads.hidden, fields.count("intermediate_size")),
        norm("input_layernorm", heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden, tied=True), layers)


FAMILY = Family("cohere", NEEDS, read)
