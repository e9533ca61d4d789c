"""Gemma 3 with vision: the text model, a SigLIP tower (arXiv:2303.15343) and a projector."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.planning.anatomy.registry import Family, read_fields
from weighbridge.planning.anatomy.skeleton import norm
from weighbridge.planning.anatomy.vision import BESIDE, plain_block, square_patches


def read(fields: Fields) -> Architecture:
    """Read the text model, and count the tower beside it."""
    inner = fields.nested("text_config")
    inner.values.setdefault("model_type", "gemma3_text")
    inner.values["tie_word_embeddings"] = fields.flag("tie_word_embeddings", True)
    text = read_fields(inner)
    tower = fields.nested("vision_config")
    vision = (*_siglip(tower), *_projector(tower.count("hidden_size"), text.hidden_size))
    return replace(text, model_type="gemma3", vision=vision, notes=(*text.notes, BESIDE))


def _siglip(fields: Fields) -> tuple[Weight, ...]:
    fields.assume(num_channels=3)
    if fields.flag("vision_use_head", True):
        raise fields.wrong("vision_use_head", True, "false, as in every published Gemma 3")
    hidden, channels = fields.count("hidden_size"), fields.count("num_channels")
    patches, side = square_patches(fields)
    block = plain_block(hidden, fields.count("intermediate_size"))
    return (
        Weight("patch_embedding", "embedding", channels * side * side, hidden, bias=True),
        Weight("position_embedding", "embedding", patches, hidden, "table"),
        *(block * fields.layers()),
        norm("post_layernorm", hidden, bias=True),
    )


def _projector(vision: int, text: int) -> tuple[Weight, ...]:
    return (
        Weight("mm_input_projection_weight", "embedding", vision, text, "matrix"),
        norm("mm_soft_emb_norm", vision),
    )


FAMILY = Family("gemma3", ("text_config", "vision_config"), read)
