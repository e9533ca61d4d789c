"""Merging for as long as a forward pass takes: one layer at a time, undone to the bit.

So the merged model can be compared with the adapted one while nothing but one layer's weight is
held twice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from weighbridge.errors import InputError
from weighbridge.models.peft_library import BaseTunerLayer


@contextmanager
def merged_layers(
    adapted: Any, merge: "Callable[[Any], Callable[[], None]] | None" = None
) -> Iterator[None]:
    """Let each layer with an update run as a merge leaves it, then put it back.

    Args:
        adapted: The model.
        merge: Merges a layer and returns what takes that back; None is peft's own way.

    Raises:
        InputError: A layer's weight is another module's as well, which a merge would change too.
    """
    layers = {n: layer for n, layer in adapted.named_modules() if isinstance(layer, BaseTunerLayer)}
    _require_own_weights(adapted, layers)
    undoing: dict[str, Callable[[], None]] = {}
    hooks = []

    def before(name: str) -> Any:
        def put_together(layer: Any, arguments: Any) -> None:
            undoing[name] = (merge or merged_layer)(layer)

        return put_together

    def after(name: str) -> Any:
        def restore(layer: Any, arguments: Any, output: Any) -> None:
            undoing.pop(name)()

        return restore

    try:
        for name, layer in layers.items():
            hooks.append(layer.register_forward_pre_hook(before(name)))
            hooks.append(layer.register_forward_hook(after(name)))
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for restore in undoing.values():  # of a forward pass that failed
            restore()


def merged_layer(layer: Any) -> Callable[[], None]:
    """Merge a layer as peft does; return what takes that back."""
    base = layer.get_base_layer()
    kept = {name: parameter.data for name, parameter in base.named_parameters(recurse=False)}
    layer.merge(safe_merge=True)  # into a copy, so that what is kept stays as it is

    def restore() -> None:
        for name, parameter in base.named_parameters(recurse=False):
            parameter.data = kept[name]
        layer.merged_adapters.clear()

    return restore


def _require_own_weights(adapted: Any, layers: dict[str, Any]) -> None:
    wrapped: dict[int, str] = {}
    for name, layer in layers.items():
        for parameter in layer.get_base_layer().parameters(recurse=False):
            wrapped[parameter.data_ptr()] = name
    bases = {id(layer.get_base_layer()) for layer in layers.values()}
    for name, module in adapted.named_modules():
        if id(module) in bases or isinstance(module, BaseTunerLayer):
            continue
        for parameter in module.parameters(recurse=False):
            if (other := wrapped.get(parameter.data_ptr())) is not None:
                raise InputError(
                    f"{other}, which has an update, and {name} share one weight, so that a merge "
                    "would change both",
                    "layers whose weights are theirs alone",
                    f"leave {other.rpartition('.')[2]} out of target",
                )
