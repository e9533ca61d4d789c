"""What a model is asked, and what an API charges for it.

A price may depend on a prompt's length, on whether the server has a part of the prompt at hand
(cache reads), and on whether the answer may come later (a batch). A prompt's length decides for
each request by itself: the mean length of a log would miss the few long prompts that cost more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum

from weighbridge.records import Price


@dataclass(frozen=True)
class Workload:
    """Requests that a model is asked.

    Attributes:
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        cached_share: Share of prompt tokens that the API has at hand, and charges as cache reads.
        batch_share: Share of the requests that can wait, and are sent as a batch.
        lengths: Requests of a log: how many have each (input tokens, output tokens); empty where
            only means are known.
    """

    input_tokens: float
    output_tokens: float
    cached_share: float = 0.0
    batch_share: float = 0.0
    lengths: Mapping[tuple[int, int], int] | None = None

    @property
    def tokens_per_request(self) -> float:
        """Input and output tokens of a request together."""
        return self.input_tokens + self.output_tokens


def api_usd_per_request(price: Price, asked: Workload, batch: Price | None = None) -> float:
    """Return what an API charges for a request, on the average.

    Args:
        price: The price of a request that is answered at once.
        asked: The requests.
        batch: The price within a batch; None where the API has none, so that all requests cost
            `price`.
    """
    at_once = _mean_usd(price, asked)
    if batch is None or not asked.batch_share:
        return at_once
    later = _mean_usd(batch, asked)
    return (1 - asked.batch_share) * at_once + asked.batch_share * later


def _mean_usd(price: Price, asked: Workload) -> float:
    if not asked.lengths:
        return _usd(price, asked, asked.input_tokens, asked.output_tokens)
    every = fsum(
        count * _usd(price, asked, *tokens) for tokens, count in sorted(asked.lengths.items())
    )
    return every / sum(asked.lengths.values())


def _usd(price: Price, asked: Workload, inputs: float, outputs: float) -> float:
    return price.rate(inputs).usd(inputs, inputs * asked.cached_share, outputs)
