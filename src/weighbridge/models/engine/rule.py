"""What architectures add to plain softmax attention."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Rule:
    """What an architecture adds to plain attention.

    Attributes:
        scale: Factor of the scores.
        window: Keys further back than this many positions, the query's own included, are not seen.
        softcap: Scores s become ``softcap * tanh(s / softcap)`` (Gemma 2).
        sinks: One more score per head, without a value (gpt-oss); shape (heads,).
    """

    scale: float
    window: int | None = None
    softcap: float | None = None
    sinks: Tensor | None = None

    @property
    def plain(self) -> bool:
        """Whether it is softmax attention and nothing else."""
        return self.window is None and self.softcap is None and self.sinks is None
