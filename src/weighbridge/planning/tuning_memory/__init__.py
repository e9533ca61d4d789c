"""Forecasts the memory of a tuning run before it begins, from its configuration alone."""

from weighbridge.planning.tuning_memory.budget import Condition, MemoryBudget
from weighbridge.planning.tuning_memory.forecast import (
    CONTEXT_BYTES,
    FRAGMENTATION_SHARE,
    Footprint,
    TuningMemory,
    forecast,
    lora_footprint,
)
from weighbridge.planning.tuning_memory.setup import Loss, Method, Optimizer, TuningSetup
from weighbridge.planning.tuning_memory.stacks import LITGPT, PEFT, STACKS, WEIGHBRIDGE, Stack

__all__ = [
    "CONTEXT_BYTES",
    "FRAGMENTATION_SHARE",
    "LITGPT",
    "PEFT",
    "STACKS",
    "WEIGHBRIDGE",
    "Condition",
    "Footprint",
    "Loss",
    "MemoryBudget",
    "Method",
    "Optimizer",
    "Stack",
    "TuningMemory",
    "TuningSetup",
    "forecast",
    "lora_footprint",
]
