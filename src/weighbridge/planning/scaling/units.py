"""Reads units in the header of a table of runs, such as `Params (M)`, `tokens_b` or `PF-days`.

    header -> its name, and the factor of its cells (or the base that they are exponents of)

A unit is either understood, and then shown to the user, or refused by name: ignoring it would
change fitted constants by orders of magnitude.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from weighbridge.errors import InputError

_COUNTS = {
    "k": 1e3, "thousand": 1e3, "thousands": 1e3,
    "m": 1e6, "mn": 1e6, "mio": 1e6, "mil": 1e6, "million": 1e6, "millions": 1e6, "mega": 1e6,
    "b": 1e9, "bn": 1e9, "g": 1e9, "billion": 1e9, "billions": 1e9, "giga": 1e9,
    "t": 1e12, "tn": 1e12, "trillion": 1e12, "trillions": 1e12, "tera": 1e12,
}  # fmt: skip
_PREFIXES = {
    "k": 1e3, "kilo": 1e3, "m": 1e6, "mega": 1e6, "g": 1e9, "giga": 1e9, "t": 1e12, "tera": 1e12,
    "p": 1e15, "peta": 1e15, "e": 1e18, "exa": 1e18, "z": 1e21, "zetta": 1e21, "y": 1e24,
    "yotta": 1e24, "": 1.0,
}  # fmt: skip
_SECONDS = {"day": 86_400.0, "hour": 3_600.0, "hr": 3_600.0, "h": 3_600.0, "second": 1.0}
_NEUTRAL = {
    "", "#", "count", "number", "n", "d", "c", "l", "flop", "flops", "tokens", "token", "params",
    "param", "parameters", "parameter", "nats", "nat", "natspertoken", "nats/token", "validation",
    "val", "eval", "test", "train", "training", "heldout", "nonembedding", "noembed", "active",
    "total", "dense", "6nd", "est", "estimated", "approx", "raw", "final", "smoothed",
}  # fmt: skip
"""Words in brackets that are not units."""
_POWER = re.compile(
    r"(?:[x*×·]|times)?(?:(\d+(?:\.\d+)?)?e\+?(\d+)|10(?:\^|\*\*)?\{?(\d+)\}?|1(0+))"
)
_COUNTED = re.compile(r"[-_\s]?(?:flops?|tokens?|params?|parameters?)$")
_SUPERSCRIPT = re.compile("[⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", "⁺")
_LOG = re.compile(r"(log10|log_10|log2|ln|log)\s*(?:\((.+)\)|\[(.+)\]|[\s_]+(.+))", re.IGNORECASE)
_TIMES_LN2 = 0.6931471805599453


@dataclass(frozen=True)
class Header:
    """A column's header, parsed.

    Attributes:
        text: The header as it is in the file.
        name: The name without its unit, in lower case without spaces, dashes and underscores.
        factor: Factor that cells are multiplied by.
        base: Base that cells are exponents of; None where they are plain values.
        unit: The unit as it is written; "" for none.
        problem: Why the cells can't be read; None where they can.
    """

    text: str
    name: str
    factor: float = 1.0
    base: float | None = None
    unit: str = ""
    problem: InputError | None = None

    @property
    def description(self) -> str:
        """The header, with how its cells are read."""
        if self.base is not None:
            return f"{self.text} (read as the exponent of {self.base:.4g})"
        return self.text if self.factor == 1 else f"{self.text} (times {self.factor:.6g})"


def plain(text: str) -> str:
    """Return a name in lower case without spaces, dashes, underscores and dots.

    >>> plain("Model_Size")
    'modelsize'
    """
    return re.sub(r"[\s_\-.#]", "", text).lower()


def read_header(text: str, known: Callable[[str], str | None]) -> Header:
    """Return a header's name and unit; a unit that is not understood is its `problem`.

    Args:
        text: The header.
        known: Maps a plain name to its meaning (`parameters`, `flops`, …), or to None.
    """
    if known(plain(text)) is not None:
        return Header(text, plain(text))
    if (logged := _LOG.fullmatch(text.strip())) is not None:
        name = plain(next(group for group in logged.groups()[1:] if group))
        if known(name) not in (None, "loss"):
            base = {"ln": math.e, "log2": 2.0, "log": None}.get(logged[1].lower(), 10.0)
            return Header(text, name, base=base, problem=None if base else _which_logarithm(text))
    for name, unit, marked in _parted(text):
        meaning = known(plain(name))
        if meaning is not None:
            factor = _factor(_unit(unit), meaning)
            if factor is not None and (marked or len(plain(name)) > 1):
                return Header(text, plain(name), factor, unit=unit.strip())
            if marked or factor is not None:
                return Header(text, plain(name), problem=_unknown(text, unit.strip(), meaning))
    return _with_prefix(text, known) or Header(text, plain(text))


def _which_logarithm(text: str) -> InputError:
    return InputError(
        f"the column {text!r} may be a natural or a decimal logarithm",
        "log10(…), log2(…) or ln(…)", "rename the column",
    )  # fmt: skip


def _unknown(text: str, unit: str, meaning: str) -> InputError:
    expected = {
        "loss": "nats per token, or (bits per token)",
        "flops": "FLOPs, (1e21), (EFLOP) or (PF-days)",
        "budgets": "FLOPs, (1e21), (EFLOP) or (PF-days)",
    }.get(meaning, "plain counts, (K), (M), (B), (T), (1e6) or (millions)")
    return InputError(
        f"the column {text!r} seems to be {meaning} in {unit!r}, an unknown unit",
        expected, "rename the column, or convert it",
    )  # fmt: skip


def _parted(text: str) -> list[tuple[str, str, bool]]:
    """Return the ways to split a header into name and unit, and whether the unit is marked."""
    found = []
    if brackets := re.fullmatch(r"([^(\[{]*)((?:[(\[{][^)\]}]*[)\]}]\s*)+)", text):
        found.append((brackets[1], ",".join(re.findall(r"[(\[{]([^)\]}]*)", brackets[2]))))
    if divided := re.fullmatch(r"([^/]+?)\s*/\s*((?:\d|10).*)", text):
        found.append((divided[1], divided[2]))
    if scaled := re.fullmatch(r"(.+?)\s*([x*×·]\s*1(?:e|0).*)", text):
        found.append((scaled[1], scaled[2]))
    if worded := re.fullmatch(r"(.+?)[\s_]+in[\s_]+(.+)", text, re.IGNORECASE):
        found.append((worded[1], worded[2]))
    if comma := re.fullmatch(r"(.+?)\s*,\s*(.+)", text):
        found.append((comma[1], comma[2]))
    pieces = re.split(r"[\s_\-.]+", text.strip())
    cuts = range(len(pieces) - 1, 0, -1)
    loose = [(" ".join(pieces[:cut]), "-".join(pieces[cut:]), False) for cut in cuts]
    return [(name, unit, True) for name, unit in found] + loose


def _unit(text: str) -> str:
    """Return a unit in plain form: `PetaFLOP/s-days` as `petaflop/s-days`, `in 10⁹` as `10^9`."""
    text = _SUPERSCRIPT.sub(lambda found: "^" + found[0].translate(_DIGITS), text)
    text = re.sub(r"^\s*in\s+(?:units\s+of\s+)?", "", text, flags=re.IGNORECASE)
    return re.sub(r"\s+|(?<=\d),(?=\d)", "", text).lower().strip("_")


def _bare(unit: str) -> str:
    return re.sub(r"[_\-\s]", "", unit)


def _factor(unit: str, meaning: str) -> float | None:
    """Return the factor of a unit for a meaning's cells; None for an unknown unit."""
    parts = [part for part in re.split("[,;]", unit) if _bare(part) not in _NEUTRAL]
    if len(parts) > 1:
        return None
    unit = (parts[0] if parts else "").rstrip(".")
    if meaning != "loss" and _POWER.fullmatch(power := _COUNTED.sub("", unit)):
        unit = power  # of 1e21 FLOPs, 10^9 tokens
    bare = _bare(unit)
    if meaning == "loss":
        per_token = bare in ("bitspertoken", "bits/token", "bpt")
        return 1.0 if bare in _NEUTRAL else _TIMES_LN2 if per_token else None
    if bare in _NEUTRAL:
        return 1.0
    if found := _POWER.fullmatch(unit):
        mantissa, exponent, ten, zeros = found.groups()
        return float(mantissa or 1) * 10.0 ** int(exponent or ten or len(zeros))
    if meaning in ("flops", "budgets"):
        return _compute(unit)
    for ending in ("", "params", "parameters", "param", "tokens", "token", "toks", "tok",
                   "ofparameters", "oftokens", "ofparams"):  # fmt: skip
        if bare.endswith(ending) and (count := _COUNTS.get(bare.removesuffix(ending))):
            return count
    return None


