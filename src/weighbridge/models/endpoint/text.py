"""Texts as servers send them, made fit to be kept: whole characters, one line, no keys."""

import re

from weighbridge.records.clipping import cut_middle
from weighbridge.records.printable import printable

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

    A long one is cut in its middle: the numbers and the advice stand at its end.
    """
    if secret:
        text = text.replace(secret, "[key]")
    line = " ".join(_CONTROL.sub(" ", whole_characters(text)).split())
    return cut_middle(printable(line), most)
