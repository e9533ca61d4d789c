"""Precisions: how a served model's weights are held and multiplied."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weighbridge.catalog.accelerators import Accelerator
from weighbridge.errors import InputError, UnknownName
from weighbridge.planning.anatomy import element_bytes, read_scheme

_NVFP4 = {
    "quant_method": "compressed-tensors",
    "config_groups": {
        "all": {
            "weights": {
                "num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16,
                "symmetric": True,
            }
        }
    },
}  # fmt: skip


@dataclass(frozen=True)
class Precision:
    """A way to serve a model.

    Attributes:
        name: The name by which users ask for it.
        quantization: The `quantization_config` of such weights, for `planning.anatomy`; None for
            plain numbers of 16 bits.
        arithmetic: Types of arithmetic units that can multiply such weights, the fastest first.
        cache_bytes: Bytes of one number in the key-value cache, unless the user says otherwise.
    """

    name: str
    quantization: Mapping[str, Any] | None
    arithmetic: tuple[str, ...]
    cache_bytes: int


PRECISIONS = {
    each.name: each
    for each in (
        Precision("bf16", None, ("bf16",), 2),
        Precision("fp8", {"quant_method": "fp8"}, ("fp8",), 1),
        Precision("fp4", _NVFP4, ("fp4",), 1),
        Precision("int4", {"quant_method": "gptq", "bits": 4, "group_size": 128}, ("bf16",), 2),
    )
}
MXFP4 = Precision("fp4", {"quant_method": "mxfp4"}, ("fp4", "bf16"), 1)
"""gpt-oss's own format: only experts are FP4, and units without FP4 multiply them unpacked."""

_STORED_AS = {
    "fp8": "fp8",
    "finegrained_fp8": "fp8",
    "gptq": "int4",
    "awq": "int4",
    "mxfp4": "fp4",
}


def choose_precision(config: Mapping[str, Any], asked: str = "") -> Precision:
    """Return the precision that is asked for, or the one that a model is stored in.

    Args:
        config: The fields of a `config.json`.
        asked: A precision's name; "" for the one that the model is stored in.

    Raises:
        UnknownName: No such precision.
        InputError: None is asked for, and the model is stored in a way that has no rule here.
    """
    native = config.get("model_type") == "gpt_oss"
    name = asked.lower() or _stored_name(config, native)
    if name not in PRECISIONS:
        raise UnknownName("precision", asked, PRECISIONS)
    return MXFP4 if native and name == "fp4" else PRECISIONS[name]


def _stored_name(config: Mapping[str, Any], native: bool) -> str:
    scheme = read_scheme(config)
    if scheme is None:
        if not native and element_bytes(config) > PRECISIONS["bf16"].cache_bytes:
            return "bf16"  # float32 weights are served in bf16
        return "fp4" if native else "bf16"
    if scheme.method not in _STORED_AS:
        raise InputError(
            f"weights stored as {scheme.title}",
            f"one of {', '.join(PRECISIONS)}",
            "say with --precision what they are served in",
        )
    return _STORED_AS[scheme.method]


def arithmetic_flops(machine: Accelerator, precision: Precision) -> float:
    """Return the peak at which an accelerator multiplies weights of a precision.

    Raises:
        InputError: The accelerator has no units for such weights.
    """
    for units in precision.arithmetic:
        peak = machine.peak_flops(units)
        if peak is not None:
            return peak
    has = [n for n in PRECISIONS if _can(machine, PRECISIONS[n])]
    raise InputError(
        f"--precision {precision.name}: {machine.name} has no {precision.name} arithmetic",
        f"one of {', '.join(has)}",
    )


def _can(machine: Accelerator, precision: Precision) -> bool:
    return any(machine.peak_flops(units) is not None for units in precision.arithmetic)
