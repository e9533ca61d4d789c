"""Weights, adapters and tokenizers from files: safetensors only, no code from the folder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from weighbridge.errors import InputError, MissingPiece
from weighbridge.models.quantised import not_read, quantisation_method, require_readable
from weighbridge.sources.digests import weights_digest


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


def read_model(folder: Path, dtype: torch.dtype, device: str) -> tuple[Any, Any]:
    """Read a model and its tokenizer from a folder: safetensors only, no code from the folder."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    import transformers
    from safetensors import SafetensorError

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    quantised = quantisation_method(folder)
    if quantised:
        require_readable(folder, quantised)
    try:
        module = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            config=_config_for(folder),
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        if quantised:
            raise not_read(folder, quantised, error) from error
        raise _not_loaded(folder, error) from error
    except (ImportError, RuntimeError, TypeError, AttributeError, NotImplementedError) as error:
        if quantised:
            raise not_read(folder, quantised, error) from error
        raise
    return module.to(device), read_tokenizer(folder)


def _config_for(folder: Path) -> Any:
    """Read a folder's configuration; attention is the best that the architecture itself has.

    transformers then takes torch's fused kernels where the architecture has code for them, and its
    plain attention elsewhere (soft caps, sinks, recurrences). What a file asks for, such as kernels
    of the machine that it was saved on, is left aside: it changes speed, not numbers.
    """
    import transformers

    config = transformers.AutoConfig.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True
    )
    config._attn_implementation = None
    return config


def read_tokenizer(folder: Path, gguf_file: str | None = None) -> Any:
    """Read a tokenizer from a model's folder, or from a GGUF file in it."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    import transformers

    transformers.utils.logging.set_verbosity_error()
    try:
        return transformers.AutoTokenizer.from_pretrained(
            folder, gguf_file=gguf_file, trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise _not_loaded(folder, error) from error


def _not_loaded(folder: Path, error: Exception) -> InputError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return InputError(
        f"{folder} can't be loaded ({first})",
        "whole safetensors, a config.json and a tokenizer that transformers knows",
        "check the folder, or fetch the model again",
    )


def with_adapter(module: Any, folder: Path) -> tuple[Any, str]:
    """Put an adapter on a model; return it with the adapter's digest.

    Raises:
        InputError: It does not fit the model.
    """
    from peft import PeftModel
    from safetensors import SafetensorError, safe_open

    try:
        wrapped = PeftModel.from_pretrained(module, folder, is_trainable=False)
        with safe_open(folder / "adapter_model.safetensors", "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"the adapter in {folder} can't be put on this model ({first})",
            "an adapter that was trained on it",
            "check which base the adapter_config.json names",
        ) from error
    return wrapped, _digest_tensors(tensors)


def digest_of(module: Any) -> str:
    """Digest of a model's weights; tied ones count once."""
    tied = set(getattr(module, "all_tied_weights_keys", None) or ())
    return _digest_tensors({k: v for k, v in module.state_dict().items() if k not in tied})


def _digest_tensors(tensors: dict[str, torch.Tensor]) -> str:
    def rows() -> Iterator[tuple[str, str, tuple[int, ...], memoryview]]:
        for name in sorted(tensors):
            tensor = tensors[name].detach().cpu().contiguous()
            raw = tensor.reshape(-1).view(torch.uint8).numpy()
            dtype = str(tensor.dtype).removeprefix("torch.")
            yield name, dtype, tuple(tensor.shape), raw.data

    return weights_digest(rows())


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
