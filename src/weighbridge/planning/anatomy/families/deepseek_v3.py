"""DeepSeek-V3 and R1: V2's skeleton, with an extra module that predicts one more token."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.latent import LATENT_NEEDS, read_deepseek
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family


def read(fields: Fields) -> Architecture:
    """Read DeepSeek-V3 (arXiv:2412.19437) without its multi-token prediction."""
    fields.require_default("mlp_bias", False, "as V3 has none")
    return read_deepseek(fields, dense_first=3)


FAMILY = Family("deepseek_v3", LATENT_NEEDS, read)
