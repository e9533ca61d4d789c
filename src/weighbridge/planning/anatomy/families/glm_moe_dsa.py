"""GLM 5: DeepSeek V3.2's sparse attention, whose choice some layers may share."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.latent import LATENT_NEEDS, read_deepseek
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family


def read(fields: Fields) -> Architecture:
    """Read the layers; those that share another layer's indexer have no indexer weights."""
    fields.assume(index_topk=2048, index_head_dim=128, index_n_heads=32)
    layers = fields.layers()
    chooses = [kind == "full" for kind in _indexers(fields, layers)]
    return read_deepseek(fields, dense_first=3, indexed=chooses)


def _indexers(fields: Fields, layers: int) -> tuple[str, ...]:
    """Return which layers have an indexer: from a list, a pattern of F and S, or a period."""
    names = {"F": "full", "S": "shared"}
    pattern = fields.values.get("index_topk_pattern")
    if isinstance(pattern, str) and fields.values.get("indexer_types") is None:
        fields.values["indexer_types"] = [names.get(letter, letter) for letter in pattern]
    step = fields.optional_count("index_topk_freq") or 1
    given = fields.values.get("index_skip_topk_offset")
    skip = 2 if given is None else fields.count("index_skip_topk_offset", zero=True)
    default = ["shared" if max(i - skip + 1, 0) % step else "full" for i in range(layers)]
    return fields.layer_types(default, tuple(names.values()), "indexer_types|index_topk_pattern")


FAMILY = Family("glm_moe_dsa", LATENT_NEEDS, read)
