"""The two seams of tuning: which weights change, and what is learnt.

Three lines to add a method: write `methods/NAME.py`; define `METHOD` in it, an object that does
what `Method` says (`low_rank.LowRank` does it for whatever peft calls LoRA); run the contract
tests. An objective is added in the same way, in `objectives/`. Both are found by the file's name,
with dashes for underscores, so nothing else is touched.

This file and those in both folders import torch and peft only inside their functions: a project
file is checked, and help is shown, without them.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

from weighbridge.records import Json
from weighbridge.tuning.rows import RowKind

if TYPE_CHECKING:
    from torch import Tensor

    from weighbridge.tuning.batches import Batch
    from weighbridge.tuning.held_out import HeldOut
    from weighbridge.tuning.lineage import LineageStep
    from weighbridge.tuning.masks import MaskedRow
    from weighbridge.tuning.merging import Merged
    from weighbridge.tuning.paired_rows import LearntRow
    from weighbridge.tuning.plan import LengthReport, Overflow
    from weighbridge.tuning.rewards import RewardPair
    from weighbridge.tuning.rows import TuningRow
    from weighbridge.tuning.settings import TuneSettings

Output = Literal["adapter", "model"]
"""What comes out: an adapter in peft's format, or a whole model as transformers loads it."""

Arrangement = Literal["padded", "packed", "tree"]
"""How the rows of a forward pass are laid out; see `batches`."""

ARRANGEMENTS: tuple[Arrangement, ...] = get_args(Arrangement)


@runtime_checkable
class Method(Protocol):
    """Which weights are trained, from what start, and in what form they come out."""

    @property
    def name(self) -> str:
        """The name at the command line and in a project file."""

    @property
    def summary(self) -> str:
        """What it does, in one line of the help."""

    @property
    def output(self) -> Output:
        """What comes out; also the name of its folder in the run's."""

    @property
    def defaults(self) -> Mapping[str, Json]:
        """The settings that depend on the method, with its defaults. It has no others of them."""

    @property
    def source(self) -> str:
        """Where the default learning rate comes from."""

    @property
    def keeps_base(self) -> bool:
        """Whether the base's weights are used as they are, and not quantised, say, beforehand."""

    def describe(self, settings: "TuneSettings") -> str:
        """Say in a phrase what is done with these settings, for reports."""

    def prepared(
        self, module: Any, settings: "TuneSettings", base: str, folder: Path, notes: list[str]
    ) -> AbstractContextManager[Any]:
        """Lend a base as the model to train, and give the base back as it was.

        Args:
            module: The base.
            settings: Of the run.
            base: What the base is called, where a result names it.
            folder: The run's own, for what can't be held in memory.
            notes: Gets sentences that a person must know.
        """

    def trained(self, model: Any) -> "dict[str, Tensor]":
        """Return what is trained, by name, in a fixed order; checkpoints hold exactly this."""

    def require_unchanged(self, model: Any, token_ids: "Tensor") -> None:
        """Check that training starts from the base: that before it no logit differs.

        Raises:
            WeighbridgeError: It differs.
        """

    def accelerated(self, model: Any) -> AbstractContextManager[None]:
        """Compute the same numbers faster meanwhile, where there is a way."""

    def rate_factor(self, parameter: str, settings: "TuneSettings") -> float:
        """Return what the learning rate is multiplied by for a parameter."""

    def save(self, model: Any, tokenizer: Any, folder: Path) -> None:
        """Write the result whole, or not at all.

        Raises:
            StorageError: The disk is full or can't be written.
        """

    def loaded(self, module: Any, result: Path) -> AbstractContextManager[Any]:
        """Lend a base with a saved result on it, as whoever loads it later has it.

        Args:
            module: The base; given back as it was.
            result: What `save` wrote.
        """

    def merged_in_place(self, model: Any) -> AbstractContextManager[None]:
        """Compute meanwhile with the update added to the weights, as `merge` adds it.

        Args:
            model: As `prepared` lends it; afterwards as it was, to the bit.

        Raises:
            InputError: A merge would change more than what has the update.
        """

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
        """Make one folder of plain safetensors from the base and a result.

        Args:
            module: The base; it may become the merged model.
            tokenizer: Saved beside it.
            result: What `save` wrote.
            path: A new folder, or an empty one.
            probe: A text on which the merged model is compared. (1, S)
            held_out: Text on which its divergence is measured; None is the text that is shipped.
            origin: The steps from the base to the result, for the record in the folder.

        Raises:
            InputError: The folder is taken, or the result doesn't fit the base.
        """


@runtime_checkable
class Objective(Protocol):
    """How data become rows, rows a batch, and a batch a loss."""

    @property
    def name(self) -> str:
        """The name at the command line and in a project file."""

    @property
    def summary(self) -> str:
        """What it does, in one line of the help."""

    @property
    def learns_from(self) -> RowKind:
        """Which rows it takes."""

    @property
    def defaults(self) -> Mapping[str, Json]:
        """The settings that are an objective's, with its defaults; it has no others of them."""

    @property
    def slower(self) -> float:
        """What a method's default learning rate, which is for SFT, is divided by."""

    @property
    def source(self) -> str:
        """Where its defaults come from."""

    @property
    def needs_reference(self) -> bool:
        """Whether rows need log-probabilities of the untrained model (`tuning.preferences`)."""

    def bound(self, settings: "TuneSettings") -> "Objective":
        """Return it with the settings that it has."""

    def describe(self) -> str:
        """Say in a phrase what is learnt, for reports."""

    def rows(
        self,
        tokenizer: Any,
        data: "Sequence[TuningRow]",
        limit_tokens: int,
        overflow: "Overflow",
    ) -> "tuple[tuple[LearntRow, ...], LengthReport]":
        """Return what is learnt from as token ids with their targets, and what became of the data.

        Raises:
            InputError: Nothing remains, or a row can't be learnt from.
        """

    def arrangement(
        self,
        model: Any,
        rows: "Sequence[MaskedRow]",
        wanted: Sequence[Arrangement],
        dropout: float,
    ) -> Arrangement | None:
        """Return the first of these ways of laying rows out that keeps the gradient the same."""

    def batch(self, rows: Sequence[Any], device: Any, arrangement: Arrangement) -> "Batch":
        """Lay rows out for one forward pass."""

    def loss(
        self, model: Any, batch: "Batch", rewards: "list[RewardPair] | None" = None
    ) -> "Tensor":
        """Return a batch's summed loss; a step divides it by the sum of its `targets`.

        Args:
            model: As the method lends it.
            batch: Of `batch`.
            rewards: Gets those of the batch's pairs, where the objective knows any.
        """

    def targets(self, batch: "Batch") -> int:
        """Return how many terms the sum has."""
