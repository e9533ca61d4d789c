r"""Normalises numerals in a text: removes LaTeX, HTML and typographic marks.

`$9{,}500$`, `9\,500`, `9\text{,}500`, `9&thinsp;500` and full-width or Arabic-Indic digits become
digits of ours with a plain separator. What is no numeral may come out changed too: the result is
for finding numbers, not for reading.
"""

import html
import re
import unicodedata

THIN = "\u2009"
"""Replaces a no-break space, or its LaTeX equivalent, between two digits."""

NESTED = 40  # LaTeX commands in one another; what is deeper stays as it is

_NO_CHARACTER = re.compile(r"&#(?=[xX]?[0-9a-fA-F]{9})")  # Python refuses numbers without end
_NO_WIDTH = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_NO_BREAK = re.compile("(?<=\\d)[\u00a0\u2000-\u200a\u202f\u205f\u3000](?=\\d)")
_OTHER_SPACE = re.compile("[\u00a0\u2000-\u2008\u200a\u202f\u205f\u3000]")
_SIGNS = str.maketrans(
    {
        "\u2212": "-", "\uff0d": "-", "\ufe63": "-", "\uff0c": ",", "\uff0e": ".", "\uff04": "$",
        "\uffe5": "\u00a5", "\uff05": "%", "\u066b": ".", "\u066c": ",", "\uff0f": "/",
        "\u2044": "/", "\uff1d": "=", "\uff1a": ":", "\uff08": "(", "\uff09": ")",
        "\u2019": "'", "\u02bc": "'", "\uff07": "'", "\uff0b": "+",
    }
)  # fmt: skip
_DIGIT = re.compile(r"[^\W0-9_a-zA-Z]")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")

# In JSON that was escaped twice, a command begins with two backslashes.
_THIN_SPACE = (
    r"(?:\\+(?:[,;:!> ]|(?:thinspace|medspace|thickspace|negthinspace|enspace|nobreakspace|,)"
    r"(?![A-Za-z])[ ]?))"
)
_BETWEEN_DIGITS = re.compile(rf"(?<=\d)\{{?(?:{_THIN_SPACE}|~)\}}?(?=\d)|(?<=\d)\{{ \}}(?=\d)")
_AFTER_COMMA = re.compile(rf"(?<=\d,)(?:\{{?{_THIN_SPACE}\}}?)+(?=\d)")
_WRAPPED = re.compile(
    r"(?<!\\)\\+(?:text(?:rm|bf|it|sf|tt|normal)?|math(?:rm|bf|it|sf|tt|bin|ord|punct|rel|normal)?"
    r"|m?box|hbox|boldsymbol|bm|emph|underline|overline|num|operatorname|color\{\w+\}|boxed|fbox"
    r"|enclose\{\w+\})\s*\{([^{}]*)\}"
)
_BRACED_MARK = re.compile(r"\{\s*([,.'\-])\s*\}")
_FRACTION = re.compile(r"(?<!\\)\\+[dtc]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
_FOOTNOTE = re.compile(
    r"(?<=\d)(?:[ ]?\[\^?\d{1,2}\](?![\d(\[])|\^\[\d{1,2}\])|^[ \t]*\[\^?\d{1,2}\]:.*$",
    re.MULTILINE,
)
_TIMES = re.compile(r"(?<!\\)\\+(?:times|cdot)(?![A-Za-z])")
_ESCAPED = re.compile(r"(?<!\\)\\+([$%#_&€£])")
_NO_CONTENT = re.compile(
    r"(?<!\\)\\+(?:(?:left|right|displaystyle|textstyle|,|;|!|:|quad|qquad)(?![A-Za-z])|[()\[\]])"
)


def plain_numerals(text: str) -> str:
    """Return a text with its numerals normalised; see the module."""
    if "&" in text:
        text = html.unescape(_NO_CHARACTER.sub("", text))
    text = _SUPERSCRIPT.sub(lambda found: "^" + found[0].translate(_SUPERSCRIPTS), text)
    text = _DIGIT.sub(_plain_digit, _NO_WIDTH.sub("", text).translate(_SIGNS))
    text = _FOOTNOTE.sub("", _NO_BREAK.sub(THIN, text))
    if "\\" in text or "{" in text or "$" in text:
        text = _without_latex(text)
    return _OTHER_SPACE.sub(" ", text)


def _plain_digit(found: re.Match[str]) -> str:
    """Write a digit of any script as ours, and a vulgar fraction as a quotient."""
    character = found[0]
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    if "VULGAR FRACTION" not in unicodedata.name(character, ""):
        return character
    quotient = unicodedata.normalize("NFKC", character).replace("\u2044", "/")
    at = found.start()
    mixed = at > 0 and found.string[at - 1].isdigit()
    return f" {quotient}" if mixed else quotient


def _without_latex(text: str) -> str:
    for _ in range(NESTED):
        plain = _BRACED_MARK.sub(r"\1", _WRAPPED.sub(_content, text))
        plain = _FRACTION.sub(_quotient, plain)
        if plain == text:
            break
        text = plain
    text = _BETWEEN_DIGITS.sub(THIN, _AFTER_COMMA.sub("", text))
    text = _TIMES.sub("×", _ESCAPED.sub(r"\1", text))
    return _NO_CONTENT.sub(" ", text)


def _content(found: re.Match[str]) -> str:
    """Return a LaTeX command's argument; single marks lose the spaces around them."""
    content = found[1]
    return content.strip() if len(content.strip()) == 1 else content


def _quotient(found: re.Match[str]) -> str:
    above, below = found[1] or found[2] or "", found[3] or found[4] or ""
    at = found.start()
    mixed = at > 0 and found.string[at - 1].isdigit()
    return f"{' ' if mixed else ''}{above.strip()}/{below.strip()}"
