r"""Prepares text from outside for a terminal, which shows control characters and obeys none.

A server's words, an answer, a model's name or a file's may hold sequences that a terminal obeys
(they clear the screen, set the title, fill the clipboard), and characters that reorder their
neighbours or hide. Each is written as Python would write it: `\x1b`, `\u202e`. Tabs and line feeds
stay.
"""

import re

# What a terminal obeys, and what Unicode calls format characters, but for those that are seen: the
# signs before numbers of Arabic, Syriac and Kaithi. Also halves of characters, separators of lines
# that are no line feeds, and the letters of Hangul that are blank.
_UNSEEN = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u2064\u2066-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0001\U000e0020-\U000e007f"
)
# The joiners of emoji, of Persian and of Indic scripts stay between characters of such; between
# others they only make two names look alike.
_JOINERS = r"(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
_SPELT_OUT = re.compile(f"[{_UNSEEN}]|{_JOINERS}")


def printable(text: str) -> str:
    r"""Return a text with its control characters escaped.

    >>> print(printable("\x1b]0;root\x07 done\r\n\u202etxt.exe"))
    \x1b]0;root\x07 done
    \u202etxt.exe
    """
    return _SPELT_OUT.sub(_as_python, text.replace("\r\n", "\n"))


def printable_line(text: str) -> str:
    r"""Return a text as one escaped line, so that it can't pretend to be further output.

    >>> print(printable_line("a-model\nmean 100.0%"))
    a-model\nmean 100.0%
    """
    if text.isascii() and text.isprintable():  # most are, and lists of runs have thousands
        return text
    return printable(text).replace("\n", r"\n").replace("\t", r"\t")


def printable_json(text: str) -> str:
    r"""Return JSON that means the same, in escapes of its own where `printable` has Python's.

    >>> print(printable_json('{"title": "\x9b2J\U000e0041"}'))
    {"title": "\u009b2J\udb40\udc41"}
    """
    return _SPELT_OUT.sub(_as_json, text)


def cut_middle(line: str, most: int) -> str:
    """Shorten a line to at most so many characters, keeping its beginning and more of its end.

    A reason begins with what went wrong; the numbers and what to do stand at its end.

    >>> cut_middle("Request too large for the organisation: Limit 300, Requested 412", 48)
    'Request too lar … tion: Limit 300, Requested 412'
    """
    if len(line) <= most:
        return line
    begin = (most - 3) // 3
    return f"{line[:begin]} … {line[len(line) - (most - 3 - begin) :]}"


def _as_python(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _as_json(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
