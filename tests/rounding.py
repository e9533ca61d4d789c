"""What four bits lose in three ways: NF4, FP4, and integers with the block's largest at the end."""

from typing import Any

import torch

from weighbridge.models import nf4
from weighbridge.models.bitsandbytes_library import bitsandbytes


def rounded(numbers: torch.Tensor, kind: str) -> torch.Tensor:
    """Return a matrix as it comes back from blocks of 64 numbers."""
    if kind == "int4":
        blocks = numbers.reshape(-1, 64)
        scale = (blocks.abs().amax(1, keepdim=True) / 7).clamp_min(1e-30)
        return ((blocks / scale).round() * scale).reshape(numbers.shape)
    functional = bitsandbytes().functional
    packed, state = functional.quantize_4bit(numbers, blocksize=64, quant_type=kind)
    again: torch.Tensor = functional.dequantize_4bit(packed, state)
    return again


def lost(numbers: torch.Tensor, kind: str) -> float:
    """Root mean square of what is lost."""
    return float((rounded(numbers, kind) - numbers).square().mean().sqrt())


def round_all(module: Any, kind: str) -> None:
    """Round every matrix that QLoRA would hold in four bits, in place."""
    for name, weight in nf4.plain_weights(module).items():
        module.get_parameter(name).data = rounded(weight, kind)
