"""What vision towers have in common: patches, and blocks with biases everywhere."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Weight
from weighbridge.planning.anatomy.skeleton import linear, norm

BESIDE = "figures are the text model's; the vision tower is counted beside it"


def square_patches(fields: Fields) -> tuple[int, int]:
    """Return the number of patches of a square image, and a patch's side in pixels.

    Raises:
        InputError: The image is not square, or smaller than a patch.
    """
    image, side = fields.count("image_size"), fields.count("patch_size")
    fields.at_most("patch_size", side, "image_size", image)
    return (image // side) ** 2, side


def plain_block(hidden: int, inner: int) -> tuple[Weight, ...]:
    """Return one encoder layer: projections, two linear layers, two layer norms, all biased."""
    attention = tuple(
        linear(f"self_attn.{name}", "attention", hidden, hidden, bias=True)
        for name in ("q_proj", "k_proj", "v_proj", "out_proj")
    )
    return (
        *attention,
        linear("mlp.fc1", "mlp", hidden, inner, bias=True),
        linear("mlp.fc2", "mlp", inner, hidden, bias=True),
        norm("layer_norm1", hidden, bias=True),
        norm("layer_norm2", hidden, bias=True),
    )
