"""Which linear layers of a model can be held in four bits."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from weighbridge.models.read_past import READ_PAST

BLOCK = 64
"""Numbers that share a scale; a row must be whole blocks."""


def choose(module: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """Return the layers that can be held in four bits, and the names of the other linear ones."""
    head = module.get_output_embeddings()
    past = READ_PAST.get(module.config.model_type, ())
    owners = Counter(
        id(parameter) for part in module.modules() for parameter in part.parameters(recurse=False)
    )
    chosen, left = [], []
    for name, layer in _linear(module):
        fits = (
            layer is not head
            and matrix_of(layer).shape[1] % BLOCK == 0
            and owners[id(layer.weight)] == 1
            and name.rpartition(".")[2] not in past
        )
        if fits:
            chosen.append((name, layer))
        else:
            left.append(name)
    return chosen, left


def _linear(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the plain linear layers, by the classes that transformers puts into four bits."""
    from transformers.pytorch_utils import Conv1D

    for name, layer in module.named_modules():
        if type(layer) in (nn.Linear, Conv1D):
            yield name, layer


def matrix_of(layer: Any) -> Tensor:
    """Return a layer's weight as (outputs, inputs); GPT-2's layers hold it the other way round."""
    weight: Tensor = layer.weight
    return weight if isinstance(layer, nn.Linear) else weight.T
