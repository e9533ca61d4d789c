"""From the options of `plan cost` to a question, and its answer."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from math import isfinite
from pathlib import Path

from weighbridge.catalog.accelerator_prices import (
    AcceleratorPrice,
    accelerator_price,
    priced_accelerators,
)
from weighbridge.catalog.accelerators import accelerator
from weighbridge.catalog.api_prices import ApiPrice, find_api_price, stated_api_price
from weighbridge.catalog.models import find_model
from weighbridge.cli import options
from weighbridge.cli.amounts import dollars, parse_count, stated_price
from weighbridge.cli.plan_cost import Apis, Asked, Candidate, Fixed, Quality
from weighbridge.cli.plan_serve import Load, Machine, deployment_of
from weighbridge.errors import InputError
from weighbridge.planning.cost import (
    Alternative,
    Answer,
    Demand,
    Question,
    Rate,
    Role,
    Workload,
    answer,
)
from weighbridge.planning.cost.alternatives import hosted_of, known, sibling_of
from weighbridge.planning.serving.efficiency import calibrated
from weighbridge.planning.serving.forecast import Plan, plan
from weighbridge.planning.serving.trace import Trace, read_trace, with_lengths

_SIZES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Found:
    """The candidate's deployment.

    Attributes:
        title: The model's name.
        names: What its weights are called, here and at hosts.
        machine: The accelerator's name.
        gpus: How many.
        precision: Of the weights.
        rate: How fast it is.
        plan: The forecast; None where the rate was measured.
        server: Whether the forecast is of a server, whose requests come by chance.
        notes: On the architecture.
    """

    title: str
    names: tuple[str, ...]
    machine: str
    gpus: int
    precision: str
    rate: Rate
    plan: Plan | None
    server: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CostPlan:
    """All that `plan cost` says.

    Attributes:
        answer: The answer.
        found: The candidate's deployment.
        load_stated: Whether the user said how much is asked.
    """

    answer: Answer
    found: Found
    load_stated: bool


def answered(
    candidate: Candidate,
    apis: Apis,
    asked: Asked,
    fixed: Fixed,
    quality: Quality,
    as_of: str,
    runs: Path,
    offline: bool,
) -> CostPlan:
    """Return the answer to what a command line asks.

    Raises:
        InputError: An option is wrong.
    """
    day, now = options.parse_day("--as-of", as_of), datetime.now(UTC)
    fixed_usd = _once(fixed)
    log = None if asked.log is None else read_trace(asked.log, now)
    load = _workload(apis, asked, log)
    demand = _demand(asked, load)
    shares = _shares(quality, runs)
    found = _found(candidate, load, log, day, offline)
    question = Question(
        name=f"{found.title} on {found.gpus} x {found.machine}",
        accelerators=found.gpus,
        machine=_machine_price(candidate, found.machine, day),
        rate=found.rate,
        asked=load,
        demand=demand,
        alternatives=_alternatives(apis, found.names, load, day),
        operations_usd_per_month=dollars("--operations", fixed.operations),
        once_usd=fixed_usd,
        months=_above_zero("--months", fixed.months, "months"),
        as_of=day,
        shares=shares,
        usd_by_someone=dollars("--usd-by-someone", quality.usd_by_someone)
        if quality.usd_by_someone
        else None,
        log=log,
    )
    stated = bool(asked.tokens_per_month) or asked.utilization is not None
    timed = log is not None and log.requests_per_second is not None
    return CostPlan(answer(question), found, stated or timed)


def _once(fixed: Fixed) -> dict[str, float]:
    stated = {"tuning": fixed.tuning, "evaluation": fixed.evaluation, "red-team": fixed.red_team}
    return {name: dollars(f"--{name}", text) for name, text in stated.items()}


def _above_zero(option: str, value: float, what: str) -> float:
    if not (value > 0 and isfinite(value)):
        raise InputError(f"{option} {value:g}", f"{what} above 0")
    return value


def _share(option: str, value: float, least: str = "0") -> float:
    if not (0 <= value <= 1) or (least == "above 0" and value == 0):
        raise InputError(f"{option} {value:g}", f"a share from {least} to 1")
    return value


def _workload(apis: Apis, asked: Asked, log: Trace | None) -> Workload:
    cached = _share("--cached-share", apis.cached_share)
    later = _share("--batch-share", apis.batch_share)
    if log is None:
        return Workload(asked.input_tokens, asked.output_tokens, cached, later)
    lengths = Counter(
        (int(inputs), int(outputs)) for inputs, outputs in zip(log.inputs, log.outputs, strict=True)
    )
    means = float(log.inputs.mean()), float(log.outputs.mean())
    return Workload(*means, cached, later, lengths)


def _demand(asked: Asked, load: Workload) -> Demand:
    stated = [
        name
        for name, value in (
            ("--utilization", asked.utilization),
            ("--tokens-per-month", asked.tokens_per_month or None),
            ("--log", asked.log),
        )
        if value is not None
    ]
    if len(stated) > 1:
        raise InputError(" and ".join(stated), "one of them: each says how much is asked")
    if asked.tokens_per_month:
        tokens = parse_count("--tokens-per-month", asked.tokens_per_month)
        return Demand(1.0, tokens / load.tokens_per_request)
    share = 1.0 if asked.utilization is None else asked.utilization
    return Demand(_share("--utilization", share, "above 0"))


def _found(
    candidate: Candidate, load: Workload, log: Trace | None, day: date, offline: bool
) -> Found:
    """Find the model, and forecast a deployment of it, or take the measured rate."""
    means = Load(
        input_tokens=max(1, round(load.input_tokens)),
        output_tokens=max(1, round(load.output_tokens)),
    )
    measured = candidate.tokens_per_second
    if measured is not None:
        _above_zero("--tokens-per-second", measured, "output tokens a second")
    sizes = _SIZES if candidate.gpus is None else (candidate.gpus,)
    if measured is not None:
        sizes = (candidate.gpus or 1,)
    for last, gpus in enumerate(sizes, start=1):
        machine = Machine(gpu=candidate.gpu, gpus=gpus, precision=candidate.precision)
        title, asked, notes = deployment_of(candidate.self_hosted, machine, means, day, offline)
        notes = (*notes, *(log.notes if log is not None else ()))
        names = _names(candidate.self_hosted, asked.name)
        place = title, names, asked.machine.name, gpus, asked.model.precision.name
        if measured is not None:
            return Found(*place, Rate(measured), None, False, notes)
        try:
            made = plan(asked if log is None else with_lengths(asked, log), calibrated())
        except InputError:
            if last == len(sizes):
                raise
            continue
        server = not candidate.batch_server
        speed = made.server if server else made.offline
        return Found(*place, Rate(speed.tokens_per_second, speed.interval), made, server, notes)
    raise AssertionError("a deployment has at least one size")


def _names(spec: str, catalog_name: str) -> tuple[str, ...]:
    if not catalog_name:
        return (spec,)
    return (catalog_name, *find_model(catalog_name).hub)


def _machine_price(candidate: Candidate, machine: str, day: date) -> AcceleratorPrice:
    listed = accelerator_price(machine)
    if candidate.usd_per_hour:
        usd = dollars("--usd-per-hour", candidate.usd_per_hour, above_zero=True)
        return AcceleratorPrice(machine, usd, "as given", day, "the user", {})
    if listed is None:
        raise InputError(
            f"no dated price of {accelerator(machine).name} is in the table",
            f"one of {', '.join(priced_accelerators())}",
            "state it: --usd-per-hour",
        )
    return listed


def _alternatives(
    apis: Apis, names: tuple[str, ...], load: Workload, day: date
) -> tuple[Alternative, ...]:
    incumbent = _price("--api", apis.api, day)
    return (
        known("incumbent", incumbent, day),
        _sibling(apis, incumbent, day),
        _hosted(apis, names, load, day),
    )


def _price(option: str, text: str, day: date) -> ApiPrice:
    stated = stated_price(option, text)
    if stated is not None:
        return stated_api_price(f"{text} as stated", stated, day)
    return find_api_price(text, day)


def _sibling(apis: Apis, incumbent: ApiPrice, day: date) -> Alternative:
    if apis.sibling:
        return known("small sibling", _price("--sibling", apis.sibling, day), day)
    return sibling_of(incumbent, day, "--sibling")


def _hosted(apis: Apis, names: tuple[str, ...], load: Workload, day: date) -> Alternative:
    if apis.hosted:
        return Alternative("hosted open weights", _price("--hosted", apis.hosted, day))
    return hosted_of(names, load, day, "--hosted")


def _shares(quality: Quality, runs: Path) -> dict[Role, float]:
    stated: tuple[tuple[Role, str, str], ...] = (
        ("self-hosted", "--accepted", quality.accepted),
        ("incumbent", "--api-accepted", quality.api_accepted),
        ("small sibling", "--sibling-accepted", quality.sibling_accepted),
        ("hosted open weights", "--hosted-accepted", quality.hosted_accepted or quality.accepted),
    )
    found = {role: _accepted(option, text, runs) for role, option, text in stated if text}
    if quality.usd_by_someone and not found:
        raise InputError(
            "--usd-by-someone without a share of accepted answers", "--accepted SHARE|RUN"
        )
    return found


def _accepted(option: str, text: str, runs: Path) -> float:
    """Return a share as stated, or the score of a run that is one."""
    try:
        return _share(option, float(text))
    except ValueError:
        pass
    from weighbridge.evidence import RunStore
    from weighbridge.records.scale import is_share

    run = RunStore(runs).read(text)
    if not is_share(run.estimate.scale):
        raise InputError(
            f"{option} {text}: its score is no share of answers", "a run scored from 0 to 1"
        )
    if run.estimate.why_unknown:
        raise InputError(f"{option} {text}: {run.estimate.why_unknown}", "a run with a score")
    return _share(option, run.estimate.mean)
