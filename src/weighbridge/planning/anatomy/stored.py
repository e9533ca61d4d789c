"""Computes how many bytes a model's weights take as its `quantization_config` says they are stored.

Each rule gives the bytes of one matrix, scales and zero points included. Weights that are not
quantised (embeddings, norms, routers, the head, and what the configuration lists) take the bytes of
the model's own type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from weighbridge.errors import InputError
from weighbridge.patterns import ForeignPattern
from weighbridge.planning.anatomy.parts import Architecture, Weight

BYTES_OF = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
_FLOAT32, _FLOAT16, _INT32 = 4, 2, 4
_LISTS = (
    "modules_to_not_convert", "ignored_layers", "ignore", "llm_int8_skip_modules",
    "exclude_modules",
)  # fmt: skip
_ALWAYS_LEFT = ("embedding", "norm", "router")
_NOT_LISTED = ("lm_head",)  # what transformers doesn't quantise, unless the configuration says so


@dataclass(frozen=True)
class Scheme:
    """A way of storing weights.

    Attributes:
        method: `quant_method`, such as fp8 or gptq.
        title: The method with its numbers, such as "gptq, 4 bits in groups of 128".
        matrix_bytes: Maps a matrix's inputs and outputs to its bytes; None where no rule is known.
        left: Names of modules that are not quantised, or patterns of them.
        experts_only: Whether only experts are quantised (gpt-oss).
        element_bytes: Bytes of one number that is not quantised.
    """

    method: str
    title: str
    matrix_bytes: Callable[[int, int], int] | None
    left: tuple[str, ...]
    experts_only: bool = False
    element_bytes: int = 2


def read_scheme(config: Mapping[str, Any]) -> Scheme | None:
    """Read how a model's weights are stored; None where nothing says that they are quantised.

    For a method that has no rule here, `matrix_bytes` is None, so that nothing is guessed.

    Args:
        config: The fields of a `config.json`.
    """
    found = _settings(config)
    if found is None:
        return None
    method = found.get("quant_method") or _producer(found)
    if method is None and (found.get("load_in_4bit") or found.get("load_in_8bit")):
        method = "bitsandbytes"
    rule = _RULES.get(str(method))
    title, matrix_bytes = (str(method), None) if rule is None else rule(found)
    return Scheme(
        method=str(method),
        title=title,
        matrix_bytes=matrix_bytes,
        left=_left(found),
        experts_only=method == "mxfp4",
        element_bytes=element_bytes(config),
    )


def element_bytes(config: Mapping[str, Any]) -> int:
    """Return the bytes of one number in the configuration's type; 2 where it names none."""
    text = config.get("text_config")
    nested = text if isinstance(text, Mapping) else {}
    for fields in (config, nested):
        named = fields.get("dtype") or fields.get("torch_dtype")
        if isinstance(named, str) and named.removeprefix("torch.") in BYTES_OF:
            return BYTES_OF[named.removeprefix("torch.")]
    return 2


def stored_bytes(
    architecture: Architecture, scheme: Scheme | None, plain_bytes: int = 2
) -> int | None:
    """Return the bytes of a model's weights, its vision tower's included.

    Args:
        architecture: The model.
        scheme: How the weights are stored; None for plain numbers.
        plain_bytes: Bytes of one plain number, where `scheme` is None.

    Returns:
        The bytes; None where the scheme has no rule.
    """
    if scheme is not None and scheme.matrix_bytes is None:
        return None
    size = plain_bytes if scheme is None else scheme.element_bytes
    total = size * sum(weight.parameters for weight in architecture.vision)
    for weight in architecture.outer:
        total += _weight_bytes(weight, scheme, size, weight.name)
    for index, layer in enumerate(architecture.layers):
        for weight in layer.weights:
            total += _weight_bytes(weight, scheme, size, f"model.layers.{index}.{weight.name}")
    return total


def _weight_bytes(weight: Weight, scheme: Scheme | None, size: int, name: str) -> int:
    if scheme is None or scheme.matrix_bytes is None or not _is_stored_so(weight, scheme, name):
        return size * weight.parameters
    bias = size * weight.outputs if weight.bias else 0
    return weight.held * (_each(weight, scheme.matrix_bytes) + bias)


