"""Llama 4 with vision: the text model, a vision tower, its adapter and a projector."""

from dataclasses import replace

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.planning.anatomy.registry import Family, read_fields
from weighbridge.planning.anatomy.skeleton import linear, norm
from weighbridge.planning.anatomy.vision import BESIDE, plain_block, square_patches


def read(fields: Fields) -> Architecture:
    """Read the text model, and count the tower beside it."""
    inner = fields.nested("text_config")
    inner.values.setdefault("model_type", "llama4_text")
    text = read_fields(inner)
    tower = fields.nested("vision_config")
    features = tower.count("vision_output_dim")
    projector = linear("multi_modal_projector.linear_1", "embedding", features, text.hidden_size)
    return replace(
        text, model_type="llama4", vision=(*_tower(tower), projector), notes=(*text.notes, BESIDE)
    )


def _tower(fields: Fields) -> tuple[Weight, ...]:
    fields.assume(num_channels=3)
    hidden, inner = fields.count("hidden_size"), fields.count("intermediate_size")
    patches, side = square_patches(fields)
    pixels = fields.count("num_channels") * side * side
    read_in, read_out = fields.count("projector_input_dim"), fields.count("projector_output_dim")
    return (
        linear("patch_embedding.linear", "embedding", pixels, hidden),
        Weight("class_embedding", "embedding", 1, hidden, "vector"),
        Weight("positional_embedding_vlm", "embedding", patches + 1, hidden, "table"),
        norm("layernorm_pre", hidden, bias=True),
        *(plain_block(hidden, inner) * fields.layers()),
        norm("layernorm_post", hidden, bias=True),
        linear("vision_adapter.mlp.fc1", "mlp", inner, read_in),
        linear("vision_adapter.mlp.fc2", "mlp", read_out, read_out),
    )


FAMILY = Family("llama4", ("text_config", "vision_config"), read)
