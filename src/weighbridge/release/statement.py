"""What people state of a release: licence, base, approvals, waivers. Nothing of it is measured.

format = 1
name = "desk-1"
version = "1.0.0"
licence = "apache-2.0"
trainer = "Ada"
contact = "security@example.org"
data = "train.jsonl"
data_licence = "own"
incumbent = "openai:gpt-4o-mini"
[base]
name = "SmolLM2-135M-Instruct"
licence = "apache-2.0"
[[approval]]
by = "Ben"
at = 2026-11-01T09:00:00Z
digest = "sha256:…"
irreversible = true
[[worst_case]]
model = "sha256:…"
base = "sha256:…"
[[waiver]]
gate = "jailbreak"
by = "Ben"
reason = "internal release only"
at = 2026-11-01T09:00:00Z
expires = 2026-12-01T09:00:00Z
"""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from weighbridge.catalog.use_policies import policy_names
from weighbridge.errors import InputError, UnknownName
from weighbridge.records import Json, canonical_digest
from weighbridge.release.gate import gate_names
from weighbridge.sources.documents import read_toml

_CLOSED = ConfigDict(extra="forbid")
_FORMAT = 1


@checked(frozen=True, config=_CLOSED)
class Base:
    """The model that this one was made of.

    Attributes:
        name: Its name.
        licence: Its licence: an SPDX identifier, or the name that the Hub gives it.
    """

    name: str
    licence: str


@checked(frozen=True, config=_CLOSED)
class Approval:
    """A person's agreement to the release of one digest.

    Attributes:
        by: Who.
        at: When, with the offset from UTC.
        digest: Of the model's files; an approval of another digest is none.
        irreversible: Whether they acknowledge that released weights can't be recalled.
    """

    by: str
    at: datetime
    digest: str
    irreversible: bool = False


@checked(frozen=True, config=_CLOSED)
class WorstCase:
    """Two adapters tuned alike to do harm, one on the model and one on its base.

    Attributes:
        model: Digest of the adapter on the model.
        base: Digest of the adapter on the base.
    """

    model: str
    base: str


@checked(frozen=True, config=_CLOSED)
class Waiver:
    """A gate that a named person opens for a while, for a reason that everybody can read.

    Attributes:
        gate: Which.
        by: Who.
        reason: Why.
        at: From when.
        expires: Until when.
    """

    gate: str
    by: str
    reason: str
    at: datetime
    expires: datetime


@checked(frozen=True, config=_CLOSED)
class Statement:
    """What people state of a release; see the module's docstring.

    Attributes:
        format: Version of the file's form.
        name: The release's name.
        version: Its version.
        licence: Under which it is released.
        trainer: Who tuned it.
        contact: Where flaws are reported.
        base: What it was made of.
        data: The training data's file, relative to the statement; "" where it is not at hand.
        data_licence: Its licence.
        use_policy: Text of an acceptable use policy that is part of the terms; "" for none.
        built_with: Sentence that the base's licence asks to be shown; "" for none.
        incumbent: Name of the model that this one replaces; "" for none.
        url: Where the bundle will lie, for figures that must name their evidence; "" for nowhere.
        licence_text: File with the licence's text, relative to the statement; "" takes the LICENSE
            in the model's folder.
        notice: Text of the NOTICE file that the base's licence asks for; "" for none.
        clauses: Name of the use policy whose clauses are tried; "" for the licence's own.
        worst_case: What was tuned to do harm, to see what others could do.
        approval: Who agreed.
        waiver: Which gates are opened.
    """

    format: int
    name: str
    version: str
    licence: str
    trainer: str
    contact: str
    base: Base
    data: str = ""
    data_licence: str = ""
    use_policy: str = ""
    built_with: str = ""
    notice: str = ""
    incumbent: str = ""
    url: str = ""
    clauses: str = ""
    licence_text: str = ""
    worst_case: list[WorstCase] = Field(default_factory=list)
    approval: list[Approval] = Field(default_factory=list)
    waiver: list[Waiver] = Field(default_factory=list)

    @property
    def plain(self) -> Json:
        """All of it as plain JSON, without what is as if it were not stated.

        So a key that comes later changes no older statement's digest.
        """
        found: Json = _STATEMENT.dump_python(self, mode="json", exclude_defaults=True)
        return found

    @property
    def digest(self) -> str:
        """SHA-256 over all that it says."""
        return canonical_digest(self.plain)


_STATEMENT = TypeAdapter(Statement)


def read_statement(path: Path) -> Statement:
    """Read a statement.

    Raises:
        InputError: The file is none, or a time in it has no offset from UTC.
    """
    return statement_of(read_toml(path, "a statement of a release"), path)


def statement_of(values: object, path: Path) -> Statement:
    """Return the statement that plain data state.

    Args:
        values: As TOML holds them, or `Statement.plain`.
        path: Named in errors.

    Raises:
        InputError: They are none; UnknownName for a use policy.
    """
    try:
        found = _STATEMENT.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: {where}: {first['msg']}", "a statement: name, version, licence, trainer, …",
            "its form stands in docs/how-to/release.md",
        ) from error  # fmt: skip
    if found.format != _FORMAT:
        raise InputError(f"{path} has format {found.format}", f"format {_FORMAT}")
    times = [one.at for one in found.approval]
    times += [time for one in found.waiver for time in (one.at, one.expires)]
    if any(time.tzinfo is None for time in times):
        raise InputError(f"{path} holds a time without an offset", "such as 2026-11-01T09:00:00Z")
    if found.clauses and found.clauses not in policy_names():
        raise UnknownName(f"use policy in {path}", found.clauses, policy_names())
    for waiver in found.waiver:
        if waiver.gate not in gate_names():
            raise InputError(
                f"{path}: a waiver of {waiver.gate!r}", f"one of: {', '.join(gate_names())}"
            )
    return found


def utc(text: str) -> datetime | None:
    """Read a time in ISO 8601; one without an offset is UTC, as evidence writes it.

    Returns:
        The time; None where the text is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
