"""Reads what is mixed into the training data, and mixes it; see `weighbridge.tuning.mixing`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.refusal_judge import find_refusal_judge
from weighbridge.project.data_licence import licence_of
from weighbridge.project.overlap import asked_in
from weighbridge.sources.digests import files_digest
from weighbridge.statistics.text_overlap import overlap, words
from weighbridge.tuning.data import ConversationSet, read_conversations
from weighbridge.tuning.mixing import (
    DEFAULT_SAFETY_SHARE,
    SAFETY,
    SHIPPED,
    Component,
    Mix,
    Mixing,
    Mixture,
    mix_rows,
    turned_off,
)
from weighbridge.tuning.rows import Conversation, PlainText

KINDS = ("refusals", "benign look-alikes")
_JUDGE = "rules"
_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Components:
    """Data sets that rows are drawn from, read and found fit, before anything is drawn.

    Attributes:
        parts: In the order in which they are mixed in.
        notes: What was read over, each as a sentence.
        off: Whether safety examples are turned off.
    """

    parts: tuple[Component, ...]
    notes: tuple[str, ...]
    off: bool


def read_components(
    mixing: Mixing,
    own: Sequence[object],
    *,
    locate: Callable[[str], Path] = Path,
    offline: bool = False,
) -> Components:
    """Read all data sets that a person chose to have mixed in.

    Args:
        mixing: Their choice.
        own: The rows that they are mixed into.
        locate: Finds what a person named; the name is what is said and recorded, not the place.
        offline: Never reach for the Hub.

    Raises:
        InputError: One can't be read, or holds no answers to learn.
    """
    share, said = _safety_share(mixing, own)
    read = [_mixed(mix, locate(mix.data), offline) for mix in mixing.mix]
    if share:
        named = mixing.safety_data
        read.insert(0, _safety(named, locate(named) if named else SHIPPED, share, offline))
    notes = (*said, *(note for _, notes in read for note in notes))
    return Components(tuple(one for one, _ in read), notes, off=share == 0)


def mixture_of(
    own: Sequence[Conversation], components: Components, seed: int, measured: Sequence[str] = ()
) -> Mixture:
    """Mix rows into a project's own.

    Args:
        own: The project's rows.
        components: What is mixed in.
        seed: Of the draw.
        measured: Questions that the model will be measured with: rows that ask one of them, or
            nearly, are never drawn.
    """
    kept = [_without(one, measured) for one in components.parts]
    mixture = mix_rows(own, [one for one, _ in kept], seed)
    off = (turned_off(SAFETY, len(mixture.rows)),) if components.off else ()
    left = tuple(note for _, note in kept if note)
    return Mixture(mixture.rows, (*off, *mixture.mixed), (*mixture.notes, *left))


def _safety_share(mixing: Mixing, own: Sequence[object]) -> tuple[float, tuple[str, ...]]:
    """Return the share of refusals, and what to say of it."""
    if mixing.safety_share is not None:
        return mixing.safety_share, ()
    if not mixing.safety_data and all(isinstance(row, PlainText) for row in own):
        return 0.0, (
            "plain texts alone are learnt, into which no conversations on safety are mixed unless "
            "safety_share says so",
        )
    return DEFAULT_SAFETY_SHARE, ()


def _safety(
    named: str, path: Path, share: float, offline: bool
) -> tuple[Component, tuple[str, ...]]:
    """Read safety examples: refusals, and answers to harmless questions that look like them."""
    try:
        found, licence, notes = _read(path, offline, stated="" if named else _LICENCE)
    except MalformedRow as error:
        raise error.without_text() from None
    refuses = find_refusal_judge(_JUDGE).refuses
    refused = tuple(row for row in found.conversations if refuses(_answer(row)))
    helped = tuple(row for row in found.conversations if not refuses(_answer(row)))
    if not refused:
        raise InputError(
            f"{path} holds {len(helped):,} answers to learn, and none that refuses",
            "refusals in English, and answers to harmless questions that look alike",
            "mix answers in by [[tune.mix]] or --mix, or name another file",
        )
    groups, kinds = ((refused, helped), KINDS) if helped else ((refused,), KINDS[:1])
    if not helped:
        notes += (
            f"{path.name} holds refusals alone: without look-alikes that are answered, a model "
            "learns to refuse harmless questions, too",
        )
    digest = files_digest(found.files)
    data = named or "the shipped set"
    return Component(SAFETY, data, digest, share, groups, kinds, licence), notes


def _mixed(mix: Mix, path: Path, offline: bool) -> tuple[Component, tuple[str, ...]]:
    """Read other data."""
    found, licence, notes = _read(path, offline)
    one = Component(
        path.name, mix.data, files_digest(found.files), mix.share, (found.conversations,), (),
        licence,
    )  # fmt: skip
    return one, notes


def _read(
    path: Path, offline: bool, stated: str = ""
) -> tuple[ConversationSet, str, tuple[str, ...]]:
    found = read_conversations(path, offline=offline)
    licence, said = licence_of(path, stated, offline=offline)
    return found, licence, (*found.notes, *said)


def _answer(row: Conversation) -> str:
    return row.messages[-1].content if row.messages else ""


def _without(one: Component, measured: Sequence[str]) -> tuple[Component, str]:
    """Leave out rows that ask what the model is measured with."""
    if not measured:
        return one, ""
    known = {tuple(words(question)) for question in measured}  # short ones count only as a whole
    groups = []
    for group in one.groups:
        asked = [asked_in(row) for row in group]
        found = overlap(asked, measured).found
        groups.append(
            tuple(
                row
                for at, row in enumerate(group)
                if at not in found and tuple(words(asked[at])) not in known
            )
        )
    gone = sum(map(len, one.groups)) - sum(map(len, groups))
    if not gone:
        return one, ""
    told = f"{one.data}: {gone:,} rows that ask what is measured are not mixed in"
    return replace(one, groups=tuple(groups)), told
