"""GLM 4.7 Flash: latent attention, one dense layer, mixtures with a shared expert."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.latent import LATENT_NEEDS, read_deepseek
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family


def read(fields: Fields) -> Architecture:
    """Read DeepSeek's skeleton without multi-token prediction."""
    return read_deepseek(fields, dense_first=1)


FAMILY = Family("glm4_moe_lite", LATENT_NEEDS, read)
