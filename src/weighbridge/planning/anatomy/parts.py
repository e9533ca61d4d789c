"""The vocabulary of an anatomy: weights, the attention of a layer, layers, a whole architecture."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from weighbridge.records import PartRole

Kind = Literal["linear", "stacked", "matrix", "table", "tied", "vector"]
"""How a weight is held and used.

linear: a linear layer of its own
stacked: the same matrix of all experts in one parameter
matrix: multiplied, but a bare parameter, or a layer that peft adapts in no model
table: looked up, not multiplied
tied: multiplied, and held elsewhere, as a tied head is in the embedding
vector: scales, shifts and sinks, which cost no product
"""


@dataclass(frozen=True)
class Weight:
    """One weight of a layer, by the name that its module has in transformers.

    Attributes:
        name: Path below the layer, such as ``self_attn.q_proj``; LoRA matches its ending.
        role: What it does.
        inputs: Width of what it reads; 1 for a vector.
        outputs: Width of what it gives.
        kind: How it is held and used.
        bias: Whether `outputs` more numbers are added.
        held: Copies in memory (experts).
        active: Copies that one token passes.
        as_linear: How many linear layers LoRA's "all-linear" takes it for, where that is not what
            it is: see `ALL_LINEAR`.
    """

    name: str
    role: PartRole
    inputs: int
    outputs: int
    kind: Kind = "linear"
    bias: bool = False
    held: int = 1
    active: int = 1
    as_linear: int | None = None

    @property
    def parameters(self) -> int:
        """Numbers held, tied ones at their other place."""
        return self.held * self._size

    @property
    def active_parameters(self) -> int:
        """Numbers that take part in one token."""
        return self.active * self._size

    @property
    def flops(self) -> int:
        """Floating-point operations for one token: a multiplication and an addition a number.

        Biases, norms, activations and look-ups are not counted: together they are far below 1 %.
        """
        if self.kind in ("table", "vector"):
            return 0
        return 2 * self.active * self.inputs * self.outputs

    @property
    def _size(self) -> int:
        if self.kind == "tied":
            return 0
        return self.inputs * self.outputs + self.bias * self.outputs


@dataclass(frozen=True)
class Attention:
    """What a layer's attention computes and remembers.

    Attributes:
        heads: Query heads.
        key_width: Width of a query and a key, per head.
        value_width: Width of a value, per head.
        cached: Numbers kept per token: keys and values of all key-value heads, or MLA's latent; 0
            where the layer reads an earlier layer's cache.
        window: Number of last tokens that it attends to, itself included; None for all.
        chunk: Number of tokens in the blocks within which it attends; None for no blocks.
        selected: Number of tokens that an indexer selects to attend to; None for all.
        index_heads: Query heads of that indexer.
        index_width: Of one of them.
        compressed_every: Beside the window it attends to one entry for so many tokens; None for no
            such entries. Then an indexer chooses among them.
        compressed: Numbers kept per entry, an indexer's among them.
    """

    heads: int
    key_width: int
    value_width: int
    cached: int
    window: int | None = None
    chunk: int | None = None
    selected: int | None = None
    index_heads: int = 0
    index_width: int = 0
    compressed_every: int | None = None
    compressed: int = 0

    def attended(self, context_tokens: int) -> int:
        """How many tokens the one at this position (from 1) attends to."""
        if self.chunk is not None:
            return (context_tokens - 1) % self.chunk + 1 if context_tokens else 0
        seen, far = self.remembered(context_tokens), self.entries(context_tokens)
        if self.selected is None:
            return seen + far
        if self.compressed_every is not None:
            return seen + min(far, self.selected)
        return min(seen, self.selected)

    def remembered(self, context_tokens: int) -> int:
        """Number of positions whose keys and values are kept after a number of tokens."""
        reach = self.window if self.window is not None else self.chunk
        return context_tokens if reach is None else min(context_tokens, reach)

    def entries(self, context_tokens: int) -> int:
        """Number of compressed entries for a number of tokens."""
        return 0 if self.compressed_every is None else context_tokens // self.compressed_every

    def kept(self, context_tokens: int) -> int:
        """Number of elements in the cache after a number of tokens."""
        near = self.cached * self.remembered(context_tokens)
        return near + self.compressed * self.entries(context_tokens)

    @property
    def kept_by_one(self) -> int:
        """Numbers that one more token adds while no window is full; entries on the average."""
        every = self.compressed_every
        return self.cached + (0 if every is None else -(-self.compressed // every))

    def flops(self, context_tokens: int) -> int:
        """Floating-point operations of scores and weighted values, for the token there."""
        widths = self.key_width + self.value_width
        each = 2 * self.index_heads * (self.index_width + 1)  # scores, and their weighted sum
        scored = self.remembered if self.compressed_every is None else self.entries
        choice = each * scored(context_tokens)
        return 2 * self.heads * widths * self.attended(context_tokens) + choice


NO_ATTENTION = Attention(heads=0, key_width=0, value_width=0, cached=0)


@dataclass(frozen=True)
class State:
    """What a layer carries from one token to the next, of a size that no context changes.

    Attributes:
        recurrent: Numbers of the recurrent state.
        inputs: Numbers of the last inputs that a short convolution keeps: as many tokens as its
            kernel is long, as transformers keeps them.
        flops: Floating-point operations that one token takes with the recurrent state.
        recurrent_bytes: Of one number of the recurrent state: 4 where it is computed in float32.
    """

    recurrent: int = 0
    inputs: int = 0
    flops: int = 0
    recurrent_bytes: int = 2

    def held_bytes(self, element_bytes: int) -> int:
        """Bytes of one sequence's state, the inputs at so many a number."""
        return self.recurrent * self.recurrent_bytes + self.inputs * element_bytes


NO_STATE = State()


@dataclass(frozen=True)
class Layer:
    """One decoder layer.

    Attributes:
        weights: All of its weights.
        attention: Its attention, if it has any.
        state: What it carries beside keys and values.
    """

    weights: tuple[Weight, ...]
    attention: Attention = NO_ATTENTION
    state: State = NO_STATE


@dataclass(frozen=True)
class Architecture:
    """A decoder, taken apart.

    Attributes:
        model_type: The name that its configuration gives it.
        outer: Embeddings, last norm and head.
        layers: All layers, first to last.
        hidden_size: Width of the residual stream.
        key_value_heads: Of one layer; 0 where a latent stands for them.
        experts: Routed experts of a layer that has them; 0 for a dense model.
        experts_per_token: How many of them one token passes.
        shared_experts: Experts of such a layer that every token passes.
        context_limit_tokens: The longest context that the configuration names.
        vision: Weights of a vision tower and its projector, beside the text model.
        notes: What is not counted, or was read in a particular way.
    """

    model_type: str
    outer: tuple[Weight, ...]
    layers: tuple[Layer, ...]
    hidden_size: int
    key_value_heads: int
    experts: int = 0
    experts_per_token: int = 0
    shared_experts: int = 0
    context_limit_tokens: int | None = None
    vision: tuple[Weight, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def kinds_of_layers(self) -> Counter[Layer]:
        """Distinct layers, and how often each occurs."""
        return Counter(self.layers)

    def weights(self) -> Iterator[tuple[Weight, int]]:
        """Every distinct weight of the text model, and how often it occurs."""
        for weight in self.outer:
            yield weight, 1
        for layer, count in self.kinds_of_layers.items():
            for weight in layer.weights:
                yield weight, count
