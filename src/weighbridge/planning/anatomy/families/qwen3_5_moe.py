"""Qwen 3.5 MoE with vision: the text model and a vision tower."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.vision import BESIDE, qwen_tower, text_part


def read(fields: Fields) -> Architecture:
    """Read the text model, and count the tower beside it."""
    text = text_part(fields, "qwen3_5_moe_text", tied=False)
    tower = qwen_tower(fields.nested("vision_config"), deep=False)
    return replace(text, model_type="qwen3_5_moe", vision=tower, notes=(*text.notes, BESIDE))


FAMILY = Family("qwen3_5_moe", ("text_config", "vision_config"), read)
