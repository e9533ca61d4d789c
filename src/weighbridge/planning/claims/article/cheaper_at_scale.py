"""Self-hosted open models, said to be five to ten times cheaper at scale."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from statistics import median

from weighbridge.catalog.accelerator_prices import OLD_AFTER_DAYS, accelerator_price
from weighbridge.catalog.accelerators import accelerator
from weighbridge.catalog.api_prices import ApiPrice, find_api_price, hosted_offers, list_name
from weighbridge.catalog.models import find_model
from weighbridge.catalog.serving_rates import ServingRate, serving_rates
from weighbridge.documents.claims import (
    ClaimChart,
    ClaimEvidence,
    ClaimLine,
    ClaimMark,
    ClaimRow,
    ClaimTable,
    Colour,
    Outcome,
)
from weighbridge.planning.claims.claim import Claim, Finding, measured, written
from weighbridge.planning.cost import (
    Hosting,
    Workload,
    api_usd_per_request,
    times_cheaper,
    utilization_for,
)

MACHINE = "h100"
ASKED = Workload(input_tokens=1000, output_tokens=1000)
ASSUMED_USD_PER_HOUR = 2.50
"""What calculations of 2025 took an H100 to cost; kept to see what the fall in price changed."""
PER_MILLION = 1e6 / ASKED.input_tokens
"""Requests that read a million tokens and write a million."""
FIVE, TEN = 5.0, 10.0
LOW_LOAD = 0.1
OPEN: tuple[tuple[str, Colour, date], ...] = (
    ("llama-3.3-70b", "measured", date(2024, 7, 23)),
    ("gpt-oss-120b", "other", date(2025, 8, 5)),
    ("gpt-oss-20b", "claimed", date(2025, 8, 5)),
)
"""Open models, the mark of each, and since when there is one of its architecture; Llama 3.3 70B has
that of 3.1."""


@dataclass(frozen=True)
class Incumbent:
    """A proprietary model that a team may pay for.

    Attributes:
        name: As the price list calls it.
        small: Whether it is its maker's small one.
        first: The day from which it counts: of its release, or the first on which a source of ours
            names it.
        last: The day on which it leaves its API; None where none was announced.
    """

    name: str
    small: bool
    first: date
    last: date | None = None


INCUMBENTS = (
    Incumbent("gpt-4o", False, date(2024, 5, 13), date(2027, 1, 14)),
    Incumbent("gpt-4o-mini", True, date(2024, 7, 18), date(2027, 1, 14)),
    Incumbent("gemini-2.5-flash", True, date(2025, 6, 17)),
    Incumbent("gpt-5", False, date(2025, 8, 7), date(2026, 12, 11)),
    Incumbent("gpt-5-mini", True, date(2025, 8, 7), date(2026, 12, 11)),
    Incumbent("claude-sonnet-4-5", False, date(2025, 9, 29)),
    Incumbent("gpt-6-luna", True, date(2026, 10, 14)),
    Incumbent("gpt-6.1-terra", True, date(2026, 10, 26)),
    Incumbent("gpt-6.1-sol", False, date(2026, 10, 26)),
    Incumbent("claude-haiku-5-5", True, date(2026, 11, 3)),
    Incumbent("claude-sonnet-5-5", False, date(2026, 11, 3)),
)
"""Releases by Epoch AI's index; the newest by the days on which their prices were verified."""


def machine_prices() -> dict[str, float]:
    """Return dollars an hour of one H100, by what each price is."""
    rental, cloud = (accelerator_price(MACHINE, basis) for basis in ("rental", "neocloud"))
    assert rental is not None and cloud is not None
    return {
        f"rental, {rental.day:%B %Y}": rental.usd_per_hour,
        f"neocloud, {cloud.day:%B %Y}": cloud.usd_per_hour,
        "assumed, 2025": ASSUMED_USD_PER_HOUR,
    }


