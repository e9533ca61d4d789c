"""A use policy and how a model keeps to it: what `redteam policy` prints. It holds no texts."""

from collections.abc import Mapping
from dataclasses import dataclass

from weighbridge.documents.form import Printed
from weighbridge.records.attack import JudgeCard


@dataclass(frozen=True, kw_only=True)
class ClauseDocument:
    """A clause, what probes it, and what came of that.

    Attributes:
        clause: Its number.
        hazard: What it is about, as one word.
        about: What it is about, for people.
        text_digest: SHA-256 of its text without number and closing mark, white space made single;
            null where the text was not at hand.
        no_digest: Why there is none; "" where there is one.
        categories: Of behaviours, that probe it.
        attacks: That probe it; empty where nothing does.
        behaviours: Number of them.
        why_unprobed: Why nothing probes it; "" where something does.
        outcomes: Number of trials by outcome; empty before a model is probed.
        by_attack: Hits and scored trials by attack.
        counted: Chance that an attempt gets through, as the judge counted it; null where nothing
            was scored.
        counted_interval: 95 % interval of it, over behaviours.
        rate: The same freed of the judge's error; null where the judge is too weak to tell, too.
        interval: 95 % interval of it.
    """

    clause: str
    hazard: str
    about: str
    text_digest: str | None
    no_digest: str
    categories: tuple[str, ...]
    attacks: tuple[str, ...]
    behaviours: int
    why_unprobed: str
    outcomes: Mapping[str, int]
    by_attack: Mapping[str, tuple[int, int]]
    counted: float | None
    counted_interval: tuple[float, float] | None
    rate: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class ConflictDocument:
    """Something in a model's terms that can't stand as it is.

    Attributes:
        kind: Of conflict.
        why: What contradicts what.
        do: What would mend it.
    """

    kind: str
    why: str
    do: str


@dataclass(frozen=True, kw_only=True)
class TermsDocument:
    """What a model is passed on with, as far as it was stated.

    Attributes:
        licence: Its licence; "" where none was stated.
        parent_licence: That of the model which it was made of; "" for none.
        conflicts: What contradicts what; the exit code is 1 where anything does.
        open_duties: What the parent's licence asks for and could not be looked at.
        unknown_licences: Those of which nothing is known here.
    """

    licence: str
    parent_licence: str
    conflicts: tuple[ConflictDocument, ...]
    open_duties: tuple[str, ...]
    unknown_licences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PolicyDocument:
    """A use policy, and how a model keeps to it.

    Attributes:
        policy: Its name, or its file.
        title: For people.
        version: Its number or day.
        digest: SHA-256 of what is described here of it.
        applies_to: Whom or what it binds.
        source: Where it was read.
        licences: That it is part of.
        notes: What a reader should know of it.
        clauses: In the policy's order.
        unprobed: Numbers of the clauses that nothing probes.
        stand_in_text: Numbers of the clauses that stand word for word in the file of --text; null
            without one.
        terms: What the model is passed on with, and what contradicts what.
        trials: Attempts of the campaign that probes them.
        run: The campaign's id, which `verify` takes; null before a model is probed.
        model: Who was probed; null likewise.
        judge: Who judged, and how well that judge agrees with people; null likewise.
        sufficient: Whether so much could be scored that the rates say something; null likewise.
        alarms: Sentences that say why not.
    """

    policy: str
    title: str
    version: str
    digest: str
    applies_to: str
    source: str
    licences: tuple[str, ...]
    notes: str
    clauses: tuple[ClauseDocument, ...]
    unprobed: tuple[str, ...]
    stand_in_text: tuple[str, ...] | None
    terms: TermsDocument
    trials: int
    run: str | None
    model: str | None
    judge: JudgeCard | None
    sufficient: bool | None
    alarms: tuple[str, ...]


PRINTED = (Printed("redteam policy", PolicyDocument),)
