"""OPT: learnt positions, layer norms, biases, a tied head."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    assemble,
    attention_of,
    linear,
    norm,
    outer_weights,
    projections,
    read_heads,
    same_layers,
)

_NEEDS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "ffn_dim", "vocab_size",
    "max_position_embeddings",
)  # fmt: skip
_NORMS = ("self_attn_layer_norm", "final_layer_norm")


def read(fields: Fields) -> Architecture:
    """Read layers whose embedding may be narrower than the model (arXiv:2205.01068)."""
    heads, bias = read_heads(fields), fields.flag("enable_bias", True)
    hidden, inner = heads.hidden, fields.count("ffn_dim")
    narrow = fields.optional_count("word_embed_proj_dim") or hidden
    scaled = fields.flag("layer_norm_elementwise_affine", True)
    weights = (
        *projections(heads, bias=bias, out_bias=bias, out="out_proj"),
        linear("fc1", "mlp", hidden, inner, bias),
        linear("fc2", "mlp", inner, hidden, bias),
        *(
            norm(n, hidden, bias=True)
            for n in ("self_attn_layer_norm", "final_layer_norm")
            if scaled
        ),
    )
    before = fields.flag("do_layer_norm_before", True)
    last = before and not fields.flag("_remove_final_layer_norm", False) and scaled
    positions = fields.count("max_position_embeddings") + 2
    maps = (
        linear("project_in", "embedding", narrow, hidden),
        linear("project_out", "embedding", hidden, narrow),
    )
    norms = (norm("final_layer_norm", hidden, bias=True),) if last else ()
    outer = (
        *outer_weights(fields, narrow, tied=True, last_norm=norms),
        Weight("embed_positions", "embedding", positions, hidden, "table"),
        *(maps if narrow != hidden else ()),
    )
    return assemble(fields, heads, outer, same_layers(fields, weights, attention_of(heads)))


FAMILY = Family("opt", _NEEDS, read)
