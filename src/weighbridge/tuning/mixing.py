"""Which rows of other data are mixed into what a tuning run learns from.

Tuning on data of one task makes a model forget others, and even harmless data makes it comply with
harmful requests more often (Qi et al. 2023, arXiv:2310.03693). A few safety examples among the rows
prevent most of that; many of them make a model refuse harmless requests, too (Bianchi et al. 2023,
arXiv:2309.07875). So each refusal comes with a harmless look-alike that is answered.

    the share of each data set -> how many rows of it -> drawn by the seed, without repetition

A share is one of all rows that are learnt from, mixed rows included.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.records import Json, canonical_digest
from weighbridge.tuning.rows import Conversation, PlainText

SAFETY = "safety"
"""The name of the safety examples among what is mixed in."""

DEFAULT_SAFETY_SHARE = 0.03
"""Bianchi et al.: a few hundred examples among twenty thousand rows are enough."""

SHIPPED = Path(__file__).parent / "safety_examples.jsonl"
"""Refusals and look-alikes that come with Weighbridge, written for it."""

_MOST_SAFETY = 0.25


@dataclass(frozen=True)
class Mix:
    """`[[tune.mix]]`: a data set of which rows are mixed in.

    Attributes:
        data: A file in any format of training data, or a split of a data set on the Hub.
        share: Of all rows that are learnt from.
    """

    data: str
    share: float

    def __post_init__(self) -> None:
        if not self.data:
            raise InputError('data = ""', "a file or data set to mix in", "name it")
        if not 0 < self.share < 1:
            raise InputError(
                f"share = {self.share:g} of {self.data}",
                "a number above 0 and below 1",
                "0.2 makes one row in five come from it",
            )


@dataclass(frozen=True)
class Mixing:
    """What a person chose to have mixed in.

    Attributes:
        safety_share: Share of refusals; as many harmless look-alikes come with them. None takes
            3 % for conversations, and 0 where preferences or plain texts are learnt.
        safety_data: Where they are taken from; "" for those that are shipped.
        mix: Other data.
    """

    safety_share: float | None = None
    safety_data: str = ""
    mix: tuple[Mix, ...] = ()

    def __post_init__(self) -> None:
        share = self.safety_share
        if share is not None and not 0 <= share <= _MOST_SAFETY:
            raise InputError(
                f"safety_share = {share:g}",
                f"0 (off) to {_MOST_SAFETY:g}",
                "0.03 is 3 %, which is usually enough",
            )
        if share == 0 and self.safety_data:
            raise InputError(
                f"safety_data = {self.safety_data!r} with safety_share = 0",
                "a share of it, or no data",
                "leave one of them out",
            )

    def require_for(self, objective: str, kind: str) -> None:
        """Refuse to mix rows of one answer into pairs.

        Raises:
            InputError: The objective learns from pairs, and something is to be mixed in.
        """
        if kind == "conversations":
            return
        if self.safety_share or self.safety_data or self.mix:
            what = "mix" if self.mix else "safety_share" if self.safety_share else "safety_data"
            raise InputError(
                f"{what} with objective {objective}, which learns from pairs",
                "conversations to mix rows into (objective sft)",
                f"leave {what} out; put pairs on safety into the training data itself",
            )


@dataclass(frozen=True)
class Component:
    """A data set of which rows can be mixed in: a component of the mixture.

    Attributes:
        name: What it is called in what is said and recorded.
        data: As it was named; "shipped" for the package's own.
        digest: Of its files.
        share: Of all rows, for each of its groups.
        groups: Rows by kind; as many are drawn from each. Rows of two groups whose ids have the
            part before the last "/" in common belong together and are drawn together.
        kinds: The groups' names, where there are several.
        licence: Of the data; "" where none is known.
    """

    name: str
    data: str
    digest: str
    share: float
    groups: tuple[tuple[Conversation, ...], ...]
    kinds: tuple[str, ...] = ()
    licence: str = ""


@dataclass(frozen=True)
class Mixed:
    """What was mixed in of one data set, for the record.

    Attributes:
        name: As in `Component`.
        data: Likewise; "" where it is turned off.
        digest: Likewise; None where it is turned off.
        share: That was asked for; 0 where it is turned off.
        rows: How many were drawn, over all groups.
        kinds: How many of each group, where there are several.
        of_rows: All rows that are learnt from.
        rows_digest: Of what was drawn, in order; None where nothing was.
        licence: As in `Component`.
    """

    name: str
    data: str
    digest: str | None
    share: float
    rows: int
    of_rows: int
    kinds: dict[str, int]
    rows_digest: str | None = None
    licence: str = ""

    def as_json(self) -> dict[str, Json]:
        """Return all fields as plain JSON, for the record of what a model was made from."""
        kinds: dict[str, Json] = dict(self.kinds)
        return {**vars(self), "kinds": kinds}

    def told(self) -> str:
        """Say it in a sentence."""
        if not self.share:
            return f"no {self.name} examples mixed in"
        counted = [f"{number:,} {kind}" for kind, number in self.kinds.items()]
        what = " and ".join(counted) if counted else f"{self.rows:,} row{'s' * (self.rows != 1)}"
        part = self.rows / self.of_rows if self.of_rows else 0
        called = "; ".join(
            said for said in (self.name * (self.name != self.data), self.licence) if said
        )
        return (
            f"mixed in: {what} of {self.data}{f' ({called})' * bool(called)}, {part:.1%} of "
            f"{self.of_rows:,} rows"
        )


def turned_off(name: str, of_rows: int) -> Mixed:
    """Return the record of data that is usually mixed in and wasn't."""
    return Mixed(name, "", None, 0.0, 0, of_rows, {})


