"""Cleans texts from servers: whole characters, one line, no keys."""

import re

from weighbridge.records.printable import cut_middle, printable

_HALF = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LONGEST_REASON = 400  # characters of a server's words that are shown


def whole_characters(text: str) -> str:
    """Join split surrogate pairs, and replace a lone surrogate by U+FFFD.

    JSON may hold half a character, such as the escape of a high surrogate if a server cut a text
    between two tokens. No encoding can store it.
    """
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def one_line(text: str, secret: str = "", most: int = LONGEST_REASON) -> str:
    """Return a server's message as one line, without the key, which some servers repeat.

    A long one is cut in its middle: the numbers and the advice stand at its end.
    """
    if secret:
        text = text.replace(secret, "[key]")
    line = " ".join(_CONTROL.sub(" ", whole_characters(text)).split())
    return cut_middle(printable(line), most)
