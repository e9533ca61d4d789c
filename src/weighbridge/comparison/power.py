"""Power analysis from pilot runs or assumptions: items, repeats and cost."""

from dataclasses import dataclass, fields, replace
from typing import Any

from weighbridge.documents.power import PowerDocument, PowerOfItems
from weighbridge.errors import InputError
from weighbridge.evidence import RunStore
from weighbridge.records import EvalRun
from weighbridge.records.scale import (
    SHARE,
    Scale,
    is_share,
    less_is_better,
    margin_or_default,
    named,
    width,
)
from weighbridge.statistics import check_margin, compare
from weighbridge.statistics.power import (
    MOST_ITEMS,
    Design,
    design_from,
    items_needed,
    power_of,
    repeats_needed,
    smallest_difference,
    smallest_margin,
)


@dataclass(frozen=True)
class PowerRequest:
    """What the user asks of `power`; None where not given.

    Attributes:
        margin: As in `Design`, in the units of the pilot's scale, and without a pilot in shares.
        difference: As in `Design`, in the same units.
        items: Number of items that are available.
        repeats: Number of answers to each item, in each run.
        rate: Share of items that either model has right, from which a disagreement is assumed.
        disagreement: As in `Design`.
        within: As in `Design`.
        icc: As in `Design`.
        cluster_size: As in `Design`.
        power: The wanted chance to show the claim.
        alpha: As in `Design`.
        usd_per_item: Cost of one answer to an item by both models.
    """

    margin: float | None
    difference: float = 0.0
    items: int | None = None
    repeats: int = 1
    rate: float | None = None
    disagreement: float | None = None
    within: float | None = None
    icc: float | None = None
    cluster_size: float | None = None
    power: float = 0.8
    alpha: float = 0.025
    usd_per_item: float | None = None


@dataclass(frozen=True)
class PowerForecast:
    """The forecast as a document and as text, and whether the items give the wanted power."""

    document: PowerDocument
    lines: tuple[str, ...]
    enough: bool


def forecast(request: PowerRequest, pilot: tuple[str, ...], store: RunStore) -> PowerForecast:
    """Compute how many items show the claim, and what the available items can show.

    Args:
        request: What is asked.
        pilot: Names of two runs to take the variance from, or none.
        store: The store that holds them.

    Raises:
        InputError: The assumptions contradict each other, or leave the variance open.
    """
    if not 0 < request.power < 1:
        raise InputError(f"--power {request.power:g}", "a probability between 0 and 1")
    runs = _pilot(pilot, store)
    scale = runs[0].estimate.scale if runs else SHARE
    if less_is_better(scale):
        raise InputError(
            f"a pilot of {runs[0].title}, in {named(scale)}",
            "one whose values lie between a worst and a best",
            "compare the two runs: the interval's width falls with the root of the texts",
        )
    design, source = _design(request, runs, scale)
    usd = request.usd_per_item if request.usd_per_item is not None else _usd(runs)
    needed = items_needed(design, request.power, request.repeats)
    assumed = {one.name: getattr(design, one.name) for one in fields(design)}
    assumed |= {name: width(scale) * assumed[name] for name in ("margin", "difference")}
    document = PowerDocument(
        claim="superior" if design.margin == 0 else "non_inferior",
        assumed_from=source,
        **assumed,
        scale=scale,
        power=request.power,
        repeats=request.repeats,
        items_needed=needed,
        usd_needed=_cost(needed, request.repeats, usd),
    )
    enough, lines = bool(needed), _lines(design, request, document, scale)
    if request.items is not None:
        given = _with_items(design, request, request.items, usd, scale)
        enough = enough and given.achieved_power >= request.power
        document = replace(document, given=given)
        lines += _items_lines(given, request, scale)
    return PowerForecast(document, tuple(lines), enough)


def _pilot(names: tuple[str, ...], store: RunStore) -> tuple[EvalRun, ...]:
    if len(names) not in (0, 2):
        raise InputError(f"{len(names)} pilot runs", "two, RUN_A and RUN_B, or none")
    return tuple(store.read(name) for name in names)


def _design(request: PowerRequest, runs: tuple[EvalRun, ...], scale: Scale) -> tuple[Design, str]:
    """Return the assumptions about the items, in shares of the scale, and their source."""
    margin = margin_or_default(request.margin, scale)
    check_margin(margin, scale)
    said = [n for n in ("rate", "disagreement", "within") if getattr(request, n) is not None]
    if runs:
        if said:
            raise InputError(f"pilot runs and --{said[0]}", "one of them: the runs already show it")
        seen = compare(runs[0], runs[1], margin=0.0)
        found = design_from(seen, 0.0, width(scale))
        source = f"a pilot of {seen.n:,} items"
    else:
        found, source = _assumed(request)
    stated = {"icc": request.icc, "cluster_size": request.cluster_size}
    changed: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
    return (
        replace(
            found,
            margin=margin / width(scale), difference=request.difference / width(scale),
            alpha=request.alpha, **changed,
        ),
        source,
    )  # fmt: skip


