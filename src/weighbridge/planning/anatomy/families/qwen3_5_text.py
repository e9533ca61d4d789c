"""Qwen 3.5, the text model: three layers with a gated delta net to one with gated attention."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.qwen_hybrid import HYBRID_NEEDS, read_qwen_hybrid
from weighbridge.planning.anatomy.registry import Family


def read(fields: Fields) -> Architecture:
    """Read dense blocks behind either kind of layer."""
    return read_qwen_hybrid(fields, fused=False, dense=True, sparse=False)


FAMILY = Family("qwen3_5_text", (*HYBRID_NEEDS, "intermediate_size"), read)
