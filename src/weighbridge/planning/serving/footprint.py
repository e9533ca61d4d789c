"""A model's bytes and its operations per token at one precision.

All figures come from `planning.anatomy`; here they are grouped by when they are read. A decoding
step reads every weight except the embedding table and the experts that no token of the batch chose.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from weighbridge.planning.anatomy import (
    Architecture,
    Layer,
    Weight,
    attention_flops,
    kv_cache_bytes,
    linear_flops,
    read_scheme,
    recurrent_flops,
    state_bytes,
    stored_bytes,
)
from weighbridge.planning.serving.precision import Precision

DENSE, MIXTURE, LATENT_MIXTURE, HYBRID = "dense", "mixture", "latent mixture", "hybrid mixture"
CLASSES = (DENSE, MIXTURE, LATENT_MIXTURE, HYBRID)
"""Classes of architectures; efficiency is calibrated for each."""


@dataclass(frozen=True)
class Footprint:
    """A model at a precision.

    Attributes:
        architecture: The model's architecture.
        precision: Precision of the weights.
        weight_bytes: Bytes of all weights, a vision tower's included.
        step_bytes: Bytes of weights that every decoding step reads, whatever the batch.
        expert_bytes: Bytes of all routed experts.
        cache_bytes: Bytes of one number in the key-value cache.
    """

    architecture: Architecture
    precision: Precision
    weight_bytes: float
    step_bytes: float
    expert_bytes: float
    cache_bytes: int

    @property
    def kind(self) -> str:
        """Class of the architecture; see `CLASSES`."""
        return class_of(self.architecture)

    def sequence_bytes(self, tokens: int) -> float:
        """Return the bytes that one sequence of so many tokens keeps: keys, values and states."""
        state = state_bytes(self.architecture)
        return kv_cache_bytes(self.architecture, tokens, self.cache_bytes) + state

    @cached_property
    def expert_flops(self) -> float:
        """Operations of one token in routed experts."""
        return linear_flops(self.architecture, "experts")

    def decode_flops(self, context_tokens: int) -> float:
        """Return the operations of one decoded token at a position, recurrent states included.

        Attention to a latent works on the latent as it is cached, with wider products than in
        prefill.
        """
        return self._own_flops + attention_flops(self._absorbed, context_tokens)

    def prefill_flops(self, tokens: int) -> float:
        """Return the operations of a whole prompt; the head computes only its last token."""
        head = linear_flops(self.architecture, "head")
        attended = attention_flops(self.architecture, max(1, (tokens + 1) // 2))
        return tokens * (self._own_flops - head + attended) + head

    @cached_property
    def _own_flops(self) -> float:
        """Operations of one token without attention."""
        return linear_flops(self.architecture) + recurrent_flops(self.architecture)

    @cached_property
    def _absorbed(self) -> Architecture:
        """The architecture whose latents' expansion is absorbed into queries and outputs."""
        if self.architecture.key_value_heads:
            return self.architecture
        return replace(self.architecture, layers=tuple(map(_absorb, self.architecture.layers)))

    def coverage(self, tokens: float) -> float:
        """Return the share of routed experts that a step of so many tokens reads."""
        return expert_coverage(
            self.architecture.experts, self.architecture.experts_per_token, tokens
        )

    def active_step_bytes(self, tokens: float) -> float:
        """Return the bytes of weights that a decoding step of so many tokens reads."""
        return self.step_bytes + self.coverage(tokens) * self.expert_bytes


def expert_coverage(experts: int, experts_per_token: int, tokens: float) -> float:
    """Return the expected share of experts that some token chose: 1 - (1 - k/E)^B.

    It assumes that each token chooses independently and evenly; uneven routers read fewer experts.
    """
    if experts == 0:
        return 0.0
    return float(1 - (1 - experts_per_token / experts) ** tokens)


def _absorb(layer: Layer) -> Layer:
    wide = layer.attention.cached
    return replace(layer, attention=replace(layer.attention, key_width=wide, value_width=wide))


def class_of(architecture: Architecture) -> str:
    """Return the class of an architecture; see `CLASSES`."""
    if not architecture.experts:
        return DENSE
    if any(layer.state.recurrent for layer in architecture.kinds_of_layers):
        return HYBRID
    return MIXTURE if architecture.key_value_heads else LATENT_MIXTURE


def _split(architecture: Architecture, precision: Precision) -> tuple[float, float, float]:
    """Return the bytes of all weights, of those that each step reads, and of routed experts."""
    config = {} if precision.quantization is None else {
        "quantization_config": precision.quantization
    }  # fmt: skip
    scheme = read_scheme(config)

    def held(keep: Callable[[Weight], bool], vision: bool = False) -> float:
        part = replace(
            architecture,
            outer=tuple(w for w in architecture.outer if keep(w)),
            layers=tuple(
                replace(layer, weights=tuple(w for w in layer.weights if keep(w)))
                for layer in architecture.layers
            ),
            vision=architecture.vision if vision else (),
        )
        return float(stored_bytes(part, scheme) or 0)

    everything = held(lambda w: True, vision=True)
    experts = held(lambda w: w.role == "experts")
    table = held(lambda w: w.role == "embedding" and w.kind == "table")
    tied = any(w.kind == "tied" for w in architecture.outer)
    text = held(lambda w: True)
    return everything, text - experts - (0.0 if tied else table), experts


def footprint(
    architecture: Architecture,
    precision: Precision,
    cache_bytes: int | None = None,
    weight_bytes: float | None = None,
) -> Footprint:
    """Return the footprint of a model at a precision.

    Args:
        architecture: The model's architecture.
        precision: Precision of the weights in service.
        cache_bytes: Bytes of one number in the cache; None takes the precision's default.
        weight_bytes: Bytes of all weights by their files; None computes them from the architecture.
    """
    everything, step, experts = _split(architecture, precision)
    scale = 1.0 if weight_bytes is None else weight_bytes / everything
    return Footprint(
        architecture=architecture,
        precision=precision,
        weight_bytes=everything * scale,
        step_bytes=step * scale,
        expert_bytes=experts * scale,
        cache_bytes=precision.cache_bytes if cache_bytes is None else cache_bytes,
    )
