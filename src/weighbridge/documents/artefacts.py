"""Models written to disk, and how far they are from what they were made of."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DivergenceDocument:
    """KL divergence of a written model from the one before it, in nats per token.

    Attributes:
        kl_mean: Mean over the tokens.
        kl_max: Of one token.
        kl_bound: What the mean may be at most; above it nothing is written.
        tokens: How many.
        text: What they are: validation rows, or the shipped text.
        type: The type of the written numbers.
    """

    kl_mean: float
    kl_max: float
    kl_bound: float
    tokens: int
    text: str
    type: str


PRINTED = ()
