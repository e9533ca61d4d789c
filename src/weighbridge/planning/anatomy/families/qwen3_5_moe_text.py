"""Qwen 3.5 MoE, the text model: Qwen 3.5 with mixtures in every layer."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.qwen_hybrid import EXPERT_NEEDS, HYBRID_NEEDS, read_qwen_hybrid
from weighbridge.planning.anatomy.registry import Family


def read(fields: Fields) -> Architecture:
    """Read mixtures with one gated shared expert behind either kind of layer."""
    return read_qwen_hybrid(fields, fused=False)


FAMILY = Family("qwen3_5_moe_text", (*HYBRID_NEEDS, *EXPERT_NEEDS), read)
