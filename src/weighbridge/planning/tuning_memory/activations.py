"""Counts the bytes that one token's forward pass keeps for the backward pass, layer by layer.

The counts follow the rule of automatic differentiation: an operation keeps what its gradient needs.
A product with a frozen weight needs only that weight, not its input.
"""

from weighbridge.planning.anatomy import is_tuned
from weighbridge.planning.tuning_memory.setup import TuningSetup
from weighbridge.planning.tuning_memory.shapes import LayerShape, Product
from weighbridge.planning.tuning_memory.stacks import Stack

_FLOAT32 = 4
_MASK = 1  # bytes of dropout's mask per number


def layer_bytes(shape: LayerShape, setup: TuningSetup, stack: Stack) -> int:
    """Return the bytes that one token keeps in one layer, without those of an adapter."""
    kept = _norms(shape, setup) + _attention(shape, setup, stack) + _block(shape, setup)
    if setup.method == "full":
        kept += _unkept_inputs(shape, setup)
    if setup.method == "qlora" and stack.keeps_quantised_inputs:
        kept += _unkept_inputs(shape, setup)
    return kept


def _norms(shape: LayerShape, setup: TuningSetup) -> int:
    """Return the bytes that norms keep.

    An RMS norm keeps its input in float32, a layer norm in the input's own type; each also keeps
    its statistics. A trained RMS norm also keeps what it scales.
    """
    kept = 0
    for width, shifts in shape.norms:
        if shifts:
            kept += setup.element_bytes * width + 2 * _FLOAT32
        else:
            kept += _FLOAT32 * (width + 1)
            kept += setup.element_bytes * width if setup.method == "full" else 0
    return kept


def _attention(shape: LayerShape, setup: TuningSetup, stack: Stack) -> int:
    """Return the bytes that attention keeps.

    A fused kernel keeps queries, keys, values, its output and a sum for each head. A recurrent
    mixer is assumed to keep its inputs before and after its convolution.
    """
    grouped = shape.keys < shape.queries
    keys = shape.queries if grouped and stack.expands_keys else shape.keys
    values = shape.values if grouped and stack.expands_keys else shape.keys
    if shape.queries and not grouped and stack.joins_projections:
        values = shape.queries + 2 * shape.keys
    width = shape.queries + keys + values + shape.values + 2 * shape.recurrent
    return setup.element_bytes * width + _FLOAT32 * shape.heads


def _block(shape: LayerShape, setup: TuningSetup) -> int:
    """Return the bytes a token of the feed-forward block's inner width keeps for the backward pass.

    Without a gate that is the activation function's input; with one, its input, its output, and
    what the output is multiplied by.
    """
    return setup.element_bytes * shape.inner * (3 if shape.gated else 1)


def _unkept_inputs(shape: LayerShape, setup: TuningSetup) -> int:
    """Return inputs of products that nothing else keeps: norms' outputs, and the block's inner one.

    Attention's output is already kept by its kernel.
    """
    outputs = shape.hidden if shape.shares_norm else 2 * shape.hidden
    return setup.element_bytes * (outputs + shape.inner)


def product_inputs(shape: LayerShape, setup: TuningSetup) -> int:
    """Return the bytes of the inputs of all of a layer's products, each tensor once."""
    return _unkept_inputs(shape, setup) + setup.element_bytes * shape.values


def adapter_bytes(shape: LayerShape, setup: TuningSetup, stack: Stack) -> int:
    """Return the bytes that one token keeps in one layer for the gradients of LoRA."""
    adapted = tuple(p for p in shape.products if is_target(p, setup))
    width = stack.adapter_bytes
    kept = width * setup.rank * len(adapted)
    kept += stack.kept_outputs * setup.element_bytes * sum(p.outputs for p in adapted)
    if stack.adapter_input == "own in fp32" and setup.element_bytes < _FLOAT32:
        return kept + sum(_FLOAT32 * p.inputs for p in adapted)
    if stack.adapter_input == "dropped out":
        joined = [p for p in adapted if p.reads == "attention"]
        alone = [p for p in adapted if p.reads != "attention"]
        each = _MASK + setup.element_bytes
        if joined and stack.joins_projections:
            kept += each * shape.hidden + _scattered(shape, joined, setup)
        else:
            alone += joined
        return kept + sum(each * p.inputs for p in alone)
    return kept + _shared_inputs(shape, adapted, setup)


def _scattered(shape: LayerShape, joined: list[Product], setup: TuningSetup) -> int:
    """Return the updates that `index_copy` keeps to put them into a joint projection's columns."""
    every = shape.reading("attention")
    split = len(every) > 1 and len(joined) < len(every)
    return setup.element_bytes * sum(p.outputs for p in joined) if split else 0


def _shared_inputs(shape: LayerShape, adapted: tuple[Product, ...], setup: TuningSetup) -> int:
    """Return inputs that nothing else keeps, once for all adapters that read them.

    With dropout, each adapter keeps its own input after dropout, and the mask, instead.
    """
    if setup.dropout:
        return sum((_MASK + setup.element_bytes) * p.inputs for p in adapted)
    read = {product.reads for product in adapted}
    if shape.shares_norm and "block" in read:
        read.discard("attention")
    width = {"attention": shape.hidden, "block": shape.hidden, "inner": shape.inner}
    return setup.element_bytes * sum(width.get(what, 0) for what in read)


def is_target(product: Product, setup: TuningSetup) -> bool:
    """Whether LoRA adapts a product's weight."""
    if isinstance(setup.targets, str):
        if setup.experts is None:
            return product.is_linear
        return is_tuned(product.name, product.kind, setup.experts)
    return any(f".{product.name}".endswith(f".{one}") for one in setup.targets)
