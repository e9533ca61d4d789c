"""Counts the bytes of base weights in a tuning run, and of the optimizer's moments and step."""

from weighbridge.planning.anatomy import Architecture, parameters, read_scheme, stored_bytes
from weighbridge.planning.tuning_memory.setup import TuningSetup

_BLOCK_OF_MOMENTS = 256
"""Number of 8-bit moments that share a float32 scale (bitsandbytes)."""


def weight_bytes(architecture: Architecture, setup: TuningSetup) -> int:
    """Return the bytes of the base weights, without sharding."""
    plain = setup.element_bytes
    if setup.method != "qlora":
        return plain * (parameters(architecture) + sum(w.parameters for w in architecture.vision))
    left = 4 if setup.float32_embeddings else plain
    scheme = read_scheme(
        {
            "dtype": {2: "bfloat16", 4: "float32"}[left],
            "quantization_config": {
                "load_in_4bit": True,
                "bnb_4bit_quant_type": "nf4",
                "bnb_4bit_use_double_quant": setup.double_quantised,
                "lm_head": setup.quantised_head,
            },
        }
    )
    stored = stored_bytes(architecture, scheme)
    assert stored is not None  # four bits have a rule
    return stored


def moment_bytes(trained: int, value_bytes: int, setup: TuningSetup) -> int:
    """Return the bytes of AdamW's two moments for so many trained numbers.

    Paged moments take none of the device's memory, because they are in the host's.
    """
    if setup.optimizer == "adamw-paged":
        return 0
    if setup.optimizer == "adamw-8bit":
        return 2 * (trained + 4 * -(-trained // _BLOCK_OF_MOMENTS))
    return 2 * value_bytes * trained


def step_bytes(trained: int, value_bytes: int, setup: TuningSetup) -> int:
    """Return a step's temporary: AdamW over all tensors at once takes roots of a whole moment.

    8-bit and paged optimizers work tensor by tensor, so their temporary is not counted.
    """
    return value_bytes * trained if setup.optimizer == "adamw" else 0


def largest_tensor(architecture: Architecture) -> int:
    """Count the parameters of the largest tensor; experts may be one."""
    inside = [weight for layer in architecture.kinds_of_layers for weight in layer.weights]
    return max(
        (w.held if w.kind == "stacked" else 1) * w.inputs * w.outputs
        for w in (*inside, *architecture.outer)
    )


def outer_parameters(architecture: Architecture) -> int:
    """Count embedding, last norm and head."""
    return sum(weight.parameters for weight in architecture.outer)


def head_size(architecture: Architecture) -> tuple[int, int]:
    """Return the head's vocabulary, and the width that it reads."""
    head = next(w for w in architecture.outer if w.name == "lm_head")
    return head.outputs, head.inputs


def largest_layer_parameters(architecture: Architecture) -> int:
    """Count the parameters of the largest layer."""
    return max(sum(w.parameters for w in layer.weights) for layer in architecture.kinds_of_layers)
