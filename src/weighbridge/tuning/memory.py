"""Forecasts the memory of a tuning run; `process_memory` measures the real figure.

Formulas without gradient checkpointing, one forward pass of T positions (h hidden, f MLP,
k keys or values of a layer, L layers, V vocabulary, r rank). What is trained takes 16 bytes a
parameter in fp32: value, gradient and AdamW's two moments (Kingma & Ba 2014).
"""

from dataclasses import dataclass
from typing import Any

from weighbridge.models.key_values import key_value_heads
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
) -> MemoryForecast:
    """Forecast the peak of tuning a low-rank adapter on a frozen Llama-like model.

    Args:
        config: The model's configuration, as transformers has it.
        batch_tokens: Positions of the largest forward pass, padding included.
        trainable_parameters: The adapter's.
        rank: Of the adapter.
        dropout: On the adapter's input; above 0, each of the seven inputs is kept once more.
        resident_bytes: See `MemoryForecast`; `resident_memory_bytes()` once the base is loaded.
        element_bytes: Of an activation.
        kept_outputs: How many times each of the seven layers' outputs is kept besides.
    """
    widths = _Widths.of(config)
    kept = widths.kept_by_layer + 7 * rank  # A·x of seven layers
    kept += kept_outputs * widths.outputs
    if dropout > 0:
        kept += 5 * widths.hidden + widths.queries + widths.mlp
    return MemoryForecast(
        resident_bytes=resident_bytes,
        value_bytes=_FP32 * trainable_parameters,
        gradient_bytes=_FP32 * trainable_parameters,
        moment_bytes=2 * _FP32 * trainable_parameters,
        activation_bytes=widths.activations(batch_tokens, kept) * element_bytes,
        transient_bytes=widths.transients(batch_tokens) * element_bytes,
        logit_bytes=widths.logits(batch_tokens) * element_bytes,
    )


def forecast_whole(
    config: Any,
    batch_tokens: int,
    parameters: int,
    largest_parameter: int,
    resident_bytes: int,
) -> MemoryForecast:
    """Forecast the peak of training every parameter of a Llama-like model in fp32.

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
    return MemoryForecast(
        resident_bytes=resident_bytes,
        value_bytes=0,
        gradient_bytes=_FP32 * parameters,
        moment_bytes=2 * _FP32 * parameters,
        activation_bytes=widths.activations(batch_tokens, widths.kept_by_layer) * _FP32,
        transient_bytes=(widths.transients(batch_tokens) + largest_parameter) * _FP32,
        logit_bytes=(widths.logits(batch_tokens) + head) * _FP32,
    )


@dataclass(frozen=True)
class _Widths:
    """How many numbers one position takes in the parts of a model."""

    hidden: int
    mlp: int
    queries: int
    keys_and_values: int
    layers: int
    vocabulary: int

    @classmethod
    def of(cls, config: Any) -> "_Widths":
        # Fields of another name, or none at all (GPT-2's `n_inner`, Mamba), leave their usual
        # ratios.
        config = config.get_text_config() if hasattr(config, "get_text_config") else config
        hidden = _width(config, "hidden_size") or 1
        heads = _width(config, "num_attention_heads") or 1
        head_size = _width(config, "head_dim") or hidden // heads
        keys_and_values = max(layer.numbers for layer in key_value_heads(config))
        return cls(
            hidden=hidden,
            mlp=_width(config, "intermediate_size") or _width(config, "n_inner") or 4 * hidden,
            queries=heads * head_size,
            keys_and_values=keys_and_values or 2 * heads * head_size,  # a recurrence has neither
            layers=_width(config, "num_hidden_layers") or 1,
            vocabulary=_width(config, "vocab_size") or 1,
        )

    @property
    def kept_by_layer(self) -> int:
        """Residual and norm twice; queries, keys, values, attention's output; MLP.

        Of the MLP: gate, its SiLU, up and their product.
        """
        return 4 * self.hidden + 2 * self.queries + self.keys_and_values + 4 * self.mlp

    @property
    def outputs(self) -> int:
        """What a block's seven linear layers give."""
        return self.queries + self.keys_and_values + 2 * self.hidden + 2 * self.mlp

    def activations(self, tokens: int, kept: int) -> int:
        """What all layers keep, and what stands before and after them."""
        return tokens * (self.layers * kept + 2 * self.hidden)

    def transients(self, tokens: int) -> int:
        """Gradients of gate, up, their product and SiLU, with the residual's, of one layer."""
        return tokens * (4 * self.mlp + 4 * self.hidden)

    def logits(self, tokens: int) -> int:
        """One chunk of logits twice, and the hidden states' gradient."""
        return CHUNK_ROWS * self.vocabulary * 2 + tokens * self.hidden


def _width(config: Any, name: str) -> int | None:
    """Read a whole number; where layers differ, that of the widest."""
    places = list(getattr(config, "per_layer_config", None) or [config])
    found = []
    for place in places:
        value = getattr(place, name, None)
        # Some configurations hold one number for each layer.
        found += [x for x in (value if isinstance(value, list) else [value]) if isinstance(x, int)]
    return max(found, default=None)
