"""Which experts of a mixture had tokens to learn from: one that had none can have no gradient."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

_EXPERT = re.compile(r"^(.*\bexperts\.\d+)\.")


class Routing:
    """Listens to the experts of a model, which are modules, or slices of three-way tensors.

    Attributes:
        used: Modules of experts that had tokens.
        chosen: Of a module that holds experts as slices, the indices that tokens were sent to.
        told: Modules that were given indices at all.
    """

    def __init__(self, model: Any, trained: Mapping[str, torch.Tensor]) -> None:
        self.used: set[str] = set()
        self.chosen: dict[str, set[int]] = {}
        self.told: set[str] = set()
        self._hooks = []
        modules = dict(model.named_modules())
        owners = {name.rpartition(".")[0] for name, one in trained.items() if one.dim() > 2}
        for name in owners & modules.keys():
            hook = self._listener(name)
            self._hooks.append(modules[name].register_forward_pre_hook(hook, with_kwargs=True))
        experts = {found[1] for name in trained if (found := _EXPERT.match(name))}
        for name in experts & modules.keys():
            hook = self._user(name)
            self._hooks.append(modules[name].register_forward_pre_hook(hook, with_kwargs=True))

    def had_tokens(self, parameter: str, index: int | None) -> bool:
        """Whether a trained tensor, or a slice of it, had tokens to learn from.

        True for what belongs to no expert, and where it can't be told.
        """
        if found := _EXPERT.match(parameter):
            return found[1] in self.used
        owner = parameter.rpartition(".")[0]
        if index is None or owner not in self.told:
            return True
        return index in self.chosen[owner]

    def stop(self) -> None:
        """Listen no more."""
        for hook in self._hooks:
            hook.remove()

    def _listener(self, name: str) -> Callable[..., None]:
        def listen(module: Any, arguments: Any, named: Any) -> None:
            for value in (*arguments, *named.values()):
                if isinstance(value, torch.Tensor) and value.dtype in (torch.int32, torch.int64):
                    self.told.add(name)
                    self.chosen.setdefault(name, set()).update(value.unique().tolist())

        return listen

    def _user(self, name: str) -> Callable[..., None]:
        def use(module: Any, arguments: Any, named: Any) -> None:
            first = next((v for v in arguments if isinstance(v, torch.Tensor)), None)
            if first is None or first.numel():
                self.used.add(name)

        return use
