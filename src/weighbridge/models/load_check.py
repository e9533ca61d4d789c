"""After every load: the tensors in the files, those taken and those of the model are the same.

A tensor that a file lacks is filled at random by the loader, one that has no place is dropped, and
both only reach a log. Here they end the load, by name. What is let through, and why:

* a head that is tied to the embeddings, because it is the same tensor;
* tables that the model makes itself (rotary frequencies, position ids, masks), because no such
  number was learnt: only where transformers declares them, and only if they are buffers;
* weights that transformers leaves out by its own declaration, or that belong to images or sound
  while the model is measured on text: the run's notes name them.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from weighbridge.errors import InputError

_TABLES = re.compile(r"(^|\.)(rotary_emb\.inv_freq|position_ids|masked_bias|attn\.bias)$")
_OTHER_SENSES = re.compile(
    r"(^|\.)(vision_\w+|visual|image_\w+|audio_\w+|embed_vision|embed_audio"
    r"|multi_?modal_projector|mm_projector|vit|vision)\."
)
_SEVERAL_TOKENS = re.compile(r"(^|\.)(mtp\w*|eh_proj|enorm|hnorm|shared_head|nextn)(\.|$)")
_SHOWN = 3  # names in a message
_LOOKED_AT = 64  # numbers of a matrix, at its beginning and in its middle


@dataclass
class LoadReport:
    """transformers' full report of one load, taken before it leaves out expected entries.

    Attributes:
        missing: Tensors of the model that the files lack; tied ones are not among them.
        unexpected: Tensors of the files that have no place in the model.
        mismatched: Name, shape in the file, shape in the model.
        failed: What could not be converted into the model's form, and why.
        loads: How many models were loaded.
    """

    missing: set[str] = field(default_factory=set)
    unexpected: set[str] = field(default_factory=set)
    mismatched: set[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    loads: int = 0


@contextmanager
def recorded_load() -> Iterator[LoadReport]:
    """Yield the report of what `from_pretrained` loads inside, whole.

    transformers takes from its report what it holds to be harmless; the whole of it is only seen
    at the step before.
    """
    from transformers import PreTrainedModel

    report, shorten = LoadReport(), PreTrainedModel._adjust_missing_and_unexpected_keys

    def record(model: Any, info: Any) -> None:
        report.loads += 1
        report.missing |= info.missing_keys
        report.unexpected |= info.unexpected_keys
        report.mismatched |= {
            (name, tuple(found), tuple(own)) for name, found, own in info.mismatched_keys
        }
        report.failed.update(info.conversion_errors)
        shorten(model, info)

    PreTrainedModel._adjust_missing_and_unexpected_keys = record
    try:
        yield report
    finally:
        PreTrainedModel._adjust_missing_and_unexpected_keys = shorten


def require_all_taken(module: Any, report: LoadReport, where: str) -> tuple[str, ...]:
    """Check one load; return sentences about weights that are in the files and not used.

    Args:
        module: The model that came out.
        report: Of that load.
        where: What to call the files in errors.

    Raises:
        InputError: A tensor is missing, has no place, or has another shape.
    """
    require_converted(report, where)
    if not report.loads:
        raise InputError(
            f"transformers gave no report of loading {where}",
            "a report, to check that every tensor was loaded",
            "use weights that transformers itself loads, and one of its tested versions",
        )
    require_shapes(report, where)
    missing = sorted(name for name in report.missing if not _is_own_table(module, name))
    if missing:
        raise InputError(
            f"{where} lacks {named(missing)}, which a {_kind(module)} of this config.json has",
            "every tensor of the model: what is missing would be random",
            "fetch the model again, or take the config.json that belongs to these weights",
        )
    return _unused(module, report.unexpected, where)


def require_converted(report: LoadReport, where: str) -> None:
    """Check that every tensor could be brought into the model's form.

    Raises:
        InputError: Some could not.
    """
    if report.failed:
        name, why = sorted(report.failed.items())[0]
        lines = [line.strip() for line in str(why).splitlines() if line.strip()]
        raise InputError(
            f"{where}: {name} can't be brought into the model's form "
            f"({lines[-1] if lines else 'no reason given'})",
            "the tensors that config.json describes",
            "fetch the model again, or take the config.json that belongs to these weights",
        )


def require_finite(module: Any, where: str, known: Collection[int] = ()) -> None:
    """Check that no weight is infinite or not a number.

    Rows of an input embedding that serves as nothing else are let through, unless none is whole:
    a token that no text holds may have any row, and one that a text holds is named when it is read.

    Args:
        module: The model.
        where: What to call its files in errors.
        known: The `id` of each parameter that is known to be finite.

    Raises:
        InputError: Some are.
    """
    entry = module.get_input_embeddings()
    head = module.get_output_embeddings()
    alone = entry is not None and (head is None or head.weight is not entry.weight)
    for name, tensor in module.named_parameters():
        if id(tensor) in known or not tensor.is_floating_point() or tensor.element_size() < 2:
            continue
        if _sums(tensor):
            continue
        finite = torch.isfinite(tensor)
        if bool(finite.all()) or (
            alone and tensor is entry.weight and bool(finite.all(dim=-1).any())
        ):
            continue
        raise InputError(
            f"{where}: {int((~finite).sum()):,} of {tensor.numel():,} numbers of {name} are "
            "not finite",
            "numbers",
            "its weights are broken: fetch the model again, or use another one",
        )


def matrices_of_one_number(module: Any) -> tuple[str, ...]:
    """Return a sentence on matrices that hold the same number everywhere, if there are some.

    Zeros or ones in a whole matrix mean that nothing was learnt there, or that the file was written
    wrongly. A few numbers tell almost all others apart, so that this costs next to nothing.
    """
    flat = sorted(name for name, tensor in module.named_parameters() if _is_flat(tensor))
    if not flat:
        return ()
    return (f"All numbers are the same in {named(flat)}: nothing was learnt there.",)


def _is_flat(tensor: torch.Tensor) -> bool:
    """Whether a matrix holds one number throughout; vectors (norms, biases) often do rightly."""
    if tensor.dim() < 2 or tensor.numel() < 2 * _LOOKED_AT or not tensor.is_floating_point():
        return False
    if tensor.element_size() < 2 or not tensor.is_contiguous():
        return False
    with torch.no_grad():
        numbers = tensor.view(-1)
        middle = numbers.numel() // 2
        if numbers[0].item() != numbers[middle].item():  # tells nearly all apart, and fastest
            return False
        for some in (numbers[:_LOOKED_AT], numbers[middle : middle + _LOOKED_AT]):
            if not bool((some == numbers[0]).all()):
                return False
        return bool((numbers == numbers[0]).all())


def named(names: Collection[str], most: int = _SHOWN) -> str:
    """Return how many tensors, and the first names."""
    shown = ", ".join(sorted(names)[:most]) + (", …" if len(names) > most else "")
    return f"{len(names)} tensor{'s' * (len(names) != 1)} ({shown})"


def _sums(tensor: torch.Tensor) -> bool:
    """Whether a tensor's sum is finite, which no sum with an infinity or a NaN is; fast.

    The sum of squares of float32 is the fastest; where it overflows, each number is looked at.
    """
    with torch.no_grad():
        if tensor.dtype == torch.float32 and tensor.is_contiguous():
            flat = tensor.view(-1)
            return bool(torch.isfinite(torch.dot(flat, flat)))
        return bool(torch.isfinite(tensor.sum(dtype=torch.float32)))


def require_shapes(report: LoadReport, where: str) -> None:
    """Check that every tensor has the shape that the model gives it.

    Raises:
        InputError: Some have another.
    """
    if report.mismatched:
        name, found, own = sorted(report.mismatched)[0]
        more = len(report.mismatched) - 1
        raise InputError(
            f"{where}: {name} is {_shape(found)} in the file and {_shape(own)} in the model that "
            "config.json describes" + (f" (and {more} more)" if more else ""),
            "the same shape",
            "take the config.json that belongs to these weights, or fetch the model again",
        )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _kind(module: Any) -> str:
    return type(module).__name__


def _is_own_table(module: Any, name: str) -> bool:
    """Whether a missing tensor is a buffer that transformers declares it makes itself."""
    declared = getattr(module, "_keys_to_ignore_on_load_missing", None) or ()
    if not _TABLES.search(name) and not any(re.search(p, name) for p in declared):
        return False
    return name in dict(module.named_buffers())


def _unused(module: Any, unexpected: set[str], where: str) -> tuple[str, ...]:
    """Divide tensors without a place in the model into those that may be ignored and the others."""
    declared = getattr(module, "_keys_to_ignore_on_load_unexpected", None) or ()
    tables = {name for name in unexpected if _TABLES.search(name)}
    senses = {
        n for n in unexpected - tables if _has_other_senses(module) and _OTHER_SENSES.search(n)
    }
    left = unexpected - tables - senses
    several = {n for n in left if any(re.search(p, n) for p in declared) and _is_ahead(n, left)}
    refused = left - several
    if refused:
        raise InputError(
            f"{where} holds {named(refused)} for which a {_kind(module)} of this config.json has "
            "no place",
            "only tensors that the model takes: left out, another model would be measured",
            "take the config.json that belongs to these weights (its number of layers, its kind)",
        )
    notes = []
    if senses:
        notes.append(f"Weights for images or sound are not used: {named(senses)}.")
    if several:
        notes.append(
            f"Weights that transformers leaves out of a {_kind(module)} are not used: "
            f"{named(several)}."
        )
    return tuple(notes)


def _has_other_senses(module: Any) -> bool:
    config = module.config
    return any(
        getattr(config, name, None) is not None
        for name in ("vision_config", "audio_config", "image_token_id", "image_token_index")
    )


def _is_ahead(name: str, unexpected: Collection[str]) -> bool:
    """Whether a tensor is left out for a reason, or is part of a layer that should be used.

    Where transformers names a whole layer, it must be one that predicts several tokens ahead,
    known by its own parts: a config.json with a layer too few would be let through otherwise.
    """
    layer = re.search(r"(^|\.)(layers|h|blocks)\.\d+\.", name)
    if layer is None or _SEVERAL_TOKENS.search(name):
        return True
    beside = [other for other in unexpected if other.startswith(name[: layer.end()])]
    return any(_SEVERAL_TOKENS.search(other) for other in beside)
