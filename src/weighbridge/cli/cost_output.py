"""A cost comparison as text of at most 80 columns, and as a chart."""

from pathlib import Path

from weighbridge.cli.cost_question import CostPlan
from weighbridge.cli.output import wrapped
from weighbridge.planning.cost import Answer, Priced
from weighbridge.planning.cost.load import HourlyLoad
from weighbridge.records.printable import printable_line
from weighbridge.storage import replace_file

_SHORT = {"hosted open weights": "hosted weights"}
_SHOWN_SWINGS = 6


def cost_text(made: CostPlan, chart: Path | None = None) -> str:
    """Return a comparison as lines."""
    found, asked = made.answer, made.answer.question
    lines = [
        *wrapped(f"{asked.name}, {made.found.precision}, as of {asked.as_of.isoformat()}"),
        *_own_lines(made),
        "",
        f"  $ per million tokens, in/out  candidate{_at(made):<14} break-even a month",
        *(line for one in found.comparators for line in _comparator_lines(found, one)),
        "",
        *_utilization_lines(found),
    ]
    if any(one.accepted for one in found.comparators):
        lines += ["", *_accepted_lines(found)]
    if found.load is not None:
        lines += ["", *_load_lines(found, found.load)]
    lines += ["", *_swing_lines(found), ""]
    for label, prices in (("OLD", found.old_prices), ("LATER", found.later_prices)):
        for said in prices:
            lines += wrapped(f"{label} PRICE: {said}", "  ")
    lines += wrapped("Holds for " + "; ".join(conditions(made)) + ".", "  ")
    for note in made.found.notes:
        lines += wrapped(f"note: {note}", "  ")
    if chart is not None:
        lines.append(f"  chart      {chart}")
    return "\n".join(printable_line(line) for line in lines)


def conditions(made: CostPlan) -> list[str]:
    """Return what the comparison holds under, each figure with its day."""
    found, asked = made.answer, made.answer.question
    machine = asked.machine
    said = [
        f"prompts of {asked.asked.input_tokens:,.0f} and answers of "
        f"{asked.asked.output_tokens:,.0f} tokens on the average",
        _load_condition(made),
        f"${machine.usd_per_hour:g} a GPU-hour ({_basis(found)}), paid for in every hour",
        throughput_sentence(made),
        *(
            f"{one.name} at {_rates(one)} per million tokens in/out, known of "
            f"{one.price.day.isoformat()} ({one.price.source})"
            for one in found.comparators
            if one.price is not None
        ),
        f"{asked.asked.cached_share:.0%} of prompt tokens read from the API's cache, and "
        f"{asked.asked.batch_share:.0%} of the requests sent as a batch, where that has a price",
        _fixed_condition(found),
        "writing to an API's cache, service tiers, reasoning tokens beyond these answers, and "
        "taxes are left out; tokens are counted alike on all sides",
    ]
    if asked.log is not None:
        said.append("the log's requests are those of every month")
    if not any(one.accepted for one in found.comparators):
        said.append("answers of equal use: no evaluation says how many are accepted")
    return said


def throughput_sentence(made: CostPlan) -> str:
    """Return what the throughput rests on."""
    rate, made_plan = made.found.rate, made.found.plan
    if made_plan is None or rate.interval is None:
        return f"{rate.tokens_per_second:,.0f} output tokens a second at full load, as measured"
    cell = made_plan.cell
    rests = "no measurement on this accelerator" if cell is None else (
        f"{cell.measurements} measurements ({made_plan.support}), the newest of "
        f"{cell.newest.isoformat()}"
    )  # fmt: skip
    low, high = rate.interval
    how = "requests that come by chance" if made.found.server else "requests always at hand"
    return (
        f"{rate.tokens_per_second:,.0f} output tokens a second at full load ({how}; 95 % interval "
        f"{low:,.0f} to {high:,.0f}), a forecast from {rests}"
    )


def _load_condition(made: CostPlan) -> str:
    found = made.answer
    if not made.load_stated:
        return "full load in every hour, the least it can cost: nothing was said of the load"
    count = "" if found.deployments == 1 else f" of {found.deployments} deployments"
    return f"{found.utilization:.1%} of the capacity{count} used"


