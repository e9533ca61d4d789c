"""Computes an architecture's parameters, floating-point operations and key-value cache."""

from collections.abc import Callable

from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.records import PartRole

BF16_BYTES = 2


def parameters(architecture: Architecture, role: PartRole | None = None) -> int:
    """Count the text model's parameters, or those of one role; tied weights count once."""
    return _total(architecture, lambda weight: weight.parameters, role)


def active_parameters(architecture: Architecture, role: PartRole | None = None) -> int:
    """Count the parameters that take part in computing one token.

    The whole embedding is included, as in the figures that Mixtral and DeepSeek publish.
    """
    return _total(architecture, lambda weight: weight.active_parameters, role)


def vision_parameters(architecture: Architecture) -> int:
    """Count the vision tower and its projector; 0 for a text model."""
    return sum(weight.parameters for weight in architecture.vision)


def linear_flops(architecture: Architecture, role: PartRole | None = None) -> int:
    """Count a token's floating-point operations in products with weights: 2 for each number.

    The head is counted, tied or not; the embedding is looked up and costs none.
    """
    return _total(architecture, lambda weight: weight.flops, role)


def attention_flops(architecture: Architecture, context_tokens: int) -> int:
    """Count floating-point operations of scores and weighted values, for one token.

    Args:
        architecture: The architecture.
        context_tokens: The token's position from 1: it attends to so many tokens, itself included,
            unless a window or chunk limits them.

    Returns:
        2 · heads · (key width + value width) · attended tokens, summed over layers, plus an
        indexer's scores. MLA is counted as it is trained and prefilled, with keys and values
        expanded; a decoder that absorbs the expansion computes with wider heads instead.
    """
    return sum(
        count * layer.attention.flops(context_tokens)
        for layer, count in architecture.kinds_of_layers.items()
    )


def forward_flops(architecture: Architecture, context_tokens: int) -> int:
    """Count one token's floating-point operations: weights, attention to its context, states."""
    return (
        linear_flops(architecture)
        + attention_flops(architecture, context_tokens)
        + recurrent_flops(architecture)
    )


def recurrent_flops(architecture: Architecture) -> int:
    """Count a token's operations with recurrent states: they decay, are written and are read.

    Returns:
        For a state space and plain linear attention, 5 per element of the state (one product to
        decay, two to write, two to read); for the delta rule 7, because it reads before it writes.
    """
    return sum(layer.state.flops * n for layer, n in architecture.kinds_of_layers.items())


def state_bytes(architecture: Architecture, element_bytes: int = BF16_BYTES) -> int:
    """Return the bytes of one sequence's recurrent state, which does not grow with its length."""
    return sum(
        layer.state.held_bytes(element_bytes) * n
        for layer, n in architecture.kinds_of_layers.items()
    )


def kv_cache_bytes_per_token(architecture: Architecture, element_bytes: int = BF16_BYTES) -> int:
    """Return the bytes that one more token adds to the cache, while no window is full.

    Args:
        architecture: The architecture.
        element_bytes: Bytes of one number; 2 for bf16.
    """
    return element_bytes * sum(layer.attention.cached_per_token for layer in architecture.layers)


def kv_cache_bytes(
    architecture: Architecture, context_tokens: int, element_bytes: int = BF16_BYTES
) -> int:
    """Return the bytes of one sequence's cache; layers with a window keep only its tokens."""
    return element_bytes * sum(
        count * layer.attention.kept(context_tokens)
        for layer, count in architecture.kinds_of_layers.items()
    )


def _total(
    architecture: Architecture, figure: Callable[[Weight], int], role: PartRole | None
) -> int:
    return sum(
        count * figure(weight)
        for weight, count in architecture.weights()
        if role is None or weight.role == role
    )
