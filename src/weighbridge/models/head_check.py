"""Checks a loaded model's head and end tokens against config.json and generation_config.json.

A head is the last place where a model becomes another one without a tensor missing: a classifier
whose embeddings stand in for it, a head of zeros, one that the files hold and config.json ties.
"""

import re
from pathlib import Path
from typing import Any

import torch

from weighbridge.errors import InputError
from weighbridge.sources.documents import read_settings

_LANGUAGE = re.compile(
    r"(ForCausalLM|LMHeadModel|ForConditionalGeneration|ForMaskedLM|ForPreTraining)$"
)
_HEADED = re.compile(r"For[A-Z]|Reward|Classif")
_AGAIN = "fetch the model again, or use another one"


def require_head(module: Any, where: str) -> tuple[str, ...]:
    """Check what the logits come from; return sentences that a reader of a run must know.

    Raises:
        InputError: The files are a classifier's, or the head or the embeddings are all zero.
    """
    named = [str(name) for name in getattr(module.config, "architectures", None) or ()]
    own = type(module).__name__
    other = [name for name in named if not _LANGUAGE.search(name) and name != own]
    if other and len(other) == len(named) and _HEADED.search(other[0]):
        raise InputError(
            f"{where} is a {other[0]} by its config.json",
            "a language model, such as LlamaForCausalLM",
            "a classifier writes no text: use the language model that it was trained from",
        )
    entry, head = module.get_input_embeddings(), module.get_output_embeddings()
    for part, what in ((entry, "embeddings"), (head, "head")):
        weight = getattr(part, "weight", None)
        if weight is not None and weight.is_floating_point() and not _holds_numbers(weight):
            raise InputError(
                f"{where}: the {what} are all zero"
                if part is entry
                else f"{where}: the {what} is all zero, so every token is as likely as any other",
                "trained weights",
                _AGAIN,
            )
    notes = []
    if other and len(other) == len(named):
        notes.append(
            f"config.json names {other[0]}, a model without a head: the embeddings serve as its "
            "head, as for a tied one."
        )
    if _is_tied_only_by_name(module, entry, head):
        notes.append(
            "config.json ties the head to the embeddings, but the files hold another head: that "
            "one is used."
        )
    return tuple(notes)


def require_generation_config(folder: Path) -> None:
    """Check `generation_config.json`, whose end tokens end answers: a loader drops a broken one.

    Args:
        folder: The model's.

    Raises:
        InputError: It is no JSON object, or its end tokens are no token ids.
    """
    path = folder / "generation_config.json"
    if not path.is_file():
        return
    do = "correct or remove the file: answers would not end where the model ends them"
    try:
        found = read_settings(path, "a JSON object", within=folder)
    except InputError as error:
        raise InputError(error.saw, error.expected, do) from error
    ends = found.get("eos_token_id")
    for end in ends if isinstance(ends, list) else [ends]:
        if end is not None and (not isinstance(end, int) or isinstance(end, bool)):
            raise InputError(f"{path}: eos_token_id is {ends!r}", "token ids, as numbers", do)


def _holds_numbers(weight: torch.Tensor) -> bool:
    """Whether any element is not 0; stops at the first rows that have one."""
    with torch.no_grad():
        return weight.numel() == 0 or any(bool(rows.any()) for rows in torch.split(weight, 1024))


def _is_tied_only_by_name(module: Any, entry: Any, head: Any) -> bool:
    if entry is None or head is None or not hasattr(head, "weight"):
        return False
    if not getattr(module.config.get_text_config(), "tie_word_embeddings", False):
        return False
    return bool(head.weight.data_ptr() != entry.weight.data_ptr())
