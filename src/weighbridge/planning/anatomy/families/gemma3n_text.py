"""Gemma 3n, the text model: the last layers read the keys and values of earlier ones.

Beside attention and block, each layer has AltUp (Baykal et al. 2023, arXiv:2301.13310), LAuReL
(Menghani et al. 2024, arXiv:2411.07501) and an embedding of its own.
"""

from weighbridge.errors import InputError
from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Layer, Weight
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    NEEDS,
    Heads,
    assemble,
    attention_of,
    four_norms,
    gated,
    head_norms,
    linear,
    norm,
    outer_weights,
    projections,
    read_heads,
)
from weighbridge.planning.anatomy.windows import every

_NEEDS = (
    *NEEDS,
    "num_key_value_heads",
    "head_dim",
    "num_kv_shared_layers",
    "laurel_rank",
    "altup_num_inputs",
    "hidden_size_per_layer_input",
    "vocab_size_per_layer_input",
)


def read(fields: Fields) -> Architecture:
    """Read four local layers to one global, and layers without keys and values at the end."""
    fields.assume(sliding_window=512)
    heads, count = read_heads(fields), fields.layers()
    # Each stream is listed by itself, as each layer is, and so has the same bound.
    streams = fields.layers("altup_num_inputs")
    own = fields.count("hidden_size_per_layer_input")
    window, first_shared = fields.optional_count("sliding_window"), _first_shared(fields, count)
    kinds = fields.layer_types(every(5, count))
    for kind in set(kinds[first_shared:]) - set(kinds[:first_shared]):
        raise fields.wrong("num_kv_shared_layers", count - first_shared, f"a {kind} layer before")
    bias = fields.flag("attention_bias", False)
    beside = (*four_norms(heads.hidden), *_altup(heads.hidden, streams), *_extras(fields, own))
    layers = [
        Layer(
            (
                *_projections(heads, bias, shared=index >= first_shared),
                *gated(heads.hidden, inner),
                *beside,
            ),
            attention_of(heads, kind, window, shared=index >= first_shared),
        )
        for index, (kind, inner) in enumerate(zip(kinds, _inner(fields, count), strict=True))
    ]
    outer = (
        *outer_weights(fields, heads.hidden, tied=True),
        *_around(fields, heads.hidden, count * own, own, streams),
    )
    return assemble(fields, heads, outer, layers)


def _first_shared(fields: Fields, layers: int) -> int:
    shared = fields.count("num_kv_shared_layers", zero=True)
    fields.at_most("num_kv_shared_layers", shared, "num_hidden_layers", layers - 1)
    return layers - shared


def _inner(fields: Fields, layers: int) -> list[int]:
    """One width for all layers, or a list."""
    if not isinstance(fields.values["intermediate_size"], list):
        return [fields.count("intermediate_size")] * layers
    found = fields.numbers("intermediate_size") or []
    fields.require_length("intermediate_size", len(found), "num_hidden_layers", layers)
    if 0 in found:
        raise InputError(f"{fields.where}: intermediate_size holds 0", "widths above 0")
    return found


def _projections(heads: Heads, bias: bool, shared: bool) -> tuple[Weight, ...]:
    every_one = (*projections(heads, bias=bias, out_bias=bias), *head_norms(heads))
    missing = ("k_proj", "v_proj", "k_norm") if shared else ()
    return tuple(weight for weight in every_one if not weight.name.endswith(missing))


def _altup(hidden: int, streams: int) -> tuple[Weight, ...]:
    """Return AltUp: of several residual streams, each layer computes one and predicts the others.

    The router is read twice, before and after; the prediction mixes the streams without weights.
    """
    return (
        linear("altup.correction_coefs", "residual", streams, streams),
        linear("altup.prediction_coefs", "residual", streams, streams * streams),
        linear("altup.modality_router", "residual", hidden, streams),
        Weight("altup.modality_router again", "residual", hidden, streams, "tied"),
        Weight("altup.prediction", "residual", hidden * streams, streams, "tied"),
        Weight("altup.correct_output_scale", "residual", 1, hidden, "vector"),
        norm("altup.router_norm", hidden),
    )


def _extras(fields: Fields, own: int) -> tuple[Weight, ...]:
    """Return LAuReL's low-rank path beside attention, and the gate of the layer's own embedding."""
    hidden, rank = fields.count("hidden_size"), fields.count("laurel_rank")
    return (
        linear("laurel.linear_left", "residual", hidden, rank),
        linear("laurel.linear_right", "residual", rank, hidden),
        norm("laurel.post_laurel_norm", hidden),
        linear("per_layer_input_gate", "residual", hidden, own),
        linear("per_layer_projection", "residual", own, hidden),
        norm("post_per_layer_input_norm", hidden),
    )


def _around(
    fields: Fields, hidden: int, all_own: int, own: int, streams: int
) -> tuple[Weight, ...]:
    """Return the layers' own embeddings, and the projections into and out of the streams."""
    rows = fields.count("vocab_size_per_layer_input")
    others = range(streams - 1)
    return (
        Weight("embed_tokens_per_layer", "embedding", rows, all_own, "table"),
        linear("per_layer_model_projection", "residual", hidden, all_own),
        norm("per_layer_projection_norm", own),
        *(linear(f"altup_projections.{i}", "residual", hidden, hidden) for i in others),
        *(linear(f"altup_unembed_projections.{i}", "residual", hidden, hidden) for i in others),
    )


FAMILY = Family("gemma3n_text", _NEEDS, read)
