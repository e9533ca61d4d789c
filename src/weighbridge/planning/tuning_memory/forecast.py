"""Forecasts the peak memory of a tuning run, item by item, from its configuration alone.

The peak comes at one of three moments. At the *loss*, memory holds all activations and the logits.
In the *backward* pass, it holds the activations and a layer's temporaries, but no logits any more.
At the optimizer's *step*, it holds all gradients and the step's temporaries.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

from weighbridge.planning.anatomy import Architecture, lora_parameters, parameters
from weighbridge.planning.tuning_memory import activations, weights
from weighbridge.planning.tuning_memory.setup import TuningSetup
from weighbridge.planning.tuning_memory.shapes import LayerShape, shape_of
from weighbridge.planning.tuning_memory.stacks import WEIGHBRIDGE, Stack

CONTEXT_BYTES = 500_000_000
"""Memory that the driver and the libraries hold before the first tensor: 0.4 to 0.6 GB on NVIDIA
devices of 2021 and later. The allocator's own figures don't contain it."""

FRAGMENTATION_SHARE = 0.081
"""Memory that PyTorch's allocator reserves beyond what tensors take, as a share of the memory that
is allocated anew in every step: the median over the 63 runs of peft's method comparison, which
`bench/memory_vs_published.py` recomputes. Weights and moments are allocated once and leave no gaps.
With `expandable_segments` the share is nearly 0."""

_EAGER = ("gemma2",)
"""Families whose attention caps its scores, for which PyTorch has no fused kernel."""
_EAGER_BYTES = 2 + 4 + 2
"""Bytes kept per score: its hyperbolic tangent, its softmax in float32, and the softmax in bf16."""

Moment = Literal["loss", "backward", "step"]


@dataclass(frozen=True)
class Footprint:
    """What an adapter adds to memory, for LoRA or any other method.

    Attributes:
        trainable_parameters: Number of trained parameters.
        value_bytes: Bytes of one trained parameter.
        token_bytes: Bytes kept for one token, over all layers.
        held_bytes: Bytes kept whatever the number of tokens, over all layers.
        row_tokens: Number of virtual tokens before each row.
    """

    trainable_parameters: int
    value_bytes: int = 4
    token_bytes: int = 0
    held_bytes: int = 0
    row_tokens: int = 0


@dataclass(frozen=True)
class TuningMemory:
    """A forecast peak, item by item.

    Attributes:
        moment: When the peak comes.
        weights_bytes: Base weights as they are stored, scales of quantised blocks included.
        adapter_bytes: The adapter's values and what it holds whatever the number of tokens.
        gradient_bytes: Gradients that exist at that moment.
        optimizer_bytes: The optimizer's moments.
        activation_bytes: What the layers keep for the backward pass.
        logit_bytes: Logits, their float32 copy and its gradient.
        buffer_bytes: Dequantised matrices and a layer's temporaries; at the step, the step's.
        gathered_bytes: Shards gathered from other devices.
        fragmentation_bytes: What the allocator reserves beyond what tensors take.
        context_bytes: Memory of the driver and the libraries; see `CONTEXT_BYTES`.
    """

    moment: Moment
    weights_bytes: int
    adapter_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    activation_bytes: int = 0
    logit_bytes: int = 0
    buffer_bytes: int = 0
    gathered_bytes: int = 0
    fragmentation_bytes: int = 0
    context_bytes: int = 0

    @property
    def items(self) -> dict[str, int]:
        """Bytes by item; they add up to the peak."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "moment"}

    @property
    def passing_bytes(self) -> int:
        """Memory that is allocated anew in every step."""
        standing = self.weights_bytes + self.adapter_bytes + self.optimizer_bytes
        return self.allocated_bytes - standing

    @property
    def peak_bytes(self) -> int:
        """Memory that the device must have."""
        return sum(self.items.values())

    @property
    def allocated_bytes(self) -> int:
        """Memory of tensors at the peak: `torch.cuda.max_memory_allocated`."""
        return self.peak_bytes - self.fragmentation_bytes - self.context_bytes

    @property
    def reserved_bytes(self) -> int:
        """Memory that the allocator reserves for tensors: `torch.cuda.max_memory_reserved`."""
        return self.peak_bytes - self.context_bytes


