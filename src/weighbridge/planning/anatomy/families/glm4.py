"""GLM 4 of 2025 (GLM-4-0414, Z1): GLM with norms on both sides of attention and block."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    assemble,
    attention_of,
    linear,
    norm,
    outer_weights,
    projections,
    read_heads,
    same_layers,
    two_norms,
)


def read(fields: Fields) -> Architecture:
    """Read blocks whose gate and up are one projection."""
    fields.assume(head_dim=128)
    heads, inner = read_heads(fields), fields.count("intermediate_size")
    after = ("post_self_attn_layernorm", "post_mlp_layernorm")
    weights = (
        *projections(heads, bias=fields.flag("attention_bias", True)),
        linear("mlp.gate_up_proj", "mlp", heads.hidden, 2 * inner),
        linear("mlp.down_proj", "mlp", inner, heads.hidden),
        *two_norms(heads.hidden),
        *(norm(name, heads.hidden) for name in after),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


FAMILY = Family("glm4", (*NEEDS, "num_key_value_heads"), read)
