"""Compares stated values with recomputed ones."""

import math

from weighbridge.evidence.payload import Check
from weighbridge.records import Json

TOLERANCE = 1e-12  # floating-point sums in another order; nothing else


def close(a: Json, b: Json) -> bool:
    """Whether two values are the same, within rounding of floating-point sums."""
    if isinstance(a, (int, float)) and isinstance(b, float):  # JSON writes 3.0 as 3
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(close, a, b))
    return bool(a == b)


def shown(stated: Json, again: Json) -> str:
    """Return the value as text to show; both values where they differ."""
    if close(stated, again):
        text = str(stated)
        return text if len(text) < 60 else f"{text[:57]}…"
    return f"stated {stated}, recomputed {again}"


def figure_check(name: str, stated: Json, again: Json) -> Check:
    """Return the check of one recomputed figure."""
    return Check(name, close(stated, again), shown(stated, again))


def equal_check(name: str, stated: Json, recomputed: Json) -> Check:
    """Return the check of one value that must be the same to the letter."""
    if stated == recomputed and type(stated) is type(recomputed):
        return Check(name, True, str(stated)[:60])
    return Check(name, False, f"stated {stated}, recomputed {recomputed}")
