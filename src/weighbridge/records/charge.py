"""What an endpoint charges: a price, and the tokens that it is asked for."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MILLION = 1_000_000
MOST_USD_PER_MILLION_TOKENS = 1e9
MOST_TOKENS = 10**12


@dataclass(frozen=True)
class Rate:
    """USD per million tokens, for prompts longer than a threshold.

    Attributes:
        above_input_tokens: It holds for requests with more input tokens than this.
        input_usd_per_million_tokens: Prompt tokens.
        output_usd_per_million_tokens: Tokens written, those of a hidden thought included.
        cached_input_usd_per_million_tokens: Prompt tokens that the server had at hand.
    """

    above_input_tokens: int
    input_usd_per_million_tokens: float
    output_usd_per_million_tokens: float
    cached_input_usd_per_million_tokens: float

    def __post_init__(self) -> None:
        """Refuse negative, infinite or missing prices.

        Raises:
            ValueError: A rate is negative, infinite or not a number.
        """
        for usd in (
            self.input_usd_per_million_tokens,
            self.output_usd_per_million_tokens,
            self.cached_input_usd_per_million_tokens,
        ):
            if not 0 <= usd <= MOST_USD_PER_MILLION_TOKENS:
                most = f"{MOST_USD_PER_MILLION_TOKENS:g}"
                raise ValueError(f"{usd} is no price; expected 0 to {most} USD a million tokens")

    def usd(self, input_tokens: float, cached_input_tokens: float, output_tokens: float) -> float:
        """Return what one request costs; `input_tokens` include the cached ones."""
        return (
            (input_tokens - cached_input_tokens) * self.input_usd_per_million_tokens
            + cached_input_tokens * self.cached_input_usd_per_million_tokens
            + output_tokens * self.output_usd_per_million_tokens
        ) / MILLION


@dataclass(frozen=True)
class Price:
    """A model's price.

    Attributes:
        rates: By rising threshold; the first holds for every prompt that no other one holds for.
        source: Where it was found.
    """

    rates: tuple[Rate, ...]
    source: str

    def rate(self, input_tokens: float) -> Rate:
        """Return the rate for a prompt of this length."""
        holding = [rate for rate in self.rates if input_tokens > rate.above_input_tokens]
        return holding[-1] if holding else self.rates[0]

    def usd_at_most(self, input_tokens: int, output_tokens: int) -> float:
        """Return the most that a request of up to this size can cost, whatever is cached."""
        return max(
            rate.usd(input_tokens, cached, output_tokens)
            for rate in self.rates
            for cached in (0, input_tokens)
            if rate is self.rates[0] or input_tokens > rate.above_input_tokens
        )


@dataclass(frozen=True)
class Charge:
    """One answer that was paid for, as the server counted it.

    Attributes:
        by: Who answered: the model that is measured, or the judge.
        input_tokens: Of the prompt, cached ones included.
        cached_input_tokens: Those of them that the server had at hand.
        output_tokens: Written, those of a hidden thought included.
        reasoning_tokens: Those of them that were a hidden thought.
        rate: What it cost; None where no price is known.
    """

    by: Literal["model", "judge"]
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    rate: Rate | None

    def __post_init__(self) -> None:
        """Refuse negative token counts, which would lower the cost.

        Raises:
            ValueError: A count is negative or absurd, or a part is more than its whole.
        """
        pairs = (
            ("cached", self.cached_input_tokens, "read", self.input_tokens),
            ("reasoned", self.reasoning_tokens, "written", self.output_tokens),
        )
        for part, some, whole, every in pairs:
            if not 0 <= some <= every <= MOST_TOKENS:
                raise ValueError(f"{some} tokens {part} of {every} {whole}")

    @property
    def usd(self) -> float:
        """Cost in USD; 0 where no price is known."""
        if self.rate is None:
            return 0.0
        return self.rate.usd(self.input_tokens, self.cached_input_tokens, self.output_tokens)


def charged_by(who: Literal["model", "judge"], charges: Iterable[Charge]) -> float:
    """Return what the model measured charged, or its judge: never the two together (USD)."""
    return math.fsum(charge.usd for charge in charges if charge.by == who)