def _basis(found: Answer) -> str:
    machine = found.question.machine
    return "as given" if machine.basis == "as given" else machine.said


def _rates(one: Priced) -> str:
    assert one.price is not None
    first, *more = one.price.price.rates
    said = f"${first.input_usd_per_million_tokens:g}/{first.output_usd_per_million_tokens:g}"
    for rate in more:
        said += (
            f" (above {rate.above_input_tokens:,} tokens "
            f"${rate.input_usd_per_million_tokens:g}/{rate.output_usd_per_million_tokens:g})"
        )
    return said


def _fixed_condition(found: Answer) -> str:
    asked, spent = found.question, found.hosting.once_usd
    staff = asked.operations_usd_per_month
    said = f"${staff:,.0f} a month of operations" if staff else "nobody's working time"
    once = ", ".join(f"{name} ${usd:,.0f}" for name, usd in asked.once_usd.items() if usd)
    if not spent:
        return f"{said}, and nothing for tuning, evaluation and red-teaming, is counted"
    return f"{said} is counted, and {once} over {asked.months:g} months in use"


def _at(made: CostPlan) -> str:
    return " is" if made.load_stated else " at full load"


def _own_lines(made: CostPlan) -> list[str]:
    found = made.answer
    full = found.per_million_tokens(found.by_utilization[1.0])
    lines = [f"  full load  ${full:.3g} per million tokens in and out"]
    if made.load_stated:
        own = found.per_million_tokens(found.own_usd)
        lines = [
            f"  own cost   ${own:.3g} per million tokens at {found.utilization:.1%} of "
            f"{found.deployments} deployment{'s' if found.deployments > 1 else ''}; "
            f"${full:.3g} at full load"
        ]
    if found.interval is not None:
        low, high = found.interval
        lines.append(
            f"             {found.cost_ratio:.3g} times the incumbent's cost (95 % interval "
            f"{low:.3g} to {high:.3g})"
        )
    elif found.cost_ratio is not None:
        lines.append(f"             {found.cost_ratio:.3g} times the incumbent's cost")
    return lines


def _comparator_lines(found: Answer, one: Priced) -> list[str]:
    role = _SHORT.get(one.role, one.role)
    if one.usd is None:
        return [f"  {role:<20} not known", *wrapped(one.why, "      ")]
    paid = found.per_million_tokens(one.usd)
    head = f"  {role:<20} {paid:>8.3g}"
    if one.cost_ratio is None or one.break_even is None:
        return [f"{head}", *wrapped(one.name, "      ")]
    ratio = one.cost_ratio
    middle = f"{1 / ratio:.3g} x cheaper" if ratio <= 1 else f"{ratio:.3g} x dearer"
    lines = [f"{head}   {middle:<23} {_break_even(found, one)}"]
    name = f"{one.name}: {one.why}" if one.why else one.name
    return [*lines, *wrapped(name, "      ")]


def _break_even(found: Answer, one: Priced) -> str:
    at = one.break_even
    if at is None or at.requests_per_month is None:
        return "never"
    tokens = at.requests_per_month * found.question.asked.tokens_per_request
    count = "" if at.deployments == 1 else f" of {at.deployments}"
    return f"{_count(tokens)} tokens ({at.utilization:.1%}{count})"


def _count(number: float) -> str:
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"


def _utilization_lines(found: Answer) -> list[str]:
    paid = found.incumbent.usd
    lines = [
        "  capacity used    " + "".join(f"{share:>10.0%}" for share in found.by_utilization),
        "  $ per million    "
        + "".join(f"{found.per_million_tokens(u):>10.3g}" for u in found.by_utilization.values()),
    ]
    if paid:
        ratios = (own / paid for own in found.by_utilization.values())
        lines.append("  of the incumbent " + "".join(f"{ratio:>10.3g}" for ratio in ratios))
        five, ten = found.incumbent.for_five, found.incumbent.for_ten
        lines += wrapped(
            f"5x cheaper than the incumbent: {_reached(five)}; 10x: {_reached(ten)}.", "  "
        )
        lines += _chance_lines(found)
    return lines


