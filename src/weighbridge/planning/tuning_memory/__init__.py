"""The memory of a tuning run before it begins, from its configuration alone."""

from weighbridge.planning.tuning_memory.forecast import (
    CONTEXT_BYTES,
    Footprint,
    TuningMemory,
    forecast,
    lora_footprint,
)
from weighbridge.planning.tuning_memory.setup import Method, TuningSetup
from weighbridge.planning.tuning_memory.stacks import LITGPT, PEFT, STACKS, WEIGHBRIDGE, Stack

__all__ = [
    "CONTEXT_BYTES",
    "LITGPT",
    "PEFT",
    "STACKS",
    "WEIGHBRIDGE",
    "Footprint",
    "Method",
    "Stack",
    "TuningMemory",
    "TuningSetup",
    "forecast",
    "lora_footprint",
]