def _compute(unit: str) -> float | None:
    """Return a unit's FLOPs, with a prefix or as a rate times a time: a PFLOP/s-day is 8.64e19."""
    if counted := re.fullmatch(r"([a-z]*?)[-_]?flops?", unit):
        return _PREFIXES.get(counted[1])
    if timed := re.fullmatch(
        r"([a-z]*?)[-_]?(?:flops?[-/]?s?(?:ec)?|f[-/]?s?)[-_·*x]*(days?|hours?|hrs?|h|seconds?)",
        unit,
    ):
        prefix, time = _PREFIXES.get(timed[1]), _SECONDS.get(timed[2].rstrip("s"))
        return prefix * time if prefix and timed[1] and time else None
    return {**_COUNTS, "p": 1e15, "e": 1e18, "z": 1e21, "y": 1e24}.get(unit)


def _with_prefix(text: str, known: Callable[[str], str | None]) -> Header | None:
    """Read names that are units themselves (`PF-days`, `EFLOPs`), or that begin or end with one."""
    unit = _unit(text).replace("_", "-")
    if unit not in ("flop", "flops") and re.search("flop|f-?s?-?day|f-?hour", unit):
        factor = _compute(re.sub(r"^(training|train|total|compute)-?", "", unit))
        if factor is not None:
            return Header(text, "flops", factor, unit=text.strip())
        if re.fullmatch(r"[a-z]*flops?/s(ec)?", unit):
            return None  # a speed
    for name, ending in (
        (re.sub(r"[\s_\-]", "", text)[:-1], text.strip()[-1:]),
        (re.sub(r"[\s_\-]", "", text)[1:], text.strip()[:1]),
    ):
        if len(name) > 3 and known(plain(name)) in ("parameters", "tokens") and ending in "KMBT":
            return Header(text, plain(name), _COUNTS[ending.lower()], unit=ending)
    return None