def open_models(as_of: date) -> list[tuple[str, Colour]]:
    """Return the open models that were out by a day, with the mark of each."""
    return [(model, colour) for model, colour, first in OPEN if first <= as_of]


@cache
def measured_rate(model: str, as_of: date) -> ServingRate:
    """Return the newest measured rate on one H100 by a day, else the first that there is."""
    machine = accelerator(MACHINE).name
    rates = [
        rate
        for rate in serving_rates()
        if rate.model == model
        and rate.accelerator == machine
        and (rate.input_tokens, rate.output_tokens) == (ASKED.input_tokens, ASKED.output_tokens)
    ]
    known = [rate for rate in rates if rate.source.day <= as_of]
    if known:
        return max(known, key=lambda rate: rate.source.day)
    return min(rates, key=lambda rate: rate.source.day)


def hosting(model: str, as_of: date, usd_per_hour: float) -> Hosting:
    """Return a deployment as one accelerator's share of it."""
    rate = measured_rate(model, as_of).tokens_per_second
    return Hosting(usd_per_hour=usd_per_hour, seconds_per_request=ASKED.output_tokens / rate)


def times(
    model: str, api_usd: float, as_of: date, usd_per_hour: float, utilization: float = 1.0
) -> float:
    """Return how many times cheaper than an API an open model is on H100s.

    Args:
        model: An open model.
        api_usd: What the API charges for a million tokens in and a million out.
        as_of: The day.
        usd_per_hour: Of one H100.
        utilization: Share of the capacity that is used.
    """
    return times_cheaper(hosting(model, as_of, usd_per_hour), api_usd / PER_MILLION, utilization)


def available(as_of: date) -> list[tuple[Incumbent, ApiPrice, float]]:
    """Return the incumbents of a day with their price and dollars for 1M in and 1M out."""
    found = []
    for one in INCUMBENTS:
        if one.first <= as_of and (one.last is None or as_of < one.last):
            price = find_api_price(one.name, as_of)
            usd = api_usd_per_request(price.price, ASKED) * PER_MILLION
            found.append((one, price, usd))
    return sorted(found, key=lambda item: (-item[2], item[0].name))


def outcome_of(ratios: list[float]) -> Outcome:
    """Return holds where every pair reaches five times at full load, fails where none does."""
    reached = [ratio >= FIVE for ratio in ratios]
    if not reached or not any(reached):
        return "fails"
    return "holds" if all(reached) else "holds_if"


def check(as_of: date) -> Finding:
    """Weigh three open models on H100s against each incumbent of the day."""
    prices = machine_prices()
    cheap, dear = min(prices.values()), max(prices.values())
    offers = available(as_of)
    others, colours = hosted(as_of), dict(open_models(as_of))
    at_best = {
        (model, one.name): times(model, usd, as_of, cheap)
        for model, _ in open_models(as_of)
        for one, _, usd in offers
    }
    rows = [_row(f"{one.name}, ${usd:.2f}", usd, as_of, cheap, dear) for one, _, usd in offers]
    rows += [one.row(as_of, cheap, colours[one.model]) for one in others]
    return Finding(
        outcome=outcome_of(list(at_best.values())),
        sentence=_sentence(as_of, offers, cheap),
        conditions=_conditions(as_of, offers, cheap),
        measured=(
            *(
                measured(f"{model} against {name}, full load, H100 at ${cheap:.2f} an hour", ratio,
                         "x", digits=2)
                for (model, name), ratio in at_best.items()
            ),
            *(
                measured(f"{one.model} against the cheapest of {one.hosts} hosts of it",
                         times(one.model, one.cheapest, as_of, cheap), "x", digits=2)
                for one in others
            ),
        ),
        evidence=_evidence(as_of, offers),
        chart=ClaimChart(
            axis="times cheaper at full load",
            rows=tuple(rows),
            lines=(ClaimLine(value=FIVE, text="5x"), ClaimLine(value=TEN, text="10x")),
            log=True,
            key=tuple((colour, find_model(model).title) for model, colour in open_models(as_of)),
            caption=(
                "Dollars are for a million tokens in and a million out. "
                f"Marks: H100 at ${cheap:.2f} an hour; lines reach down to ${dear:.2f}. At a "
                "tenth of the load all are a tenth."
            ),
        ),
        table=_table(as_of, offers, prices),
    )  # fmt: skip