def lora_footprint(architecture: Architecture, setup: TuningSetup, stack: Stack) -> Footprint:
    """Return what LoRA adds to memory; nothing for full tuning."""
    if setup.method == "full":
        return Footprint(0, setup.element_bytes)
    shapes = _shapes(architecture)
    return Footprint(
        trainable_parameters=lora_parameters(
            architecture, setup.rank, setup.targets, setup.experts
        ),
        value_bytes=stack.adapter_bytes,
        token_bytes=sum(n * activations.adapter_bytes(s, setup, stack) for s, n in shapes),
    )


def forecast(
    architecture: Architecture,
    setup: TuningSetup,
    stack: Stack = WEIGHBRIDGE,
    adapter: Footprint | None = None,
    fragmentation_share: float = 0.0,
    context_bytes: int = 0,
) -> TuningMemory:
    """Forecast the peak memory of one device.

    Args:
        architecture: The model.
        setup: The run's settings.
        stack: The program that trains.
        adapter: What is trained beside the base; None for LoRA by `setup`.
        fragmentation_share: See `FRAGMENTATION_SHARE`; 0 forecasts the memory of tensors only.
        context_bytes: See `CONTEXT_BYTES`; 0 forecasts the allocator's figure.
    """
    adapter = adapter or lora_footprint(architecture, setup, stack)
    held = _held(architecture, setup, adapter)
    gradients = _gradient_bytes(architecture, setup, adapter)
    waiting = gradients if setup.accumulation > 1 or setup.method != "full" else 0
    kept = _activation_bytes(architecture, setup, stack, adapter)
    gathered = _gathered_bytes(architecture, setup)
    at_once = _trained(architecture, setup, adapter)
    if stack.steps_by_tensor:
        at_once = min(at_once, weights.largest_tensor(architecture))
    step = weights.step_bytes(at_once, adapter.value_bytes, setup)
    moments = (
        TuningMemory(
            moment="loss",
            gradient_bytes=waiting,
            activation_bytes=kept,
            logit_bytes=_logit_bytes(architecture, setup, stack, adapter),
            gathered_bytes=gathered,
            **held,
        ),
        TuningMemory(
            moment="backward",
            gradient_bytes=waiting,
            activation_bytes=kept,
            buffer_bytes=_buffer_bytes(architecture, setup, stack, adapter),
            gathered_bytes=gathered,
            **held,
        ),
        TuningMemory(
            moment="step",
            gradient_bytes=gradients,
            buffer_bytes=step // setup.devices,
            **held,
        ),
    )
    peak = max(moments, key=lambda memory: memory.peak_bytes)
    reserved = round(fragmentation_share * peak.passing_bytes)
    return replace(peak, fragmentation_bytes=reserved, context_bytes=context_bytes)


def _held(architecture: Architecture, setup: TuningSetup, adapter: Footprint) -> dict[str, int]:
    """Return the items that are the same at every moment."""
    trained = _trained(architecture, setup, adapter)
    moments = weights.moment_bytes(trained, adapter.value_bytes, setup)
    return {
        "weights_bytes": weights.weight_bytes(architecture, setup) // setup.devices,
        "adapter_bytes": adapter.value_bytes * adapter.trainable_parameters + adapter.held_bytes,
        "optimizer_bytes": moments // setup.devices,
    }


def _trained(architecture: Architecture, setup: TuningSetup, adapter: Footprint) -> int:
    return parameters(architecture) if setup.method == "full" else adapter.trainable_parameters


