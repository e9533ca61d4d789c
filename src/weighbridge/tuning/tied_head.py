"""A head that is one tensor with the embeddings, when an adapter changes only one of the two.

A merge writes into the layer's own tensor. Where head and embeddings are the same tensor, that
would change both, though adapter on base changed one. So the head gets a tensor of its own first;
afterwards both are tied again if they came out equal, and else the configuration says that they
are apart.
"""

from typing import Any

import torch


def part_head(module: Any) -> None:
    """Give the head its own tensor, if an adapter lies on it or on the embeddings.

    Args:
        module: The base inside a peft model.
    """
    entry, head = module.get_input_embeddings(), module.get_output_embeddings()
    if head is None or not (_is_adapted(entry) or _is_adapted(head)):
        return
    below, above = _innermost(entry), _innermost(head)
    if above.weight is below.weight:
        above.weight = torch.nn.Parameter(
            below.weight.detach().clone(), requires_grad=below.weight.requires_grad
        )


def settle_head(module: Any) -> Any:
    """Tie head and embeddings again where they are equal; else say in the config that they aren't.

    Args:
        module: The merged model.
    """
    entry, head = module.get_input_embeddings(), module.get_output_embeddings()
    if head is None or head.weight is entry.weight:
        return module
    config = module.config.get_text_config()
    if not getattr(config, "tie_word_embeddings", False):
        return module
    if torch.equal(head.weight, entry.weight):
        head.weight = entry.weight
        return module
    config.tie_word_embeddings = False
    module.config.tie_word_embeddings = False
    return module


def _is_adapted(layer: Any) -> bool:
    from weighbridge.models.peft_library import BaseTunerLayer, ModulesToSaveWrapper

    return isinstance(layer, (BaseTunerLayer, ModulesToSaveWrapper))


def _innermost(layer: Any) -> Any:
    """Return the layer of the base itself."""
    for name in ("base_layer", "original_module"):
        inner = getattr(layer, name, None)
        if inner is not None:
            return _innermost(inner)
    return layer
