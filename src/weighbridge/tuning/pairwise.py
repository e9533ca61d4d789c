"""What DPO and ORPO have in common: they learn from two answers, of which one is preferred."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from weighbridge.records import Json
from weighbridge.tuning.rows import RowKind

if TYPE_CHECKING:
    from torch import Tensor

    from weighbridge.tuning.batches import Batch
    from weighbridge.tuning.masks import MaskedRow
    from weighbridge.tuning.method import Arrangement
    from weighbridge.tuning.paired_rows import MaskedPair
    from weighbridge.tuning.plan import LengthReport, Overflow
    from weighbridge.tuning.rewards import RewardPair
    from weighbridge.tuning.rows import TuningRow
    from weighbridge.tuning.settings import TuneSettings


@dataclass(frozen=True)
class Pairwise:
    """An objective on pairs of answers; see `Objective` for what each part is.

    Attributes:
        name: The file's stem.
        summary: One line of the help.
        title: What reports call it.
        source: Of the default rate and of the default beta.
        slower: How many times lower the learning rate is than the method's for SFT.
        formula: From the log-probabilities of preferred and other answers (P,), each the sum of
            its tokens', the batch and beta to the pairs' losses, and the rewards of the preferred
            and of the other answers (P,).
        needs_reference: Whether the formula reads the batch's reference.
        beta: What weighs the preference; see the objective's file.
        learns_from: Preference pairs.
    """

    name: str
    summary: str
    title: str
    source: str
    slower: float
    formula: "Callable[[Tensor, Tensor, Batch, float], tuple[Tensor, Tensor, Tensor]]"
    needs_reference: bool = False
    beta: float = 0.1
    learns_from: RowKind = "pairs"

    @property
    def defaults(self) -> Mapping[str, Json]:
        """The default of beta."""
        return {"beta": self.beta}

    def bound(self, settings: "TuneSettings") -> "Pairwise":
        """Take beta from the settings."""
        return replace(self, beta=settings.beta)

    def describe(self) -> str:
        """Name it with beta."""
        reference = ", held to where the model started" if self.needs_reference else ""
        return f"{self.title}, beta {self.beta:g}{reference}"

    def rows(
        self,
        tokenizer: Any,
        data: "Sequence[TuningRow]",
        limit_tokens: int,
        overflow: "Overflow",
    ) -> "tuple[tuple[MaskedPair, ...], LengthReport]":
        """Render pairs and mark both answers of each."""
        from weighbridge.tuning.paired_rows import plan_pairs

        return plan_pairs(tokenizer, data, limit_tokens, overflow)

    def arrangement(
        self,
        model: Any,
        rows: "Sequence[MaskedRow]",
        wanted: "Sequence[Arrangement]",
        dropout: float,
    ) -> "Arrangement | None":
        """Compare the gradients of rows laid out so with those of padded ones."""
        from weighbridge.tuning.isolation import first_alike

        return first_alike(model, rows, wanted, dropout)

    def batch(self, rows: Sequence[Any], device: Any, arrangement: "Arrangement") -> "Batch":
        """Lay both answers of each pair out in one forward pass."""
        from weighbridge.tuning.preferences import pair_batch

        return pair_batch(rows, device, arrangement)

    def loss(
        self, model: Any, batch: "Batch", rewards: "list[RewardPair] | None" = None
    ) -> "Tensor":
        """Return the pairs' summed loss."""
        from weighbridge.tuning.preferences import answer_log_probs

        losses, chosen, rejected = self.formula(*answer_log_probs(model, batch), batch, self.beta)
        if rewards is not None:
            rewards += zip(chosen.tolist(), rejected.tolist(), strict=True)
        return losses.sum()

    def targets(self, batch: "Batch") -> int:
        """Return the number of pairs."""
        return len(batch.counts) // 2
