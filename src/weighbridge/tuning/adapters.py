"""Adapters in peft's format: attached, saved, and put on the base that they were trained on."""

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.models.adapters import put_on, require_patterns_end
from weighbridge.models.nf4_experts import follow_updates
from weighbridge.models.peft_library import (
    LoraConfig,
    get_peft_model,
    get_peft_model_state_dict,
)
from weighbridge.models.read_past import READ_PAST
from weighbridge.storage import whole_folder
from weighbridge.tuning.reach import linear_routers, reach_of
from weighbridge.tuning.settings import TuneSettings
from weighbridge.tuning.targets import passed_over, require_named
from weighbridge.tuning.tensors import write_tensors


@contextmanager
def attached_adapter(
    module: Any,
    settings: TuneSettings,
    base: str,
    said: list[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Any]:
    """Yield the model with a new LoRA adapter that leaves it unchanged (B = 0), and take it off.

    A's initial values come from torch's global generator, which the caller seeds.

    Args:
        module: The base.
        settings: Of the run.
        base: What the adapter's config names as its base.
        said: Gets what peft warns of while it attaches the adapter.
        options: What peft's `LoraConfig` is told besides.

    Raises:
        InputError: No layer has one of the names in `settings.target`.
    """
    target = settings.target if isinstance(settings.target, str) else list(settings.target)
    if not isinstance(target, str):
        require_named(module, target, _linear(module))
    _require_reached(module, target)
    reach = reach_of(
        module, target, bool(settings.experts), _left_out(module) or (),
        plain=not settings.dropout
        and not set(options or ()) - {"use_rslora"}
        and not getattr(module, "is_loaded_in_4bit", False),
    )  # fmt: skip
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=reach.modules,
        target_parameters=reach.parameters,
        task_type="CAUSAL_LM",
        exclude_modules=_left_out(module) if reach.modules == "all-linear" else None,
        **(options or {}),
    )
    require_patterns_end(module, {"target_modules": target}, "target")
    trainable = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    try:
        with _warnings_of_peft() as warned:
            adapted = get_peft_model(module, config)
    except (ValueError, TypeError, ImportError, RuntimeError, AttributeError, LookupError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"peft can't attach an adapter to {settings.target!r} of "
            f"{type(module).__name__} ({why})",
            f'"all-linear", or names of linear layers that this model has: {_linear(module)}',
            "correct target, or use another model",
        ) from error
    follow_updates(adapted)
    adapted.peft_config["default"].base_model_name_or_path = base
    if said is not None:
        said += dict.fromkeys((*warned, *reach.notes, *passed_over(module, target)))
    try:
        yield adapted
    finally:
        adapted.unload()
        for name, parameter in module.named_parameters():  # peft has frozen them
            parameter.requires_grad_(trainable[name])


def _require_reached(module: Any, target: str | list[str]) -> None:
    """Refuse named layers on which LoRA has no effect, or computes a wrong product."""
    for name, layer in module.named_modules():
        named = name.rpartition(".")[2] in target and not isinstance(target, str)
        if named and _own_product(layer):
            raise InputError(
                f"target {name.rpartition('.')[2]} of {type(module).__name__}: "
                f"{type(layer).__name__} multiplies in a way of its own, which LoRA doesn't follow",
                f'"all-linear", or other linear layers that this model has: {_linear(module)}',
                f"leave {name.rpartition('.')[2]} out of target",
            )
    past = [name for name in READ_PAST.get(module.config.model_type, ()) if name in target]
    if past and not isinstance(target, str):
        raise InputError(
            f"target {past[0]} of {type(module).__name__}: its code reads this layer's weight by "
            "itself, so an adapter there would change nothing",
            f'"all-linear", or other linear layers that this model has: {_linear(module)}',
            f"leave {past[0]} out of target",
        )


