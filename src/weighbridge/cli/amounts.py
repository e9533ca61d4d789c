"""Amounts as a person writes them: counts, and dollars.

Another currency is refused, because a rate of exchange has a date, which we don't know.
"""

import math
import re

from weighbridge.errors import InputError
from weighbridge.records import Price, Rate
from weighbridge.records.charge import MOST_USD_PER_MILLION_TOKENS

_DOLLARS = re.compile(r"(?:US)?\$|\b(?:USD|dollars?)\b", re.IGNORECASE)
_OTHERS = re.compile(
    r"[€£¥₹₩₽]|\b(?:EUR|GBP|JPY|CNY|RMB|INR|CHF|KRW|CAD|AUD|SEK|NOK|DKK|PLN|BRL|euros?|pounds?|yen)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+]?(?:\d+(?:,\d{3})*(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
MOST_USD = 1e12


def parse_count(option: str, text: str) -> float:
    """Return a number such as 5.76e23, 300B or 1.4T.

    Raises:
        InputError: It is not a number above 0.
    """
    found = re.fullmatch(r"\s*(\d[\d_,]*\.?\d*(?:[eE][-+]?\d+)?)\s*([kKmMbBtT]?)\s*", text)
    steps = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
    value = float(re.sub("[_,]", "", found[1])) * steps[found[2].lower()] if found else 0.0
    if not 0 < value < math.inf:
        raise InputError(f"{option} {text}", "a number above 0, such as 5.76e23, 300B or 1.4T")
    return value


def dollars(option: str, text: str, *, most: float = MOST_USD, above_zero: bool = False) -> float:
    """Read dollars: `2.5`, `$2.50` or `2.5 USD`.

    Raises:
        InputError: Another currency, no number, or one below 0.
    """
    if found := _OTHERS.search(text):
        raise InputError(
            f"{option} {text} is in {found[0]}", "US dollars, in which the prices of APIs are",
            "convert it at the rate of a day that you state",
        )  # fmt: skip
    plain = _DOLLARS.sub("", text).strip()
    if not _NUMBER.fullmatch(plain):
        raise InputError(f"{option} {text!r}", "dollars, such as 2.5")
    value = float(plain.replace(",", ""))
    if value < 0 or (above_zero and value == 0):
        raise InputError(f"{option} {text}", "more than 0" if above_zero else "0 or more")
    if value > most:
        raise InputError(f"{option} {text}", f"at most {most:g} dollars")
    return value


def stated_price(option: str, text: str) -> Price | None:
    """Read a price per million tokens, `INPUT/OUTPUT` or `INPUT/OUTPUT/CACHED`; None for a name.

    Raises:
        InputError: One of its parts is no price, or there are too few or too many.
    """
    parts = [part.strip() for part in text.split("/")]
    if not _is_amount(parts[0]):
        return None
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise InputError(
            f"{option} {text}", "a model's name, or INPUT/OUTPUT or INPUT/OUTPUT/CACHED in dollars "
            "per million tokens, such as 0.5/1.5",
        )  # fmt: skip
    inputs, outputs, *cached = (
        dollars(option, part, most=MOST_USD_PER_MILLION_TOKENS) for part in parts
    )
    if not inputs + outputs:
        raise InputError(f"{option} {text}", "a price above 0: nothing is cheaper than for nothing")
    return Price((Rate(-1, inputs, outputs, cached[0] if cached else inputs),), "as stated")


def _is_amount(text: str) -> bool:
    plain = _OTHERS.sub("", _DOLLARS.sub("", text)).strip()
    return _NUMBER.fullmatch(plain) is not None
