"""Texts as servers send them, made fit to be kept: whole characters, one line, no keys."""

import re

_HALF = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LONGEST_REASON = 400  # characters of a server's words that are shown


def whole_characters(text: str) -> str:
    """Join the halves of characters that came apart, and replace a half alone by U+FFFD.

    JSON may hold half a character, such as the escape of a high surrogate where a server cut a text
    between two tokens. Nothing can encode it, so it could not be written down.
    """
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def one_line(text: str, secret: str = "", most: int = LONGEST_REASON) -> str:
    """Return a server's words as one line, without the key that some of them repeat.

    A long one is cut in its middle: it begins with what went wrong, and the numbers and the advice
    stand at its end.
    """
    if secret:
        text = text.replace(secret, "[key]")
    line = " ".join(_CONTROL.sub(" ", whole_characters(text)).split())
    if len(line) <= most:
        return line
    begin = (most - 3) // 3
    return f"{line[:begin]} … {line[len(line) - (most - 3 - begin) :]}"
