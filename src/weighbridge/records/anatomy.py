"""A model's parameter counts, memory and compute, part by part."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PartRole = Literal[
    "embedding",
    "attention",
    "recurrent",
    "mlp",
    "experts",
    "shared_experts",
    "router",
    "residual",
    "norm",
    "head",
]
"""What a weight does: `mlp` is a dense feed-forward block, `experts` are routed ones, `recurrent` a
state space, linear attention or short convolution, which remembers in a state of constant size."""

PART_NAMES: Mapping[PartRole, str] = {
    "embedding": "embedding",
    "attention": "attention",
    "recurrent": "recurrent",
    "mlp": "dense blocks",
    "experts": "routed experts",
    "shared_experts": "shared experts",
    "router": "router",
    "residual": "residual paths",
    "norm": "norms",
    "head": "head",
}
"""The names of the parts in output for people."""


@dataclass(frozen=True)
class AnatomyPart:
    """The share of one role.

    Attributes:
        role: What its weights do.
        parameters: Numbers held.
        active_parameters: Numbers that take part in one token.
        forward_flops: Floating-point operations a token, attention to the context among them.
    """

    role: PartRole
    parameters: int
    active_parameters: int
    forward_flops: int


@dataclass(frozen=True)
class Anatomy:
    """A model taken apart, from its configuration alone.

    Attributes:
        name: What the model was called.
        source: Where its configuration was found.
        architecture: Its `model_type`.
        layers: Decoder layers.
        hidden_size: Width of the residual stream.
        attention_heads: Query heads of the first layer that has attention; 0 where none has.
        key_value_heads: Key-value heads; 0 where a latent stands for them (MLA).
        parameters: Of the text model, tied weights once.
        active_parameters: Those that take part in one token, the embedding among them.
        vision_parameters: Of a vision tower and its projector; 0 for a text model.
        experts: Routed experts of a layer that has them; 0 for a dense model.
        experts_per_token: How many of them one token passes.
        shared_experts: Experts that every token passes.
        context_tokens: The context that compute and cache are given at.
        context_limit_tokens: The longest that the configuration names.
        forward_flops_per_token: Weights and attention, for a token at the end of the context.
        linear_flops_per_token: Its part in products with weights, the same at any context.
        attention_flops_by_context: Its part in attention, by context in tokens.
        kv_cache_bytes_per_token: What one more token adds in bf16 while no window is full.
        kv_cache_bytes_by_context: One sequence's cache in bf16, by its length in tokens.
        state_bytes_per_sequence: What recurrent layers carry from token to token, whatever the
            length: states in float32 where transformers computes them so, the last inputs of
            convolutions in bf16.
        recurrent_flops_per_token: The part of `forward_flops_per_token` that reads and writes
            those states.
        parts: Shares by role, in the order of a forward pass; roles without weights are left out.
        lora_parameters_per_rank: What an adapter trains at rank 1, by target.
        notes: What is not counted, or was read in a particular way.
    """

    name: str
    source: str
    architecture: str
    layers: int
    hidden_size: int
    attention_heads: int
    key_value_heads: int
    parameters: int
    active_parameters: int
    vision_parameters: int
    experts: int
    experts_per_token: int
    shared_experts: int
    context_tokens: int
    context_limit_tokens: int | None
    forward_flops_per_token: int
    linear_flops_per_token: int
    attention_flops_by_context: Mapping[int, int]
    kv_cache_bytes_per_token: int
    kv_cache_bytes_by_context: Mapping[int, int]
    state_bytes_per_sequence: int
    recurrent_flops_per_token: int
    parts: tuple[AnatomyPart, ...]
    lora_parameters_per_rank: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def kv_cache_bytes(self) -> int:
        """The cache of one sequence of `context_tokens`, in bf16."""
        return self.kv_cache_bytes_by_context[self.context_tokens]


@dataclass(frozen=True)
class StoredWeights:
    """How a model's weights lie in its files.

    Attributes:
        method: `quant_method` of the configuration, or None where it names none.
        description: In words.
        bytes: Of all weights; None where no header was read and no rule is known.
        known_by: What the bytes come from.
    """

    method: str | None
    description: str
    bytes: int | None
    known_by: Literal["headers of the files", "the rule of the configuration", "nothing"]


@dataclass(frozen=True)
class CountedModel:
    """A model whose parameters were counted and whose structure is not understood.

    Attributes:
        name: What the model was called.
        source: Where its configuration was found.
        architecture: Its `model_type`.
        parameters: Without what sees and hears, tied weights once.
        vision_parameters: Of modules that see or hear, by their names.
        parameters_by_part: Shares by role, in the order of a forward pass.
        relatives: Families that are understood, nearest first.
        missing: Figures that a count of weights can't give.
        notes: How it was counted.
    """

    name: str
    source: str
    architecture: str
    parameters: int
    vision_parameters: int
    parameters_by_part: Mapping[PartRole, int]
    relatives: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeyValueHeads:
    """The heads whose keys and values a layer of attention computes for each token.

    The planner, the engine's budget and tuning's forecast all count with them.

    Attributes:
        heads: Number of key-value heads; as many as query heads where each has its own.
        key_width: Numbers of one head's key.
        value_width: Numbers of one head's value.
    """

    heads: int
    key_width: int
    value_width: int

    @property
    def numbers(self) -> int:
        """How many numbers the keys and values of one token are.

        >>> KeyValueHeads(heads=8, key_width=128, value_width=128).numbers
        2048
        """
        return self.heads * (self.key_width + self.value_width)
