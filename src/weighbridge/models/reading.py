"""Weights, adapters and tokenizers from files: safetensors only, no code from the folder."""

import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from weighbridge.errors import InputError, MissingPiece, WeighbridgeError
from weighbridge.models import nf4
from weighbridge.models.adapters import put_on
from weighbridge.models.gguf_tokenizer import tokenizer_of_gguf
from weighbridge.models.head_check import require_generation_config, require_head
from weighbridge.models.load_check import (
    LoadReport,
    matrices_of_one_number,
    recorded_load,
    require_all_taken,
    require_converted,
    require_finite,
    require_shapes,
)
from weighbridge.models.quantised import not_read, quantisation_method, require_readable
from weighbridge.models.unread_fields import refuse_unread_fields
from weighbridge.sources.digests import weights_digest
from weighbridge.sources.gguf_header import read_gguf_header
from weighbridge.sources.model_folders import require_model_files
from weighbridge.sources.regular_files import SETTINGS_BYTES
from weighbridge.sources.safetensors_files import require_plain_numbers, stored_tensors
from weighbridge.sources.text_files import read_text

_STRETCH = 1 << 17  # numbers: 512 KiB, which lie in a second cache; measured from 128 KiB to 2 MiB


def choose_device(device: str) -> str:
    """Resolve `auto` and check that the device is there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise MissingPiece("no CUDA device", f"one, for --device {device}", "use --device cpu")
    try:
        return str(torch.device(device))
    except RuntimeError as error:
        raise InputError(f"device {device!r}", "auto, cpu, cuda, cuda:N or mps") from error


@dataclass(frozen=True)
class ReadModel:
    """A model as its files have it.

    Attributes:
        module: The transformers model, in evaluation mode.
        tokenizer: Its tokenizer.
        digest: Of its weights.
        notes: Sentences about weights that are in the files and not used.
    """

    module: Any
    tokenizer: Any
    digest: str
    notes: tuple[str, ...]


def read_model(folder: Path, dtype: torch.dtype, device: str) -> tuple[Any, Any]:
    """Read a model and its tokenizer. See `read_with_notes`."""
    read = read_with_notes(folder, dtype, device)
    return read.module, read.tokenizer


def read_with_notes(
    folder: Path, dtype: torch.dtype, device: str, *, four_bits: bool = False
) -> ReadModel:
    """Read a model and its tokenizer from a folder: safetensors only, no code from the folder.

    Args:
        folder: The model's.
        dtype: What its weights become.
        device: Where they go.
        four_bits: Whether linear layers become NF4 while they are read, one after the other, so
            that the weights never stand in memory whole; the digest is that of the whole ones.

    Raises:
        InputError: It can't be read, or its files and the model are not the same set of tensors.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    require_model_files(folder)
    quantised = quantisation_method(folder)
    if quantised:
        if four_bits:
            raise nf4.quantised_already(str(folder), quantised)
        require_readable(folder, quantised)
    stored = stored_tensors(folder)
    require_plain_numbers(stored, folder)
    read_as = nf4.mapped_dtype(stored, dtype) if four_bits else dtype
    require_generation_config(folder)
    config = _config_for(folder)
    with checked_load(str(folder), lambda error: _refusal(folder, quantised, error)) as check:
        module = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=read_as,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # the check names both shapes, the loader neither
        )
    nf4.keep_scales(module)
    digest, finite = digest_of(module, dtype if four_bits else None)
    notes = check(module, finite)
    if four_bits:
        nf4.quantise(module, device, dtype)
    return ReadModel(module.to(device), _read_checked_tokenizer(folder), digest, notes)


@contextmanager
def checked_load(
    where: str, refusal: Callable[[Exception], WeighbridgeError] | None = None
) -> Iterator[Callable[..., tuple[str, ...]]]:
    """Yield the check of what is loaded inside; a loader's error becomes one line of its words.

    The check takes the model and, where they are known, the `id`s of its finite parameters.

    Args:
        where: What to call the files in errors.
        refusal: Makes that line; None is the one for a folder of plain weights.
    """
    with recorded_load() as report:
        try:
            yield lambda module, finite=frozenset(): _checked(module, report, where, finite)
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, AttributeError,
                ImportError, AssertionError, SafetensorError) as error:  # fmt: skip
            if isinstance(error, torch.OutOfMemoryError):
                raise
            require_converted(report, where)
            require_shapes(report, where)
            raise (refusal(error) if refusal else _not_loaded(where, error)) from error


