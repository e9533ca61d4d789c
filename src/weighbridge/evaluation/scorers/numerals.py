"""Numbers as people and models write them, and which of them can be read in two ways.

A numeral whose separators allow one reading has one: `9,500`, `9'500`, `1.234,50`, `1 234 567`,
`3 1/2`, `1.2 × 10^3`, `70k`. Where they allow two, the reading of English comes first and the other
one stands beside it: `70.000`, `9, 500`, `12,50`. A caller that compares must not call an answer
wrong of which the other reading is right.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from weighbridge.evaluation.scorers.plain_numerals import THIN, plain_numerals


@dataclass(frozen=True)
class Numeral:
    """A number that was found in a text.

    Attributes:
        value: What it says, in the reading of English.
        other: What it may say as well, where its separators or its place leave that open.
        bare: The number before a word of scale: 70 of "70 thousand", which a question may ask for.
        text: As it stands there, plainly written.
        start: Where it begins in the plainly written text.
        end: Where it ends.
    """

    value: Fraction
    other: Fraction | None
    bare: Fraction | None
    text: str
    start: int
    end: int


LONGEST = 4000
"""Longest number that is read, in characters (Python itself reads 4300 digits)."""

_GROUPED = (
    rf"(?P<grouped>(?<![\d,])[1-9]\d{{0,2}}(?:,\d{{3}})+(?:\.\d+)?|[1-9]\d?(?:,\d{{2}})+,\d{{3}}(?:\.\d+)?"
    rf"|\d{{1,3}}(?:[{THIN}'_]\d{{3}})+(?:[.,]\d+)?|\d{{1,3}}(?:\.\d{{3}}){{2,}}(?:,\d+)?"
    rf"|\d{{1,3}}(?:\.\d{{3}})+,\d{{1,2}})(?!\d)"
)
_SPACED = r"(?P<spaced>(?<!\d )(?<!\d)[1-9]\d{0,2}(?: \d{3})+(?:[.,]\d{1,2})?(?![\d,.]?\d| \d))"
# From its first group alone, so that a long list is not tried again from each of its members.
_LISTED = r"(?P<listed>(?<![\d,] )(?<!\d)(?<!\D\d{3},)\d{1,3}(?: ?, ?\d{3}){1,1400}+(?!\d| ?, ?\d))"
_DOTTED = r"(?P<dotted>(?<![\d.,])[1-9]\d{0,2}\.\d{3}(?![\d]|[.,]\d))"
_COMMA = r"(?P<comma>(?<![\d.,])(?:\d+,\d{1,2}|(?:0|\d{4,}),\d+)(?![\d]|[,.]\d))"
_PLAIN = r"(?P<plain>\d+(?:\.\d+)?|(?<!\d)\.\d+)"
_SCALES = {
    "k": 10**3, "thousand": 10**3, "hundred": 10**2, "million": 10**6, "mio": 10**6,
    "mn": 10**6, "billion": 10**9, "bn": 10**9, "trillion": 10**12, "lakh": 10**5, "lac": 10**5,
    "crore": 10**7, "dozen": 12, "千": 10**3, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8,
    "m": 10**6, "b": 10**9,
}  # fmt: skip
_CURRENCY = r"(?:(?:[A-Z]{2,3}|[RA-C])?\$|[€£¥₹₽₩₺₫₴₱฿₦₪¢]|(?:USD|EUR|GBP|CHF|INR|Rs\.?))"
_NUMBER = re.compile(
    # A minus counts unless it joins two things ("5-3", "a-1"); a bullet's has a space after it.
    r"(?P<minus>(?<![\w)\]%])[-\u2013]|\b(?:[Nn]egative|(?<=is )minus|(?<=: )minus) )?"
    rf"(?:(?P<currency>{_CURRENCY})[{THIN} ]?(?P<inner>-)?)?"
    rf"(?P<digits>{_GROUPED}|{_DOTTED}|{_SPACED}|{_LISTED}|{_COMMA}|{_PLAIN})"
    r"(?P<exponent>[eE][+-]?\d{1,3}(?!\w|\.\d)|\s?[x×*·]\s?10\s?\^\s?\{?\(?(?P<ten>[+-]?\d{1,3})\)?\}?"
    r"|\^\{?(?P<power>\d{1,2})\}?(?!\d))?"
    r"(?P<mixed>[ \u2009-](?P<over>\d{1,3})/(?P<under>\d{1,4})(?![\d/.])"
    r"|\s?/\s?(?P<below>\d+(?:\.\d+)?)(?![\d/,]))?"
    rf"(?P<scale>k(?![A-Za-z])|K(?![A-Za-z])|(?<=\d)[MB](?![A-Za-z]))?"
    r"(?:[ \u2009]?(?P<word>(?i:hundreds?|thousands?|millions?|mio|billions?|bn|mn|trillions?"
    r"|lakhs?|lac|crores?|dozens?)\b|[千万萬亿億]))?"
    r"(?P<part> ?%| ?(?i:percent|per cent|cents?)\b| ?¢)?"
)
_EUROPEAN = re.compile(
    r"\d\.\d{3}[.,]\d|(?<![\d.,])\d+,\d{2}(?![\d,])"
    r"|€\s?\d{1,3}\.\d{3}(?!\d)|\d{1,3}\.\d{3}\s?(?:€|EUR|Euro)"
)
_UNIT_EXPONENT = re.compile(
    r"(?<=\d)(\s?(?:mm|cm|dm|km|m|ft|in|yd|mi|inch|feet))(?:\s?\^\{?[23]\}?|[23])(?!\w|\.\d)"
)
_DOLLARS_AND_CENTS = re.compile(
    r"(?:(?P<sign>\$ ?\d[\d,]*)(?: dollars?)?|(?<!\d)(?<!\d,)(?P<named>\d[\d,]*) dollars?)"
    r"(?:,? and|,) "
    r"\$?(?P<cents>\d{1,2}) ?(?:cents?\b|¢)", re.IGNORECASE,
)  # fmt: skip
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])")
_DATE = re.compile(r"(?<![\d/])\d{1,4}/\d{1,2}/\d{1,4}(?![\d/])")


def numerals(text: str) -> Iterator[Numeral]:
    """Yield the numbers of a text in their order."""
    yield from numerals_of_plain(plain_numerals(text))


def numerals_of_plain(plain: str) -> Iterator[Numeral]:
    """Yield the numbers of a text that is written plainly already, see `plain_numerals`."""
    plain = _UNIT_EXPONENT.sub(lambda found: found[1].ljust(len(found[0])), plain)
    plain = _DOLLARS_AND_CENTS.sub(_joined, plain)
    plain = _DATE.sub(lambda found: found[0].replace("/", " "), plain)
    plain = _CLOCK.sub(_hour, plain)
    european = _european(plain)
    for found in _NUMBER.finditer(plain):
        longest = max(len(found[0]), len(found["digits"]) * int(found["power"] or 0))
        if longest <= LONGEST and not _is_exponent(plain, found.start()):
            yield _numeral(found, european)


def _joined(found: re.Match[str]) -> str:
    """Write dollars and cents as one number."""
    amount = f"{found['sign'] or found['named']}.{int(found['cents']):02}"
    return amount.ljust(len(found[0]))


def _hour(found: re.Match[str]) -> str:
    """Replace a time of day by its hour if it is a full hour, else by spaces."""
    full = int(found[2]) == 0 and not int(found[3] or 0)
    return found[1].ljust(len(found[0])) if full else " " * len(found[0])


def _is_exponent(text: str, at: int) -> bool:
    return text[max(0, at - 2) : at].rstrip("{").endswith("^")


def _european(text: str) -> bool:
    """Whether a text groups its thousands with dots elsewhere, or parts decimals with a comma."""
    return _EUROPEAN.search(text) is not None


def _numeral(found: re.Match[str], european: bool) -> Numeral:
    value, other = _digits(found, european)
    scale = 1
    if found["exponent"]:
        value, other = _raised(found, value), None
    if found["over"] and int(found["under"]):
        value, other = value + Fraction(int(found["over"]), int(found["under"])), None
    elif found["below"] and Fraction(found["below"]):
        value, other = value / Fraction(found["below"]), None
    word = (found["scale"] or found["word"] or "").lower()
    if word in ("m", "b") and not found["currency"]:  # of metres as well
        other, word = other or value * _SCALES[word], ""
    if found["part"]:  # a question may ask for 50 cents in dollars, for 25 % as a part of one
        other = other or value / 100
    if word:
        scale = _SCALES.get(word) or _SCALES[word.removesuffix("s")]
    sign = -1 if found["minus"] or found["inner"] else 1
    return Numeral(
        value=sign * value * scale,
        other=None if other is None else sign * other * scale,
        bare=sign * value if scale != 1 else None,
        text=found[0].strip().replace(THIN, " "),
        start=found.start(),
        end=found.end(),
    )


def _digits(found: re.Match[str], european: bool) -> tuple[Fraction, Fraction | None]:
    """Return the value of digits with their separators, and another one that they may have."""
    digits = found["digits"]
    if found["grouped"] or found["spaced"]:
        last = max(digits.rfind("."), digits.rfind(","))
        whole = re.sub(r"\D", "", digits)
        decimals = len(digits) - last - 1 if last >= 0 and _parts_decimals(digits, last) else 0
        joined = Fraction(int(whole), 10**decimals)
        return joined, Fraction(digits.split(" ")[-1].replace(",", ".")) if found[
            "spaced"
        ] else None
    if found["listed"]:
        return Fraction(re.split(r"[ ,]+", digits)[-1]), Fraction(re.sub(r"\D", "", digits))
    if found["dotted"]:
        decimal, grouped = Fraction(digits), Fraction(digits.replace(".", ""))
        return (grouped, decimal) if european else (decimal, grouped)
    if found["comma"]:
        return Fraction(digits.replace(",", ".")), Fraction(digits.split(",")[1])
    return Fraction(digits), None


def _parts_decimals(digits: str, last: int) -> bool:
    """Whether the last mark of a grouped numeral parts its decimals: no other mark is like it."""
    mark = digits[last]
    if digits.count(mark) > 1:
        return False
    return any(other in digits for other in f",.{THIN}'_ " if other != mark)


def _raised(found: re.Match[str], value: Fraction) -> Fraction:
    """Return the value with its power: of ten (1.2e3, 1.2 × 10^3), or of its own (2^5)."""
    if found["power"]:
        return value ** int(found["power"])
    exponent = int(found["ten"] or found["exponent"].lstrip("eE"))
    return value * Fraction(10) ** exponent
