"""Mistral Small 3 and Ministral 3 with vision: a text model, a Pixtral tower and a projector."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import linear, norm
from weighbridge.planning.anatomy.vision import BESIDE, pixtral_tower, text_part


def read(fields: Fields) -> Architecture:
    """Read the text model, which is Mistral's or Ministral 3's, and count the tower beside it."""
    text = text_part(fields, "mistral", tied=False)
    tower = fields.nested("vision_config")
    vision = (*pixtral_tower(tower), *_projector(fields, tower, text.hidden_size))
    return replace(text, model_type="mistral3", vision=vision, notes=(*text.notes, BESIDE))


def _projector(fields: Fields, tower: Fields, text: int) -> tuple[Weight, ...]:
    """Merges squares of patches, and maps them to the text model's width."""
    hidden, side = tower.count("hidden_size"), fields.optional_count("spatial_merge_size") or 2
    chosen = fields.values.get("vision_feature_layer", -1)
    layers, bias = (
        len(chosen) if isinstance(chosen, list) else 1,
        fields.flag("multimodal_projector_bias", False),
    )
    path = "multi_modal_projector"
    return (
        norm(f"{path}.norm", hidden),
        linear(f"{path}.patch_merger.merging_layer", "embedding", hidden * side**2, hidden),
        linear(f"{path}.linear_1", "embedding", hidden * layers, text, bias),
        linear(f"{path}.linear_2", "embedding", text, text, bias),
    )


FAMILY = Family("mistral3", ("text_config", "vision_config"), read)
