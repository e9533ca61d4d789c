"""A whole model on disk as transformers loads it, and one whose every parameter is trained."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.storage import PART
from weighbridge.tuning.tensors import read_tensors, write_tensors

WEIGHTS = "model.safetensors"


def write_model(module: Any, tokenizer: Any, folder: Path) -> None:
    """Write configuration, tokenizer and one safetensors file; only into a `whole_folder`."""
    config = module.config.to_dict()
    # A base that came from a GGUF file says so here; what is saved is plain.
    config.pop("quantization_config", None)
    config["architectures"] = [type(module).__name__]
    kind = str(module.dtype).removeprefix("torch.")
    if config.get("dtype") not in (None, kind):  # loading would make the weights that narrow again
        config["dtype"] = kind
    (folder / "config.json").write_text(
        json.dumps(config, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8"
    )
    if module.generation_config is not None:
        module.generation_config.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    write_tensors(folder / WEIGHTS, _untied(module))


def read_again(module: Any, folder: Path) -> Any:
    """Load what was written, and check that every tensor is there as it was, to the bit.

    A head that is tied to the embeddings is easily lost on the way.

    Raises:
        WeighbridgeError: One is not.
    """
    again = load_again(module, folder, module.dtype)
    written = again.state_dict()
    changed = [n for n, t in module.state_dict().items() if not torch.equal(t, written[n])]
    if changed:
        raise WeighbridgeError(
            f"{changed[0]} was not saved as it is in memory",
            "the same bits",
            "report this as a bug",
        )
    return again


def load_again(module: Any, folder: Path, dtype: Any) -> Any:
    """Load a model that `write_model` wrote, as the class that it was written from."""
    return (
        type(module)
        .from_pretrained(
            str(folder),
            dtype=dtype,
            attn_implementation=module.config._attn_implementation,
            local_files_only=True,
            use_safetensors=True,
        )
        .eval()
    )


@contextmanager
def in_training(module: Any, folder: Path) -> Iterator[Any]:
    """Yield a model with every parameter in float32 and open to training, and restore it.

    Meanwhile its own weights lie in a file in `folder`: in memory they would be a fifth number for
    each parameter. What a killed process leaves of that file, the next one removes.

    Raises:
        InputError: A parameter is no floating-point number.
        StorageError: The disk is full or can't be written.
    """
    for name, parameter in module.named_parameters():
        if not parameter.is_floating_point():
            raise InputError(
                f"{name} of {type(module).__name__} is stored as "
                f"{str(parameter.dtype).removeprefix('torch.')}",
                "floating-point numbers, which gradients can change",
                "tune it with --method lora",
            )
    before = folder / f".base.{os.getpid()}{PART}"
    open_to_training = {name: p.requires_grad for name, p in module.named_parameters()}
    write_tensors(before, _untied(module))
    try:
        for parameter in module.parameters():
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
        yield module
    finally:
        _restore(module, read_tensors(before))
        before.unlink(missing_ok=True)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(open_to_training[name])
            parameter.grad = None


@torch.no_grad()
def _restore(module: Any, tensors: dict[str, Tensor]) -> None:
    places = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    for name, tensor in tensors.items():
        place = places[name]
        if place.dtype == tensor.dtype:
            place.copy_(tensor)
        else:
            place.data = tensor.to(place.device)


def _untied(module: Any) -> dict[str, Tensor]:
    """Return the tensors with each storage once; loading ties the others again."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in module.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            tensors[name] = tensor
    return tensors
