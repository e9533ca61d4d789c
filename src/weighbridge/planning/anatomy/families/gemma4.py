"""Gemma 4 with vision and audio: the text model and vision tower; audio is not counted."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    four_norms,
    gated,
    head_norms,
    linear,
    projections,
    read_heads,
)
from weighbridge.planning.anatomy.vision import BESIDE, text_part


def read(fields: Fields) -> Architecture:
    """Read the text model, and count the vision tower beside it."""
    text = text_part(fields, "gemma4_text", tied=True)
    vision: tuple[Weight, ...] = ()
    notes = []
    if fields.values.get("vision_config") is not None:
        vision = _tower(fields.nested("vision_config"), text.hidden_size)
        notes.append(BESIDE)
    if fields.values.get("audio_config") is not None:
        notes.append("the audio tower is not counted")
    return replace(text, model_type="gemma4", vision=vision, notes=(*text.notes, *notes))


def _tower(fields: Fields, text: int) -> tuple[Weight, ...]:
    fields.assume(head_dim=64, patch_size=16, position_embedding_size=10_240)
    heads, side = read_heads(fields), fields.count("patch_size")
    bias, hidden = fields.flag("attention_bias", False), heads.hidden
    block = (
        *projections(heads, bias=bias, out_bias=bias),
        *head_norms(heads),
        *gated(hidden, fields.count("intermediate_size")),
        *four_norms(hidden),
    )
    positions = 2 * fields.count("position_embedding_size")
    return (
        linear("patch_embedder.input_proj", "embedding", 3 * side * side, hidden),
        Weight("patch_embedder.position_embedding_table", "embedding", positions, hidden, "table"),
        *(block * fields.layers()),
        linear("embed_vision.embedding_projection", "embedding", hidden, text),
    )


FAMILY = Family("gemma4", ("text_config",), read)
