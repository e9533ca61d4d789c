"""Counts models of unknown architecture from transformers' code, or names near relatives."""

import difflib

from weighbridge.errors import InputError, MissingPiece, UnknownName
from weighbridge.planning.anatomy import family_names, relatives
from weighbridge.records import CountedModel
from weighbridge.sources.configs import FoundConfig

MISSING = (
    "active_parameters", "forward_flops_per_token", "kv_cache_bytes_per_token", "experts",
    "experts_per_token", "state_bytes_per_sequence", "lora", "stored",
)  # fmt: skip
"""Figures that need a known structure, and are null for counted models."""


def count_unknown(found: FoundConfig) -> CountedModel:
    """Count a model whose `model_type` no family has, without running code that came with it.

    Args:
        found: Its configuration.

    Raises:
        InputError: There is no `model_type`, or transformers can't build the model.
        MissingPiece: Transformers is not installed.
        UnknownName: Transformers doesn't know it either; near relatives are named.
    """
    model_type = found.config.get("model_type")
    if not isinstance(model_type, str):
        seen = "no model_type" if model_type is None else f"model_type {model_type!r}"
        raise InputError(
            f"{found.where} has {seen}", "a name such as llama", "is it a model's config.json?"
        )
    near = relatives(found.config)
    try:
        from weighbridge.models.library_count import count_in_library, library_has

        known = library_has(model_type)
    except (ImportError, MissingPiece) as error:
        more = "pip install 'weighbridge[torch]' to count what transformers has"
        raise _unknown(found, model_type, near, more) from error
    if not known:
        raise _unknown(found, model_type, near, "transformers has no code for it either")
    by_part, senses, why_not_causal = count_in_library(found.config, found.where)
    notes = ["counted from transformers' code on the meta device: its structure is not known here"]
    if why_not_causal:
        notes.append(
            f"no causal language model ({why_not_causal}): it can't be measured or tuned here"
        )
    notes += found.notes
    if found.config.get("auto_map"):
        notes.append("auto_map names code that comes with the weights: it was not run")
    if found.config.get("quantization_config"):
        notes.append("quantization_config was not read: bytes as stored are not known")
    return CountedModel(
        name=found.name,
        source=found.source,
        architecture=model_type,
        parameters=sum(by_part.values()),
        vision_parameters=senses,
        parameters_by_part=by_part,
        relatives=near,
        missing=MISSING,
        notes=tuple(notes),
    )


def _unknown(found: FoundConfig, name: str, near: tuple[str, ...], more: str) -> UnknownName:
    """Return the error for an unknown architecture, with similar names and what would help."""
    close = difflib.get_close_matches(name, family_names(), n=3, cutoff=0.6)
    parts = [f"did you mean {' or '.join(close)}?"] if close else []
    if near:
        parts.append(f"near relatives that are known: {', '.join(near)}")
    if found.config.get("auto_map"):
        parts.append("its code comes with the weights (auto_map) and is not run")
    do = "; ".join([*parts, more, "nothing is guessed"])
    return UnknownName("architecture (model_type)", name, (), do)
