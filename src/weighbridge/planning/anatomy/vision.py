"""Parts shared by vision towers: patch embeddings, and encoder blocks with biases."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Weight
from weighbridge.planning.anatomy.registry import read_fields
from weighbridge.planning.anatomy.skeleton import gated, linear, norm

UNCOUNTED = "figures are the text model's; the vision tower is not counted"
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


def text_part(fields: Fields, model_type: str, *, tied: bool) -> Architecture:
    """Read the text model inside a configuration.

    Args:
        fields: The whole configuration.
        model_type: The text model's type, where `text_config` doesn't state it.
        tied: Whether the head is tied, where neither configuration states it.
    """
    inner = fields.nested("text_config")
    if inner.values.get("model_type") is None:
        inner.values["model_type"] = model_type
    inner.values.pop("architectures", None)
    if fields.values.get("tie_word_embeddings") is not None:
        inner.values["tie_word_embeddings"] = fields.flag("tie_word_embeddings", tied)
    elif inner.values.get("tie_word_embeddings") is None:
        inner.assume(tie_word_embeddings=tied)
        inner.values["tie_word_embeddings"] = tied
    return read_fields(inner)


def qwen_tower(fields: Fields, *, deep: bool) -> tuple[Weight, ...]:
    """Return Qwen 3 VL's tower: patches of two frames, blocks, and mergers of squares of patches.

    Args:
        fields: The tower's configuration.
        deep: Whether some layers have mergers of their own (DeepStack, arXiv:2406.04334).
    """
    fields.assume(in_channels=3, temporal_patch_size=2, spatial_merge_size=2)
    hidden, inner = fields.count("hidden_size"), fields.count("intermediate_size")
    side, frames = fields.count("patch_size"), fields.count("temporal_patch_size")
    pixels = fields.count("in_channels") * frames * side * side
    positions = fields.count("num_position_embeddings")
    block = (
        linear("attn.qkv", "attention", hidden, 3 * hidden, bias=True),
        linear("attn.proj", "attention", hidden, hidden, bias=True),
        linear("mlp.linear_fc1", "mlp", hidden, inner, bias=True),
        linear("mlp.linear_fc2", "mlp", inner, hidden, bias=True),
        norm("norm1", hidden, bias=True),
        norm("norm2", hidden, bias=True),
    )
    square = hidden * fields.count("spatial_merge_size") ** 2
    out = fields.count("out_hidden_size")
    merger = (
        linear("merger.linear_fc1", "embedding", square, square, bias=True),
        linear("merger.linear_fc2", "embedding", square, out, bias=True),
    )
    more = len(fields.numbers("deepstack_visual_indexes") or ()) if deep else 0
    return (
        linear("patch_embed.proj", "embedding", pixels, hidden, bias=True),
        Weight("pos_embed", "embedding", positions, hidden, "table"),
        *(block * fields.layers("depth|num_hidden_layers")),
        *merger,
        norm("merger.norm", hidden, bias=True),
        *((*merger, norm("deepstack_merger.norm", square, bias=True)) * more),
    )


def pixtral_tower(fields: Fields) -> tuple[Weight, ...]:
    """Return Pixtral's tower: a decoder's blocks over patches, without biases."""
    fields.assume(num_channels=3)
    hidden, side = fields.count("hidden_size"), fields.count("patch_size")
    names = ("q_proj", "k_proj", "v_proj", "o_proj")
    block = (
        *(linear(f"attention.{name}", "attention", hidden, hidden) for name in names),
        *gated(hidden, fields.count("intermediate_size"), path="feed_forward"),
        norm("attention_norm", hidden),
        norm("ffn_norm", hidden),
    )
    return (
        linear("patch_conv", "embedding", fields.count("num_channels") * side * side, hidden),
        norm("ln_pre", hidden),
        *(block * fields.layers()),
    )