def _refusal(folder: Path, quantised: Any, error: Exception) -> WeighbridgeError:
    return not_read(folder, quantised, error) if quantised else _not_loaded(str(folder), error)


def _checked(
    module: Any, report: LoadReport, where: str, finite: Collection[int]
) -> tuple[str, ...]:
    notes = require_all_taken(module, report, where)
    require_finite(module, where, finite)
    return notes + require_head(module, where) + matrices_of_one_number(module)


def _config_for(folder: Path) -> Any:
    """Read a folder's configuration; attention is the best that the architecture itself has.

    transformers then takes torch's fused kernels where the architecture has code for them, and its
    plain attention elsewhere (soft caps, sinks, recurrences). What a file asks for, such as kernels
    of the machine that it was saved on, is left aside: it changes speed, not numbers.

    Raises:
        InputError: The installed transformers has no causal language model for it, or it has a
            field that would change numbers and that the architecture's code ignores.
    """
    import transformers

    version = transformers.__version__
    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError) as error:
        said = " ".join(str(error).split())
        if "does not recognize this architecture" not in said:
            raise _not_loaded(str(folder), error) from error
        raise InputError(
            f"{folder}: transformers {version} does not know its architecture ({said[:160]})",
            "an architecture that the installed transformers has",
            "use a newer transformers, a GGUF file of this model, or another model",
        ) from error
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING:
        raise InputError(
            f"{folder} is a {config.model_type} model, which transformers {version} "
            "does not load as a causal language model",
            "a causal language model",
            "use another model",
        )
    refuse_unread_fields(config, str(folder))
    config._attn_implementation = None
    return config


def read_tokenizer(folder: Path, gguf_file: str | None = None) -> Any:
    """Read a tokenizer from a model's folder, or from a GGUF file in it.

    Raises:
        InputError: It can't be read.
    """
    if gguf_file is not None:
        path = folder / gguf_file
        return tokenizer_of_gguf(read_gguf_header(path, lists=True), str(path))
    require_model_files(folder)
    return _read_checked_tokenizer(folder)


def _read_checked_tokenizer(folder: Path) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    import transformers

    transformers.utils.logging.set_verbosity_error()
    try:
        return transformers.AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError) as error:
        raise _not_loaded(str(folder), error) from error


def _not_loaded(where: str, error: Exception) -> InputError:
    return InputError(
        f"{where} can't be loaded ({told(error)})",
        "whole safetensors, a config.json and a tokenizer that transformers knows",
        "check the folder, or fetch the model again",
    )


def told(error: BaseException) -> str:
    """Return all that an error says, in one line."""
    said = " ".join(str(error).split())
    kind = type(error).__name__
    if not said:
        return kind
    return f"{kind}: {said}" if isinstance(error, (LookupError, AttributeError)) else said


def with_adapter(module: Any, folder: Path) -> tuple[Any, str]:
    """Put an adapter on a model; return it with the adapter's digest. See `put_on`."""
    found = put_on(module, folder)
    return found.module, digest_tensors(found.tensors)


