"""Quantised weights in safetensors: the method, and the packages needed to read them."""

import importlib.util
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MissingPiece, WeighbridgeError
from weighbridge.models.bitsandbytes_library import bitsandbytes
from weighbridge.sources.documents import read_settings

# What transformers needs to read each method, as it names them when they are imported.
_NEEDED = {
    "bitsandbytes": ("bitsandbytes", "accelerate"),
    "gptq": ("optimum", "gptqmodel"),
    "awq": ("gptqmodel", "accelerate"),
    "auto-round": ("auto_round",),
    "compressed-tensors": ("compressed_tensors",),
    "torchao": ("torchao",),
    "hqq": ("hqq",),
    "aqlm": ("aqlm", "accelerate"),
    "vptq": ("vptq", "accelerate"),
    "quark": ("quark",),
    "fp8": ("accelerate",),
    "mxfp4": ("accelerate",),
    "bitnet": ("accelerate",),
}
_ON_PYPI = {"auto_round": "auto-round", "compressed_tensors": "compressed-tensors",
            "quark": "amd-quark"}  # fmt: skip
_PLAIN = "use the weights that these were quantised from, or a GGUF file of them"


def quantisation_method(folder: Path) -> str | None:
    """Name the method by which a folder's weights are quantised; None where they are plain.

    Raises:
        InputError: `config.json` can't be read, or holds a `quantization_config` that names no
            method.
    """
    config = read_settings(folder / "config.json", "a model's config.json", within=folder)
    said = _said(config) or _said(config.get("text_config"))
    if not said:
        return None
    if said.get("load_in_4bit") or said.get("load_in_8bit"):
        return "bitsandbytes"
    method = said.get("quant_method")
    if not isinstance(method, str) or not method:
        raise InputError(
            f"{folder / 'config.json'} has a quantization_config without a quant_method",
            "the method's name, such as bitsandbytes, gptq, awq or fp8",
            _PLAIN,
        )
    return method


def _said(config: Any) -> dict[str, Any] | None:
    if not isinstance(config, dict):
        return None
    said = config.get("quantization_config") or config.get("compression_config")
    return said if isinstance(said, dict) else None


def require_readable(folder: Path, method: str) -> None:
    """Refuse weights whose method is unknown, or whose packages are not installed.

    Raises:
        InputError: transformers would read them as if they were plain.
        MissingPiece: A package is missing.
    """
    from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

    known = {name.removesuffix("_4bit").removesuffix("_8bit") for name in AUTO_QUANTIZER_MAPPING}
    if method not in known:
        raise InputError(
            f"{folder} is quantised by {method!r}, which the installed transformers doesn't know",
            f"plain weights, or one of: {', '.join(sorted(known))}",
            _PLAIN,
        )
    if method == "bitsandbytes" and importlib.util.find_spec(method):
        bitsandbytes()  # before transformers imports it
    missing = [name for name in _NEEDED.get(method, ()) if not importlib.util.find_spec(name)]
    if missing:
        names = [_ON_PYPI.get(name, name) for name in missing]
        raise MissingPiece(
            f"{folder} is quantised by {method}, and {' and '.join(names)} "
            f"{'is' if len(names) == 1 else 'are'} not installed",
            "the packages that read it",
            f"pip install {' '.join(names)}, or {_PLAIN}",
        )


def not_read(folder: Path, method: str, error: Exception) -> WeighbridgeError:
    """Return what to raise where transformers could not read quantised weights, in its words."""
    said = " ".join(str(error).split()) or type(error).__name__
    kind = MissingPiece if isinstance(error, ImportError) else InputError
    return kind(
        f"{folder} is quantised by {method}, and transformers can't read it here ({said})",
        "a machine and packages that can",
        _PLAIN,
    )
