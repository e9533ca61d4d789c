"""The number that an answer ends with, beside lm-evaluation-harness's two readings of it.

Numbers are compared as numbers: `72.00`, `$72`, `72.`, `9{,}500` and `9500` are read for what they
say (see `numerals`). Beside the score stand, as parts, the figures of the harness's task (`gsm8k`,
version 3.0): `strict_match` for the text after the first `####`, `flexible_extract` for the last
thing that looks like a number. Both compare texts, to the letter as the harness does.

A completion is read by its last number. A chat's reply says which number is the answer more often:
after `####`, in a box, or in a last line such as "The answer is 72 (3 steps)"; that comes first.
"""

import re
from fractions import Fraction

from weighbridge.evaluation.scorers.looked_at import end_of, said_of
from weighbridge.evaluation.scorers.number_places import Said, last_said, said_at
from weighbridge.evaluation.scorers.numerals import Numeral, numerals, numerals_of_plain
from weighbridge.evaluation.scorers.plain_numerals import plain_numerals
from weighbridge.evaluation.scorers.reply_text import in_boxes
from weighbridge.records import Generation, Graded, Json, Score, Ungraded

_MARK = re.compile(r"####[ \t]*(?=\S)([^\n]*)")
_HARNESS_STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
_HARNESS_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_STATED = re.compile(
    r"(?i)\banswer\b(?:\s+(?:is|equals|would be|must be))?(?:[\s\"']*[:=])?[\s*_$(\"']*(?=[-\d.])"
)
_STATEMENT = re.compile(
    r"^[\s*_#>]*+(?:so,?|thus,?|therefore,?|hence,?)?\s*(?:the\s+)?(?:(?:final|correct)\s+)?answer\b"
    r"(?:\s+(?:is|equals|would be|must be))?(?:[\s*_]*[:=])?[\s*_$(]*(?=[-\d.])", re.IGNORECASE,
)  # fmt: skip
_ENDS = re.compile(r"(?:\s+[^\W\d]\w{0,40}){0,3}[\s*_$).!]*\Z")
_RECONSIDERED = re.compile(
    r"\b(?:wait|actually|however|but|mistake|error|incorrect|wrong|correction|sorry|instead|oops)\b"
    r"|n't\b|\bnot\b", re.IGNORECASE,
)  # fmt: skip
_TAG = re.compile(r"(?i)<(/?)(answer|final_answer)>")
_GOES_ON = re.compile(
    r"(?:\s+[^\W\d]\w{0,20}){0,2}\s*(?:[-+/×÷=^<>]|\*(?!\*))\s*[\d.$(]"
    r"|\s+(?:more|less|fewer|times|plus|minus|out of|of)\b"
)


def read_number(text: str) -> Fraction | None:
    """Return the last number of a text, None if it has none."""
    found = _last(text)
    return found.value if found else None


def score_final_number(generation: Generation, target: Json) -> Score:
    """Judge a completion by its last number.

    Args:
        generation: What the model wrote.
        target: The right number, as text.

    Returns:
        Graded; or Ungraded, as "truncated" where the token limit came before a number or may have
        cut it, as "unparsed" where there is none, or where the number could be read in two ways of
        which the second one is right.
    """
    text = end_of(generation.text)
    last = _last(text)
    return _score(generation, target, Said(last) if last else None, _marked(text))


def score_number_of_reply(generation: Generation, target: Json) -> Score:
    """Judge a chat's reply by the number that it gives as its answer; see `score_final_number`."""
    text = end_of(generation.text)
    marked = _marked(text)
    said = (
        _boxed_or_marked(text)
        or _stated(text)
        or _declared(text)
        or last_said(plain_numerals(text))
    )
    return _score(generation, target, said, marked)


def _score(
    generation: Generation, target: Json, said: Said | None, marked: Numeral | None
) -> Score:
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    text, expected = generation.text, Fraction(str(target))
    if generation.stop == "length" and _may_be_cut(end_of(text)):
        return Ungraded("truncated", "the token limit came before the end of the final number")
    if said is None:
        return Ungraded(
            "unparsed", "; ".join(filter(None, ["no number in the text", said_of(text)]))
        )
    if said.open:
        return Ungraded("unparsed", "; ".join(filter(None, [said.open, said_of(text)])))
    number = said.numeral
    right = expected in (number.value, number.bare, *said.as_well)
    if not right and (expected == number.other or expected in said.perhaps):
        two = f"{number.text} could be {_shown(number.value)} or {_shown(expected)}"
        if expected in said.perhaps:
            two = f"the answer could be {_shown(number.value)} or {_shown(expected)}"
        return Ungraded("unparsed", two)
    expectation = "" if right else f"expected {target}"
    return Graded(
        value=float(right),
        answer=_shown(number.value),
        why="; ".join(filter(None, [*_why(number.value, marked, expectation), said_of(text)])),
        parts={
            "flexible_extract": _harness_value(_flexible(text), str(target)),
            "strict_match": _harness_value(_strict(text), str(target)),
        },
    )


def _why(said: Fraction, marked: Numeral | None, wrong: str) -> list[str]:
    why = [wrong] if wrong else []
    if marked is None:
        why.append("no number after ####")
    elif marked.value != said:
        why.append(f"after #### stands {_shown(marked.value)}")
    return why


