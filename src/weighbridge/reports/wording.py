"""How figures and records are put into words; one place, so that a report speaks with one voice."""

from weighbridge.records import (
    ALARM,
    Comparison,
    EvalRun,
    Figure,
    Graded,
    Json,
    Score,
    canonical_json,
)
from weighbridge.reports.content import Forecast, Role

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
    """Return text that any encoder accepts and that shows its control characters."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def excerpt(text: str, limit: int) -> str:
    """Return text on one line, cut at `limit` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def percent(rate: float) -> str:
    """A rate in [0, 1] as a percentage: ``61.0 %``."""
    return f"{100 * rate:.1f} %"


def estimate(mean: float, interval: tuple[float, float]) -> str:
    """A rate with its interval: ``61.0 % [54.1, 67.5]``."""
    low, high = interval
    return f"{percent(mean)} [{100 * low:.1f}, {100 * high:.1f}]"


def signed(rate: float) -> str:
    """A difference of rates in points, without the unit: ``+4.0``, ``−1.3``, ``0.0``."""
    value = round(100 * rate, 1)
    if value == 0:
        return "0.0"
    return f"{'+' if value > 0 else MINUS}{abs(value):.1f}"


def points(rate: float) -> str:
    """A difference of rates: ``+4.0 points``."""
    return f"{signed(rate)} points"


def difference(value: float, interval: tuple[float, float]) -> str:
    """A difference with its interval: ``+4.0 points [−1.2, +9.3]``."""
    return f"{points(value)} [{signed(interval[0])}, {signed(interval[1])}]"


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
    """What puts a run's figure itself into doubt."""
    return [note.removeprefix(ALARM) for note in run.provenance.notes if note.startswith(ALARM)]


def graded_only(run: EvalRun) -> str:
    """The mean over graded samples, or a dash where there are none."""
    mean = run.estimate.mean_graded
    return "—" if mean is None else percent(mean)


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
    """A run's settings that are not at rest: ``shots 5, limit 100``."""
    told = {key: value for key, value in run.settings.items() if value not in (None, "", 0, {}, [])}
    return ", ".join(f"{key.replace('_', ' ')} {as_text(value)}" for key, value in told.items())


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
