"""Hunyuan MoE (A13B): mixtures in every layer with one shared expert."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.mixture import mixture, read_experts
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
    two_norms,
    usual_attention,
)

_EXPERTS = "num_experts|num_local_experts"


def read(fields: Fields) -> Architecture:
    """Read layers whose router is a linear layer; lists with one value a layer must agree."""
    for name in ("num_experts", "moe_topk", "num_shared_expert", "moe_intermediate_size"):
        fields.one_for_all(name)
    fields.require_default("num_shared_expert", 1, "as transformers builds one")
    fields.require_default("use_mixed_mlp_moe", True, "as transformers builds a shared expert")
    fields.require_default(
        "moe_layer_num_skipped", 0, "as transformers builds a mixture in every layer"
    )
    heads = read_heads(fields)
    inner = fields.count("intermediate_size")
    fields.require_default(
        "moe_intermediate_size", inner, "as experts are as wide as the shared one"
    )
    experts = read_experts(fields, _EXPERTS, "intermediate_size", "moe_topk|num_experts_per_tok")
    weights = (
        *usual_attention(fields, heads),
        norm("self_attn.query_layernorm", heads.width),
        norm("self_attn.key_layernorm", heads.width),
        *mixture(heads.hidden, experts, router="gate.wg", linear_router=True, as_linear=True),
        *gated(heads.hidden, inner, path="mlp.shared_mlp", role="shared_experts", as_linear=0),
        *two_norms(heads.hidden),
    )
    layers = same_layers(fields, weights, attention_of(heads))
    figures = {**experts.figures, "shared_experts": 1}
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers, **figures)


FAMILY = Family("hunyuan_v1_moe", (*NEEDS, _EXPERTS, "moe_topk|num_experts_per_tok"), read)
