"""Bounds on JSON from outside, checked on its text before it is parsed.

Depth: our own code, and libraries that are given the value, go down a level at a time; the deepest
logs and tool descriptions have some twenty levels. Values: each takes about 60 bytes once it is
read, so that a small file could fill the memory. Digits: a whole number of more digits than the
largest float is none that anything here could count with.
"""

MOST_LEVELS = 200
MOST_VALUES = 1 << 25
MOST_DIGITS = 308
SURELY_BOUNDED = 2 * MOST_LEVELS
"""Characters of a text that no bound can catch: each level is opened and closed."""
_BLOCK_BYTES = 1 << 20
_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))


def require_bounded(text: str | bytes) -> None:
    """Refuse JSON that is nested too deep or holds too many values.

    Commas and brackets inside strings count as values, too; strings are only recognised if the
    depth is in doubt.

    Raises:
        ValueError: It is; says which bound.
    """
    if len(text) <= SURELY_BOUNDED:
        return
    opened = _count(text, "[") + _count(text, "{")
    if opened > MOST_LEVELS and deeper_than(text, MOST_LEVELS):
        raise ValueError(f"nested deeper than {MOST_LEVELS} levels")
    if len(text) > MOST_VALUES and opened + _count(text, ",") > MOST_VALUES:
        raise ValueError(f"more than {MOST_VALUES:,} values")


def deeper_than(text: str | bytes, levels: int) -> bool:
    """Whether JSON is nested deeper; of a text that is no JSON, whether what begins it is.

    Brackets and quotation marks are all that is kept. Between the first and the second mark, the
    third and the fourth, and so on, stand strings; elsewhere a bracket is a level up or down.
    """
    import numpy as np

    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    # After this no quotation mark is left but those that begin or end a string.
    data = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _ALL_BUT_STRUCTURE)
    depth = marks = 0
    for at in range(0, len(data), _BLOCK_BYTES):
        block = np.frombuffer(data[at : at + _BLOCK_BYTES], np.uint8)
        quoted = np.cumsum(block == ord('"'), dtype=np.int32) + marks
        # "[" and "{" lack the bit that "]" and "}" have.
        steps = np.where(block == ord('"'), 0, 1 - (block.astype(np.int8) >> 1 & 2))
        levels_at = np.cumsum(np.where(quoted & 1, 0, steps), dtype=np.int32) + depth
        if levels_at.max() > levels:
            return True
        depth, marks = int(levels_at[-1]), int(quoted[-1]) & 1
    return False


def whole_number(digits: str) -> int:
    """Return a whole number of JSON.

    Raises:
        ValueError: It has too many digits.
    """
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits, {digits[:20]}…")
    return int(digits)


def _count(text: str | bytes, character: str) -> int:
    return text.count(character) if isinstance(text, str) else text.count(character.encode())
