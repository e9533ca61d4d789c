"""Rotary embeddings whose frequencies depend on the length of the text that is read.

Two published kinds do: LongRoPE (Ding et al. 2024, arXiv:2402.13753; Phi-3's long variants) has
one set of frequencies up to the length of pretraining and another beyond, and dynamic NTK scaling
stretches them with each token beyond it. transformers reads the length off the largest position of
a pass, and remembers the longest: so neither what stands beside a text nor what came before it may
reach its frequencies.
"""

from typing import Any

from torch import nn


def length_limit(causal: nn.Module) -> int | None:
    """Longest text, in tokens, whose frequencies are those of every shorter one; None if all."""
    limits = [
        limit
        for module in causal.modules()
        for layer_type, kind in _kinds(module).items()
        if (limit := _limit(module, layer_type, kind)) is not None
    ]
    return min(limits, default=None)


def forget_length(causal: nn.Module) -> None:
    """Undo what earlier passes did to frequencies that grow with the longest text so far."""
    for module in causal.modules():
        for layer_type, kind in _kinds(module).items():
            if "dynamic" not in kind:
                continue
            prefix = f"{layer_type}_" if layer_type else ""
            frequencies: Any = getattr(module, f"{prefix}inv_freq")
            original: Any = getattr(module, f"{prefix}original_inv_freq")
            module.register_buffer(
                f"{prefix}inv_freq", original.to(frequencies.device), persistent=False
            )
            setattr(module, f"{prefix}max_seq_len_cached", module.original_max_seq_len)


def _kinds(module: nn.Module) -> dict[str, str]:
    """Kinds of scaling by layer type, "" where a module has one for all."""
    kind: Any = getattr(module, "rope_type", None)
    if isinstance(kind, dict):
        return {str(k): v for k, v in kind.items() if isinstance(v, str)}
    return {"": kind} if isinstance(kind, str) else {}


def _limit(module: Any, layer_type: str, kind: str) -> int | None:
    if "dynamic" in kind:
        return int(module.original_max_seq_len)
    if kind == "longrope":
        parameters = module.config.rope_parameters
        parameters = parameters[layer_type] if layer_type else parameters
        return int(parameters["original_max_position_embeddings"])
    return None
