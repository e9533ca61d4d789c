"""Full fine-tuning: every parameter is trained in float32, and a whole model comes out.

It takes 16 bytes a parameter (value, gradient, AdamW's two moments) where LoRA takes 4, and
checkpoints of 12. The base that is lent for training is given back as it was: its weights lie in
the run's folder meanwhile, and not a second time in memory.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
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


@dataclass(frozen=True)
class Full:
    """See the file's docstring, and `Method` for what each part is."""

    name: str = "full"
    summary: str = "every parameter, at 16 bytes of memory each"
    defaults: Mapping[str, Json] = field(default_factory=lambda: {"learning_rate": 5e-5})
    source: str = "a tenth of LoRA's (Schulman et al. 2025, LoRA Without Regret)"
    output: Output = "model"
    keeps_base: bool = True

    def describe(self, settings: "TuneSettings") -> str:
        """Say what is trained."""
        return "Full fine-tuning: every parameter, in float32"

    def prepared(
        self, module: Any, settings: "TuneSettings", base: str, folder: Path, notes: list[str]
    ) -> AbstractContextManager[Any]:
        """Lend the base itself with every parameter open to training, and restore it."""
        from weighbridge.tuning.whole_model import in_training

        return in_training(module, folder)

    def trained(self, model: Any) -> "dict[str, Tensor]":
        """Return every parameter; tied ones once."""
        return dict(sorted(model.named_parameters()))

    def require_unchanged(self, model: Any, token_ids: "Tensor") -> None:
        """Nothing was put on the base, so there is nothing that could differ."""

    def accelerated(self, model: Any) -> AbstractContextManager[None]:
        """Compute as the model does."""
        return nullcontext()

    def rate_factor(self, parameter: str, settings: "TuneSettings") -> float:
        """Return 1: all learn at one rate."""
        return 1.0

    def save(self, model: Any, tokenizer: Any, folder: Path) -> None:
        """Write configuration, tokenizer and weights, and prove that they load to the same bits."""
        from weighbridge.storage import whole_folder
        from weighbridge.tuning.whole_model import read_again, write_model

        with whole_folder(folder) as partial:
            write_model(model, tokenizer, partial)
            read_again(model, partial)

    def loaded(self, module: Any, result: Path) -> AbstractContextManager[Any]:
        """Lend the saved model: the base isn't needed."""
        from weighbridge.tuning.whole_model import load_again

        return nullcontext(load_again(module, result, "auto").to(module.device))

    def merged_in_place(self, model: Any) -> AbstractContextManager[None]:
        """Compute as the model does: it is whole."""
        return nullcontext()

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
        """Copy the result: it is whole already, so there is nothing to merge."""
        from weighbridge.tuning.merging import copy_whole

        return copy_whole(result, path, origin)


METHOD = Full()
