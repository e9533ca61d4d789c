"""Rotary embeddings whose frequencies depend on the length of the text that is read.

There are two published kinds. LongRoPE (Ding et al. 2024, arXiv:2402.13753; Phi-3's long variants)
has one set of frequencies up to the length of pretraining and another beyond; dynamic NTK scaling
stretches the frequencies with each token beyond it. transformers takes the length from the largest
position of a pass, and remembers the longest. So that a text's frequencies depend on that text
alone, the engine gives long texts a pass of their own and undoes what earlier passes changed.
"""

from typing import Any

from torch import nn


def length_limit(causal: nn.Module) -> int | None:
    """Return the length, in tokens, up to which texts share their frequencies; None for any."""
    limits = [
        limit
        for module in causal.modules()
        for layer_type, kind in _kinds(module).items()
        if (limit := _limit(module, layer_type, kind)) is not None
    ]
    return min(limits, default=None)


def forget_length(causal: nn.Module) -> None:
    """Reset frequencies that transformers stretched for the longest text of earlier passes."""
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
    """Return kinds of scaling by layer type; the type is "" where a module has one for all."""
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
