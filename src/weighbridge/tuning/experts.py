"""What became of a mixture's experts in a run: used, trained, quantised and exported, by layer.

A router decides which expert a token is sent to, so an expert may learn nothing because no token
came. That is told. An expert that tokens came to and that was to be trained must have a gradient
after the first steps: else the run ends, since it would leave that expert as it was in silence.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighbridge.errors import WeighbridgeError
from weighbridge.models.grouped_experts import chain_of, is_grouped, outermost_wrappers
from weighbridge.models.nf4_experts import is_held_experts
from weighbridge.models.peft_library import ParamWrapper
from weighbridge.tuning.expert_layer import ExpertLayer, listed
from weighbridge.tuning.reach import ROUTER, expert_tensors
from weighbridge.tuning.tensors import read_tensors

CHECKED_STEPS = 3
"""Steps after which each expert that had tokens to learn from must have had a gradient."""
_LAYER = re.compile(r"\.(\d+)\.")


class ExpertWatch:
    """Counts where tokens are sent while a model is trained, and looks for missing gradients.

    Attributes:
        counts: Tokens of whole steps, by the experts' module and index.
    """

    def __init__(self, model: Any) -> None:
        self._modules, self._wrappers = _places(model)
        self._sizes = {
            name: next(len(p) for p in module.parameters(recurse=False) if p.dim() == 3)
            for name, module in self._modules.items()
        }
        self.counts = {name: self._zeros(name) for name in self._modules}
        self._running = {name: self._zeros(name) for name in self._modules}
        self._reached = {name: self._zeros(name) for name in self._wrappers}
        self._gradients = {name: self._zeros(name).double() for name in self._wrappers}
        self._index: dict[str, Tensor] = {}
        self._checking = True
        # A wrapper may run its module's experts without calling it.
        self._hooks = [
            self._wrappers.get(name, module).register_forward_pre_hook(
                self._counter(name), with_kwargs=True
            )
            for name, module in self._modules.items()
        ]
        self._hooks += [
            wrapper.register_full_backward_pre_hook(self._listener(name))
            for name, wrapper in self._wrappers.items()
        ]

    def _zeros(self, name: str) -> Tensor:
        return torch.zeros(self._sizes[name], dtype=torch.long)

    def begin(self, counts: Mapping[str, Sequence[int]]) -> None:
        """Go on from what a checkpoint holds; what was counted before the first step is dropped."""
        for name in self.counts:
            known = counts.get(name)
            self.counts[name] = self._zeros(name) if known is None else torch.tensor(known)
            self._running[name] = self._zeros(name)
            if name in self._reached:
                self._reached[name].zero_()

    def end_step(self) -> None:
        """Add what the step counted: one that is given up counts nothing."""
        for name, running in self._running.items():
            self.counts[name] = self.counts[name] + running
            self._running[name] = self._zeros(name)

    def plain(self) -> dict[str, tuple[int, ...]]:
        """Return the counts as a checkpoint holds them."""
        return {name: tuple(count.tolist()) for name, count in self.counts.items()}

    def require_gradients(self, step: int, last: int) -> None:
        """Look at a step's gradients; after the first steps, require one for each expert.

        Args:
            step: The step whose gradients are there now, counted from 1.
            last: The run's last step.

        Raises:
            WeighbridgeError: An expert that was to be trained had tokens and no gradient.
        """
        if not self._checking or not self._wrappers:
            return
        for name, wrapper in self._wrappers.items():
            self._gradients[name] += _gradient_of(wrapper, len(self._gradients[name]))
        if step < min(CHECKED_STEPS, last):
            return
        self._checking = False
        for name, wrapper in self._wrappers.items():
            silent = (self._reached[name] > 0) & (self._gradients[name] == 0)
            if bool(silent.any()):
                which = silent.nonzero()[:, 0].tolist()
                raise WeighbridgeError(
                    f"experts {listed(which)} of {name} were to be trained, had tokens to learn "
                    f"from, and have no gradient after {step} steps",
                    f"a gradient for each ({len(chain_of(wrapper))} adapters are on them)",
                    "leave experts out, or report this as a bug",
                )

    def _counter(self, name: str) -> Any:
        def count(module: Any, arguments: Any, named: Any) -> None:
            if not module.training:
                return
            for value in (*arguments, *named.values()):
                if isinstance(value, Tensor) and value.dtype in (torch.int32, torch.int64):
                    size = len(self._running[name])
                    sent = value.detach().reshape(-1).cpu()
                    self._running[name] += torch.bincount(sent, minlength=size)[:size]
                    self._index[name] = value.detach()

        return count

    def _listener(self, name: str) -> Any:
        def listen(module: Any, grads: Any) -> None:
            if not self._checking or name not in self._index:
                return
            learning = grads[0].reshape(len(self._index[name]), -1).abs().sum(1) > 0
            sent = self._index[name][learning].reshape(-1).cpu()
            size = len(self._reached[name])
            self._reached[name] += torch.bincount(sent, minlength=size)[:size]

        return listen

    def stop(self) -> None:
        """Listen no more."""
        for hook in self._hooks:
            hook.remove()


@contextmanager
def watched_experts(model: Any) -> Iterator[ExpertWatch | None]:
    """Watch a mixture's experts meanwhile; None for a model that holds none together."""
    if not _places(model)[0]:
        yield None
        return
    watch = ExpertWatch(model)
    try:
        yield watch
    finally:
        watch.stop()


