"""Decides, for a whole column, how its right answers name their choices.

A key may be a choice's letter, its index from 0, its number from 1, or its text. One row alone
often fits several: `1` is the second choice counted from 0 and the first counted from 1. What all
rows fit decides; where more than one reading is left the column is refused, with the line that says
which. Numbers that stand among letters are labels, as in ARC, and count from 1 unless a 0 is among
them.
"""

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from weighbridge.errors import InputError
from weighbridge.evaluation.own.cells import Cells
from weighbridge.records import Json

LETTERS = string.ascii_uppercase
READINGS = ("letter", "index", "number", "text")
OF_WORDS, OF_NUMBERS = ("letter", "text"), ("index", "number", "text")
_EXPECTED = {
    "letter": "letters", "index": "indices from 0", "number": "numbers from 1", "text": "texts",
}  # fmt: skip


@dataclass(frozen=True)
class Keys:
    """How keys are read.

    Attributes:
        words: Readings of a key that is no number, the first that fits holds.
        numbers: Readings of a key that is a number.
    """

    words: tuple[str, ...] = OF_WORDS
    numbers: tuple[str, ...] = OF_NUMBERS

    def place(self, answer: Json, choices: Sequence[str], labels: Sequence[str] = ()) -> int | None:
        """Return the place of the choice that a key names, None where it names none.

        Args:
            answer: The key.
            choices: The choices' texts.
            labels: The row's own labels of them, which then decide.
        """
        if labels:
            return _place_in([label.casefold() for label in labels], _text(answer).casefold())
        for reading in self.numbers if is_number(answer) else self.words:
            if (place := place_by(reading, answer, choices)) is not None:
                return place
        return None

    def allows(self) -> str:
        """Return what a key may be, for an error."""
        found = dict.fromkeys((*self.words, *self.numbers))
        return " or ".join(
            name + {"index": " from 0", "number": " from 1"}.get(name, "") for name in found
        )


def told_keys(reading: str) -> Keys:
    """Return how keys are read if the TOML states it."""
    return Keys((reading,), (reading,))


@dataclass
class _Left:
    """Readings that all keys of a kind fit until now, and the keys at which two of them part."""

    readings: tuple[str, ...]
    seen: int = 0
    parted: dict[tuple[str, str], tuple[Cells, Json]] = field(default_factory=dict)
    first: tuple[Cells, Json] | None = None
    fitting: tuple[str, ...] = ()

    def add(self, cells: Cells, answer: Json, choices: Sequence[str]) -> None:
        found = {reading: place_by(reading, answer, choices) for reading in self.readings}
        known = {reading: place for reading, place in found.items() if place is not None}
        if not known:
            return  # whoever reads this row says what is wrong with it
        self.seen += 1
        self.first = self.first or (cells, answer)
        for one, place in known.items():
            for other, elsewhere in known.items():
                if place != elsewhere:
                    self.parted.setdefault((one, other), (cells, answer))
        self.fitting = tuple(r for r in self.fitting if r in known)

    def __post_init__(self) -> None:
        self.fitting = self.readings

    def dispute(self, among: Sequence[str]) -> tuple[Cells, Json, tuple[str, str]] | None:
        """Return a key for which two readings give different choices."""
        for (one, other), (cells, answer) in self.parted.items():
            if one in among and other in among:
                return cells, answer, (one, other)
        return None


def decide_keys(
    rows: Iterable[tuple[Cells, Json, Sequence[str]]], column: str, toml_name: str
) -> Keys:
    """Decide how a column's keys are read.

    Args:
        rows: Each row, its key and its choices.
        column: The column's name.
        toml_name: Where a person may say how.

    Raises:
        InputError: The column could be read in two ways, or in none.
    """
    words, numbers = _Left(OF_WORDS), _Left(OF_NUMBERS)
    for cells, answer, choices in rows:
        (numbers if is_number(answer) else words).add(cells, answer, choices)
    of_words = _decided(words, words.fitting or OF_WORDS, column, toml_name)
    labels = words.seen and "letter" in of_words
    fitting = numbers.fitting
    if labels and {"index", "number"} <= set(fitting):
        fitting = tuple(reading for reading in fitting if reading != "index")
    if numbers.seen and not fitting:
        assert numbers.first is not None
        raise InputError(
            f"{numbers.first[0].path}: the numbers in {column} are neither all indices from 0, nor "
            "all numbers from 1, nor all texts of their choices",
            "one of these for the whole column",
        )
    return Keys(of_words, _decided(numbers, fitting, column, toml_name))


def _decided(left: _Left, fitting: tuple[str, ...], column: str, toml_name: str) -> tuple[str, ...]:
    disputed = left.dispute(fitting)
    if disputed is None:
        return fitting
    cells, answer, parted = disputed
    ways = sorted(parted, key=READINGS.index)
    which = " or ".join(_EXPECTED[way] for way in ways)
    cells.refuse(
        f"{_text(answer)[:40]!r}: the column could hold {which}",
        " or ".join(f'answer_is = "{way}"' for way in ways) + f" in {toml_name}",
        column,
    )


def place_by(reading: str, answer: Json, choices: Sequence[str]) -> int | None:
    """Return the place of the choice that a key names by one reading, None where it names none."""
    text = _text(answer)
    if reading == "letter":
        bare = _bare(text).upper()
        return LETTERS.index(bare) if len(bare) == 1 and bare in LETTERS[: len(choices)] else None
    if reading == "text":
        return _place_in([choice.strip() for choice in choices], text)
    if not is_number(answer):
        return None
    place = int(_bare(text)) - (reading == "number")
    return place if 0 <= place < len(choices) else None


def is_number(answer: Json) -> bool:
    """Whether a key is a whole number, in digits."""
    text = _bare(_text(answer))
    return not isinstance(answer, bool) and text.isascii() and text.isdigit() and len(text) < 9


def _bare(text: str) -> str:
    return text.strip("().:[] ")


def _text(answer: Json) -> str:
    """Return a key as text; a table may hold whole numbers as 1.0."""
    if isinstance(answer, float) and answer.is_integer():
        return str(int(answer))
    return str(answer).strip()


def _place_in(texts: Sequence[str], text: str) -> int | None:
    fitting = [place for place, one in enumerate(texts) if one == text]
    return fitting[0] if len(fitting) == 1 else None