def _gradient_bytes(architecture: Architecture, setup: TuningSetup, adapter: Footprint) -> int:
    """Return the gradients: sharded, but whole where several passes add up before they are sent."""
    whole = adapter.value_bytes * _trained(architecture, setup, adapter)
    return whole if setup.accumulation > 1 else whole // setup.devices


def _tokens(setup: TuningSetup, adapter: Footprint) -> int:
    return setup.sequences * (setup.row_tokens + adapter.row_tokens)


def _activation_bytes(
    architecture: Architecture, setup: TuningSetup, stack: Stack, adapter: Footprint
) -> int:
    tokens, shapes = _tokens(setup, adapter), _shapes(architecture)
    layers = [(_layer_bytes(architecture, s, setup, stack, adapter), n) for s, n in shapes]
    by_adapter = tokens * adapter.token_bytes
    count = len(architecture.layers)
    if setup.checkpointing:
        inputs = tokens * setup.element_bytes * architecture.hidden_size * count
        return inputs + max(kept for kept, _ in layers) + by_adapter // count
    kept = sum(kept * n for kept, n in layers) + by_adapter
    if setup.method == "qlora" and stack.keeps_last_graph:
        kept += tokens * sum(n * activations.product_inputs(s, setup) for s, n in shapes)
    return kept


def _layer_bytes(
    architecture: Architecture,
    shape: LayerShape,
    setup: TuningSetup,
    stack: Stack,
    adapter: Footprint,
) -> int:
    """Return one layer's activations of all rows, with scores or masks of whole rows."""
    tokens = _tokens(setup, adapter)
    pairs = tokens * (setup.row_tokens + adapter.row_tokens)
    scores = setup.element_bytes if stack.keeps_masks else 0
    if architecture.model_type in _EAGER:
        scores = _EAGER_BYTES * shape.heads
    return tokens * activations.layer_bytes(shape, setup, stack) + pairs * scores


def _logit_bytes(
    architecture: Architecture, setup: TuningSetup, stack: Stack, adapter: Footprint
) -> int:
    words, width = weights.head_size(architecture)
    tokens = _tokens(setup, adapter)
    if setup.loss == "chunked" and stack.chunk_rows is not None:
        rows = min(stack.chunk_rows, tokens)
        gradient = setup.element_bytes * words * width if setup.method == "full" else 0
        return 2 * 4 * words * rows + setup.element_bytes * width * tokens + gradient
    whole = stack.whole_logit_bytes * words * tokens
    if setup.method != "qlora" or not setup.quantised_head:
        return whole
    # The head is dequantised for the last product, before the last float32 copy of the logits.
    return max(whole, whole - 4 * words * tokens + stack.dequantised_bytes * words * width)


def _buffer_bytes(
    architecture: Architecture, setup: TuningSetup, stack: Stack, adapter: Footprint
) -> int:
    """Return a layer's temporaries: gradients of its block's tensors, and a dequantised matrix."""
    shapes = [shape for shape, _ in _shapes(architecture)]
    widest = max(4 * shape.inner + 4 * shape.hidden for shape in shapes)
    largest = max((p.size for shape in shapes for p in shape.products), default=0)
    unpacked = max(stack.dequantised_bytes, setup.element_bytes)  # in the type it is multiplied in
    matrix = unpacked * largest if setup.method == "qlora" else 0
    return setup.element_bytes * widest * _tokens(setup, adapter) + matrix


def _gathered_bytes(architecture: Architecture, setup: TuningSetup) -> int:
    """Return whole copies of weights in use: the outer ones and two layers, with gradients."""
    if setup.devices == 1:
        return 0
    outer = weights.outer_parameters(architecture)
    layer = weights.largest_layer_parameters(architecture)
    gradients = 1 if setup.method == "full" else 0
    return setup.element_bytes * ((1 + gradients) * outer + (2 + gradients) * layer)


def _shapes(architecture: Architecture) -> list[tuple[LayerShape, int]]:
    return [
        (shape_of(layer, architecture.hidden_size), count)
        for layer, count in architecture.kinds_of_layers.items()
    ]
