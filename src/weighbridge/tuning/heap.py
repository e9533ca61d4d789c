"""Gives memory that a pass frees back to the system while the pass goes on.

Between the tensors that a forward pass keeps for the backward pass lie those that it only needed
for a moment. The C library (glibc) keeps their room for later, but rarely uses it again: PyTorch
asks for aligned memory, and an aligned request looks for a little more than what the same request
left. So the gaps grow to about the size of what is kept, and a process holds twice what its tensors
take. Giving gaps back after a layer costs the time in which the system clears pages anew, and the
peak becomes that of the tensors (docs/performance.md). The first pass, which is measured, pays that
time; afterwards only passes that come near to the peak that was forecast from it do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from weighbridge.process_memory import release_freed, resident_memory_bytes
from weighbridge.tuning.recomputing import outer_layers

GAP_BYTES = 64 << 20
"""What a process may grow by before gaps are looked for; small passes never come to it."""


@contextmanager
def gaps_returned(module: Any) -> Iterator["GapWatch"]:
    """Give freed memory back after a layer's forward and backward pass, where enough has come up.

    Only on CPUs: other devices' memory is not the heap's.
    """
    watch = GapWatch()
    layers = outer_layers(module) if module.device.type == "cpu" else []
    handles = [layer.register_forward_hook(watch.after) for layer in layers]
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


class GapWatch:
    """Remembers what the process held when gaps were last given back."""

    def __init__(self) -> None:
        self._held = resident_memory_bytes()
        self._peak_bytes = 0

    def keep_below(self, peak_bytes: int) -> None:
        """From now on, look for gaps only where the process comes near to this."""
        self._peak_bytes = peak_bytes

    def after(self, layer: Any, inputs: Any, output: Any) -> None:
        """Look after a layer's forward pass, and see to it that its backward pass looks, too."""
        self.look()
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor) and first.requires_grad:
            first.register_hook(self._before_backward)

    def _before_backward(self, gradient: Tensor) -> None:
        self.look()

    def look(self) -> None:
        """Give gaps back where the process has grown enough for it."""
        held = resident_memory_bytes()
        near = held + GAP_BYTES >= self._peak_bytes
        if near and held - self._held >= GAP_BYTES:
            release_freed()
            self._held = resident_memory_bytes()
        else:
            self._held = min(self._held, held)
