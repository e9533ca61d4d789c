"""Judge a JSON object in a model's text against a target, field by field.

Tolerant of what models put around an object (prose, a ``` fence), not of an object that isn't JSON:
whoever reads the answer by program needs one that parses.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from weighbridge.evaluation.scorers.looked_at import OBJECT
from weighbridge.records import Generation, Graded, Json, Score, Ungraded

# Only a quote or the closing brace may follow an object's opening brace; other braces are prose.
_OPENING = re.compile(r'\{\s*["}]')
# What decides where an object ends: whole strings, in which braces mean nothing, and braces.
_STRING_OR_BRACE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]|"', re.DOTALL)


class _Unclosed(Exception):
    """The text ends before the object does."""


def score_json_object(
    generation: Generation, target: Mapping[str, Json], *, others_count: bool = True
) -> Score:
    """Compare the first JSON object in a generation with the target.

    Strings are equal regardless of case and surrounding space, numbers by value, everything else
    exactly; key order doesn't matter. A missing key is wrong even where the target is null. A key
    that the target lacks makes the whole wrong, where others count, and leaves the parts alone.

    Args:
        generation: What the model wrote.
        target: The right object.
        others_count: Whether keys that the target lacks make the whole wrong.

    Returns:
        Graded with value 1.0 if the whole object is right, else 0.0, and 1.0 or 0.0 for each of
        the target's fields in `parts`. Ungraded as "truncated" if the token limit came before the
        closing brace, as "infrastructure" if the generation failed, else as "unparsed".
    """
    if generation.stop == "error":
        return Ungraded("infrastructure", "the generation failed")
    text = generation.text
    read = f" in its first {OBJECT:,} characters" if len(text) > OBJECT else ""
    try:
        found = _first_object(text[:OBJECT])
    except _Unclosed:
        if generation.stop == "length":
            return Ungraded("truncated", "the token limit came before the object's end")
        return Ungraded("unparsed", "the JSON object is never closed" + read)
    if found is None:
        if generation.stop == "length":
            return Ungraded("truncated", "the token limit came before a JSON object")
        return Ungraded("unparsed", "no JSON object in the text" + read)

    parts = {
        key: float(key in found and _same(expected, found[key])) for key, expected in target.items()
    }
    faults = [
        f"{key}: {_shown(found[key]) if key in found else 'missing'}, expected {_shown(expected)}"
        for key, expected in target.items()
        if not parts[key]
    ]
    if others_count:
        faults += [f"{key}: not asked for" for key in found if key not in target]
    return Graded(
        value=float(not faults),
        answer=_compact(found),
        why="; ".join(faults) or "every field agrees",
        parts=parts,
    )


def _first_object(text: str) -> dict[str, Json] | None:
    """Return the first balanced stretch of text that is a JSON object, None if there is none.

    A stretch that is balanced and isn't JSON is skipped whole, so that no part of a broken answer
    is taken for the answer.
    """
    at = 0
    while opening := _OPENING.search(text, at):
        at = _end_of_object(text, opening.start())
        found = _parsed(text[opening.start() : at])
        if found is not None:
            return found
    return None


def _end_of_object(text: str, start: int) -> int:
    """Return the position after the brace that closes the one at `start`."""
    depth = 0
    for mark in _STRING_OR_BRACE.finditer(text, start):
        if mark[0] == "{":
            depth += 1
        elif mark[0] == "}":
            depth -= 1
            if depth == 0:
                return mark.end()
        elif mark[0] == '"':  # a string that nothing closes: the rest of the text is inside it
            break
    raise _Unclosed


def _parsed(text: str) -> dict[str, Json] | None:
    try:
        found = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
        _compact(found).encode()  # an escaped lone surrogate parses but can't be written as UTF-8
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a repeated key: readers differ on which of the values counts."""
    built = dict(pairs)
    if len(built) < len(pairs):
        raise ValueError("a key occurs twice")
    return built


def _same(expected: Json, found: Json) -> bool:
    match expected, found:
        case str(), str():
            return expected.strip().casefold() == found.strip().casefold()
        case bool(), _:
            return expected is found
        case _, bool():  # Python holds True equal to 1, JSON does not
            return False
        case dict(), dict():
            return expected.keys() == found.keys() and all(
                _same(value, found[key]) for key, value in expected.items()
            )
        case list(), list():
            return len(expected) == len(found) and all(map(_same, expected, found))
        case _:
            return bool(expected == found)


def _shown(value: Json) -> str:
    """Return a value for a person: bare strings, and JSON for all else."""
    return value if isinstance(value, str) and value not in ("", "null") else _compact(value)


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
