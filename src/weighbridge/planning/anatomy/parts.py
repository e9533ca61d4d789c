"""What an anatomy is made of: weights, a layer's attention, layers, and a whole architecture."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from weighbridge.records import PartRole

Kind = Literal["linear", "stacked", "matrix", "table", "tied", "vector"]
"""How a weight is held and used.

linear: the weight of a linear layer
stacked: one parameter that holds the same matrix of all experts
matrix: a matrix that is multiplied, but is a bare parameter, or of a layer that peft never adapts
table: a table that is looked up, not multiplied
tied: a matrix that is multiplied and held elsewhere, as a tied head is held in the embedding
vector: scales, shifts and sinks, which need no matrix product
"""


@dataclass(frozen=True)
class Weight:
    """One weight of a layer, by the name that its module has in transformers.

    Attributes:
        name: Path below the layer, such as ``self_attn.q_proj``; LoRA matches its ending.
        role: The part of the layer that the weight belongs to.
        inputs: Width of the weight's input; 1 for a vector.
        outputs: Width of the weight's output.
        kind: How the weight is held and used; see `Kind`.
        bias: Whether the layer also has a bias of `outputs` numbers.
        held: Number of copies in memory (experts).
        active: Number of copies that one token goes through.
        as_linear: As how many linear layers LoRA's "all-linear" treats the weight, where that does
            not follow from `kind`: see `ALL_LINEAR`.
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
        """Number of parameters held; a tied weight counts where it is held."""
        return self.held * self._size

    @property
    def active_parameters(self) -> int:
        """Number of parameters that take part in computing one token."""
        return self.active * self._size

    @property
    def flops(self) -> int:
        """Floating-point operations for one token: two (multiply and add) per number.

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
        heads: Number of query heads.
        key_width: Width of a query and a key, per head.
        value_width: Width of a value, per head.
        cached: Numbers kept per token: keys and values of all key-value heads, or MLA's latent; 0
            where the layer reads an earlier layer's cache.
        window: Number of last tokens that a token attends to, itself included; None for all.
        chunk: Number of tokens in the blocks within which attention stays; None for no blocks.
        selected: Number of tokens, or of compressed entries where there are some, that an indexer
            selects to attend to; None for all.
        index_heads: Number of the indexer's query heads.
        index_width: Width of one of the indexer's heads.
        compressed_every: Number of tokens that one compressed entry stands for; a token attends to
            these entries beside its window. None for no such entries.
        compressed: Numbers kept per compressed entry, the indexer's included.
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
        """Return how many tokens and entries the token at a position (from 1) attends to."""
        if self.chunk is not None:
            return (context_tokens - 1) % self.chunk + 1 if context_tokens else 0
        seen, far = self.remembered(context_tokens), self.entries(context_tokens)
        if self.selected is None:
            return seen + far
        if self.compressed_every is not None:
            return seen + min(far, self.selected)
        return min(seen, self.selected)

    def remembered(self, context_tokens: int) -> int:
        """Return the number of positions whose keys and values are kept after so many tokens."""
        reach = self.window if self.window is not None else self.chunk
        return context_tokens if reach is None else min(context_tokens, reach)

    def entries(self, context_tokens: int) -> int:
        """Return the number of compressed entries after so many tokens."""
        return 0 if self.compressed_every is None else context_tokens // self.compressed_every

    def kept(self, context_tokens: int) -> int:
        """Return the number of elements in the cache after so many tokens."""
        near = self.cached * self.remembered(context_tokens)
        return near + self.compressed * self.entries(context_tokens)

    @property
    def cached_per_token(self) -> int:
        """Elements that one more token adds while no window is full, compressed ones on average."""
        every = self.compressed_every
        return self.cached + (0 if every is None else -(-self.compressed // every))

    def flops(self, context_tokens: int) -> int:
        """Return the operations of scores and weighted values for the token at a position."""
        widths = self.key_width + self.value_width
        each = 2 * self.index_heads * (self.index_width + 1)  # scores, and their weighted sum
        scored = self.remembered if self.compressed_every is None else self.entries
        choice = each * scored(context_tokens)
        return 2 * self.heads * widths * self.attended(context_tokens) + choice


NO_ATTENTION = Attention(heads=0, key_width=0, value_width=0, cached=0)


@dataclass(frozen=True)
class State:
    """What a layer carries from token to token; its size does not depend on the context's length.

    Attributes:
        recurrent: Number of elements of the recurrent state.
        inputs: Number of elements of the last inputs that a short convolution keeps: as many tokens
            as its kernel is long, as transformers keeps them.
        flops: Floating-point operations with the recurrent state for one token.
        recurrent_bytes: Bytes of one element of the recurrent state: 4 where it is computed in
            float32.
    """

    recurrent: int = 0
    inputs: int = 0
    flops: int = 0
    recurrent_bytes: int = 2

    def held_bytes(self, element_bytes: int) -> int:
        """Return the bytes of one sequence's state, with inputs of so many bytes per element."""
        return self.recurrent * self.recurrent_bytes + self.inputs * element_bytes


NO_STATE = State()


@dataclass(frozen=True)
class Layer:
    """One decoder layer.

    Attributes:
        weights: All weights of the layer.
        attention: The layer's attention; `NO_ATTENTION` if it has none.
        state: What the layer carries from token to token besides keys and values.
    """

    weights: tuple[Weight, ...]
    attention: Attention = NO_ATTENTION
    state: State = NO_STATE


@dataclass(frozen=True)
class Architecture:
    """The parts of a decoder.

    Attributes:
        model_type: The configuration's `model_type`.
        outer: Weights outside of the layers: embeddings, last norm and head.
        layers: All layers, first to last.
        hidden_size: Width of the residual stream.
        key_value_heads: Key-value heads of one layer; 0 where a latent takes their place.
        experts: Routed experts of a layer that has them; 0 for a dense model.
        experts_per_token: Number of routed experts that one token goes through.
        shared_experts: Experts of such a layer that every token goes through.
        context_limit_tokens: The longest context that the configuration names.
        vision: Weights of a vision tower and its projector, which are not part of the text model.
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
