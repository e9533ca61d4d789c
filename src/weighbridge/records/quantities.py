"""Large numbers for people: three digits and a decimal prefix."""

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def quantity(number: int | float, giga: str = "G") -> str:
    """Return a number with three significant digits and its prefix, ready for a unit.

    Args:
        number: At least 0.
        giga: What to call 10^9; of parameters people say B.

    >>> quantity(8_030_261_248), quantity(134_515_008), quantity(999_999), quantity(576)
    ('8.03 G', '135 M', '1.00 M', '576 ')
    >>> quantity(8_030_261_248, giga="B")
    '8.03 B'
    """
    value, step = float(number), 0
    while round(value, max(0, 2 - _digits(value))) >= 1000 and step < len(_PREFIXES) - 1:
        value, step = value / 1000, step + 1
    if step == 0:
        return f"{number:g} "
    prefix = giga if _PREFIXES[step] == "G" else _PREFIXES[step]
    return f"{value:.{max(0, 3 - _digits(value))}f} {prefix}"


def _digits(value: float) -> int:
    return len(str(int(value)))