def _row(label: str, usd: float, as_of: date, cheap: float, dear: float) -> ClaimRow:
    marks, figures = [], []
    for model, colour in open_models(as_of):
        best, worst = (times(model, usd, as_of, price) for price in (cheap, dear))
        marks.append(ClaimMark(value=best, colour=colour, interval=(worst, best)))
        figures.append(written(best, digits=2))
    return ClaimRow(label=label, figures=" · ".join(figures) + "x", marks=tuple(marks))


@dataclass(frozen=True)
class Hosted:
    """The same open weights, hosted by others.

    Attributes:
        model: The model.
        hosts: How many offer it.
        cheapest: Dollars for a million tokens in and a million out at the cheapest.
        middle: The same at the median.
    """

    model: str
    hosts: int
    cheapest: float
    middle: float

    def row(self, as_of: date, usd_per_hour: float, colour: Colour) -> ClaimRow:
        """Return the chart's row: one's own accelerator against both prices."""
        ratios = [
            times(self.model, usd, as_of, usd_per_hour) for usd in (self.cheapest, self.middle)
        ]
        title = find_model(self.model).title
        return ClaimRow(
            label=f"{title} hosted, ${self.cheapest:.2f}; median ${self.middle:.2f}",
            figures=" · ".join(written(ratio, digits=2) for ratio in ratios) + "x",
            marks=tuple(ClaimMark(value=ratio, colour=colour) for ratio in ratios),
        )


def hosted(as_of: date) -> list[Hosted]:
    """Return what others charge for the same weights."""
    found = []
    for model, _ in open_models(as_of):
        prices = [
            api_usd_per_request(offer.price, ASKED) * PER_MILLION
            for offer in hosted_offers(find_model(model).hub, as_of)
        ]
        if prices:
            found.append(Hosted(model, len(prices), min(prices), median(prices)))
    return found


def _sentence(as_of: date, offers: list[tuple[Incumbent, ApiPrice, float]], cheap: float) -> str:
    if not offers:
        return f"No incumbent of ours was for sale on {as_of}."
    largest = next((item for item in offers if not item[0].small), offers[0])
    smallest = offers[-1]
    dense, *sparse = (times(model, smallest[2], as_of, cheap) for model, _ in open_models(as_of))
    others = f", and gpt-oss-120b is {sparse[0]:.1f} times cheaper" if sparse else ""
    frontier = hosting(OPEN[0][0], as_of, cheap)
    needed = utilization_for(frontier, largest[2] / PER_MILLION, FIVE)
    assert needed is not None
    return (
        f"At the prices of {as_of:%-d %B %Y}, against {smallest[0].name} (${smallest[2]:.2f} for a "
        f"million tokens in and out) a dense 70B on H100s at ${cheap:.2f} an hour is "
        f"{dense:.1f} times cheaper at full load and {_never(dense)} five{others}. "
        f"Against {largest[0].name} (${largest[2]:.2f}) the 70B is "
        f"five times cheaper from {needed:.0%} of full load on."
    )


def _never(ratio: float) -> str:
    return "never reaches" if ratio < FIVE else "reaches"


