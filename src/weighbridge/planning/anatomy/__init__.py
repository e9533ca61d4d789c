"""A model's parameters, FLOPs, key-value cache and LoRA size, from its configuration alone."""

from weighbridge.planning.anatomy.counts import (
    active_parameters,
    attention_flops,
    forward_flops,
    kv_cache_bytes,
    kv_cache_bytes_per_token,
    linear_flops,
    parameters,
    recurrent_flops,
    state_bytes,
    vision_parameters,
)
from weighbridge.planning.anatomy.lora import ALL_LINEAR, is_tuned, lora_parameters, lora_targets
from weighbridge.planning.anatomy.parts import Architecture, Attention, Layer, State, Weight
from weighbridge.planning.anatomy.registry import (
    family_names,
    has_family,
    read_architecture,
    relatives,
)
from weighbridge.planning.anatomy.stored import element_bytes, read_scheme, stored_bytes
from weighbridge.planning.anatomy.summary import DEFAULT_CONTEXT_TOKENS, summarise

__all__ = [
    "ALL_LINEAR",
    "DEFAULT_CONTEXT_TOKENS",
    "Architecture",
    "Attention",
    "Layer",
    "State",
    "Weight",
    "active_parameters",
    "attention_flops",
    "element_bytes",
    "family_names",
    "forward_flops",
    "has_family",
    "is_tuned",
    "kv_cache_bytes",
    "kv_cache_bytes_per_token",
    "linear_flops",
    "lora_parameters",
    "lora_targets",
    "parameters",
    "read_architecture",
    "read_scheme",
    "recurrent_flops",
    "relatives",
    "state_bytes",
    "stored_bytes",
    "summarise",
    "vision_parameters",
]
