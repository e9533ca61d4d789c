"""Reads a number of a reply together with the numbers and words around it.

`1 hour and 12 minutes` is one measure of two numbers, `3 to 5` a range, `6 * 12` a calculation
whose result is not given, `72 = 6 * 12` one whose result stands first. Whoever takes the last
number of each by itself reads a wrong answer where the reply may be right.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from weighbridge.evaluation.scorers.numerals import Numeral, numerals_of_plain


@dataclass(frozen=True)
class Said:
    """A number of a reply, with its possible readings.

    Attributes:
        numeral: The number.
        as_well: Other values of the same quantity: 1.2 (hours) beside 72 (minutes).
        perhaps: Values that may have been meant instead, so that an answer of which one of them is
            right can't be called wrong.
        open: Why no single number is said at all, such as "a range"; empty where one is.
    """

    numeral: Numeral
    as_well: frozenset[Fraction] = frozenset()
    perhaps: frozenset[Fraction] = frozenset()
    open: str = ""


# Units of one kind, in a common measure, the largest first where a reply combines them.
_KINDS: tuple[dict[str, Fraction], ...] = (
    {
        r"weeks?|wks?": Fraction(604800), r"days?|d": Fraction(86400),
        r"hours?|hrs?|h": Fraction(3600), r"minutes?|mins?|min": Fraction(60),
        r"seconds?|secs?|sec|s": Fraction(1),
    },
    {r"years?|yrs?": Fraction(12), r"months?": Fraction(1)},
    {
        r"miles?|mi": Fraction(63360), r"yards?|yds?": Fraction(36),
        r"feet|foot|ft|'": Fraction(12), r"inch(?:es)?|in|\"|''": Fraction(1),
    },
    {
        r"kilomet(?:er|re)s?|km": Fraction(100000), r"met(?:er|re)s?|m": Fraction(100),
        r"centimet(?:er|re)s?|cm": Fraction(1),
    },
    {r"pounds?|lbs?": Fraction(16), r"ounces?|oz": Fraction(1)},
    {r"kilograms?|kilos?|kg": Fraction(1000), r"grams?|g": Fraction(1)},
    {
        r"gallons?": Fraction(16), r"quarts?": Fraction(4), r"pints?": Fraction(2),
        r"cups?": Fraction(1),
    },
)  # fmt: skip
_LONGEST_JOINT = 60  # characters between two numbers that are said together
_UNIT = re.compile(r"[ \u2009-]{0,3}(?:(?P<unit>[A-Za-z]{1,11}|''|['\"])\.?)(?![A-Za-z])")
_JOINS = re.compile(r"(?:,|\s+and|,\s*and|\s*&)?\s*\Z")
_MARKUP = r"[\s*_$()\[\]]*"
_RANGE = re.compile(rf"{_MARKUP}(?:to|through|-|–|—|~|or|and/or|or even){_MARKUP}(?:about )?\Z")
_RATIO = re.compile(r"\s?:\s?\Z")
_BETWEEN = re.compile(r"\bbetween\W{1,3}\Z", re.IGNORECASE)
_AND = re.compile(rf"(?:\s+[^\W\d]+){{0,2}}{_MARKUP}and{_MARKUP}\Z")
_LISTED = re.compile(rf"{_MARKUP}(?:,|;|/|&|and|,\s*and|,\s*or){_MARKUP}\Z")
_OPERATOR = re.compile(
    rf"{_MARKUP}(?:\*\*|[*×x·÷+/^-]|plus|minus|times|divided by|by){_MARKUP}\Z"
)  # fmt: skip
# Before a calculation whose result comes first: "72 = 6 * 12", "72 apples (6 * 12)".
_RESULT_OF = re.compile(rf"(?:\s+[^\W\d]\w{{0,40}}){{0,3}}{_MARKUP}(?:=|\(){_MARKUP}")
_NO_MORE = re.compile(r"(?:\s+[^\W\d]\w{0,40}){0,3}[\s*_$).!\]]*(?:\n|\Z)")
_SENTENCE = re.compile(r"(?<=[.!?])[\s*_)\]]+(?=\S)|\n")
_BULLET = re.compile(r"[ \t]{0,12}[-*•][ \t]")
_LIST_MARK = re.compile(r"(?m)^[ \t*_>-]{0,12}(\d{1,3})(?=[.)]\s+\S)")


def said_at(plain: str, found: Sequence[Numeral], at: int) -> Said:
    """Return the reading of one number of a text, in its surroundings.

    Args:
        plain: The text, its numerals plainly written.
        found: All its numbers, in order.
        at: Which of them.
    """
    measured = _measured(plain, found, at)
    if measured is not None:
        return measured
    chain = _chain(plain, found, at)
    if len(chain) > 1 and (said := _calculated(plain, found, chain)) is not None:
        return said
    if why := _several(plain, found, at):
        return Said(found[at], open=why)
    return Said(found[at])


def last_said(plain: str) -> Said | None:
    """Return the reading of a text's last number; others of its sentence may be meant."""
    every = list(numerals_of_plain(plain))
    found = _without_list_marks(plain, every)
    if not found:
        return None
    said = said_at(plain, found, len(found) - 1)
    if said.open or said.as_well:
        return said
    begin = _context_of(plain, found[-1].start)
    beside = {one.value for one in found[:-1] if one.start >= begin and said.numeral is found[-1]}
    return replace(said, perhaps=said.perhaps | beside)


