"""What APIs charge, by the list that `genai-prices` carries: dated, with batches and tiers.

Nothing is fetched. The list says of some prices on which day they were verified, and from which day
they held. A price without a day of its own is as old as the newest verification in the list, which
is at most as new as the package. Where a price depends on the time of day, it is that of noon UTC.
Prices of a faster or slower service tier, of audio and images, and of writing to a cache are left
out.
"""

import difflib
import importlib.metadata
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

from weighbridge.errors import InputError
from weighbridge.records import Price, Rate

_VERIFIED = re.compile(r"\b(?:verified|checked)\b[^;]*?(20\d\d-\d\d-\d\d)", re.IGNORECASE)
_BATCH = {"processing": "batch"}
_TUNED = "ft:"  # how OpenAI calls a model that it tuned for a customer
_ROUTED = "huggingface_"  # the Hub passes requests on to the host that it names after this


@dataclass(frozen=True)
class ApiPrice:
    """What one provider charges for one model.

    Attributes:
        provider: The provider's name in the list; "" for a price that the user states.
        model: The model's name there.
        price: Dollars per million tokens, by prompt length.
        batch: The same for requests sent as a batch; None where the provider has no such price.
        day: The day of which the price is known.
        since: The day from which it held; None where the list does not say.
        source: The list and its version.
    """

    provider: str
    model: str
    price: Price
    batch: Price | None
    day: date
    since: date | None
    source: str

    @property
    def name(self) -> str:
        """Provider and model: `openai/gpt-4o`."""
        return f"{self.provider}/{self.model}" if self.provider else self.model

    def held_on(self, as_of: date) -> bool:
        """Whether it is known that the price held on a day, and not only on a later one."""
        since = self.day if self.since is None else self.since
        return since <= as_of

    def age_days(self, as_of: date) -> int:
        """Return how old the price is on a day; 0 where it was known later than that day."""
        return max(0, (as_of - self.day).days)


def find_api_price(name: str, as_of: date) -> ApiPrice:
    """Return what an API charged on a day.

    Args:
        name: A model as its own provider calls it (`gpt-4o`), or a provider and its name for a
            model (`fireworks/gpt-oss-120b`, `openrouter/openai/gpt-oss-120b`).
        as_of: The day. Before the first price that the list has, it is the first one.

    Raises:
        InputError: The list does not have the model, or no price per token of it.
    """
    found = _find(name)
    if found is None:
        raise _unknown(name)
    price = _priced(*found, as_of)
    if price is None:
        provider, model = found
        raise InputError(
            f"{provider.id}/{model.id} has no price per token in {list_name()}",
            "a model that is paid by input and output tokens",
            "state its price instead: INPUT/OUTPUT in USD per million tokens, such as 0.5/1.5",
        )
    return price


def find_price_at(base_url: str, model: str, as_of: date) -> ApiPrice | None:
    """Return what the provider behind an address charged on a day; None where that is unknown."""
    try:
        provider, found = _snapshot().find_provider_model(model, None, None, base_url)
    except LookupError:
        return None
    return _priced(provider, found, as_of)


def stated_api_price(name: str, price: Price, day: date) -> ApiPrice:
    """Return a price that the user states."""
    return ApiPrice("", name, price, None, day, None, price.source)


def hosted_offers(names: Iterable[str], as_of: date) -> list[ApiPrice]:
    """Return what providers charge for the same open weights, cheapest first, one for each host.

    Args:
        names: What the weights are called: Hub repositories or the catalog's names.
        as_of: The day.
    """
    wanted = {_bare(name) for name in names}
    best: dict[str, ApiPrice] = {}
    for provider in _snapshot().providers:
        for model in provider.models:
            if not any(_same_weights(model.id, bare) for bare in wanted):
                continue
            offer = _priced(provider, model, as_of)
            if offer is None:
                continue
            host = provider.id.removeprefix(_ROUTED)
            held = best.get(host)
            if held is None or _size(offer) < _size(held):
                best[host] = offer
    return sorted(best.values(), key=_size)


def rates_of(listed: Any) -> tuple[Rate, ...]:
    """Return the rates of one of `genai-prices`' prices, by rising prompt length."""
    kinds = (listed.input_mtok, listed.output_mtok, listed.cache_read_mtok or listed.input_mtok)
    thresholds = sorted({0, *(start for kind in kinds for start in _starts(kind))})
    return tuple(
        Rate(start if start else -1, *(_beyond(kind, start) for kind in kinds))
        for start in thresholds
    )


@cache
def list_name() -> str:
    """Return the list's name and version."""
    return f"genai-prices {importlib.metadata.version('genai-prices')}"


@cache
def list_day() -> date:
    """Return the newest day on which the list says that a price was verified."""
    told = (
        day
        for provider in _snapshot().providers
        for model in provider.models
        if (day := _verified(model)) is not None
    )
    return max(told, default=date.min)


