"""What scoring costs at least: the arithmetic of the distinct tokens, at the machine's own rate.

Linear layers take two operations per weight and token; the vocabulary counts only where a token is
predicted; attention takes four operations per head, width and key that a token sees.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def machine_flops_per_second(seconds: float = 0.5) -> float:
    """Return the rate of a float32 product of two 2048 x 2048 matrices, with torch's threads."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    a @ b
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        a @ b
        done += 1
    return 2 * 2048**3 * done / (time.perf_counter() - started)


def scoring_flops(network: Any, likelihoods: Sequence[Any]) -> float:
    """Return the least operations that score these likelihoods, each distinct token once.

    Args:
        network: A Llama-like `weighbridge.models.engine.network.Network`.
        likelihoods: `weighbridge.models.engine.scoring.Likelihood`s.
    """
    from weighbridge.models.engine.tree import build_tree

    config = network.causal.config
    width, heads = config.hidden_size, config.num_attention_heads
    head_width = getattr(config, "head_dim", None) or width // heads
    keys_width = config.num_key_value_heads * head_width
    a_layer = width * (heads * head_width) * 2 + width * keys_width * 2
    a_layer += 3 * width * config.intermediate_size
    tree = build_tree([np.concatenate([x.context, x.continuation[:-1]]) for x in likelihoods])
    seen = sum(
        (segment.end * (segment.end + 1) - segment.depth * (segment.depth + 1)) // 2
        for segment in tree.segments
    )
    predicting = {
        (*tree.locate(i, len(x.context) - 1 + k),)
        for i, x in enumerate(likelihoods)
        for k in range(len(x.continuation))
    }
    layers = config.num_hidden_layers
    linear = 2 * layers * a_layer * tree.tokens + 2 * width * config.vocab_size * len(predicting)
    return float(linear + 4 * layers * heads * head_width * seen)