def _context_of(plain: str, at: int) -> int:
    """Return where the sentence of a place begins, or the line before a list with bullets."""
    lines = plain[:at].split("\n")
    count = 0
    while count < len(lines) and _BULLET.match(lines[-1 - count]):
        count += 1
    if count and count < len(lines):
        return sum(len(line) + 1 for line in lines[: -1 - count])
    return max((m.end() for m in _SENTENCE.finditer(plain, 0, at)), default=0)


def _without_list_marks(plain: str, found: list[Numeral]) -> list[Numeral]:
    """Leave out the numbers of a numbered list, unless there are no others."""
    marks = list(_LIST_MARK.finditer(plain))
    counted = [int(mark[1]) for mark in marks]
    if len(marks) < 2 or counted != list(range(counted[0], counted[0] + len(counted))):
        return found
    places = {mark.start(1) for mark in marks}
    return [one for one in found if one.start not in places] or found


def _unit(plain: str, numeral: Numeral) -> tuple[int, Fraction, int] | None:
    """Return the kind and size of the unit behind a number, and where it ends."""
    behind = _UNIT.match(plain, numeral.end)
    if behind is None:
        return None
    for kind, units in enumerate(_KINDS):
        for names, size in units.items():
            if re.fullmatch(names, behind["unit"].lower()):
                return kind, size, behind.end()
    return None


def _measured(plain: str, found: Sequence[Numeral], at: int) -> Said | None:
    """Add up a measure of several numbers: 1 hour and 12 minutes."""
    first, last = at, at
    while first > 0 and _continues(plain, found[first - 1], found[first]):
        first -= 1
    while last + 1 < len(found) and _continues(plain, found[last], found[last + 1]):
        last += 1
    if first == last:
        return None
    parts = [(one, _unit(plain, one)) for one in found[first : last + 1]]
    sizes = [unit[1] for _, unit in parts if unit is not None]
    total = sum((abs(one.value) * unit[1] for one, unit in parts if unit), Fraction(0))
    total = -total if parts[0][0].value < 0 else total
    smallest = parts[-1][0]
    whole = replace(
        smallest, value=total / sizes[-1], other=None, bare=None,
        text=plain[parts[0][0].start : smallest.end], start=parts[0][0].start,
    )  # fmt: skip
    as_well = frozenset(total / size for size in sizes)
    return Said(whole, as_well, frozenset(one.value for one, _ in parts))


def _continues(plain: str, before: Numeral, after: Numeral) -> bool:
    """Whether a number goes on with the measure before it, in a smaller unit of its kind."""
    large, small = _unit(plain, before), _unit(plain, after)
    if large is None or small is None or large[0] != small[0] or large[1] <= small[1]:
        return False
    joint = plain[large[2] : min(after.start, large[2] + _LONGEST_JOINT)]
    return _JOINS.match(joint) is not None and after.value >= 0


def _chain(plain: str, found: Sequence[Numeral], at: int) -> tuple[int, ...]:
    """Return which numbers are joined with one of them by operators."""
    first, last = at, at
    while first > 0 and _OPERATOR.match(_between(plain, found[first - 1], found[first])):
        first -= 1
    while last + 1 < len(found) and _OPERATOR.match(_between(plain, found[last], found[last + 1])):
        last += 1
    return tuple(range(first, last + 1))


def _between(plain: str, one: Numeral, other: Numeral) -> str:
    """Return the text between two numbers; where it is long, they are not said together."""
    between = plain[one.end : other.start]
    return between if len(between) <= _LONGEST_JOINT else "…"


def _calculated(plain: str, found: Sequence[Numeral], chain: Sequence[int]) -> Said | None:
    """Return a calculation's result if it stands before it; otherwise mark the answer as open."""
    first, last = found[chain[0]], found[chain[-1]]
    behind = plain[last.end :]
    if chain[-1] + 1 < len(found) and re.match(r"[^\d=\n]{0,20}=", behind):
        return None  # its result follows, and is a number of its own
    result = found[chain[0] - 1] if chain[0] > 0 else None
    if result is not None and _RESULT_OF.fullmatch(_between(plain, result, first)):
        return Said(result)
    if re.fullmatch(r"\s?[-–]\s?", plain[first.end : found[chain[1]].start]) and len(chain) == 2:
        return Said(last, open=f"{plain[first.start : last.end]} may be a range or a calculation")
    return Said(last, open=f"{plain[first.start : last.end]} is a calculation without its result")


def _several(plain: str, found: Sequence[Numeral], at: int) -> str:
    """Return why a number is only one of several that are given as the answer; else ""."""
    for first in (at - 1, at):
        if not 0 <= first < len(found) - 1:
            continue
        one, other = found[first], found[first + 1]
        between = _between(plain, one, other)
        words = plain[one.start : other.end]
        if _RANGE.match(_without_unit(plain, one, between)) or _RATIO.match(between):
            return f"{words} is no single number"
        if _AND.match(between) and _BETWEEN.search(plain[: one.start]):
            return f"{words} is a range"
        if first == at and _LISTED.match(between) and _NO_MORE.match(plain, other.end):
            return f"{words} are several numbers"
    return ""


def _without_unit(plain: str, numeral: Numeral, between: str) -> str:
    """Return the text between two numbers, without the unit of the first: `3 km to 5 km`."""
    unit = _unit(plain, numeral)
    return between if unit is None else plain[unit[2] : numeral.end + len(between)]
