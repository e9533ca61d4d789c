"""Accelerators: one row each in ``accelerators.json``, with the source of its figures."""

import json
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import UnknownName

_ROWS = Path(__file__).with_name("accelerators.json")


@dataclass(frozen=True)
class Accelerator:
    """One accelerator.

    Attributes:
        name: The name that `--accelerator` takes.
        bf16_flops: Peak FLOP/s in bfloat16, dense.
        memory_bytes: Its own memory; a data sheet's "GB" counts as 1e9 bytes, the lower reading.
        source: Where the figures were read; "not re-read" marks those that could not be checked.
        fp8_flops: Peak in 8-bit floating point, dense; None where it has none.
        fp4_flops: Peak in 4-bit floating point, dense; None where it has none.
        memory_bytes_per_second: Peak bandwidth of its own memory.
        link_bytes_per_second: To its neighbours, in one direction: NVLink, Infinity Fabric or PCIe.
        linked: How many reach each other so; others are reached over a network.
    """

    name: str
    bf16_flops: float
    memory_bytes: float
    source: str
    fp8_flops: float | None = None
    fp4_flops: float | None = None
    memory_bytes_per_second: float = 0.0
    link_bytes_per_second: float = 0.0
    linked: int = 8

    def peak_flops(self, precision: str) -> float | None:
        """Peak FLOP/s of products at bf16, fp8 or fp4, dense; None where it has no such units."""
        peaks = {"bf16": self.bf16_flops, "fp8": self.fp8_flops, "fp4": self.fp4_flops}
        return peaks.get(precision)


PLAIN_NAMES = {
    "a100": "a100-sxm",
    "h100": "h100-sxm",
    "h200": "h200-sxm",
    "b200": "b200-sxm",
    "b300": "b300-sxm",
}
"""Names without a form, which mean the most usual one."""


def accelerator_names() -> tuple[str, ...]:
    """Names of all accelerators, the plain ones among them."""
    return tuple(sorted((*json.loads(_ROWS.read_text(encoding="utf-8")), *PLAIN_NAMES)))


def accelerator(name: str) -> Accelerator:
    """Return an accelerator by name.

    Raises:
        UnknownName: It is not in the list.
    """
    rows = json.loads(_ROWS.read_text(encoding="utf-8"))
    known = PLAIN_NAMES.get(name.lower(), name.lower())
    if known not in rows:
        raise UnknownName("accelerator", name, accelerator_names())
    return Accelerator(known, **rows[known])
