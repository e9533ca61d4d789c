"""The decoder that most open models share, and the pieces in which they differ.

A layer is attention and a feed-forward block, each with a norm before it; an embedding comes before
the layers, and a last norm and a head after them. Families state only what they change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Attention, Layer, Weight
from weighbridge.records import KeyValueHeads, PartRole

FULL, SLIDING, CHUNKED = "full_attention", "sliding_attention", "chunked_attention"

NEEDS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
)
"""Fields that no family has a default for."""


@dataclass(frozen=True)
class Heads:
    """The heads of a layer's attention.

    Attributes:
        hidden: Width of the residual stream.
        queries: Number of query heads.
        key_values: Number of key-value heads: as many for MHA, one for MQA, in between for GQA.
        width: Width of one head.
    """

    hidden: int
    queries: int
    key_values: int
    width: int


def read_heads(fields: Fields) -> Heads:
    """Read the heads' number and width; without `head_dim` they divide the hidden size.

    Raises:
        InputError: The numbers don't divide.
    """
    hidden = fields.count("hidden_size")
    queries = fields.count("num_attention_heads")
    key_values = fields.optional_count("num_key_value_heads") or queries
    fields.divides("num_key_value_heads", key_values, "num_attention_heads", queries)
    width = fields.optional_count("head_dim") or fields.divides(
        "num_attention_heads", queries, "hidden_size", hidden
    )
    return Heads(hidden, queries, key_values, width)


def attention_of(
    heads: Heads, kind: str = FULL, reach: int | None = None, shared: bool = False
) -> Attention:
    """Return what grouped-query attention computes and remembers (Ainslie et al. 2023).

    Args:
        heads: The attention's heads.
        kind: `FULL`, `SLIDING` or `CHUNKED`.
        reach: Number of tokens in the window or chunk, where there is one.
        shared: Whether the layer reads the keys and values of an earlier one.
    """
    keys_and_values = KeyValueHeads(heads.key_values, heads.width, heads.width)
    return Attention(
        heads=heads.queries,
        key_width=heads.width,
        value_width=heads.width,
        cached=0 if shared else keys_and_values.numbers,
        window=reach if kind == SLIDING else None,
        chunk=reach if kind == CHUNKED else None,
    )


def linear(name: str, role: PartRole, inputs: int, outputs: int, bias: bool = False) -> Weight:
    """Return a linear layer."""
    return Weight(name, role, inputs, outputs, "linear", bias)


def norm(name: str, width: int, bias: bool = False) -> Weight:
    """Return a norm's scale and, with `bias`, its shift."""
    return Weight(name, "norm", 1, width, "vector", bias)


def projections(
    heads: Heads, *, bias: bool = False, out_bias: bool = False, out: str = "o_proj"
) -> tuple[Weight, ...]:
    """Return the four projections of grouped-query attention."""
    queries, key_values = heads.queries * heads.width, heads.key_values * heads.width
    return (
        linear("self_attn.q_proj", "attention", heads.hidden, queries, bias),
        linear("self_attn.k_proj", "attention", heads.hidden, key_values, bias),
        linear("self_attn.v_proj", "attention", heads.hidden, key_values, bias),
        linear(f"self_attn.{out}", "attention", queries, heads.hidden, out_bias),
    )


def gated(
    hidden: int,
    inner: int,
    *,
    bias: bool = False,
    path: str = "mlp",
    role: PartRole = "mlp",
    as_linear: int | None = None,
) -> tuple[Weight, ...]:
    """Return a gated feed-forward block (Shazeer 2020): gate, up, down."""
    return tuple(
        Weight(f"{path}.{name}", role, inputs, outputs, bias=bias, as_linear=as_linear)
        for name, inputs, outputs in (
            ("gate_proj", hidden, inner),
            ("up_proj", hidden, inner),
            ("down_proj", inner, hidden),
        )
    )


def plain_block(
    hidden: int, inner: int, *, bias: bool = False, path: str = "mlp"
) -> tuple[Weight, ...]:
    """Return a feed-forward block without a gate: up, down."""
    return (
        linear(f"{path}.up_proj", "mlp", hidden, inner, bias),
        linear(f"{path}.down_proj", "mlp", inner, hidden, bias),
    )


def two_norms(hidden: int, bias: bool = False) -> tuple[Weight, ...]:
    """Return the norms before attention and before the feed-forward block."""
    return norm("input_layernorm", hidden, bias), norm("post_attention_layernorm", hidden, bias)


def four_norms(hidden: int) -> tuple[Weight, ...]:
    """Return norms before and after both attention and the feed-forward block."""
    feedforward = ("pre_feedforward_layernorm", "post_feedforward_layernorm")
    return (*two_norms(hidden), *(norm(name, hidden) for name in feedforward))


