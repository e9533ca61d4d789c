"""What LoRA and its relatives have in common: an adapter in peft's format on a frozen base."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.records import Json
from weighbridge.tuning.method import Output

if TYPE_CHECKING:
    from torch import Tensor

    from weighbridge.tuning.held_out import HeldOut
    from weighbridge.tuning.lineage import LineageStep
    from weighbridge.tuning.merging import Merged
    from weighbridge.tuning.settings import TuneSettings


def _attached(
    module: Any,
    settings: "TuneSettings",
    base: str,
    folder: Path,
    notes: list[str],
    options: Mapping[str, Any],
) -> AbstractContextManager[Any]:
    from weighbridge.tuning.adapters import attached_adapter

    return attached_adapter(module, settings, base, notes, options)


def _is_neutral(model: Any, token_ids: "Tensor") -> None:
    from weighbridge.tuning.adapters import require_neutral

    require_neutral(model, token_ids)


def _saved(model: Any, folder: Path) -> None:
    from weighbridge.tuning.adapters import save_adapter

    save_adapter(model, folder)


def _loaded(module: Any, folder: Path) -> AbstractContextManager[Any]:
    from weighbridge.tuning.adapters import loaded_adapter

    return loaded_adapter(module, folder)


def _merged(model: Any) -> AbstractContextManager[None]:
    from weighbridge.tuning.merged_layers import merged_layers

    return merged_layers(model)


@dataclass(frozen=True)
class LowRank:
    """A method that peft does with its `LoraConfig`; see `Method` for what each part is.

    Attributes:
        name: The file's stem, with dashes.
        summary: One line of the help.
        title: What reports call it.
        defaults: Of the settings that depend on the method.
        source: Of the default learning rate, and of the method.
        options: What peft's `LoraConfig` is told beside rank, alpha, dropout and target.
        kept_outputs: How many times a layer's output is kept for the backward pass, beside what
            the base keeps; for the forecast of memory.
        attached: Puts a new adapter on the base.
        check: Checks that a new adapter changes no logit.
        saved: Writes the adapter in peft's format, so that it fits the base as it was.
        loads: Puts a saved adapter on the base, and takes it off again.
        merges: Adds each layer's update to its weight, and takes it away again.
        keeps_base: Whether the base's weights are used as they are.
        output: An adapter.
    """

    name: str
    summary: str
    title: str
    defaults: Mapping[str, Json]
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    kept_outputs: int = 0
    attached: Callable[..., AbstractContextManager[Any]] = _attached
    check: Callable[[Any, "Tensor"], None] = _is_neutral
    saved: Callable[[Any, Path], None] = _saved
    loads: Callable[[Any, Path], AbstractContextManager[Any]] = _loaded
    merges: Callable[[Any], AbstractContextManager[None]] = _merged
    keeps_base: bool = True
    output: Output = "adapter"

    def describe(self, settings: "TuneSettings") -> str:
        """Name the method with its rank, scale and layers."""
        target = settings.target
        where = target if isinstance(target, str) else ", ".join(target)
        ratio = settings.learning_rate_ratio
        rates = f", B at {ratio:g} times the rate" if ratio else ""
        where += " and the routed experts" if settings.experts else ""
        return f"{self.title}, rank {settings.rank}, alpha {settings.alpha:g}{rates}, on {where}"

    def prepared(
        self, module: Any, settings: "TuneSettings", base: str, folder: Path, notes: list[str]
    ) -> AbstractContextManager[Any]:
        """Lend the base with a new adapter on it, and take that off again."""
        return self.attached(module, settings, base, folder, notes, self.options)

    def trained(self, model: Any) -> "dict[str, Tensor]":
        """Return the adapter's parameters."""
        from weighbridge.tuning.adapters import adapter_parameters

        return adapter_parameters(model)

    def require_unchanged(self, model: Any, token_ids: "Tensor") -> None:
        """Check that the untrained adapter changes no logit."""
        self.check(model, token_ids)

    @contextmanager
    def accelerated(self, model: Any) -> Iterator[None]:
        """Let plain layers run as one function each, and experts group by group."""
        from weighbridge.models.grouped_experts import grouped_experts
        from weighbridge.tuning.fused import fused_lora

        with fused_lora(model), grouped_experts(model):
            yield

    def rate_factor(self, parameter: str, settings: "TuneSettings") -> float:
        """Return 1, or for B the ratio that the method sets between its rate and A's."""
        return (settings.learning_rate_ratio or 1.0) if ".lora_B." in parameter else 1.0

    def save(self, model: Any, tokenizer: Any, folder: Path) -> None:
        """Write the adapter in peft's format."""
        self.saved(model, folder)

    def loaded(self, module: Any, result: Path) -> AbstractContextManager[Any]:
        """Lend the base with a saved adapter on it."""
        return self.loads(module, result)

    def merged_in_place(self, model: Any) -> AbstractContextManager[None]:
        """Compute with weights that the update is added to, one layer at a time."""
        return self.merges(model)

    def merge(
        self,
        module: Any,
        tokenizer: Any,
        result: Path,
        path: Path,
        probe: "Tensor",
        held_out: "HeldOut | None" = None,
        origin: "Sequence[LineageStep]" = (),
    ) -> "Merged":
        """Add the update to the base's weights, and prove that nothing else changed."""
        from weighbridge.tuning.merging import merge_adapter

        return merge_adapter(module, tokenizer, result, path, probe, held_out, origin)