def expert_layers(
    model: Any, counts: Mapping[str, Sequence[int]], adapter: Path | None
) -> tuple[ExpertLayer, ...]:
    """Return what became of each layer's experts; nothing for a dense model.

    Args:
        model: As it was trained.
        counts: Of `ExpertWatch.plain`.
        adapter: What was saved, in peft's format; None where a whole model was trained.
    """
    if not counts:
        return ()
    modules, wrappers = _places(model)
    saved = None if adapter is None else read_tensors(adapter / "adapter_model.safetensors")
    return tuple(
        _layer(model, name, modules[name], wrappers.get(name), counts[name], saved)
        for name in modules
        if name in counts
    )


def _layer(
    model: Any,
    name: str,
    module: Any,
    wrapper: Any,
    counts: Sequence[int],
    saved: Mapping[str, Tensor] | None,
) -> ExpertLayer:
    count, number = len(counts), _LAYER.search(name)
    unused = tuple(at for at, tokens in enumerate(counts) if not tokens)
    if saved is None:
        trained, exported = count - len(unused), count
    else:
        live = [] if wrapper is None else [_b_of(one) for one in chain_of(wrapper)]
        trained = _changed(live, count)
        exported = _changed([saved[one] for one in saved if _is_b_of(one, name)], count)
    return ExpertLayer(
        layer=int(number[1]) if number else 0,
        experts=count,
        used=count - len(unused),
        unused=unused,
        trained=trained,
        quantised=count if is_held_experts(module) else 0,
        exported=exported,
        router="trained" if _router_is_trained(model, name) else "frozen",
    )


def _places(model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the modules that hold experts, and peft's outermost wrappers of them, by name."""
    names = dict.fromkeys(name.rpartition(".")[0] for name in expert_tensors(model))
    found = {_bare(name): model.get_submodule(name) for name in names}
    modules = {name: module for name, module in found.items() if is_grouped(module)}
    outer = {id(one.get_base_layer()): one for one in outermost_wrappers(model)}
    wrappers = {name: outer[id(one)] for name, one in modules.items() if id(one) in outer}
    return modules, wrappers


def _router_is_trained(model: Any, experts: str) -> bool:
    block = experts.rpartition(".")[0]
    return any(
        ROUTER.match(_bare(name).removeprefix(f"{block}."))
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and _bare(name).startswith(f"{block}.")
    )


def _bare(name: str) -> str:
    """Return a name without what peft puts around and into it."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "")


def _b_of(wrapper: ParamWrapper) -> Tensor:
    (name,) = wrapper.active_adapters
    weight: Tensor = wrapper.lora_B[name].weight
    return weight


def _gradient_of(wrapper: Any, count: int) -> Tensor:
    """Return for each expert the sum of its gradients' sizes, over the tensors of a layer."""
    found = torch.zeros(count, dtype=torch.double)
    for one in chain_of(wrapper):
        grad = _b_of(one).grad
        if grad is not None:
            found += grad.detach().view(len(grad), -1, count).abs().sum((0, 1)).double().cpu()
    return found


def _changed(tensors: Sequence[Tensor], count: int) -> int:
    """Count experts for which some B isn't zero: each begins as zero."""
    found = torch.zeros(count, dtype=torch.bool)
    for tensor in tensors:
        found |= (tensor.detach().view(len(tensor), -1, count) != 0).any(0).any(0).cpu()
    return int(found.sum())


def _is_b_of(name: str, experts: str) -> bool:
    return _bare(name) == f"{experts}.lora_B.weight"
