"""DeepSeek-V2 and V2-Lite: latent attention, one dense layer, then mixtures with shared experts."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.latent import LATENT_NEEDS, read_deepseek
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family


def read(fields: Fields) -> Architecture:
    """Read DeepSeek-V2 (arXiv:2405.04434)."""
    return read_deepseek(fields, dense_first=0)


FAMILY = Family("deepseek_v2", LATENT_NEEDS, read)
