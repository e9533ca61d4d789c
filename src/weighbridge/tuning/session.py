"""Settings during a run: reproducible numbers, their precision, and Ctrl-C at a step's end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from weighbridge.errors import InputError


@contextmanager
def reproducible(seed: int, threads: int) -> Iterator[None]:
    """Fix torch's generator and its number of threads, and give both back afterwards."""
    before = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets; the second one interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before: Any = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        event.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Round the factors of float32 products meanwhile; sums and results stay float32.

    Raises:
        InputError: This processor doesn't compute with such numbers.
    """
    if precision == "float32":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def require_precision(precision: str, device: str) -> None:
    """Check that a device computes products with numbers of a type.

    Raises:
        InputError: It doesn't, and would take float32 in silence.
    """
    if precision == "float32":
        return
    if device != "cpu":
        raise InputError(
            f"precision = {precision} on {device}", "a CPU", "leave precision out on other devices"
        )
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise InputError(
            f"precision = {precision}, and this processor has no products of {precision}",
            "one with AVX-512 BF16 or AMX",
            "leave precision out: float32 is as fast here",
        )