@dataclass(frozen=True)
class Mixture:
    """All that is learnt from.

    Attributes:
        rows: A project's own rows, then those mixed in.
        mixed: What was mixed in, in the order of the rows.
        notes: Where less was there than asked for, each as a sentence.
    """

    rows: tuple[Conversation, ...]
    mixed: tuple[Mixed, ...]
    notes: tuple[str, ...]


def mix_rows(own: Sequence[Conversation], components: Sequence[Component], seed: int) -> Mixture:
    """Draw the rows to mix in, without repetition; the same for equal rows, shares and seed.

    Raises:
        InputError: The shares leave no room for the rows of one's own.
    """
    counts = _counts(len(own), components)
    drawn = [
        [_drawn(group, count, seed) for group in one.groups]
        for one, count in zip(components, counts, strict=True)
    ]
    total = len(own) + sum(len(group) for groups in drawn for group in groups)
    mixed = []
    rows = list(own)
    notes = []
    for one, count, groups in zip(components, counts, drawn, strict=True):
        taken = [row for group in groups for row in group]
        rows += taken
        kinds = dict(zip(one.kinds, map(len, groups), strict=True)) if one.kinds else {}
        digest = canonical_digest([_content(row) for row in taken]) if taken else None
        mixed.append(
            Mixed(
                one.name, one.data, one.digest, one.share, len(taken), total, kinds, digest,
                one.licence,
            )
        )  # fmt: skip
        notes += _short_of(one, count, len(own), groups)
    return Mixture(tuple(rows), tuple(mixed), tuple(notes))


def _counts(own: int, components: Sequence[Component]) -> list[int]:
    """Return how many rows each group gives, for the shares to be those of all rows."""
    others = math.fsum(one.share * len(one.groups) for one in components)
    if others > 1 - 1e-9:
        listed = ", ".join(f"{one.share * len(one.groups):.0%} {one.name}" for one in components)
        raise InputError(
            f"shares to mix in that make {others:.0%} of all rows ({listed})",
            "less than 100 %, so that rows of your own are left",
            "lower a share (refusals come with as many look-alikes)",
        )
    total = own / (1 - others)
    return [math.floor(one.share * total + 0.5) for one in components]


def _drawn(group: Sequence[Conversation], count: int, seed: int) -> list[Conversation]:
    """Return rows in an order that depends on seed and rows alone."""

    def place(row: Conversation) -> tuple[str, str]:
        stem = row.id.rpartition("/")[0] if row.given_id else ""
        return canonical_digest([seed, stem or _content(row)]), _content_digest(row)

    return sorted(group, key=place)[:count]


def _short_of(
    one: Component, count: int, own: int, groups: Sequence[Sequence[Conversation]]
) -> list[str]:
    """Say it where a data set gives less than its share."""
    if count == 0:
        return [
            f"{one.share:.3g} of so few rows ({own:,}) is less than one: nothing of {one.name} is "
            "mixed in"
        ]
    if min(map(len, groups)) == count:
        return []
    named = one.kinds or ("rows",)
    have = " and ".join(f"{len(g):,} {kind}" for g, kind in zip(groups, named, strict=True))
    return [
        f"{one.data} holds {have} to mix in, where a share of {one.share:.3g} asks for {count:,}"
        f"{' of each' * (len(groups) > 1)}: all of them are taken once"
    ]


def _content(row: Conversation) -> list[Json]:
    if isinstance(row, PlainText):
        return [row.text]
    tools: list[Json] = [dict(tool) for tool in row.tools]
    return [*({**turn.as_message(), "learnt": turn.learnt} for turn in row.messages), *tools]


def _content_digest(row: Conversation) -> str:
    return canonical_digest(_content(row))