def _assumed(request: PowerRequest) -> tuple[Design, str]:
    rate, share = request.rate, request.disagreement
    if rate is None and share is None:
        raise InputError(
            "nothing says how often the two models disagree",
            "two pilot runs, --disagreement or --rate",
            "for example: weighbridge power --margin 0.02 --rate 0.7",
        )
    if rate is not None and not 0 <= rate <= 1:
        raise InputError(f"--rate {rate:g}", "from 0 to 1")
    most = 1.0 if rate is None else 2 * min(rate, 1 - rate)
    if share is not None and share > most + 1e-12:
        raise InputError(
            f"--disagreement {share:g} with --rate {rate:g}",
            f"at most {most:g}: that many items can differ at that rate",
        )
    source = "assumptions"
    if share is None:
        assert rate is not None
        share, source = 2 * rate * (1 - rate), "rate, as if the two erred on unrelated items"
    design = Design(0.0, disagreement=share, within=request.within or 0.0)
    return design, source


def _with_items(
    design: Design, request: PowerRequest, items: int, usd: float | None, scale: Scale
) -> PowerOfItems:
    margin = smallest_margin(design, items, request.power, request.repeats)
    difference = smallest_difference(design, items, request.power, request.repeats)
    return PowerOfItems(
        items=items,
        achieved_power=power_of(design, items, request.repeats),
        smallest_margin=width(scale) * margin,
        smallest_difference=width(scale) * difference,
        repeats_needed=repeats_needed(design, items, request.power),
        usd=_cost(items, request.repeats, usd),
    )


def _usd(runs: tuple[EvalRun, ...]) -> float | None:
    """Return the pilot's cost of one answer by both models, judged; None if it cost nothing."""
    answers = sum(len(run.samples) for run in runs)
    paid = sum(run.provenance.cost_usd for run in runs)
    return 2 * paid / answers if paid else None


def _cost(items: int | None, repeats: int, usd: float | None) -> float | None:
    return None if items is None or usd is None else items * repeats * usd


def _lines(design: Design, request: PowerRequest, found: PowerDocument, scale: Scale) -> list[str]:
    claim = "A is better than B"
    if found.margin:
        claim = f"A is at most {_exactly(found.margin, scale)} worse than B"
    units = "" if is_share(scale) else f", on {named(scale)}"
    clusters = ""
    if design.cluster_size > 1:
        clusters = f",\n  with an ICC of {design.icc:.2g} in clusters of {design.cluster_size:.3g}"
    lines = [
        f"To show that {claim}, with a chance of {request.power:.0%},",
        f"  if A - B is {_exactly(found.difference, scale)} and the two differ on "
        f"{design.disagreement:.1%} of answers{clusters}",
        f"  (from {found.assumed_from}{units}):",
    ]
    if found.items_needed is None:
        return [*lines, f"  {_why_none(design)}"]
    price = "" if found.usd_needed is None else f", ${found.usd_needed:,.2f}"
    many = "" if request.repeats == 1 else f", {request.repeats} answers each"
    return [*lines, f"  {found.items_needed:,} items{many}{price}"]


def _why_none(design: Design) -> str:
    if design.difference + design.margin <= 0:
        return "no number of items shows it: under these assumptions the claim is not true"
    return f"more than {MOST_ITEMS:,} items would be needed"


def _items_lines(found: PowerOfItems, request: PowerRequest, scale: Scale) -> list[str]:
    usd = "" if found.usd is None else f", ${found.usd:,.2f}"
    lines = [
        f"With {found.items:,} items{usd}:",
        f"  the chance to show it is {found.achieved_power:.1%}",
        f"  the smallest margin shown with a chance of {request.power:.0%} is "
        f"{_gap(found.smallest_margin, scale)},",
        "  the smallest true advantage detected with that chance is "
        f"{_gap(found.smallest_difference, scale)}",
    ]
    if found.repeats_needed is None:
        lines.append("  no number of repeats is enough: it takes more items")
    elif found.repeats_needed > request.repeats:
        lines.append(f"  {found.repeats_needed} answers to each item would be enough")
    return lines


def _exactly(value: float, scale: Scale) -> str:
    return f"{100 * value:g} points" if is_share(scale) else f"{value:g}"


def _gap(value: float, scale: Scale) -> str:
    return f"{100 * value:.1f} points" if is_share(scale) else f"{value:.3f}"
