"""Forecasts the memory of a tuning run; `process_memory` measures the real figure.

What a layer keeps for the backward pass is counted by `planning.tuning_memory`, which `plan tune`
asks too. What is trained takes 16 bytes a parameter in fp32: value, gradient and AdamW's two
moments (Kingma & Ba 2014).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weighbridge.errors import InputError
from weighbridge.models.key_values import key_value_heads
from weighbridge.planning.anatomy import ALL_LINEAR, has_family, read_architecture
from weighbridge.planning.tuning_memory import WEIGHBRIDGE, TuningSetup
from weighbridge.planning.tuning_memory.activations import adapter_bytes, layer_bytes
from weighbridge.planning.tuning_memory.shapes import LayerShape, shape_of, usual_shape
from weighbridge.tuning.fused import CHUNK_ROWS

_FP32 = 4


@dataclass(frozen=True)
class MemoryForecast:
    """Bytes by cause; `peak_bytes` is the largest sum of those that stand together.

    Attributes:
        resident_bytes: What the process holds before tuning: interpreter, libraries, base weights.
        value_bytes: What is trained, where it isn't among the base's weights.
        gradient_bytes: Its gradients.
        moment_bytes: Its optimizer state.
        activation_bytes: Kept by the forward pass for the backward pass.
        transient_bytes: Largest temporaries of the backward pass beside those.
        logit_bytes: One chunk of logits, and the gradients that are made with it.
    """

    resident_bytes: int
    value_bytes: int
    gradient_bytes: int
    moment_bytes: int
    activation_bytes: int
    transient_bytes: int
    logit_bytes: int

    @property
    def peak_bytes(self) -> int:
        """Forecast peak of the process."""
        # Logits and the backward pass through the layers don't overlap.
        return (
            self.resident_bytes
            + self.value_bytes
            + self.gradient_bytes
            + self.moment_bytes
            + self.activation_bytes
            + max(self.transient_bytes, self.logit_bytes)
        )


def forecast_adapter(
    config: Any,
    batch_tokens: int,
    trainable_parameters: int,
    rank: int,
    dropout: float,
    resident_bytes: int,
    element_bytes: int = _FP32,
    kept_outputs: int = 0,
    target: str | tuple[str, ...] = ALL_LINEAR,
    unpacked_numbers: int = 0,
) -> MemoryForecast:
    """Forecast the peak of tuning a low-rank adapter on a frozen model.

    Args:
        config: The model's configuration, as transformers has it.
        batch_tokens: Positions of the largest forward pass, padding included.
        trainable_parameters: The adapter's.
        rank: Of the adapter.
        dropout: On the adapter's input; above 0, each adapted layer keeps an input of its own.
        resident_bytes: See `MemoryForecast`; `resident_memory_bytes()` once the base is loaded.
        element_bytes: Of an activation.
        kept_outputs: How many times each linear layer's output is kept besides.
        target: What is adapted, as in the settings.
        unpacked_numbers: Of the largest matrix that is held in four bits; 0 where none is.
    """
    widths = _Widths.of(config)
    names = (target,) if isinstance(target, str) else target
    setup = TuningSetup(
        method="qlora" if unpacked_numbers else "lora",
        rank=rank,
        targets=ALL_LINEAR if ALL_LINEAR in names else names,
        element_bytes=element_bytes,
        dropout=dropout > 0,
    )
    kept = sum(
        count
        * (
            layer_bytes(shape, setup, WEIGHBRIDGE)
            + adapter_bytes(shape, setup, WEIGHBRIDGE)
            + kept_outputs * element_bytes * sum(p.outputs for p in shape.products)
        )
        for shape, count in widths.layers
    )
    return MemoryForecast(
        resident_bytes=resident_bytes,
        value_bytes=_FP32 * trainable_parameters,
        gradient_bytes=_FP32 * trainable_parameters,
        moment_bytes=2 * _FP32 * trainable_parameters,
        activation_bytes=batch_tokens * (kept + widths.around * element_bytes),
        transient_bytes=(widths.transients(batch_tokens) + unpacked_numbers) * element_bytes,
        logit_bytes=widths.logits(batch_tokens) * element_bytes,
    )


def forecast_whole(
    config: Any,
    batch_tokens: int,
    parameters: int,
    largest_parameter: int,
    resident_bytes: int,
) -> MemoryForecast:
    """Forecast the peak of training every parameter of a model in fp32.

    Args:
        config: The model's configuration, as transformers has it.
        batch_tokens: Positions of the largest forward pass, padding included.
        parameters: Numbers trained.
        largest_parameter: Numbers in the largest of the tensors that are trained: a gradient of it
            is added to the one that is there, and AdamW makes one temporary of its size.
        resident_bytes: See `MemoryForecast`; the weights that are trained are among it.
    """
    widths = _Widths.of(config)
    head = widths.vocabulary * widths.hidden
    setup = TuningSetup(method="full", element_bytes=_FP32)
    kept = sum(count * layer_bytes(shape, setup, WEIGHBRIDGE) for shape, count in widths.layers)
    return MemoryForecast(
        resident_bytes=resident_bytes,
        value_bytes=0,
        gradient_bytes=_FP32 * parameters,
        moment_bytes=2 * _FP32 * parameters,
        activation_bytes=batch_tokens * (kept + widths.around * _FP32),
        transient_bytes=(widths.transients(batch_tokens) + largest_parameter) * _FP32,
        logit_bytes=(widths.logits(batch_tokens) + head) * _FP32,
    )


@dataclass(frozen=True)
class _Widths:
    """How many numbers one position takes in the parts of a model.

    Attributes:
        hidden: Of the residual stream.
        vocabulary: Of the head.
        layers: Each kind of layer, and how often it occurs.
    """

    hidden: int
    vocabulary: int
    layers: tuple[tuple[LayerShape, int], ...]

    @classmethod
    def of(cls, config: Any) -> "_Widths":
        config = config.get_text_config() if hasattr(config, "get_text_config") else config
        hidden = _width(config, "hidden_size") or 1
        return cls(
            hidden=hidden,
            vocabulary=_width(config, "vocab_size") or 1,
            layers=_known_layers(config) or ((_guessed(config, hidden), _layers(config)),),
        )

    @property
    def around(self) -> int:
        """What stands before the first layer and after the last."""
        return 2 * self.hidden

    def transients(self, tokens: int) -> int:
        """Gradients of gate, up, their product and SiLU, with the residual's, of one layer."""
        return tokens * max(4 * shape.inner + 4 * shape.hidden for shape, _ in self.layers)

    def logits(self, tokens: int) -> int:
        """One chunk of logits twice, and the hidden states' gradient."""
        return CHUNK_ROWS * self.vocabulary * 2 + tokens * self.hidden


