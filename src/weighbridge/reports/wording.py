"""How figures and records are put into words; one place, so that a report speaks with one voice."""

from datetime import date

from weighbridge.catalog.accelerator_prices import OLD_AFTER_DAYS
from weighbridge.records import (
    ALARM,
    Comparison,
    EvalRun,
    Figure,
    Graded,
    Json,
    Score,
    Slice,
    canonical_json,
)
from weighbridge.records.printable import printable
from weighbridge.records.scale import (
    SHARE,
    Scale,
    is_share,
    less_is_better,
    measured_in,
    named,
)
from weighbridge.reports.content import CostRow, Forecast, Role

MINUS = "\N{MINUS SIGN}"

# C0 and C1 controls have no glyph or, worse, a meaning to some viewer: show them as pictures.
_CONTROLS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"}
_CONTROLS |= {0x7F: "\N{SYMBOL FOR DELETE}"}
_CONTROLS |= dict.fromkeys(range(0x80, 0xA0), "\N{REPLACEMENT CHARACTER}")
# Explicit bidirectional controls reorder the text of whoever stands beside them.
_CONTROLS |= dict.fromkeys(
    (*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\N{REPLACEMENT CHARACTER}"
)
_CONTROLS |= dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")  # lone surrogates

VERDICTS = {
    "superior": "better",
    "equivalent": "no difference that matters",
    "non_inferior": "not worse beyond the margin",
    "inferior": "worse",
    "inconclusive": "can't be told from these items",
}

ROLES: dict[Role, str] = {
    "target": "Target: should improve",
    "guard": "Guard: must not get worse",
}


def plain(text: str) -> str:
    """Return text with control and bidirectional characters made visible."""
    return printable(text.replace("\r\n", "\n").translate(_CONTROLS))


def excerpt(text: str, limit: int) -> str:
    """Return text on one line, cut at `limit` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def percent(rate: float) -> str:
    """A rate in [0, 1] as a percentage: ``61.0 %``."""
    return f"{100 * rate:.1f} %"


def value(mean: float, scale: Scale = SHARE) -> str:
    """A mean in the words of its scale: ``61.0 %``, ``7.17``, and of a loss ``0.952``."""
    return percent(mean) if is_share(scale) else f"{mean:.{_places(scale)}f}"


def _places(scale: Scale) -> int:
    """Decimal places of a value that isn't a share: losses differ in the third."""
    return 3 if less_is_better(scale) else 2


def estimate(mean: float, interval: tuple[float, float], scale: Scale = SHARE) -> str:
    """A mean with its interval: ``61.0 % [54.1, 67.5]``, ``7.17 [6.80, 7.53]``."""
    low, high = interval
    if not is_share(scale):
        places = _places(scale)
        return f"{value(mean, scale)} [{low:.{places}f}, {high:.{places}f}]"
    return f"{percent(mean)} [{100 * low:.1f}, {100 * high:.1f}]"


def run_mean(run: EvalRun) -> str:
    """A run's mean with its interval, or that none of its answers was graded."""
    if run.estimate.why_unknown:
        return "nothing was graded"
    return estimate(run.estimate.mean, run.estimate.interval, run.estimate.scale)


def slice_mean(run: EvalRun, one: Slice | Figure | None) -> str:
    """The mean of a part of a run with its interval; a dash where the run graded nothing."""
    if one is None or run.estimate.why_unknown:
        return "—"
    return estimate(one.mean, one.interval, run.estimate.scale)


def compared(comparison: Comparison) -> str:
    """A comparison's difference with its interval, or why there is none."""
    return comparison.why_unknown or difference(
        comparison.difference, comparison.interval, comparison.scale
    )


def signed(rate: float, scale: Scale = SHARE) -> str:
    """A difference without its unit: in points, ``+4.0``, ``−1.3``, ``0.0``; else ``+0.18``."""
    number, places = (100 * rate, 1) if is_share(scale) else (rate, _places(scale))
    number = round(number, places)
    sign = "" if number == 0 else "+" if number > 0 else MINUS
    return f"{sign}{abs(number):.{places}f}"


def points(rate: float, scale: Scale = SHARE) -> str:
    """A difference with its unit, where it has one: ``+4.0 points``, ``+0.18``."""
    return f"{signed(rate, scale)} points" if is_share(scale) else signed(rate, scale)


def difference(gap: float, interval: tuple[float, float], scale: Scale = SHARE) -> str:
    """A difference with its interval: ``+4.0 points [−1.2, +9.3]``."""
    low, high = interval
    return f"{points(gap, scale)} [{signed(low, scale)}, {signed(high, scale)}]"


def of_margin(scale: Scale) -> str:
    """What a margin's figure is of, after it: nothing for points."""
    return "" if is_share(scale) else f" {measured_in(scale)}"


def unit(scale: Scale) -> str:
    """What a mean is measured in: ``% of items``, ``the scale from 1 to 10``."""
    return "% of items" if is_share(scale) else named(scale)


def p_value(value: float) -> str:
    """A p-value with its relation: ``= 0.031``, ``< 0.001``."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def count(number: int) -> str:
    """An integer with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def amount(value: float, unit: str) -> str:
    """Bytes in binary units, seconds as a person says them."""
    return _bytes(value) if unit == "bytes" else _seconds(value)


def forecast_error(forecast: Forecast) -> str:
    """How far the measurement lies from the forecast, in per cent of the forecast."""
    if forecast.measured is None:
        return "not measured"
    if forecast.predicted <= 0:
        return "—"
    return f"{signed(forecast.measured / forecast.predicted - 1)} %"


def verdict(comparison: Comparison) -> str:
    """A comparison's verdict, for people."""
    return VERDICTS[comparison.verdict]


def tone(comparison: Comparison, role: Role) -> str:
    """Whether a verdict is ``good``, ``bad`` or ``unsure``, given what the benchmark is for."""
    if comparison.verdict == "inconclusive":
        return "unsure"
    if comparison.verdict == "inferior":
        return "bad"
    return "good" if role == "guard" or comparison.verdict == "superior" else "unsure"


def ungraded(run: EvalRun) -> str:
    """Ungraded samples by reason: ``2 unparsed, 1 truncated``, or ``none``."""
    reasons = [f"{n} {reason}" for reason, n in run.estimate.ungraded.items() if n]
    return ", ".join(reasons) or "none"


def beside(run: EvalRun) -> list[tuple[str, Figure]]:
    """The figures beside a run's headline, the headline first: ``pass@1``, ``pass@10``."""
    stated = run.estimate
    if not stated.beside:
        return []
    first = Figure(stated.mean, stated.stderr, stated.interval, stated.n)
    named = {stated.aggregate: first, **stated.beside}
    return [(name.replace("pass_at_", "pass@"), one) for name, one in named.items()]


def alarms(run: EvalRun) -> list[str]:
    """Return the alarms among a run's notes."""
    return [note.removeprefix(ALARM) for note in run.provenance.notes if note.startswith(ALARM)]


def graded_only(run: EvalRun) -> str:
    """The mean over graded samples, or a dash where there are none."""
    mean = run.estimate.mean_graded
    return "—" if mean is None else value(mean, run.estimate.scale)


def score(value: Score) -> str:
    """A score and its reason in one line."""
    if not isinstance(value, Graded):
        return f"ungraded, {value.reason}" + (f": {value.why}" if value.why else "")
    missed = [name for name, part in value.parts.items() if part < 1]
    clauses = [f"{value.value:g}"]
    if value.why:
        clauses.append(value.why)
    if missed and not any(name in value.why for name in missed):
        clauses.append(f"wrong: {', '.join(missed)}")
    return " · ".join(clauses)


def as_text(value: Json) -> str:
    """A target as a person reads it: text as it is, anything else as canonical JSON."""
    return value if isinstance(value, str) else canonical_json(value).decode()


def settings(run: EvalRun) -> str:
    """A run's settings that differ from their defaults: ``shots 5, limit 100``."""
    facts = {
        key: value
        for key, value in run.asked.without("judge").items()
        if value not in (None, "", 0, {}, [])
    }
    if run.provenance.judge is not None:
        facts["judge"] = run.provenance.judge
    return ", ".join(f"{key.replace('_', ' ')} {as_text(value)}" for key, value in facts.items())


def thousand(usd: float | None) -> str:
    """Return what a thousand cost, from what one does."""
    return "not known" if usd is None else f"{1000 * usd:.3g}"


def price_day(day: str, generated: str) -> str:
    """Return of which day a price is, and how old it was if that is more than 90 days."""
    age = (date.fromisoformat(generated[:10]) - date.fromisoformat(day)).days
    return f"price of {day}" + (f", {age} days old" if age > OLD_AFTER_DAYS else "")


def break_even(row: CostRow) -> str:
    """Return the number of items a month from which on the candidate costs no more."""
    if row.break_even_utilization is None:
        return "—"
    return "never" if row.break_even_items is None else f"{row.break_even_items:,.0f} a month"


def _bytes(value: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit in ("B", "KiB", "MiB") else f"{value:.2f} {unit}"
        value /= 1024
    return f"{value:.2f} TiB"


def _seconds(value: float) -> str:
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
