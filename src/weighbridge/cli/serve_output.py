"""Serving plans as text of at most 80 columns and as a document."""

from dataclasses import dataclass
from datetime import date
from math import isfinite

from weighbridge.catalog.accelerator_prices import accelerator_price, aged
from weighbridge.catalog.accelerators import Accelerator
from weighbridge.cli.output import wrapped
from weighbridge.documents import ABSENT
from weighbridge.documents.serving import (
    ServingCalibration,
    ServingGoal,
    ServingLimit,
    ServingPlanDocument,
    ServingPrice,
    ServingSpeed,
    WithinGoal,
)
from weighbridge.planning.serving.efficiency import CALIBRATED, NEIGHBOURING, Calibration
from weighbridge.planning.serving.forecast import Plan, Speed
from weighbridge.planning.serving.measurements import Latency
from weighbridge.planning.serving.trace import Trace, WithinGoals
from weighbridge.records.printable import printable_line

LEFT_OUT = "speculative decoding, prefix caches, and prefill on other accelerators than decoding"
_OLD_DAYS = 180


@dataclass(frozen=True)
class Price:
    """What an accelerator costs.

    Attributes:
        usd_per_hour: Of one.
        note: What that price is.
    """

    usd_per_hour: float
    note: str


@dataclass(frozen=True)
class ServingPlan:
    """All that `plan serve` says.

    Attributes:
        title: The model's name.
        plan: The forecast.
        constants: What it was made with.
        goal: Latencies asked for.
        within: The largest batch that keeps to them, if there is one.
        trace: The log, if one was given.
        price: Of an accelerator, if one is known.
        notes: On the architecture.
    """

    title: str
    plan: Plan
    constants: Calibration
    goal: Latency | None
    within: WithinGoals | None
    trace: Trace | None
    price: Price | None
    notes: tuple[str, ...]


def price_of(machine: Accelerator, usd_per_hour: float | None, as_of: date) -> Price | None:
    """Return the user's price, or the dated table's where it has one."""
    if usd_per_hour is not None:
        return Price(usd_per_hour, "as given")
    known = accelerator_price(machine.name)
    return None if known is None else Price(known.usd_per_hour, aged(known, as_of))


def usd_per_million(made: ServingPlan, tokens_per_second: float) -> float | None:
    """Return dollars for a million output tokens at full load; None without a price."""
    if made.price is None or tokens_per_second <= 0:
        return None
    hours = made.plan.deployment.accelerators / tokens_per_second * 1e6 / 3600
    return made.price.usd_per_hour * hours


def support_sentence(made: ServingPlan) -> str:
    """Return what the interval rests on."""
    found, asked = made.plan, made.plan.deployment
    kind, machine = asked.model.kind, asked.machine.name
    cell = found.cell
    if found.support == CALIBRATED and cell is not None:
        said = (
            f"Calibrated: {cell.measurements} measurements of {cell.models} {kind} "
            f"model{'s' if cell.models > 1 else ''} on {machine} at {cell.precision}"
        )
    elif found.support == NEIGHBOURING and cell is not None:
        said = (
            f"OUTSIDE CALIBRATED CELLS: nothing or little was measured of {kind} models on "
            f"{machine} at {asked.model.precision.name}; nearest are {cell.measurements} of "
            f"{cell.kind} models at {cell.precision}"
        )
    else:
        said = (
            f"OUTSIDE CALIBRATED CELLS: nothing was measured on {machine}; other accelerators were"
        )
    newest = made.constants.newest if cell is None else cell.newest
    said += f", the newest on {newest.isoformat()}, {found.age_days} days before."
    if found.age_days > _OLD_DAYS:
        said += " Software gets faster: the interval is widened for that age."
    return said


def conditions(made: ServingPlan) -> list[str]:
    """Return what the forecast holds under."""
    asked = made.plan.deployment
    limit = made.plan.limit
    within = f", a token within {limit.each:g} s" if isfinite(limit.each) else ""
    return [
        f"prompts of {asked.input_tokens:,.0f} and answers of {asked.output_tokens:,.0f} tokens",
        f"weights in {asked.model.precision.name}, cache in {8 * asked.model.cache_bytes} bits",
        f"layout {made.plan.layout.title}, tuned engines, steady state",
        "offline: requests always at hand"
        if asked.concurrency is None
        else f"{asked.concurrency} requests at once",
        f"server: requests arrive by chance and find a place{within}",
        f"software of {min(made.constants.newest, asked.as_of).isoformat()}",
        f"{LEFT_OUT} are left out",
    ]


def serve_text(made: ServingPlan) -> str:
    """Return a plan as lines."""
    found, asked = made.plan, made.plan.deployment
    machine, model = asked.machine, asked.model
    length = asked.context_tokens
    copies = f" in each of {found.layout.replicas} copies" if found.layout.replicas > 1 else ""
    lines = [
        f"{printable_line(made.title)}, {model.precision.name}, on "
        f"{asked.accelerators} x {machine.name} ({found.layout.title})",
        f"  weights    {found.weights / 1e9:,.1f} GB a GPU of {machine.memory_bytes / 1e9:,.0f}",
        f"  cache      {found.free / 1e9:,.1f} GB a GPU; {found.sequence / 1e6:,.1f} MB for a "
        f"sequence of {length:,.0f} tokens",
        f"  batch      {found.largest_batch:,.0f} at most{copies}",
    ]
    for name, speed in (("offline", found.offline), ("server", found.server)):
        lines += _speed_lines(made, name, speed)
    if made.goal is not None:
        lines += _goal_lines(made)
    lines += wrapped(support_sentence(made), "  ")
    lines += wrapped("Holds for " + "; ".join(conditions(made)) + ".", "  ")
    if made.price is not None:
        lines += wrapped(
            f"price: ${made.price.usd_per_hour:g} a GPU-hour ({made.price.note})", "  "
        )
    for note in made.notes:
        lines += wrapped(f"note: {note}", "  ")
    return "\n".join(lines)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f} ms" if seconds < 10 else f"{seconds:,.0f} s"


