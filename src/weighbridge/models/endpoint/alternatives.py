"""The likeliest first tokens that a server returns, by their texts.

Different tokens may decode to one text, and the sampled token may be listed twice: the probability
of a text is the sum over its tokens, each of them counted once.
"""

import math
from collections.abc import Iterable

from weighbridge.models.endpoint.errors import as_list, as_object
from weighbridge.models.endpoint.text import whole_characters
from weighbridge.records import Json

Shown = tuple[tuple[str, float], ...]
_Bytes = tuple[int, ...] | None
HIGHEST = 1e-3  # a log-probability is at most 0, but for a server's rounding
_SAME = 1e-6  # of two log-probabilities of one token
_SPACES = " \t\r\n\u2581\u0120\u010a"  # also as SentencePiece's and GPT-2's vocabularies write them


class NotProbabilities(ValueError):
    """A server sent log-probabilities that aren't valid; says what it sent."""


def read_alternatives(logprobs: Json) -> Shown:
    """Read a reply's alternatives to its first token.

    Raises:
        NotProbabilities: A value is not a number, or above 0.
    """
    content = as_list(as_object(logprobs or {}).get("content") or [])
    listed = as_list(as_object(content[0]).get("top_logprobs") or []) if content else []
    return by_text(_alternative(one) for one in listed)


def by_text(tokens: Iterable[tuple[str, float, _Bytes]]) -> Shown:
    """Add up the tokens that share a text; one that is listed twice counts once.

    >>> by_text([("A", -1.0, None), ("B", -2.0, None), ("A", -1.0, None)])
    (('A', -1.0), ('B', -2.0))
    """
    found: dict[str, list[tuple[float, _Bytes]]] = {}
    for text, logprob, spelt in tokens:
        entries = found.setdefault(text, [])
        if not any(_same(logprob, spelt, *entry) for entry in entries):
            entries.append((logprob, spelt))
    return tuple((text, _sum([one for one, _ in entries])) for text, entries in found.items())


def chance(letter: str, shown: dict[str, float]) -> tuple[float | None, bool]:
    """Return a letter's log-probability, and whether tokens with a space around it are in it.

    " B" answers B as "B" does, and a server may sample either: their probabilities are added.

    >>> found, spaced = chance("B", {"A": -1.3, " B": -0.5, "B": -6.0})
    >>> round(found, 3), spaced
    (-0.496, True)
    """
    as_read = {token: one for token, one in shown.items() if reads_as(token, letter)}
    if not as_read:
        return None, False
    return _sum(list(as_read.values())), set(as_read) != {letter}


def reads_as(token: str, letter: str) -> bool:
    """Whether a token is a letter, apart from the space around it."""
    return token.strip(_SPACES) == letter.strip()


def _sum(logprobs: list[float]) -> float:
    """Add up probabilities: log of the sum of the exponentials."""
    highest = max(logprobs)
    if len(logprobs) == 1 or highest == -math.inf:
        return highest
    total = highest + math.log(math.fsum(math.exp(one - highest) for one in logprobs))
    return min(total, 0.0) if highest <= 0 else highest


def _same(logprob: float, spelt: _Bytes, other: float, other_spelt: _Bytes) -> bool:
    if spelt is not None and other_spelt is not None and spelt != other_spelt:
        return False
    return math.isclose(logprob, other, rel_tol=0.0, abs_tol=_SAME)


def _alternative(one: Json) -> tuple[str, float, _Bytes]:
    if not isinstance(one, dict):
        raise TypeError(f"{type(one).__name__} instead of an object")
    return whole_characters(str(one["token"])), _value(one), _bytes(one)


def _value(one: dict[str, Json]) -> float:
    value = one.get("logprob")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise NotProbabilities(f"{value!r:.80} as a log-probability")
    if value > HIGHEST:  # which a number beyond any float may be, too
        raise NotProbabilities(f"{value!r:.80} as a log-probability, above 0")
    # Some write minus infinity as such; as a number it can be kept.
    return float(max(value, -1e4))


def _bytes(one: dict[str, Json]) -> _Bytes:
    spelt = one.get("bytes")
    return tuple(spelt) if isinstance(spelt, list) else None
