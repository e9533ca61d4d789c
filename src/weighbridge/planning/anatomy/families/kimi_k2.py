"""Kimi K2: DeepSeek V3 with more and sparser experts and half the heads."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.latent import LATENT_NEEDS, read_deepseek
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family


def read(fields: Fields) -> Architecture:
    """Read Kimi K2 (arXiv:2507.20534); its own code is DeepSeek V3's."""
    fields.require_default("mlp_bias", False, "as V3 has none")
    return read_deepseek(fields, dense_first=1)


FAMILY = Family("kimi_k2", LATENT_NEEDS, read)
