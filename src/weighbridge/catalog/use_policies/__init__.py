"""Acceptable-use policies as clauses that can be probed, one JSON file each in this folder.

A clause is described by facts: its number, the hazard that it is about, and the digest of its text.
The texts of others' policies are not kept here. Which categories of behaviours probe a hazard
stands in `hazards.json`, for the sets of behaviours that `redteam` reads.

A policy of your own is a file of the same form, whose clauses may carry their texts.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from weighbridge.errors import InputError, UnknownName

_FOLDER = Path(__file__).parent
_HAZARDS = _FOLDER.parent / "hazards.json"
_CLOSING = re.compile(r"(;( or| and)?|\.)$")
_NUMBER = re.compile(r"^\s*(?:[-*•]|\(?\w{1,3}[.)])\s+")
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Named = Annotated[str, Field(min_length=1, max_length=80)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Hazard:
    """Something that policies forbid.

    Attributes:
        title: For people.
        behaviours: Categories that probe it, as sets of behaviours name them.
        why_unprobed: Why none does; "" where some do.
    """

    title: str
    behaviours: tuple[str, ...] = ()
    why_unprobed: str = ""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Clause:
    """One use that a policy forbids.

    Attributes:
        id: As the policy numbers it.
        hazard: What it is about, a key of `hazards`.
        text_digest: `clause_digest` of its text; None where the text was not at hand.
        no_digest: Why there is none.
        text: Of one's own policy; "" for others'.
        behaviours: Categories that probe it; empty for the hazard's.
        attacks: Those that probe it; empty for the policy's.
    """

    id: Named
    hazard: str
    text_digest: Digest | None = None
    no_digest: str = ""
    text: str = ""
    behaviours: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()

    @property
    def about(self) -> Hazard:
        """The hazard that it is about."""
        return hazards()[self.hazard]

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of behaviours that probe it."""
        return self.behaviours or self.about.behaviours


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class UsePolicy:
    """An acceptable-use policy.

    Attributes:
        title: Its name.
        version: Its number or day.
        applies_to: Whom or what it binds.
        source: Where it was read.
        clauses: What it forbids.
        attacks: Those that probe its clauses.
        licences: Names of the licences that it is part of; empty where it is part of none.
        notes: What a reader should know of the clauses here.
    """

    title: str
    version: str
    applies_to: str
    source: str
    clauses: Annotated[tuple[Clause, ...], Field(min_length=1)]
    attacks: Annotated[tuple[str, ...], Field(min_length=1)]
    licences: tuple[str, ...] = field(default_factory=tuple)
    notes: str = ""

    def chosen(self, names: Iterable[str]) -> tuple[Clause, ...]:
        """Return some clauses, in the policy's order; all of them where none is named.

        Raises:
            UnknownName: There is no such clause; near misses are suggested.
        """
        wanted, known = set(names), [clause.id for clause in self.clauses]
        for name in sorted(wanted):
            if name not in known:
                raise UnknownName(f"clause of {self.title}", name, known)
        return tuple(clause for clause in self.clauses if not wanted or clause.id in wanted)

    def attacks_on(self, clause: Clause) -> tuple[str, ...]:
        """Return the attacks that probe a clause."""
        return clause.attacks or self.attacks


def clause_digest(text: str) -> str:
    """Digest a clause's text without its number and closing mark, all white space made single.

    >>> clause_digest("Spam;  or") == clause_digest("Spam.")
    True
    """
    plain = _CLOSING.sub("", " ".join(text.split()))
    return "sha256:" + hashlib.sha256(plain.encode()).hexdigest()


def clauses_in(text: str, clauses: Iterable[Clause]) -> frozenset[str]:
    """Return the ids of the clauses that stand word for word in a text, each in a line of it."""
    there = {clause_digest(_NUMBER.sub("", line)) for line in text.splitlines()}
    return frozenset(clause.id for clause in clauses if clause.text_digest in there)


@cache
def hazards() -> dict[str, Hazard]:
    """Return all hazards by name."""
    return TypeAdapter(dict[str, Hazard]).validate_python(json.loads(_HAZARDS.read_bytes()))


def policy_names() -> list[str]:
    """Names of the policies that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def policy_for(licence: str) -> UsePolicy | None:
    """Return the policy that is part of a licence; None where none is known."""
    every = map(read_policy, policy_names())
    return next((policy for policy in every if licence in policy.licences), None)


def read_policy(name: str) -> UsePolicy:
    """Return a policy that comes with the package.

    Raises:
        UnknownName: There is no such policy; near misses are suggested.
    """
    if name not in policy_names():
        known = policy_names()
        raise UnknownName("use policy", name, known, "or name a file that ends in .json")
    path = _FOLDER / f"{name}.json"
    return policy_from(path, json.loads(path.read_bytes()))


def policy_from(path: Path, document: Any) -> UsePolicy:
    """Return the policy that a file's document is.

    Args:
        path: The file, for errors.
        document: What it holds.

    Raises:
        InputError: It is none; UnknownName for a hazard, with near misses.
    """
    try:
        policy = TypeAdapter(UsePolicy).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path}: {where}: {first['msg']}"[:200],
            "a use policy as docs/how-to/use-policies.md has it",
        ) from error
    _check(path, policy)
    return policy


def _check(path: Path, policy: UsePolicy) -> None:
    ids = [clause.id for clause in policy.clauses]
    for clause in policy.clauses:
        if ids.count(clause.id) > 1:
            raise InputError(f"{path}: clause {clause.id!r} twice", "each id once")
        if clause.hazard not in hazards():
            raise UnknownName(f"hazard of clause {clause.id} in {path}", clause.hazard, hazards())
        if clause.text and clause.text_digest not in (None, clause_digest(clause.text)):
            raise InputError(
                f"{path}: clause {clause.id} with a text of another digest",
                f"text_digest {clause_digest(clause.text)}",
                "leave text_digest out, or correct it",
            )
