"""Gemma 3n with vision and audio: the text model; the towers are not counted."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture
from weighbridge.planning.anatomy.registry import Family, read_fields


def read(fields: Fields) -> Architecture:
    """Read the text model; the towers come from a library of vision models, not from a field."""
    inner = fields.nested("text_config")
    inner.values.setdefault("model_type", "gemma3n_text")
    inner.values["tie_word_embeddings"] = fields.flag("tie_word_embeddings", True)
    text = read_fields(inner)
    note = "figures are the text model's; vision and audio towers are not counted"
    return replace(text, model_type="gemma3n", notes=(*text.notes, note))


FAMILY = Family("gemma3n", ("text_config",), read)
