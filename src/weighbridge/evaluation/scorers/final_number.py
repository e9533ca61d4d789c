"""The number that an answer ends with, read as lm-evaluation-harness's two GSM8K filters read it.

`strict-match` is the first number after `####`, `flexible-extract` the last number of the text.
Numbers are compared as numbers: `72.00`, `$72`, `72.` and `72` are the same, where the harness's
comparison of texts holds the first one wrong; and dots without digits are no number.
"""

import re
from decimal import Decimal

from weighbridge.records import Generation, Graded, Json, Score, Ungraded

# A minus counts unless it joins two things ("5-3", "a-1"); a bullet's minus has a space after it.
_NUMBER = (
    r"(?:(?<![\w)\]%])(?P<minus>[-\u2212]))?(?:[$\u20ac\u00a3]\s?(?P<inner>[-\u2212])?)?"
    r"(?P<digits>\d{1,3}(?:,\d{2,3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
)
_FLEXIBLE = re.compile(_NUMBER)
_STRICT = re.compile(rf"####[ \t]*{_NUMBER}")


def read_number(text: str) -> Decimal | None:
    """Return the last number of a text, None if it has none."""
    found = _last(text)
    return _value(found) if found else None


def score_final_number(generation: Generation, target: Json) -> Score:
    """Judge by the last number; `parts` tells what both of the harness's filters would have said.

    Args:
        generation: What the model wrote.
        target: The right number, as text.

    Returns:
        Graded; or Ungraded, as "truncated" where the token limit came before a number or may have
        cut it, as "unparsed" where there is none.
    """
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    text, expected = generation.text, Decimal(str(target))
    last, marked = _last(text), _STRICT.search(text)
    cut = generation.stop == "length"
    if cut and (marked is None or marked.end() == len(text)):
        return Ungraded("truncated", "the token limit came before the end of the final number")
    if last is None:
        return Ungraded("unparsed", "no number in the text")
    flexible = _value(last)
    strict = _value(marked) if marked else None
    right = flexible == expected
    why = [] if right else [f"expected {target}"]
    if strict is None:
        why.append("no number after ####")
    elif strict != flexible:
        why.append(f"after #### stands {strict}")
    return Graded(
        value=float(right),
        answer=str(flexible),
        why="; ".join(why),
        parts={"flexible_extract": float(right), "strict_match": float(strict == expected)},
    )


def _last(text: str) -> re.Match[str] | None:
    found = None
    for found in _FLEXIBLE.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    return found


def _value(found: re.Match[str]) -> Decimal:
    value = Decimal(found["digits"].replace(",", ""))
    return -value if found["minus"] or found["inner"] else value
