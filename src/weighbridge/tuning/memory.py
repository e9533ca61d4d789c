"""Forecasts the memory of a tuning run; `process_memory` measures the real figure.

Formulas for LoRA on a frozen base without gradient checkpointing, one forward pass of T positions
(h hidden, f MLP, k = key-value heads x head size, L layers, V vocabulary, r rank). Adapters cost
16 bytes a parameter in fp32: value, gradient and AdamW's two moments (Kingma & Ba 2014).
"""

from dataclasses import dataclass
from typing import Any

from weighbridge.tuning.fused import CHUNK_ROWS


@dataclass(frozen=True)
class MemoryForecast:
    """Bytes by cause; `peak_bytes` is their sum.

    Attributes:
        resident_bytes: What the process holds before tuning: interpreter, libraries, base weights.
        adapter_bytes: Adapter values, gradients and optimizer state.
        activation_bytes: Kept by the forward pass for the backward pass.
        transient_bytes: Largest temporaries of the backward pass beside those.
        logit_bytes: One chunk of logits and the hidden states' gradient.
    """

    resident_bytes: int
    adapter_bytes: int
    activation_bytes: int
    transient_bytes: int
    logit_bytes: int

    @property
    def peak_bytes(self) -> int:
        """Forecast peak of the process."""
        # Logits and the backward pass through the layers don't overlap.
        return (
            self.resident_bytes
            + self.adapter_bytes
            + self.activation_bytes
            + max(self.transient_bytes, self.logit_bytes)
        )


def forecast_memory(
    config: Any,
    batch_tokens: int,
    trainable_parameters: int,
    rank: int,
    dropout: float,
    resident_bytes: int,
    element_bytes: int = 4,
) -> MemoryForecast:
    """Forecast the peak of tuning a Llama-like model.

    Args:
        config: The model's configuration, as transformers has it.
        batch_tokens: Positions of the largest forward pass, padding included.
        trainable_parameters: The adapter's.
        rank: Of the adapter.
        dropout: On the adapter's input; above 0, each of the seven inputs is kept once more.
        resident_bytes: See `MemoryForecast`; `resident_memory_bytes()` once the base is loaded.
        element_bytes: Of an activation.
    """
    # Fields of another name, or none at all (GPT-2's `n_inner`, Mamba), leave their usual ratios.
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    h = _width(config, "hidden_size") or 1
    f = _width(config, "intermediate_size") or _width(config, "n_inner") or 4 * h
    heads = _width(config, "num_attention_heads") or 1
    head_size = _width(config, "head_dim") or h // heads
    k = (_width(config, "num_key_value_heads") or heads) * head_size
    q = heads * head_size
    # Residual and norm twice; queries, keys, values and attention's output; gate, its SiLU, up and
    # their product; A·x of seven layers.
    kept = 4 * h + 2 * q + 2 * k + 4 * f + 7 * rank
    if dropout > 0:
        kept += 5 * h + q + f
    activations = (
        batch_tokens * ((_width(config, "num_hidden_layers") or 1) * kept + 2 * h) * element_bytes
    )
    # Gradients of gate, up, their product and SiLU, with the residual's, while a layer is undone.
    transient = batch_tokens * (4 * f + 4 * h) * element_bytes
    logits = (
        CHUNK_ROWS * (_width(config, "vocab_size") or 1) * element_bytes * 2
        + batch_tokens * h * element_bytes
    )
    return MemoryForecast(
        resident_bytes=resident_bytes,
        adapter_bytes=16 * trainable_parameters,
        activation_bytes=activations,
        transient_bytes=transient,
        logit_bytes=logits,
    )


def _width(config: Any, name: str) -> int | None:
    """Read a whole number; where layers differ, that of the widest."""
    places = list(getattr(config, "per_layer_config", None) or [config])
    found = []
    for place in places:
        value = getattr(place, name, None)
        # Some configurations hold one number for each layer.
        found += [x for x in (value if isinstance(value, list) else [value]) if isinstance(x, int)]
    return max(found, default=None)
