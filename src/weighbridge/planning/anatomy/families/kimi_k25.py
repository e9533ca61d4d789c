"""Kimi K2.5 with vision: Kimi K2; the vision tower is not counted."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.vision import UNCOUNTED, text_part


def read(fields: Fields) -> Architecture:
    """Read the text model."""
    text = text_part(fields, "kimi_k2", tied=False)
    return replace(text, model_type="kimi_k25", notes=(*text.notes, UNCOUNTED))


FAMILY = Family("kimi_k25", ("text_config",), read)
