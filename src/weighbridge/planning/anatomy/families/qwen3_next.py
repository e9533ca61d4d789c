"""Qwen 3 Next: three layers with a gated delta net to one with gated attention, and mixtures."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.qwen_hybrid import EXPERT_NEEDS, HYBRID_NEEDS, read_qwen_hybrid
from weighbridge.planning.anatomy.registry import Family

_NEEDS = (*HYBRID_NEEDS, "intermediate_size", *EXPERT_NEEDS)


def read(fields: Fields) -> Architecture:
    """Read mixtures with one gated shared expert behind either kind of layer."""
    return read_qwen_hybrid(fields, fused=True, as_linear=True, dense=True)


FAMILY = Family("qwen3_next", _NEEDS, read)
