"""Counts a model's parameters from the code that transformers has for it, without its weights.

The model is built on torch's meta device, where tensors have shapes and no numbers. Code that comes
with a model's weights is never run.
"""

import contextlib
import io
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from weighbridge.errors import InputError, MissingPiece
from weighbridge.records import PART_NAMES, PartRole

# By the names that transformers gives to modules; the first that fits.
_ROLES: tuple[tuple[PartRole, str], ...] = (
    ("norm", r"norm|\.ln_|layer_norm"),
    ("head", r"^lm_head|\.lm_head|^output_projection"),
    ("embedding", r"embed|\bwte\b|\bwpe\b"),
    ("shared_experts", r"shared_expert|shared_mlp"),
    ("experts", r"experts?\."),
    ("router", r"\.gate\.weight|router"),
    ("recurrent", r"mamba|conv1d|ssm|linear_attn|A_log|dt_bias"),
    ("attention", r"attn|attention|\.[qkvo]_proj"),
)
_ELSEWHERE: PartRole = "mlp"
_SENSES = re.compile(
    r"(^|\.)(visual|vision|image|audio|speech|sound|multi_modal|mm_|connector|aligner|"
    r"embed_vision|embed_audio|perceiver|resampler)"
)
_IGNORED = ("auto_map", "quantization_config", "torch_dtype", "dtype")


def library_has(model_type: object) -> bool:
    """Whether the installed transformers has code of its own for this `model_type`.

    Raises:
        MissingPiece: It is not installed.
    """
    return model_type in _library().CONFIG_MAPPING


def count_in_library(
    config: Mapping[str, Any], where: str
) -> tuple[Mapping[PartRole, int], int, str]:
    """Build a model on the meta device and count it.

    Args:
        config: The fields of its `config.json`.
        where: What to call the configuration in errors.

    Returns:
        Parameters by part, tied ones once; those of modules that see or hear; and why it is no
        causal language model, empty where it is one.

    Raises:
        InputError: Transformers can't build it; its own words are passed on.
        MissingPiece: Transformers is not installed.
    """
    model, why_not = _build(config, where)
    found: dict[PartRole, int] = {}
    senses = 0
    for name, parameter in model.named_parameters():
        if _SENSES.search(name):
            senses += parameter.numel()
        else:
            role = next((role for role, word in _ROLES if re.search(word, name)), _ELSEWHERE)
            found[role] = found.get(role, 0) + parameter.numel()
    return {role: found[role] for role in PART_NAMES if role in found}, senses, why_not


def _library() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingPiece(
            "transformers is not installed",
            "transformers, to count the parts of an architecture that has no formulas here",
            "pip install 'weighbridge[torch]'",
        ) from error
    return transformers


def _build(config: Mapping[str, Any], where: str) -> tuple[Any, str]:
    """Return the model on the meta device, and why it is no causal language model, if it isn't."""
    library = _library()
    import torch

    fields = {name: value for name, value in config.items() if name not in _IGNORED}
    words = io.StringIO()
    try:
        with torch.device("meta"), contextlib.redirect_stderr(words), _said(library) as said:
            made = library.CONFIG_MAPPING[fields["model_type"]].from_dict(fields)
            auto = _auto_class(library, made)
            model = auto.from_config(made, trust_remote_code=False)
    except Exception as error:  # whatever the library raises is about this configuration
        raise InputError(
            f"{where}: transformers {library.__version__} can't build this {config['model_type']} "
            f"({_first_line(error)})",
            "a configuration as it came with the weights",
        ) from error
    if auto is library.AutoModelForSeq2SeqLM:
        return model, "an encoder reads the text and a decoder writes another one"
    if any("is_decoder" in line for line in said):
        return model, "an encoder, whose tokens see the tokens after them (is_decoder is not set)"
    return model, ""


@contextlib.contextmanager
def _said(library: Any) -> Iterator[list[str]]:
    """Yield what the library warns of meanwhile, which then reaches no terminal."""
    said: list[str] = []
    logger = library.utils.logging.get_logger()
    keep = logging.Handler()
    keep.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    level, handlers = logger.level, list(logger.handlers)
    logger.setLevel(logging.WARNING)
    logger.handlers = [keep]
    try:
        yield said
    finally:
        logger.handlers = handlers
        logger.setLevel(level)


def _auto_class(library: Any, made: Any) -> Any:
    """The class with a head that makes text, from the first list that has the configuration."""
    names = ("AutoModelForCausalLM", "AutoModelForImageTextToText", "AutoModelForSeq2SeqLM")
    for name in (*names, "AutoModelForMultimodalLM"):
        auto = getattr(library, name, None)
        if auto is not None and type(made) in auto._model_mapping:
            return auto
    raise ValueError("no class of it gives text")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = " ".join(lines[:2]) or "no reason given"
    told = told if len(told) <= 200 else told[:197] + "..."
    return f"{type(error).__name__}: {told}"