def head_norms(heads: Heads) -> tuple[Weight, ...]:
    """Return norms on queries and keys whose scale all heads share."""
    return norm("self_attn.q_norm", heads.width), norm("self_attn.k_norm", heads.width)


def joint_norms(heads: Heads) -> tuple[Weight, ...]:
    """Return norms over all heads' queries, and over all heads' keys."""
    return (
        norm("self_attn.q_norm", heads.queries * heads.width),
        norm("self_attn.k_norm", heads.key_values * heads.width),
    )


def outer_weights(
    fields: Fields,
    hidden: int,
    *,
    tied: bool = False,
    head_bias: bool = False,
    last_norm: tuple[Weight, ...] | None = None,
) -> tuple[Weight, ...]:
    """Return embedding, last norm and head.

    Args:
        fields: The configuration, for the vocabulary and whether the head is tied.
        hidden: Width of the residual stream.
        tied: The family's default of `tie_word_embeddings`.
        head_bias: Whether the head has a bias.
        last_norm: The last norm; None for an RMS norm.
    """
    vocabulary = fields.count("vocab_size")
    shared = fields.flag("tie_word_embeddings", tied)
    shift = (Weight("lm_head.bias", "head", 1, vocabulary, "vector"),) if head_bias else ()
    return (
        Weight("embed_tokens", "embedding", vocabulary, hidden, "table"),
        *(last_norm if last_norm is not None else (norm("norm", hidden),)),
        Weight("lm_head", "head", hidden, vocabulary, "tied" if shared else "linear"),
        *shift,
    )


def usual_attention(fields: Fields, heads: Heads) -> tuple[Weight, ...]:
    """Return the four projections, with biases on all of them where `attention_bias` says so."""
    bias = fields.flag("attention_bias", False)
    return projections(heads, bias=bias, out_bias=bias)


def usual_block(fields: Fields, heads: Heads) -> tuple[Weight, ...]:
    """Return the gated block of `intermediate_size`, with biases where `mlp_bias` says so."""
    inner = fields.count("intermediate_size")
    return gated(heads.hidden, inner, bias=fields.flag("mlp_bias", False))


def same_layers(fields: Fields, weights: Sequence[Weight], attention: Attention) -> list[Layer]:
    """Return as many equal layers as the configuration names."""
    return [Layer(tuple(weights), attention)] * fields.layers()


def layers_by_kind(
    kinds: Sequence[str], weights: Sequence[Weight], heads: Heads, reach: int | None
) -> list[Layer]:
    """Return layers with equal weights whose attention is of these kinds."""
    made = {kind: Layer(tuple(weights), attention_of(heads, kind, reach)) for kind in set(kinds)}
    return [made[kind] for kind in kinds]


def later_tokens(fields: Fields) -> tuple[str, ...]:
    """Return a note on layers that predict later tokens (Gloeckle et al. 2024), if there are some.

    They can draft tokens for speculative decoding, but decoding works without them.
    """
    names = ("num_nextn_predict_layers", "num_mtp_layers", "num_mtp_modules", "mtp_num_layers")
    count = next((fields.values[n] for n in names if fields.values.get(n)), None)
    if count is None:
        return ()
    plural = "layer" if count == 1 else "layers"
    return (f"{count} {plural} for multi-token prediction: not counted; decoding works without",)


def assemble(
    fields: Fields,
    heads: Heads,
    outer: Sequence[Weight],
    layers: Sequence[Layer],
    *,
    experts: int = 0,
    experts_per_token: int = 0,
    shared_experts: int = 0,
    notes: Sequence[str] = (),
) -> Architecture:
    """Return an architecture of these parts, with notes on defaults that were assumed."""
    assumed = ", ".join(f"{name} {value}" for name, value in fields.assumed.items())
    said = (f"not in the configuration, so the family's default: {assumed}",) if assumed else ()
    return Architecture(
        model_type=str(fields.values["model_type"]),
        outer=tuple(outer),
        layers=tuple(layers),
        hidden_size=heads.hidden,
        key_value_heads=heads.key_values,
        experts=experts,
        experts_per_token=experts_per_token,
        shared_experts=shared_experts,
        context_limit_tokens=fields.optional_count("max_position_embeddings|n_positions"),
        notes=(*notes, *said, *_refused_by_peft(layers)),
    )


def _refused_by_peft(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return a note where peft refuses to adapt a state space's output: see `recurrent.output`."""
    every = (weight for layer in set(layers) for weight in layer.weights)
    if not any(w.name.endswith(".out_proj") and w.kind == "matrix" for w in every):
        return ()
    return ("peft refuses all-linear and out_proj here: LoRA's other targets are counted",)
