"""The peak of a run's memory: measured, and forecast from a first pass.

On a CPU it is what the process holds, on an accelerator what PyTorch's allocator reserves there.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from weighbridge import process_memory

_MOMENTS = 2  # AdamW's, each as large as what is trained


def restart_peak(device: torch.device) -> None:
    """Let the peak be that of what comes from now on."""
    if device.type == "cuda":
        torch.cuda.empty_cache()  # gaps of what was before
        torch.cuda.reset_peak_memory_stats(device)
    else:
        process_memory.restart_peak()


def peak_bytes(device: torch.device) -> int:
    """Return the peak since `restart_peak`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return process_memory.peak_memory_bytes()


def held_bytes(device: torch.device) -> int:
    """Return what is held now."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return process_memory.resident_memory_bytes()


def probed_peak(trained: Iterable[Tensor], device: torch.device) -> int:
    """Forecast a run's peak after a forward and backward pass on its longest rows.

    What such a pass takes was measured then. Added is what comes with the first step: AdamW's
    moments, which stand in every later pass, and its temporary for the largest tensor.

    Args:
        trained: What is trained, with the gradients of that pass.
        device: Where it is.
    """
    sizes = [tensor.nbytes for tensor in trained]
    moments = _MOMENTS * sum(sizes)
    process_memory.release_freed()
    return max(peak_bytes(device) + moments, held_bytes(device) + moments + max(sizes))