def _each(weight: Weight, rule: Callable[[int, int], int]) -> int:
    """Return one copy's bytes; experts' gate and up are stored as two matrices."""
    if weight.kind == "stacked" and weight.name.endswith("gate_up_proj"):
        return 2 * rule(weight.inputs, weight.outputs // 2)
    return rule(weight.inputs, weight.outputs)


def _is_stored_so(weight: Weight, scheme: Scheme, name: str) -> bool:
    if weight.role in _ALWAYS_LEFT or weight.kind not in ("linear", "stacked"):
        return False
    if scheme.experts_only:
        return weight.kind == "stacked"
    return not any(_matches(pattern, name) for pattern in scheme.left)


def _matches(pattern: str, name: str) -> bool:
    """Whether a list's entry means this name: the whole name, some of its parts, or a pattern."""
    if pattern.startswith("re:"):
        try:
            (found,) = ForeignPattern(pattern[3:], "a quantisation's ignore").match([name])
        except InputError:
            return False
        return found
    plain = pattern.replace("model.language_model.", "model.").replace("language_model.", "")
    if "*" in plain:
        return _wildcards_match(plain.split("*"), name)
    return name == plain or name.startswith(f"{plain}.") or f".{plain}." in f".{name}."


def _wildcards_match(pieces: list[str], name: str) -> bool:
    """Whether a name contains the pieces in their order, and begins with the first.

    The last piece must end where a part of the name ends. Each piece is searched once, from left to
    right, so that no pattern backtracks.
    """
    first, *middle, last = pieces
    if not name.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        found = name.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    while (found := name.find(last, at)) >= 0:
        end = found + len(last)
        if end == len(name) or name[end] == ".":
            return True
        at = found + 1
    return False


def _settings(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    text = config.get("text_config")
    for fields in (config, text if isinstance(text, Mapping) else {}):
        for name in ("quantization_config", "compression_config"):
            found = fields.get(name)
            if isinstance(found, Mapping) and found:
                return found
    return None


def _producer(found: Mapping[str, Any]) -> object:
    """Return the tool that wrote the configuration, where no method is named (ModelOpt)."""
    producer = found.get("producer")
    return producer.get("name") if isinstance(producer, Mapping) else None


def _left(found: Mapping[str, Any]) -> tuple[str, ...]:
    listed = [found[n] for n in _LISTS if isinstance(found.get(n), list | tuple)]
    given = tuple(str(entry) for each in listed for entry in each)
    if found.get("lm_head") is True:  # gptq, where the head is quantised too
        return given
    return given if "lm_head" in given else (*given, *_NOT_LISTED)


def _whole(found: Mapping[str, Any], name: str, default: int) -> int:
    value = found.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value else default


Rule = tuple[str, Callable[[int, int], int] | None]


def _sides(block: Any) -> tuple[int, int]:
    """Return a block's outputs and inputs; 128 by 128 where none is named."""
    good = isinstance(block, list) and len(block) == 2
    if good and all(isinstance(side, int) and side > 0 for side in block):
        return block[0], block[1]
    return 128, 128


def _fp8(found: Mapping[str, Any]) -> Rule:
    """One byte per element, and a float32 scale per block or per matrix."""
    if found.get("weight_block_size") is None:
        return "fp8, a scale a matrix", lambda inputs, outputs: inputs * outputs + _FLOAT32
    high, wide = _sides(found["weight_block_size"])
    return (
        f"fp8 in blocks of {high} by {wide}",
        lambda i, o: i * o + _FLOAT32 * -(-o // high) * -(-i // wide),
    )


def _bitsandbytes(found: Mapping[str, Any]) -> Rule:
    """4 bits, and a float32 per block of 64, or a byte per block and a float32 per 256 blocks.

    8 bits: a float32 per row.
    """
    if found.get("load_in_8bit"):
        return "bitsandbytes int8", lambda inputs, outputs: inputs * outputs + _FLOAT32 * outputs
    kind = str(found.get("bnb_4bit_quant_type") or "fp4")
    if found.get("bnb_4bit_use_double_quant"):
        return f"bitsandbytes {kind}, scales in 8 bits", _four_bits_twice
    one = f"bitsandbytes {kind}"
    return one, lambda i, o: -(-i * o // 2) + _FLOAT32 * (-(-i * o // 64) + 16)


def _four_bits_twice(inputs: int, outputs: int) -> int:
    blocks = -(-inputs * outputs // 64)
    tables = _FLOAT32 * (16 + 256)
    return -(-inputs * outputs // 2) + blocks + _FLOAT32 * -(-blocks // 256) + tables


def _gptq(found: Mapping[str, Any]) -> Rule:
    """Packed elements, a float16 scale and zero point per group and output, and group indices."""
    bits, group = _whole(found, "bits", 4), _whole(found, "group_size", 128)

    def matrix(inputs: int, outputs: int) -> int:
        groups = -(-inputs // group) if group > 0 else 1
        packed = inputs * outputs * bits // 8 + groups * outputs * bits // 8
        return packed + _FLOAT16 * groups * outputs + _INT32 * inputs

    named = f"groups of {group}" if group > 0 else "one group an output"
    return f"gptq, {bits} bits in {named}", matrix


def _awq(found: Mapping[str, Any]) -> Rule:
    """The same as GPTQ, without the list of group indices."""
    bits, group = _whole(found, "bits", _whole(found, "w_bit", 4)), _whole(found, "group_size", 128)
    if group == 128 and found.get("q_group_size"):
        group = _whole(found, "q_group_size", 128)

    def matrix(inputs: int, outputs: int) -> int:
        groups = -(-inputs // group) if group > 0 else 1
        return (inputs + groups) * outputs * bits // 8 + _FLOAT16 * groups * outputs

    return f"awq, {bits} bits in groups of {group}", matrix


def _mxfp4(found: Mapping[str, Any]) -> Rule:
    """4 bits per element and a byte for 32 of them (OCP microscaling formats, version 1.0)."""
    return "mxfp4 in blocks of 32, experts only", lambda i, o: o * (-(-i // 2) + -(-i // 32))


def _compressed_tensors(found: Mapping[str, Any]) -> Rule:
    """Elements of the stated bits, and a bf16 scale per matrix, row, group or block."""
    groups = found.get("config_groups")
    kinds = list(groups.values()) if isinstance(groups, Mapping) else []
    weights = kinds[0].get("weights") if kinds and isinstance(kinds[0], Mapping) else None
    if len(kinds) != 1 or not isinstance(weights, Mapping):
        return "compressed-tensors of several schemes", None
    bits, size = weights.get("num_bits"), _whole(weights, "group_size", 0)
    strategy, kind = weights.get("strategy"), weights.get("type", "int")
    strategy = strategy or ("group" if size else "tensor")  # as the package reads its absence
    known = ("tensor", "channel", "group", "tensor_group", "block")
    if bits not in (4, 8) or strategy not in known:
        return f"compressed-tensors of {bits} bits by {strategy}", None
    if strategy in ("group", "tensor_group") and size <= 0:
        return f"compressed-tensors by {strategy} without a size", None

    high, wide = _sides(weights.get("block_structure"))

    def scales(inputs: int, outputs: int) -> int:
        if strategy == "tensor":
            return 2
        if strategy == "channel":
            return 2 * outputs
        if strategy == "tensor_group":  # nvfp4: a byte a group, and a float32 for the matrix
            return outputs * -(-inputs // size) + _FLOAT32
        if strategy == "block":
            return 2 * -(-outputs // high) * -(-inputs // wide)
        zeros = 0 if weights.get("symmetric", True) else outputs * -(-inputs // size) * bits // 8
        return 2 * outputs * -(-inputs // size) + zeros

    named = f"{strategy} of {size}" if size else str(strategy)
    return (
        f"compressed-tensors, {bits}-bit {kind} by {named}",
        lambda inputs, outputs: -(-inputs * bits // 8) * outputs + scales(inputs, outputs),
    )


_RULES: Mapping[str, Callable[[Mapping[str, Any]], Rule]] = {
    "fp8": _fp8,
    "finegrained_fp8": _fp8,
    "bitsandbytes": _bitsandbytes,
    "gptq": _gptq,
    "awq": _awq,
    "mxfp4": _mxfp4,
    "compressed-tensors": _compressed_tensors,
}
