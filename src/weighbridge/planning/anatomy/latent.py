"""Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).

Keys and values are expanded from one latent vector per token. What is cached is the latent and the
rotary key that all heads share: 576 numbers per layer and token, where the keys and values of 128
heads would take 40,960.
"""

from collections.abc import Sequence
from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Attention, Weight
from weighbridge.planning.anatomy.routed import read_routed
from weighbridge.planning.anatomy.skeleton import NEEDS, Heads, linear, norm

ROUTED = "n_routed_experts|num_experts|num_local_experts"
LATENT_NEEDS = (
    *NEEDS,
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    ROUTED,
    "num_experts_per_tok",
    "n_shared_experts",
    "moe_intermediate_size",
)


def read_deepseek(
    fields: Fields,
    *,
    dense_first: int,
    as_linear: bool = True,
    indexed: bool | Sequence[bool] = False,
) -> Architecture:
    """Read DeepSeek-V2 or V3: a few dense layers, then mixtures with shared experts.

    Args:
        fields: The configuration.
        dense_first: The family's default of `first_k_dense_replace`.
        as_linear: See `read_routed`.
        indexed: Whether an indexer chooses which tokens are attended to; a list says which layers
            have an indexer, and the other layers use the choice of the last one before them.
    """
    fields.assume(q_lora_rank=1536, first_k_dense_replace=dense_first)
    fields.require_default("moe_layer_freq", 1, "as in every published model")
    count = fields.layers()
    weights, attention = latent_attention(fields)
    chooses = [indexed] * count if isinstance(indexed, bool) else list(indexed)
    own: tuple[Weight, ...] = ()
    chosen = following = attention
    if any(chooses):
        own, chosen, following = _indexer(fields, attention)
    return read_routed(
        fields,
        latent_heads(fields, attention),
        [(*weights, *own) if here else weights for here in chooses],
        [chosen if here else following for here in chooses],
        experts=ROUTED,
        bias=fields.flag("mlp_bias", False),
        as_linear=as_linear,
    )


def latent_heads(fields: Fields, attention: Attention) -> Heads:
    """Return heads without key-value heads, because a latent takes their place."""
    return Heads(fields.count("hidden_size"), attention.heads, 0, attention.key_width)


def latent_attention(fields: Fields) -> tuple[tuple[Weight, ...], Attention]:
    """Read the projections to and from the latents, and what attention computes and caches."""
    hidden, heads = fields.count("hidden_size"), fields.count("num_attention_heads")
    latent, rotary = fields.count("kv_lora_rank"), fields.count("qk_rope_head_dim")
    plain, value = fields.count("qk_nope_head_dim"), fields.count("v_head_dim")
    rank, bias = fields.optional_count("q_lora_rank"), fields.flag("attention_bias", False)
    queries = heads * (plain + rotary)
    if rank is None:
        query: tuple[Weight, ...] = (linear("self_attn.q_proj", "attention", hidden, queries),)
    else:
        query = (
            linear("self_attn.q_a_proj", "attention", hidden, rank, bias),
            norm("self_attn.q_a_layernorm", rank),
            linear("self_attn.q_b_proj", "attention", rank, queries),
        )
    down, up = "self_attn.kv_a_proj_with_mqa", "self_attn.kv_b_proj"
    weights = (
        *query,
        linear(down, "attention", hidden, latent + rotary, bias),
        norm("self_attn.kv_a_layernorm", latent),
        linear(up, "attention", latent, heads * (plain + value)),
        linear("self_attn.o_proj", "attention", heads * value, hidden, bias),
    )
    return weights, Attention(heads, plain + rotary, value, cached=latent + rotary)


def _indexer(
    fields: Fields, attention: Attention
) -> tuple[tuple[Weight, ...], Attention, Attention]:
    """Read DeepSeek's lightning indexer: small heads score all tokens, the best are attended to.

    Returns:
        The indexer's weights; attention of a layer with an indexer, whose keys are cached, too; and
        attention of a layer that uses the choice of the last indexer before it.
    """
    hidden, rank = fields.count("hidden_size"), fields.count("q_lora_rank")
    heads, width = fields.count("index_n_heads"), fields.count("index_head_dim")
    path = "self_attn.indexer"
    weights = (
        linear(f"{path}.wq_b", "attention", rank, heads * width),
        linear(f"{path}.wk", "attention", hidden, width),
        norm(f"{path}.k_norm", width, bias=True),
        linear(f"{path}.weights_proj", "attention", hidden, heads),
    )
    following = replace(attention, selected=fields.count("index_topk"))
    cached = attention.cached + width
    return (
        weights,
        replace(following, cached=cached, index_heads=heads, index_width=width),
        following,
    )