def _linear(module: Any) -> str:
    """List the names of linear layers that an adapter can change."""
    left_out = set(_left_out(module) or ())
    head = module.get_output_embeddings()
    names = {
        name.rsplit(".", 1)[-1]
        for name, layer in module.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not head and name not in left_out
    }
    return ", ".join(sorted(names)) or "none"


def _left_out(module: Any) -> list[str] | None:
    """Name the linear layers that "all-linear" can't mean; None if there are none.

    A router is linear by birth only (it gives a choice, not a product), grouped layers multiply
    each group by itself, and an adapter on what a recurrence reads for itself would never learn.
    """
    past = READ_PAST.get(module.config.model_type, ())
    routers = set(linear_routers(module))
    found = [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, torch.nn.Linear)
        and (name in routers or _own_product(layer) or name.rpartition(".")[2] in past)
    ]
    return found or None


def _own_product(layer: Any) -> bool:
    """Whether a layer is linear by class, and its model's code computes something else with it."""
    kind = type(layer)
    if not isinstance(layer, torch.nn.Linear) or not kind.__module__.startswith("transformers."):
        return False
    if kind.forward is torch.nn.Linear.forward:
        return "Router" in kind.__name__
    row = torch.ones(1, layer.in_features, dtype=layer.weight.dtype, device=layer.weight.device)
    try:
        with torch.no_grad():
            made, plain = layer(row), torch.nn.functional.linear(row, layer.weight, layer.bias)
    except RuntimeError:
        return True
    return not (isinstance(made, Tensor) and torch.allclose(made, plain, rtol=1e-3, atol=1e-5))


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


def adapter_config(adapted: Any) -> LoraConfig:
    """Return the adapter's configuration."""
    return adapted.peft_config["default"]


def adapter_tensors(adapted: Any) -> dict[str, Tensor]:
    """Return the adapter's tensors as peft names them in a file."""
    # Never "auto": that asks the Hub for the base's vocabulary.
    tensors: dict[str, Tensor] = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    return tensors


def save_adapter(adapted: Any, path: Path) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors``, both or neither.

    Raises:
        StorageError: The disk is full or can't be written.
    """
    write_adapter(adapter_config(adapted), adapter_tensors(adapted), path)


def write_adapter(
    config: LoraConfig,
    tensors: Mapping[str, Tensor],
    path: Path,
    beside: Mapping[str, str] | None = None,
) -> None:
    """Write a configuration and tensors as `save_adapter` does, and texts beside them by name."""
    config = copy.copy(config)
    config.inference_mode = True
    # A set's order differs from process to process; a saved file should not.
    config.target_modules = sorted(config.target_modules)
    if config.target_parameters:
        config.target_parameters = sorted(config.target_parameters)
    with whole_folder(path) as partial:
        write_tensors(partial / "adapter_model.safetensors", dict(tensors))
        config.save_pretrained(str(partial))
        for name, text in (beside or {}).items():
            (partial / name).write_text(text, encoding="utf-8")


def load_adapter(module: Any, adapter: Path) -> Any:
    """Put a saved adapter on its base, checked as `models.adapters.put_on` does.

    Raises:
        InputError: The adapter isn't there, doesn't fit the base, or changes nothing.
    """
    if not (adapter / "adapter_model.safetensors").is_file():
        raise InputError(f"no adapter in {adapter}", "adapter_model.safetensors", "check the path")
    return put_on(module, adapter).module


@contextmanager
def loaded_adapter(module: Any, adapter: Path) -> Iterator[Any]:
    """Yield the base with a saved adapter on it, and take it off."""
    trainable = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    adapted = load_adapter(module, adapter).eval()
    try:
        yield adapted
    finally:
        adapted.unload()
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(trainable[name])


@contextmanager
def _warnings_of_peft() -> Iterator[list[str]]:
    """Yield a list that gets what peft warns of."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    # peft asks transformers by a name that transformers has deprecated.
    texts = [str(warning.message) for warning in caught]
    said += [text for text in texts if "is_gradient_checkpointing" not in text]