def _speed_lines(made: ServingPlan, name: str, speed: Speed) -> list[str]:
    low, high = speed.interval
    money = usd_per_million(made, speed.tokens_per_second)
    tail = f"; ${money:.3g} a million at full load" if money is not None else ""
    told = speed.first_seconds is not None and (
        name == "server" or made.plan.deployment.concurrency is not None
    )
    first = f", the first in about {_ms(speed.first_seconds or 0.0)}" if told else ""
    return [
        f"  {name:<10} {speed.tokens_per_second:,.0f} output tokens a second "
        f"(95% interval {low:,.0f} to {high:,.0f})",
        f"             batch {speed.batch:,.0f}, a token in {_ms(speed.each_seconds)}{first}{tail}",
    ]


def _goal_lines(made: ServingPlan) -> list[str]:
    within = made.within
    if within is None:
        return ["  in goals   no batch keeps to them, not even one request alone"]
    lines = [
        f"  in goals   {within.speed.tokens_per_second:,.0f} output tokens a second at a batch of "
        f"{within.batch:,.0f} ({within.layout.title})"
    ]
    if made.trace is not None:
        lines.append(
            f"             {within.share_in_time:.1%} of the log's {made.trace.requests:,} "
            f"requests meet them: {within.good_tokens_per_second:,.0f} a second"
        )
    good = usd_per_million(made, within.good_tokens_per_second)
    every = usd_per_million(made, within.speed.tokens_per_second)
    if good is not None and every is not None:
        lines.append(
            f"             ${good:.3g} a million tokens that met the goals, ${every:.3g} of all"
        )
    if within.offered is not None:
        lines.append(f"             the log itself asks for {within.offered:.1%} of that")
    return lines


def _speed_document(made: ServingPlan, speed: Speed) -> ServingSpeed:
    return ServingSpeed(
        output_tokens_per_second=speed.tokens_per_second,
        tokens_per_second=speed.tokens_per_second,
        interval=speed.interval,
        tokens_per_second_per_gpu=speed.tokens_per_second / made.plan.deployment.accelerators,
        batch=speed.batch,
        ttft_seconds=speed.first_seconds,
        tpot_seconds=speed.each_seconds,
        usd_per_million_output_tokens=usd_per_million(made, speed.tokens_per_second),
        at_roofline=speed.at_ceiling,
    )


def serve_document(made: ServingPlan) -> ServingPlanDocument:
    """Return a plan as the document that scripts rely on."""
    found, asked, price = made.plan, made.plan.deployment, made.price
    offline = _speed_document(made, found.offline)
    return ServingPlanDocument(
        model=asked.name or asked.model.architecture.model_type,
        accelerator=asked.machine.name,
        gpus=asked.accelerators,
        precision=asked.model.precision.name,
        layout=found.layout.title,
        input_tokens=asked.input_tokens,
        output_tokens=asked.output_tokens,
        fits=True,
        weight_bytes=asked.model.weight_bytes,
        weight_bytes_per_gpu=found.weights,
        kv_cache_bytes=found.sequence,
        free_bytes_per_gpu=found.free,
        max_batch=found.largest_batch * found.layout.replicas,
        speed=offline,
        offline=offline,
        server=_speed_document(made, found.server),
        server_limit=_limit_document(found.limit),
        roofline_tokens_per_second=found.ceiling,
        calibration=_calibration_document(made),
        conditions=tuple(conditions(made)),
        as_of=asked.as_of.isoformat(),
        accelerator_source=asked.machine.source,
        sources=tuple(made.constants.sources),
        notes=tuple(made.notes),
        price=ABSENT
        if price is None
        else ServingPrice(usd_per_hour=price.usd_per_hour, note=price.note),
        goal=ABSENT if made.goal is None else _goal_document(made, made.goal),
    )


def _calibration_document(made: ServingPlan) -> ServingCalibration:
    found, cell = made.plan, made.plan.cell
    return ServingCalibration(
        support=found.support,
        calibrated=found.support == CALIBRATED,
        cell=None if cell is None else cell.name,
        measurements=0 if cell is None else cell.measurements,
        newest=(made.constants.newest if cell is None else cell.newest).isoformat(),
        age_days=found.age_days,
        made=made.constants.made.isoformat(),
        sentence=support_sentence(made),
    )


def _limit_document(limit: Latency) -> ServingLimit:
    return ServingLimit(
        ttft_seconds=limit.first if isfinite(limit.first) else None,
        tpot_seconds=limit.each if isfinite(limit.each) else None,
    )


def _goal_document(made: ServingPlan, goal: Latency) -> ServingGoal:
    limit, within = _limit_document(goal), made.within
    if within is None:
        return ServingGoal(limit=limit, met=False)
    speed = _speed_document(made, within.speed)
    found = WithinGoal(
        layout=within.layout.title,
        largest_batch=within.batch,
        **{f"at_batch_{name}": value for name, value in vars(speed).items()},
        share_of_requests_met=within.share_in_time,
        good_output_tokens_per_second=within.good_tokens_per_second,
        usd_per_million_good_output_tokens=usd_per_million(made, within.good_tokens_per_second),
        offered_share_of_capacity=within.offered,
        requests=None if made.trace is None else made.trace.requests,
    )
    return ServingGoal(limit=limit, met=True, within=found)