def _may_be_cut(text: str) -> bool:
    """Whether the token limit may have come before the end of the final number."""
    boxed = _boxed(text)
    if boxed is not None:
        return False
    at = text.rfind("####")
    found = next(numerals(text[at + 4 :]), None) if at >= 0 else None
    return found is None or (text.rstrip(" ")[-1:].isalnum() and "\n" not in text[at:])


def _last(text: str) -> Numeral | None:
    found = None
    for found in numerals(text):  # noqa: B007 - the last one is wanted
        pass
    return found


def _marked(text: str) -> Numeral | None:
    """Return the first number that stands right after `####`."""
    return next((one.numeral for _, one in _marks(text)), None)


def _marks(text: str) -> list[tuple[int, Said]]:
    """Return the numbers right after a `####` with their places; `#### 2. So` is a heading."""
    found = []
    for mark in _MARK.finditer(text):
        plain = plain_numerals(mark[1])
        numbers = list(numerals_of_plain(plain))
        if not numbers or re.search(r"[\w?]", plain[: numbers[0].start]):
            continue
        if re.match(r"[.):]\s+[^\W\d]", plain[numbers[0].end :]):
            continue
        result = _result(plain)
        said = Said(result) if result else said_at(plain, numbers, 0)
        found.append((mark.start(), said))
    return found


def _result(line: str) -> Numeral | None:
    """Return what a calculation such as `8 * 9 = 72` comes to; None where there is none."""
    end = line.rfind("=")
    return (
        next((one for one in numerals_of_plain(line) if one.start > end), None)
        if end >= 0
        else None
    )


def _boxed(text: str) -> tuple[int, Said] | None:
    """Return the number of the last closed box with its place."""
    for start, inside in reversed(in_boxes(text)):
        if (said := _last_within(inside)) is not None:
            return start, said
    return None


def _last_within(text: str) -> Said | None:
    """Return what the last number of a text says that gives an answer and nothing else."""
    plain = plain_numerals(text)
    found = list(numerals_of_plain(plain))
    return said_at(plain, found, len(found) - 1) if found else None


def _tagged(text: str) -> tuple[int, Said] | None:
    """Return the number between the last tags that mark an answer, with its place."""
    opened: dict[str, re.Match[str]] = {}
    last: tuple[int, str] | None = None
    for tag in _TAG.finditer(text):
        name = tag[2].lower()
        if not tag[1]:
            opened[name] = tag
        elif name in opened:
            begin = opened.pop(name)
            last = begin.start(), text[begin.end() : tag.start()]
    said = _last_within(last[1]) if last else None
    return (last[0], said) if last and said else None


def _boxed_or_marked(text: str) -> Said | None:
    found = [*_marks(text), *filter(None, [_boxed(text), _tagged(text)])]
    return max(found, key=lambda placed: placed[0])[1] if found else None


def _stated(text: str) -> Said | None:
    """Return the number of a last line such as "The answer is 72 (3 steps)."."""
    line = plain_numerals(text.rstrip().rsplit("\n", 1)[-1])
    stated = list(_STATED.finditer(line))
    if not stated:
        return None
    numbers = list(numerals_of_plain(line))
    at = next((i for i, one in enumerate(numbers) if one.end > stated[-1].end()), None)
    if at is None or _GOES_ON.match(line[numbers[at].end :]):
        return None  # a calculation, whose result comes later
    return said_at(line, numbers, at)


def _declared(text: str) -> Said | None:
    """Return the number of an earlier line, "Final answer: 72", which no later one takes back."""
    lines = plain_numerals(text).split("\n")
    for at in reversed(range(len(lines))):
        stated = _STATEMENT.match(lines[at])
        every = list(numerals_of_plain(lines[at])) if stated else []
        found = [one for one in every if stated and one.end > stated.end()]
        if not found:
            continue
        said = said_at(lines[at], every, len(every) - len(found))
        whole = len(found) == 1 or said.open or said.as_well
        if whole and _ENDS.match(lines[at], found[-1].end):
            return None if _RECONSIDERED.search("\n".join(lines[at + 1 :])) else said
    return None


def _shown(value: Fraction) -> str:
    """Write a number as a person would: 29, 12.8, 1/3."""
    if value.denominator == 1:
        return str(value.numerator)
    digits = next((n for n in range(1, 16) if 10**n % value.denominator == 0), None)
    return str(value) if digits is None else f"{float(value):.{digits}f}"


def _strict(text: str) -> str:
    found = _HARNESS_STRICT.findall(text)
    return found[0].strip() if found else "[invalid]"


def _flexible(text: str) -> str:
    found = _HARNESS_FLEXIBLE.findall(text)
    return next(filter(None, found[-1])).strip() if found else "[invalid]"


def _harness_value(answer: str, target: str) -> float:
    """Compare two texts as the harness's `exact_match` does with what its task ignores."""
    return float(_harness_plain(answer) == _harness_plain(target))


def _harness_plain(text: str) -> str:
    """Leave out what the task's patterns do: `,`, `$`, all up to `#### `, a last full stop."""
    text = text.replace(",", "").replace("$", "")
    return re.sub(r"\.$", "", text[text.rfind("#### ") + 5 :] if "#### " in text else text).lower()