def _conditions(
    as_of: date,
    offers: list[tuple[Incumbent, ApiPrice, float]],
    cheap: float,
) -> tuple[str, ...]:
    found = []
    for model, _ in open_models(as_of):
        needed = [
            (one.name, utilization_for(hosting(model, as_of, cheap), usd / PER_MILLION, FIVE))
            for one, _, usd in offers
        ]
        reach = [f"{name} from {share:.0%}" for name, share in needed if share and share <= 1]
        told = ", ".join(reach) if reach else "no incumbent, at any load"
        found.append(f"{find_model(model).title}: five times against {told}")
    return (
        *found,
        f"H100 at ${cheap:.2f} an hour, prompts and answers of 1,000 tokens, rates as NVIDIA "
        "measured them; no staff, tuning or idle replicas counted (weighbridge plan cost does)",
        "the models are of equal use to you: that takes an evaluation",
        "the API's cache reads and batch discounts are not used",
        *_ages(as_of, [price for _, price, _ in offers]),
    )


def _ages(as_of: date, prices: list[ApiPrice]) -> tuple[str, ...]:
    """Say which prices are not of the day: older than 90 days, or known only from later on."""
    told = []
    rental = accelerator_price(MACHINE)
    assert rental is not None
    if as_of < rental.day:
        told.append(f"the H100's price still holds, though it is of {rental.day}, a later day")
    elif rental.age_days(as_of) > OLD_AFTER_DAYS:
        told.append(f"the H100's price still holds, though it is {rental.age_days(as_of)} days old")
    old = [price.model for price in prices if price.age_days(as_of) > OLD_AFTER_DAYS]
    if old:
        told.append(f"API prices still hold that are older than {OLD_AFTER_DAYS} days: "
                    f"{', '.join(old)}")  # fmt: skip
    later = [price.model for price in prices if price.since is None and as_of < price.day]
    if later:
        told.append(
            f"API prices were then what the list has since {min(p.day for p in prices)}, as it "
            f"has no earlier ones: {', '.join(later)}"
        )
    return tuple(told)


def _evidence(
    as_of: date, offers: list[tuple[Incumbent, ApiPrice, float]]
) -> tuple[ClaimEvidence, ...]:
    rates = dict.fromkeys(measured_rate(model, as_of).source for model, _ in open_models(as_of))
    rental = accelerator_price(MACHINE)
    assert rental is not None
    days = [price.day for _, price, _ in offers]
    return (
        ClaimEvidence(
            title=f"API prices: {list_name()}", url="https://github.com/pydantic/genai-prices",
            day=max(days).isoformat() if days else "",
        ),
        ClaimEvidence(title=f"H100: {rental.source}", day=rental.day.isoformat()),
        *(
            ClaimEvidence(title=one.title, url=one.url, day=one.day.isoformat()) for one in rates
        ),
    )  # fmt: skip


def _table(
    as_of: date, offers: list[tuple[Incumbent, ApiPrice, float]], prices: dict[str, float]
) -> ClaimTable:
    """Incumbent by open model: at each price of an H100, at full load and at a tenth of it."""
    shown = " / ".join(f"${price:.2f}" for price in prices.values())
    rows = []
    for one, _, usd in offers:
        for model, _ in open_models(as_of):
            full = [times(model, usd, as_of, price) for price in prices.values()]
            low = [times(model, usd, as_of, price, LOW_LOAD) for price in prices.values()]
            need = utilization_for(
                hosting(model, as_of, min(prices.values())), usd / PER_MILLION, FIVE
            )
            rows.append(
                (
                    f"{one.name} (${usd:.2f})",
                    find_model(model).title,
                    " / ".join(written(ratio, digits=2) for ratio in full),
                    " / ".join(written(ratio, digits=2) for ratio in low),
                    "never" if need is None or need > 1 else f"{need:.0%}",
                )
            )
    return ClaimTable(
        columns=(
            "incumbent, 1M in + 1M out", "open model on H100",
            f"times cheaper at full load, H100 at {shown}", f"at {LOW_LOAD:.0%} load",
            "load for 5x, cheapest H100",
        ),
        rows=tuple(rows),
    )  # fmt: skip


CLAIM = Claim(
    name="cheaper_at_scale",
    place=15,
    section="Conclusion",
    text="Self-hosted open models offer 5-10x cost reduction at scale.",
    check=check,
)