def provider_models(provider: str) -> tuple[str, ...]:
    """Return the names of a provider's models."""
    return tuple(
        model.id for one in _snapshot().providers if one.id == provider for model in one.models
    )


def _snapshot() -> Any:
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


def _find(name: str) -> tuple[Any, Any] | None:
    wanted = name.strip().lower()
    if wanted.startswith(_TUNED):
        wanted = f"openai/{wanted}"
    # As hosts are named in lists (openai/gpt-4o), and as `weighbridge evaluate` takes them.
    start, _, rest = wanted.partition("/" if "/" in wanted else ":")
    provider = next((one for one in _snapshot().providers if one.id == start), None)
    if rest and provider is not None:
        found = _looked_up(rest, start)
        return found or next(((provider, m) for m in provider.models if m.id.lower() == rest), None)
    return _looked_up(wanted, None)


def _looked_up(name: str, provider: str | None) -> tuple[Any, Any] | None:
    try:
        found: tuple[Any, Any] = _snapshot().find_provider_model(name, None, provider, None)
    except LookupError:
        return None
    return found


def _priced(provider: Any, model: Any, as_of: date) -> ApiPrice | None:
    when = datetime.combine(as_of, time(12), UTC)
    listed = model.get_prices(when)
    if getattr(listed, "input_mtok", None) is None or getattr(listed, "output_mtok", None) is None:
        return None
    source = f"{list_name()}: {provider.id}/{model.id}"
    since = _since(model, when)
    known = _verified(model) or list_day()
    batch = model.get_prices(when, _BATCH) if _has_batch(model, when) else None
    return ApiPrice(
        provider=provider.id,
        model=model.id,
        price=Price(rates_of(listed), source),
        batch=None if batch is None else Price(rates_of(batch), f"{source}, batch"),
        day=max(known, since) if since is not None else known,
        since=since,
        source=source,
    )


def _has_batch(model: Any, when: datetime) -> bool:
    return any(
        variant.when == _BATCH and (variant.constraint is None or variant.constraint.active(when))
        for variant in model.price_variants or ()
    )


def _since(model: Any, when: datetime) -> date | None:
    """Return the day from which the price that holds at `when` held, if the list says so."""
    if not isinstance(model.prices, list):
        return None
    started = [
        one.constraint.start_date
        for one in model.prices
        if hasattr(one.constraint, "start_date") and one.constraint.active(when)
    ]
    return max(started, default=None)


def _verified(model: Any) -> date | None:
    days = _VERIFIED.findall(model.price_comments or "")
    return date.fromisoformat(max(days)) if days else None


def _unknown(name: str) -> InputError:
    known = {
        called: None
        for provider in _snapshot().providers
        for model in provider.models
        for called in ((model.id,) if provider.model_match else ()) + (f"{provider.id}/{model.id}",)
    }
    close = difflib.get_close_matches(name.strip().lower(), known, n=9, cutoff=0.6)
    near = [one for one in close if _find(one) is not None][:3]
    do = "state its price instead, such as 0.5/1.5"
    if near:
        do = f"did you mean {' or '.join(near)}?"
    return InputError(
        f"unknown API model {name!r}",
        f"a name in {list_name()}, such as gpt-4o or openrouter/openai/gpt-oss-120b",
        do,
    )


_ENDINGS = "instruct|it|chat|hf|turbo|versatile|fp8|fast|bf16|maas|v?10"
_MAKERS = "meta|openai|qwen|deepseek|mistral|mistralai|google|databricks"


def _bare(name: str) -> str:
    """Return a model's name without its maker, its kind of tuning and its punctuation."""
    plain = re.sub(r"[^a-z0-9]", "", name.rpartition("/")[2].lower())
    return re.sub(f"(?:{_ENDINGS})+$", "", re.sub("^(?:meta)(?=llama)", "", plain))


def _same_weights(listed: str, bare: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", listed.rpartition("/")[2].lower())
    pattern = f"(?:{_MAKERS})?{re.escape(bare)}(?:{_ENDINGS})*"
    return bool(bare) and re.fullmatch(pattern, plain) is not None


def _size(offer: ApiPrice) -> float:
    rate = offer.price.rates[0]
    return rate.input_usd_per_million_tokens + rate.output_usd_per_million_tokens


def _starts(kind: Any) -> Iterator[int]:
    return (tier.start for tier in getattr(kind, "tiers", ()))


def _beyond(kind: Any, start: int) -> float:
    """Return a kind's price for prompts of more tokens than a threshold."""
    if not hasattr(kind, "tiers"):
        return float(kind)
    holding = [tier.price for tier in kind.tiers if tier.start <= start]
    return float(holding[-1] if holding else kind.base)