def with_own_tokens(tokenizer: Any, adapter: Path, rows: int | None = None) -> Any:
    """Return the tokenizer and chat template that an adapter was trained with.

    Those that lie in its folder, if any: TRL, axolotl and unsloth save them there.

    Args:
        tokenizer: The base's.
        adapter: The adapter's folder.
        rows: Of the model's embedding, with the adapter on; None before it is loaded.

    Raises:
        InputError: They are of another model, or have tokens that the model has no rows for.
    """
    template = adapter / "chat_template.jinja"
    if not any((adapter / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        if template.is_file():
            tokenizer.chat_template = read_text(
                template, "a chat template", limit=SETTINGS_BYTES, within=adapter
            )
        return tokenizer
    own = read_tokenizer(adapter)
    before, after = tokenizer.get_vocab(), own.get_vocab()
    by_index = sorted(before, key=before.__getitem__)
    other = next((text for text in by_index if after.get(text) != before[text]), None)
    if other is not None:
        raise InputError(
            f"the tokenizer in {adapter} reads {other!r} as token {after.get(other)}, the base's "
            f"as {before[other]}",
            "the base's tokenizer, perhaps with tokens added",
            "check which base the adapter_config.json names, or remove the tokenizer's files",
        )
    if rows is not None and max(after.values()) >= rows:
        raise InputError(
            f"the tokenizer in {adapter} has {len(after) - len(before)} tokens more than the base "
            f"(up to {max(after.values())}), and the model's embedding has {rows} rows",
            "an adapter that holds their rows (modules_to_save or trainable tokens)",
            "save it again with its embedding and head, as its training had them",
        )
    if own.chat_template is None:
        own.chat_template = tokenizer.chat_template
    return own


def digest_of(module: Any, dtype: torch.dtype | None = None) -> tuple[str, set[int]]:
    """Digest a model's weights; those that are one tensor count once.

    Args:
        module: The model.
        dtype: Digest numbers as they are in this type; None as they are.

    Returns:
        The digest, and the `id` of each parameter that was seen to be finite on the way.
    """
    tied = getattr(module, "all_tied_weights_keys", None) or {}
    tensors = module.state_dict(keep_vars=True)
    same = {name for name, source in tied.items() if _is_one(tensors, name, source)}
    finite: set[int] = set()
    kept = {k: v for k, v in tensors.items() if k not in same}
    return digest_tensors(kept, finite, dtype), finite


def _is_one(tensors: dict[str, torch.Tensor], name: str, source: str) -> bool:
    """Whether two names stand for one tensor: a file may hold a head that only should be tied."""
    a, b = tensors.get(name), tensors.get(source)
    return a is not None and b is not None and a.data_ptr() == b.data_ptr()


def digest_tensors(
    tensors: Mapping[str, torch.Tensor],
    finite: set[int] | None = None,
    dtype: torch.dtype | None = None,
) -> str:
    """Digest tensors by name, type, shape and bytes.

    Args:
        tensors: By name.
        finite: Gets the `id` of each one whose numbers are known to be finite; None asks nothing.
        dtype: Digest numbers as they are in this type; None as they are.
    """

    def rows() -> Iterator[tuple[str, str, tuple[int, ...], Iterator[memoryview]]]:
        for name in sorted(tensors):
            stored = tensors[name]
            tensor = stored.detach().cpu().contiguous()
            if dtype is not None and tensor.is_floating_point():
                tensor = tensor.to(dtype)
            kind = str(tensor.dtype).removeprefix("torch.")
            yield name, kind, tuple(tensor.shape), _stretches(tensor, id(stored), finite)

    return weights_digest(rows())


def _stretches(tensor: torch.Tensor, key: int, finite: set[int] | None) -> Iterator[memoryview]:
    """Yield a tensor's bytes; note in `finite` that it is, if float32 and so.

    Each stretch is looked at right after the digest has read it, while it lies in the processor's
    cache: a second pass over the memory would cost a twentieth of a load, this costs a fiftieth.
    """
    flat = tensor.reshape(-1)
    raw = flat.view(torch.uint8).numpy().data
    if finite is None or flat.dtype != torch.float32:
        yield raw
        return
    sound = True
    for start in range(0, flat.numel(), _STRETCH):
        stretch = flat[start : start + _STRETCH]
        yield raw[4 * start : 4 * (start + _STRETCH)]
        sound = sound and math.isfinite(torch.dot(stretch, stretch).item())
    if sound:
        finite.add(key)


def end_tokens(causal: Any, tokenizer: Any) -> frozenset[int]:
    """All tokens that end a turn: of the tokenizer, the config and the generation config."""
    found: set[int] = set()
    for ids in (
        tokenizer.eos_token_id,
        getattr(causal.config, "eos_token_id", None),
        getattr(getattr(causal, "generation_config", None), "eos_token_id", None),
    ):
        if isinstance(ids, int):
            found.add(ids)
        elif isinstance(ids, (list, tuple)):
            found.update(ids)
    return frozenset(found)
