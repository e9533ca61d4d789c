"""What a model's tokens cost: by the project file, or else by `genai-prices`.

The package carries a dated list; nothing is fetched. Prices for a batch, a service tier, audio or
images are left out: requests are sent one by one, and are text.
"""

import importlib.metadata
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from weighbridge.models.endpoint.address import EndpointAddress
from weighbridge.records import Price, Rate


def find_price(address: EndpointAddress, when: datetime) -> Price | None:
    """Return a model's price at a moment; None if it is unknown.

    Args:
        address: The model. Only the price of its own provider counts: the same model costs
            something else elsewhere.
        when: Prices change; the one that holds then is taken.
    """
    if address.price is not None:
        return address.price
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider, model = get_snapshot().find_provider_model(
            address.model, None, None, address.base_url
        )
    except LookupError:
        return None
    listed = model.get_prices(when)
    if listed.input_mtok is None or listed.output_mtok is None:
        return None
    version = importlib.metadata.version("genai-prices")
    return Price(_rates(listed), f"genai-prices {version}: {provider.id}/{model.id}")


def _rates(listed: Any) -> tuple[Rate, ...]:
    kinds = (listed.input_mtok, listed.output_mtok, listed.cache_read_mtok or listed.input_mtok)
    thresholds = sorted({0, *(start for kind in kinds for start in _starts(kind))})
    return tuple(
        Rate(start if start else -1, *(_beyond(kind, start) for kind in kinds))
        for start in thresholds
    )


def _starts(kind: Any) -> Iterable[int]:
    return (tier.start for tier in getattr(kind, "tiers", ()))


def _beyond(kind: Any, start: int) -> float:
    """Return a kind's price for prompts of more tokens than a threshold."""
    if not hasattr(kind, "tiers"):
        return float(kind)
    holding = [tier.price for tier in kind.tiers if tier.start <= start]
    return float(holding[-1] if holding else kind.base)
