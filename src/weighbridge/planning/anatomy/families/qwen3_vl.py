"""Qwen 3 VL: Qwen 3's text model, and a tower whose middle layers feed the text model, too."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.vision import BESIDE, qwen_tower, text_part


def read(fields: Fields) -> Architecture:
    """Read the text model, and count the tower beside it."""
    text = text_part(fields, "qwen3_vl_text", tied=False)
    tower = qwen_tower(fields.nested("vision_config"), deep=True)
    return replace(text, model_type="qwen3_vl", vision=tower, notes=(*text.notes, BESIDE))


FAMILY = Family("qwen3_vl", ("text_config", "vision_config"), read)