def _known_layers(config: Any) -> tuple[tuple[LayerShape, int], ...]:
    """Return the layers of an architecture whose anatomy is known; nothing for another.

    Nothing for recurrent ones either: without their kernels they keep much that is not counted.
    """
    fields: Mapping[str, Any] = config.to_dict() if hasattr(config, "to_dict") else {}
    if not has_family(fields):
        return ()
    try:
        found = read_architecture(fields, "the model's configuration")
    except InputError:  # fields that this version of transformers names otherwise
        return ()
    kinds = found.kinds_of_layers
    if any(layer.state.recurrent for layer in kinds):
        return ()
    return tuple((shape_of(layer, found.hidden_size), count) for layer, count in kinds.items())


def _guessed(config: Any, hidden: int) -> LayerShape:
    """Return a layer of the usual kind; fields that are absent take their usual ratios."""
    heads = _width(config, "num_attention_heads") or 1
    queries = heads * (_width(config, "head_dim") or hidden // heads)
    both = max(layer.numbers for layer in key_value_heads(config))
    inner = _width(config, "intermediate_size") or _width(config, "n_inner") or 4 * hidden
    keys = both // 2 or queries  # a recurrence has neither
    return usual_shape(hidden, inner, heads, queries, keys)


def _layers(config: Any) -> int:
    return _width(config, "num_hidden_layers") or 1


def _width(config: Any, name: str) -> int | None:
    """Read a whole number; where layers differ, that of the widest."""
    places = list(getattr(config, "per_layer_config", None) or [config])
    found = []
    for place in places:
        value = getattr(place, name, None)
        # Some configurations hold one number for each layer.
        found += [x for x in (value if isinstance(value, list) else [value]) if isinstance(x, int)]
    return max(found, default=None)
