"""Reads a GGUF file's rotary embeddings from its keys and tensors of factors.

llama.cpp keeps linear and YaRN scaling as `rope.scaling.*`, Llama 3.1's as a tensor with one factor
a frequency (`rope_freqs.weight`), LongRoPE's as two (`rope_factors_long.weight` and `_short`).
transformers wants all of them as `rope_parameters`.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from weighbridge.errors import InputError
from weighbridge.sources.gguf_header import GgufHeader
from weighbridge.sources.gguf_keys import Keys
from weighbridge.sources.regular_files import open_regular

FREQUENCIES = "rope_freqs.weight"
LONG, SHORT = "rope_factors_long.weight", "rope_factors_short.weight"
TABLES = frozenset({FREQUENCIES, LONG, SHORT})
_CLOSE = 1e-4  # factors are stored as float32
_DEFAULT_BASE = 10_000.0  # llama.cpp's, where the key is absent


def rotary_parameters(
    keys: Keys, header: GgufHeader, dimensions: int | None, context: int | None
) -> dict[str, Any]:
    """Return `rope_parameters`.

    Args:
        keys: The file's keys.
        header: The file's tensors.
        dimensions: Rotated dimensions of a head; None if unknown.
        context: Longest context, if the file states one.

    Raises:
        InputError: The file scales in a way that transformers can't express.
    """
    base = float(keys.take("rope.freq_base", _DEFAULT_BASE))
    factor = float(keys.take("rope.scaling.factor", keys.take("rope.scale_linear", 0)) or 1)
    kind = keys.take("rope.scaling.type", "linear")
    original = keys.take("rope.scaling.original_context_length") or context
    scaled = _SCALINGS.get(kind)
    if scaled is None:
        known = ", ".join(_SCALINGS)
        raise keys.refused("rope.scaling.type", f"one of: {known}")
    parameters = {"rope_theta": base, **scaled(keys, header, factor, original)}
    if FREQUENCIES in header.tensors:
        return _with_frequencies(parameters, keys, header, dimensions, original)
    return parameters


def _plain(keys: Keys, header: GgufHeader, factor: float, original: Any) -> dict[str, Any]:
    return {"rope_type": "default"}


def _linear(keys: Keys, header: GgufHeader, factor: float, original: Any) -> dict[str, Any]:
    if LONG in header.tensors:  # older files of LongRoPE models name no type
        return _long(keys, header, factor, original)
    _require(keys, "rope.scaling.attn_factor", (0, 1))
    return {"rope_type": "default"} if factor == 1 else {"rope_type": "linear", "factor": factor}


def _yarn(keys: Keys, header: GgufHeader, factor: float, original: Any) -> dict[str, Any]:
    """YaRN (arxiv.org/abs/2309.00071) as ggml computes it: its attention factor is 0.1 ln s + 1."""
    _require(keys, "rope.scaling.yarn_ext_factor", (1, -1))
    _require(keys, "rope.scaling.yarn_log_multiplier", (0,))
    stretch = float(keys.take("rope.scaling.attn_factor", 1) or 1)
    stretch *= float(keys.take("rope.scaling.yarn_attn_factor", 1) or 1)
    return {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": original,
        "attention_factor": stretch * (0.1 * math.log(factor) + 1.0),
        "beta_fast": float(keys.take("rope.scaling.yarn_beta_fast", 32.0)),
        "beta_slow": float(keys.take("rope.scaling.yarn_beta_slow", 1.0)),
    }


def _long(keys: Keys, header: GgufHeader, factor: float, original: Any) -> dict[str, Any]:
    """LongRoPE (arxiv.org/abs/2402.13753): one list of factors for short texts, one for long."""
    for name in (LONG, SHORT):
        if name not in header.tensors:
            raise InputError(
                f"{keys.where} says {keys.architecture}.rope.scaling.type = 'longrope' and has no "
                f"{name}",
                "both lists of factors",
                "convert the model to GGUF again, or use its safetensors",
            )
    parameters = {
        "rope_type": "longrope",
        "long_factor": read_floats(header, LONG).tolist(),
        "short_factor": read_floats(header, SHORT).tolist(),
        "original_max_position_embeddings": original,
    }
    stretch = keys.take("rope.scaling.attn_factor")
    return parameters | ({"attention_factor": float(stretch)} if stretch else {})


_SCALINGS: Mapping[str, Any] = {
    "none": _plain,
    "linear": _linear,
    "yarn": _yarn,
    "longrope": _long,
}


def _require(keys: Keys, key: str, values: tuple[Any, ...]) -> None:
    value = keys.take(key)
    if value is not None and value not in values:
        raise keys.refused(key, f"{' or '.join(map(str, values))} with this rope.scaling.type")


def _with_frequencies(
    parameters: dict[str, Any], keys: Keys, header: GgufHeader, dimensions: Any, original: Any
) -> dict[str, Any]:
    """Combine Llama 3.1's factors with the keys; as its own scaling if they match it."""
    factors = read_floats(header, FREQUENCIES)
    if dimensions and len(factors) != dimensions // 2:
        raise InputError(
            f"{keys.where}: {FREQUENCIES} has {len(factors)} factors",
            f"{dimensions // 2}, one for each frequency",
            "use the model's safetensors",
        )
    if parameters["rope_type"] == "linear":
        factors = factors * parameters.pop("factor")
    elif parameters["rope_type"] != "default":
        raise keys.refused("rope.scaling.type", f"none beside {FREQUENCIES}")
    base = parameters["rope_theta"]
    if np.allclose(factors, 1.0, rtol=_CLOSE):
        return {"rope_theta": base, "rope_type": "default"}
    known = _as_llama3(factors, base, original)
    if known:
        return {"rope_theta": base, **known}
    listed = [float(f) for f in factors]
    return {  # the same list for every length: what transformers has for any factors
        "rope_theta": base,
        "rope_type": "longrope",
        "long_factor": listed,
        "short_factor": listed,
        "attention_factor": 1.0,
        "original_max_position_embeddings": original,
    }


def _as_llama3(factors: "np.ndarray[Any, Any]", base: float, original: Any) -> dict[str, Any]:
    """Find the settings of Llama 3.1's scaling that give these factors; empty if none do."""
    n = len(factors)
    waves = 2 * math.pi * base ** (np.arange(n) / n)
    strengths = dict.fromkeys([round(float(factors.max()), 4), 8.0, 32.0, 4.0, 16.0, 2.0, 64.0])
    contexts = dict.fromkeys([8192, *(1 << power for power in range(4, 21)), original or 8192])
    for factor in strengths:
        for context in contexts:
            smooth = np.clip((context / waves - 1.0) / 3.0, 0.0, 1.0)  # low 1, high 4, always
            if np.allclose(factors, 1 / ((1 - smooth) / factor + smooth), rtol=_CLOSE):
                return {
                    "rope_type": "llama3",
                    "factor": factor,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": int(context),
                }
    return {}


def read_floats(header: GgufHeader, name: str) -> "np.ndarray[Any, Any]":
    """Read a small tensor of factors, stored as float32.

    Raises:
        InputError: It is stored in another way.
    """
    if header.types[name] != "F32":
        raise InputError(
            f"{name} is stored as {header.types[name]}", "F32", "use the model's safetensors"
        )
    if name in header.tables:
        return np.asarray(header.tables[name], dtype=np.float64)
    place = header.places[name]
    with open_regular(place.path) as file:
        file.seek(place.start)
        return np.frombuffer(file.read(place.length), dtype="<f4").astype(np.float64)
