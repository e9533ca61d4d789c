"""Gives memory that a pass frees back to the system while the pass goes on.

Between the tensors that a forward pass keeps for the backward pass lie those that it only needed
for a moment. The C library (glibc) keeps their room for later, but rarely uses it again: PyTorch
asks for aligned memory, and an aligned request looks for a little more than what the same request
left. So the gaps grow to about the size of what is kept, and a process holds twice what its tensors
take. Giving gaps back after a layer costs the time in which the system clears pages anew, and the
peak becomes that of the tensors (docs/performance.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from weighbridge.process_memory import release_freed, resident_memory_bytes
from weighbridge.tuning.recomputing import outer_layers

GAP_BYTES = 512 << 20
"""What a process may grow by before gaps are looked for; small passes never come to it."""


@contextmanager
def gaps_returned(module: Any) -> Iterator[None]:
    """Give freed memory back after a layer's forward and backward pass, where enough has come up.

    Only on CPUs: other devices' memory is not the heap's.
    """
    if module.device.type != "cpu":
        yield
        return
    watch = _Watch()
    handles = [layer.register_forward_hook(watch.after) for layer in outer_layers(module)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Watch:
    """Remembers what the process held when gaps were last given back."""

    def __init__(self) -> None:
        self._held = resident_memory_bytes()

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
        if held - self._held >= GAP_BYTES:
            release_freed()
            self._held = resident_memory_bytes()
        else:
            self._held = min(self._held, held)
