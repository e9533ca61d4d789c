"""Adapters in peft's format: attached, saved, and merged into the base they were trained on."""

import copy
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.tuning.settings import TuneSettings
from weighbridge.tuning.storage import whole_folder, write_tensors

MERGE_TOLERANCE = 1e-4  # for logits of up to 10; in proportion beyond


@contextmanager
def attached_adapter(module: Any, settings: TuneSettings, base: str) -> Iterator[Any]:
    """Yield the model with a new LoRA adapter that leaves it unchanged (B = 0), and take it off.

    A's initial values come from torch's global generator, which the caller seeds.

    Raises:
        InputError: No layer has one of the names in `settings.target`.
    """
    target = settings.target if isinstance(settings.target, str) else list(settings.target)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=target,
        task_type="CAUSAL_LM",
    )
    try:
        with _quiet_peft():
            adapted = get_peft_model(module, config)
    except ValueError as error:
        raise InputError(
            f"can't attach an adapter to {settings.target!r}: {error}",
            '"all-linear" or names of linear layers',
            "correct target",
        ) from error
    adapted.peft_config["default"].base_model_name_or_path = base
    try:
        yield adapted
    finally:
        adapted.unload()


def adapter_parameters(adapted: Any) -> dict[str, Tensor]:
    """Return what is trained, by name, in a fixed order."""
    return dict(sorted((name, p) for name, p in adapted.named_parameters() if p.requires_grad))


@torch.no_grad()
def require_neutral(adapted: Any, token_ids: Tensor) -> None:
    """Check that a new adapter changes nothing: with B = 0 the logits agree to the last bit.

    Args:
        adapted: The model with its adapter, in evaluation mode.
        token_ids: Some text. (1, S)

    Raises:
        WeighbridgeError: They differ, so what is trained would not start from the base.
    """
    with_adapter = adapted(input_ids=token_ids, use_cache=False).logits
    with adapted.disable_adapter():
        without = adapted(input_ids=token_ids, use_cache=False).logits
    if not torch.equal(with_adapter, without):
        gap = (with_adapter - without).abs().max().item()
        raise WeighbridgeError(
            f"the untrained adapter changes the logits by up to {gap:.3g}",
            "none at all",
            "check the versions of peft and torch with `weighbridge doctor`",
        )


def save_adapter(adapted: Any, path: Path) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors``, both or neither.

    Raises:
        StorageError: The disk is full or can't be written.
    """
    config = copy.copy(adapted.peft_config["default"])
    config.inference_mode = True
    # A set's order differs from process to process; a saved file should not.
    config.target_modules = sorted(config.target_modules)
    # Never "auto": that asks the Hub for the base's vocabulary.
    tensors = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    with whole_folder(path) as partial:
        write_tensors(partial / "adapter_model.safetensors", tensors)
        config.save_pretrained(str(partial))


@dataclass(frozen=True)
class Merged:
    """A merged model on disk.

    Attributes:
        path: Folder with config, tokenizer and one safetensors file.
        max_logit_difference: Largest difference between adapter on base and the saved, reloaded
            model, over all positions of the probe.
        probe_tokens: Positions compared.
    """

    path: Path
    max_logit_difference: float
    probe_tokens: int


def merge_adapter(module: Any, tokenizer: Any, adapter: Path, path: Path, probe: Tensor) -> Merged:
    """Merge an adapter into its base and save the result, proven against adapter on base.

    `module` itself becomes the merged model, so that no second copy need be held. What was written
    is loaded again and compared (every tensor to the bit, logits within `MERGE_TOLERANCE`) before
    it takes the name `path`: a head that is tied to the embeddings is easily lost on the way.

    Args:
        module: The base that the adapter was trained on, in fp32.
        tokenizer: Saved beside it.
        adapter: Folder in peft's format.
        path: Where the merged model goes; replaced if it exists.
        probe: Some text. (1, S)

    Raises:
        InputError: The adapter isn't there, or doesn't fit the base.
        WeighbridgeError: Merged and adapted model disagree.
        StorageError: The disk is full or can't be written.
    """
    adapted = load_adapter(module, adapter).eval()
    with torch.no_grad():
        expected = adapted(input_ids=probe, use_cache=False).logits
    merged = adapted.merge_and_unload(safe_merge=True)
    with whole_folder(path) as partial:
        _write_model(merged, tokenizer, partial)
        difference = _reload_difference(merged, partial, probe, expected)
    return Merged(path, difference, int(probe.numel()))


def load_adapter(module: Any, adapter: Path) -> Any:
    """Put a saved adapter on its base.

    Raises:
        InputError: The adapter isn't there, or doesn't fit the base.
    """
    if not (adapter / "adapter_model.safetensors").is_file():
        raise InputError(f"no adapter in {adapter}", "adapter_model.safetensors", "check the path")
    try:
        with _quiet_peft():
            return PeftModel.from_pretrained(module, str(adapter), local_files_only=True)
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:120]
        raise InputError(
            f"the adapter in {adapter} doesn't fit this model: {reason}",
            "the base that it was trained on",
            "see base_model_name_or_path in its adapter_config.json",
        ) from error


def _write_model(merged: Any, tokenizer: Any, folder: Path) -> None:
    config = merged.config.to_dict()
    # A base that came from a GGUF file says so here; what is saved is plain fp32.
    config.pop("quantization_config", None)
    config["architectures"] = [type(merged).__name__]
    (folder / "config.json").write_text(
        json.dumps(config, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8"
    )
    if merged.generation_config is not None:
        merged.generation_config.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    write_tensors(folder / "model.safetensors", _untied(merged))


def _untied(merged: Any) -> dict[str, Tensor]:
    """Return the tensors with each storage once; loading ties the others again."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in merged.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            tensors[name] = tensor
    return tensors


@torch.no_grad()
def _reload_difference(merged: Any, folder: Path, probe: Tensor, expected: Tensor) -> float:
    again = (
        type(merged)
        .from_pretrained(
            str(folder),
            dtype=merged.dtype,
            attn_implementation=merged.config._attn_implementation,
            local_files_only=True,
            use_safetensors=True,
        )
        .eval()
    )
    written = again.state_dict()
    changed = [n for n, t in merged.state_dict().items() if not torch.equal(t, written[n])]
    if changed:
        raise WeighbridgeError(
            f"{changed[0]} was not saved as it was merged", "the same bits", "report this as a bug"
        )
    logits = again(input_ids=probe, use_cache=False).logits
    difference = float((logits - expected).abs().max().item())
    allowed = MERGE_TOLERANCE * max(1.0, float(expected.abs().max()) / 10)
    if not difference < allowed:
        raise WeighbridgeError(
            f"merging changes the logits by up to {difference:.3g}",
            f"less than {allowed:.3g}",
            "keep the adapter apart from its base",
        )
    return difference


@contextmanager
def _quiet_peft() -> Iterator[None]:
    with warnings.catch_warnings():
        # peft asks transformers by a name that transformers has deprecated.
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing", category=FutureWarning
        )
        yield