def _chance_lines(found: Answer) -> list[str]:
    """Return how likely the claims are, by how sure the throughput is."""
    if not found.chances or found.break_even_interval is None:
        return []
    low, high = found.break_even_interval
    lines = [
        "",
        f"  chance, by how sure the throughput is    {'cheaper':>8}{'5x':>8}{'10x':>8}",
    ]
    for role, one in found.chances.items():
        told = (f"{_likely(p):>8}" for p in (one.cheaper, one.five_times, one.ten_times))
        lines.append(f"  than {_SHORT.get(role, role):<34}  " + "".join(told))
    said = f"As dear as the incumbent at {low:.1%} to {high:.1%} of the capacity (95 % interval)."
    return [*lines, *wrapped(said, "  ")]


def _likely(chance: float) -> str:
    if 0.01 <= chance <= 0.99:
        return f"{chance:.0%}"
    return "> 99%" if chance > 0.5 else "< 1%"


def _reached(share: float | None) -> str:
    return "never" if share is None or share > 1 else f"from {share:.0%} of the capacity"


def _accepted_lines(found: Answer) -> list[str]:
    lines = ["  $ for 1,000 accepted answers      accepted   asked again   by someone"]
    for one in found.comparators:
        if one.accepted is None:
            continue
        again, someone = one.accepted.asked_again_usd, one.accepted.by_someone_usd
        told = ["never" if again is None else f"{again * 1000:.3g}"]
        told += ["not said" if someone is None else f"{someone * 1000:.3g}"]
        role = _SHORT.get(one.role, one.role)
        lines.append(f"  {role:<32} {one.accepted.share:>8.1%} {told[0]:>13} {told[1]:>12}")
    return lines


def _load_lines(found: Answer, load: HourlyLoad) -> list[str]:
    hours = load.seconds / 3600
    lines = wrapped(
        f"The log: {sum(h.requests for h in load.hours):,} requests in {hours:.3g} hours; the work "
        f"of {load.utilization:.3g} deployments on the average, {load.peak:.3g} in the busiest "
        f"hour, none in {sum(not h.requests for h in load.hours)} of {len(load.hours)} hours.",
        "  ",
    )
    lines.append("  run                deployments    $ a month   $ per million   of incumbent")
    paid = found.incumbent.usd
    for way in load.ways:
        usd = way.usd_per_month / load.requests_per_month
        ratio = f"{usd / paid:.3g}" if paid else "-"
        lines.append(
            f"  {way.name:<18} {way.deployments:>11.3g} {way.usd_per_month:>12,.0f} "
            f"{found.per_million_tokens(usd):>15.3g} {ratio:>14}"
        )
    for way in load.ways[2:]:
        lines += wrapped(f"{way.name}: {way.how}", "  ")
    if hours < 24:
        lines += wrapped("The log is shorter than a day: nights and weekends may cost more.", "  ")
    return lines


def _swing_lines(found: Answer) -> list[str]:
    if not found.swings:
        return []
    lines = ["  What decides: cost over the incumbent's, at both ends of each assumption"]
    if not any(one.decides for one in found.swings):
        lines.append("  (none of them alone changes which is cheaper)")
    for one in found.swings[:_SHOWN_SWINGS]:
        mark = "  <- decides" if one.decides else ""
        lines.append(
            f"  {one.assumption:<24} {one.ratio_at_low:>6.3g} ({one.low}) to "
            f"{one.ratio_at_high:.3g} ({one.high}){mark}"
        )
    return lines


def save_tornado(made: CostPlan, path: Path) -> None:
    """Draw which assumption decides."""
    from weighbridge.reports.cost_chart import Bar, tornado

    found = made.answer
    bars = [
        Bar(one.assumption, one.low, one.high, one.ratio_at_low, one.ratio_at_high)
        for one in found.swings
    ]
    drawing = tornado(bars, found.cost_ratio or 1.0, found.incumbent.name, found.question.as_of)
    picture = drawing.png() if path.suffix.lower() == ".png" else drawing.svg.encode()
    replace_file(path, picture)
