"""DeepSeek V3.2: V3 with an indexer that chooses which tokens are attended to."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.latent import LATENT_NEEDS, read_deepseek
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family


def read(fields: Fields) -> Architecture:
    """Read DeepSeek sparse attention (arXiv:2512.02556) without multi-token prediction."""
    fields.require_default("mlp_bias", False, "as V3 has none")
    fields.assume(index_topk=2048, index_head_dim=128, index_n_heads=64)
    return read_deepseek(fields, dense_first=3, indexed=True)


FAMILY = Family("deepseek_v32", LATENT_NEEDS, read)
