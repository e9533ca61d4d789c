"""Computes the figures of an architecture that `inspect` prints and draws."""

from typing import get_args

from weighbridge.planning.anatomy.counts import (
    active_parameters,
    attention_flops,
    forward_flops,
    kv_cache_bytes,
    kv_cache_bytes_per_token,
    linear_flops,
    parameters,
    recurrent_flops,
    state_bytes,
    vision_parameters,
)
from weighbridge.planning.anatomy.lora import ALL_LINEAR, lora_parameters, lora_targets
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.records import Anatomy, AnatomyPart, PartRole

DEFAULT_CONTEXT_TOKENS = 1024
_CONTEXTS = (1024, 4096, 16_384, 65_536, 131_072)


def summarise(
    architecture: Architecture,
    name: str,
    source: str,
    context_tokens: int = DEFAULT_CONTEXT_TOKENS,
    tensor_parameters: int | None = None,
    notes: tuple[str, ...] = (),
) -> Anatomy:
    """Gather an architecture's figures.

    Args:
        architecture: The architecture.
        name: The model's name.
        source: Where its configuration was found.
        context_tokens: The context for which compute and cache are computed.
        tensor_parameters: Number of parameters in the file's own list of tensors; None where it has
            none. A difference is noted.
        notes: Further notes.
    """
    limit = architecture.context_limit_tokens
    whole = {limit} if limit is not None and limit < _CONTEXTS[-1] else set()
    usual = {c for c in _CONTEXTS if limit is None or c <= limit}
    contexts = sorted({context_tokens} | usual | whole)
    return Anatomy(
        name=name,
        source=source,
        architecture=architecture.model_type,
        layers=len(architecture.layers),
        hidden_size=architecture.hidden_size,
        attention_heads=_query_heads(architecture),
        key_value_heads=architecture.key_value_heads,
        parameters=parameters(architecture),
        active_parameters=active_parameters(architecture),
        vision_parameters=vision_parameters(architecture),
        experts=architecture.experts,
        experts_per_token=architecture.experts_per_token,
        shared_experts=architecture.shared_experts,
        context_tokens=context_tokens,
        context_limit_tokens=limit,
        forward_flops_per_token=forward_flops(architecture, context_tokens),
        linear_flops_per_token=linear_flops(architecture),
        attention_flops_by_context={c: attention_flops(architecture, c) for c in contexts},
        kv_cache_bytes_per_token=kv_cache_bytes_per_token(architecture),
        kv_cache_bytes_by_context={c: kv_cache_bytes(architecture, c) for c in contexts},
        state_bytes_per_sequence=state_bytes(architecture),
        recurrent_flops_per_token=recurrent_flops(architecture),
        parts=_parts(architecture, context_tokens),
        lora_parameters_per_rank={
            ALL_LINEAR: lora_parameters(architecture, 1),
            **lora_targets(architecture),
        },
        notes=(*architecture.notes, *notes, *_differs(parameters(architecture), tensor_parameters)),
    )


def _query_heads(architecture: Architecture) -> int:
    found = (layer.attention.heads for layer in architecture.layers if layer.attention.heads)
    return next(found, 0)


def _differs(described: int, listed: int | None) -> tuple[str, ...]:
    if listed is None or listed == described:
        return ()
    return (f"the file lists tensors of {listed:,} numbers, {listed - described:+,} to the header",)


def _parts(architecture: Architecture, context_tokens: int) -> tuple[AnatomyPart, ...]:
    present = {weight.role for weight, _ in architecture.weights()}
    return tuple(_part(architecture, r, context_tokens) for r in get_args(PartRole) if r in present)


def _part(architecture: Architecture, role: PartRole, context_tokens: int) -> AnatomyPart:
    flops = linear_flops(architecture, role)
    if role == "attention":
        flops += attention_flops(architecture, context_tokens)
    if role == "recurrent":
        flops += recurrent_flops(architecture)
    return AnatomyPart(
        role=role,
        parameters=parameters(architecture, role),
        active_parameters=active_parameters(architecture, role),
        forward_flops=flops,
    )
