"""StableLM: layer norms; attention and block in turn, or side by side."""

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
    projections,
    read_heads,
    same_layers,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read layers with or without norms for each head."""
    heads = read_heads(fields)
    names = (("q_layernorm", heads.queries), ("k_layernorm", heads.key_values))
    normed = names if fields.flag("qk_layernorm", False) else ()
    parallel = fields.flag("use_parallel_residual", False)
    weights = (
        *projections(heads, bias=fields.flag("use_qkv_bias", False)),
        *(norm(f"self_attn.{name}.norms", count * heads.width) for name, count in normed),
        *gated(heads.hidden, fields.count("intermediate_size")),
        *two_norms(heads.hidden, bias=True)[: 1 if parallel else 2],
    )
    last = (norm("norm", heads.hidden, bias=True),)
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden, last_norm=last), layers)


FAMILY = Family("stablelm", (*NEEDS, "num_key_value_heads"), read)
