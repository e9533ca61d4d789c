"""What a kind of evidence puts into the envelope that all kinds share.

The envelope is the same for every run: an identity, provenance, a journal of samples that survives
a kill, a seal, and the means to verify them (`journal`, `seal`, `document`, `verification`,
`store`). What a sample is, what a run's document says of it and which figures follow from the
samples is its payload. The folder `payloads/` is the list of kinds, one `PAYLOAD` a file.

**Versions.** A document states its kind (`payload`; documents that state none are evaluations, the
first kind) and its kind's `schema_version`; both are part of what is digested and sealed. A kind
reads all of its versions: `at(version)` is the payload as it was then, which digests a sample
without the fields that came later and refuses them in a document. So a new field changes nothing
about older evidence. To add one: give it a default in its record, raise `newest`, and say in
`document_keys` or `sample_keys` which versions lack it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from weighbridge.errors import EvidenceError, InputError
from weighbridge.evidence import payloads
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.records import Json

if TYPE_CHECKING:
    from weighbridge.evidence.document import Sealed

UNNAMED = "evaluation"
"""The kind of documents that name none: all that were written before there were others."""
FIRST_VERSION = 1
_NEWER = "written by a newer weighbridge"

Sample = TypeVar("Sample")
Content = TypeVar("Content")
Counted = TypeVar("Counted", contravariant=True)

Fault = tuple[str, str]
"""The name of a check that failed, and what is wrong."""


class NewerEvidence(InputError):
    """Evidence of a kind or version that this version of the program doesn't know."""


@dataclass(frozen=True)
class Check:
    """One thing that was checked, and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class RunSummary:
    """One line of `runs list`.

    Attributes:
        run_id: Its folder's name.
        model: As a person calls it; likewise `benchmark`.
        benchmark: With its subset.
        started: ISO 8601, UTC.
        done: Samples so far.
        planned: Samples in all.
        mean: None while the run is unfinished, where nothing was graded, and for kinds of evidence
            that have no mean on a benchmark's scale.
        scale: The run's own.
        interval: 95 %, of the mean; None where there is no mean.
        altered: Why nothing else is told: what is wrong with the run's files, or that a newer
            version of the program wrote them.
    """

    run_id: str
    model: str
    benchmark: str
    started: str
    done: int
    planned: int
    mean: float | None
    scale: tuple[float, float] = (0.0, 1.0)
    interval: tuple[float, float] | None = None
    altered: str = ""

    @property
    def newer(self) -> bool:
        """Whether nothing else is told because a newer version of the program wrote the run."""
        return self.altered.startswith(_NEWER)


@dataclass(frozen=True)
class Keys:
    """Which keys of the newest version are there in another one.

    Attributes:
        may_lack: Dotted paths that may be missing.
        must_lack: Dotted paths that came later, and must be missing.
    """

    may_lack: frozenset[str] = frozenset()
    must_lack: frozenset[str] = frozenset()

    def of(self, row: dict[str, Json]) -> dict[str, Json]:
        """Return what of a row was there in this version."""
        return _without(row, self.must_lack, "") if self.must_lack else row


ALL_KEYS = Keys()


def _without(row: dict[str, Json], paths: frozenset[str], where: str) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in row.items():
        path = f"{where}{key}"
        if path not in paths:
            if isinstance(value, dict) and any(p.startswith(f"{path}.") for p in paths):
                value = _without(value, paths, f"{path}.")
            found[key] = value
    return found


@dataclass(frozen=True)
class Facts:
    """What the envelope knows of a run when it is sealed.

    Attributes:
        run_id: Its folder's name.
        identity: Digest of its identity's fields.
        samples_digest: Of its samples.
    """

    run_id: str
    identity: str
    samples_digest: str


class Count(Protocol[Counted]):
    """Totals that a payload keeps while the envelope reads all samples once."""

    def add(self, sample: Counted, /) -> None:
        """Add the next sample."""
        ...


class Result(Protocol):
    """What a payload wants sealed; made by whoever measured."""

    @property
    def planned_samples(self) -> int | None:
        """Samples that the run ends with, where they are not those that its header planned."""
        ...


class Header(Protocol[Sample, Content]):
    """What is known of a run before it starts; a dataclass, whose fields stand in progress.json."""

    @property
    def payload(self) -> "Payload[Sample, Content]":
        """Its kind."""
        ...

    @property
    def title(self) -> str:
        """What is asked, as typed; the first part of the run's id."""
        ...

    @property
    def subject(self) -> str:
        """Who is asked; the second part of the run's id."""
        ...

    @property
    def planned_samples(self) -> int:
        """Samples to come."""
        ...


class Payload(ABC, Generic[Sample, Content]):
    """A kind of evidence, at one version of its schema.

    Args:
        version: The version that is read and written; None for the newest.

    Attributes:
        name: The stem of its file in `payloads/`.
        newest: The version that new runs are written in.
    """

    name: ClassVar[str]
    newest: ClassVar[int] = FIRST_VERSION

    def __init__(self, version: int | None = None) -> None:
        self.version = self.newest if version is None else version

    def at(self, version: int) -> Self:
        """Return the kind as it was in another version."""
        return type(self)(version)

    @property
    def stated(self) -> dict[str, Json]:
        """What documents say of their kind, beside its version."""
        return {} if self.name == UNNAMED else {"payload": self.name}

    @property
    def sample_keys(self) -> Keys:
        """Which keys of the newest samples there are in this version."""
        return ALL_KEYS

    @property
    def document_keys(self) -> Keys:
        """Which keys of the newest documents there are in this version."""
        return ALL_KEYS

    # One sample: a line of samples.jsonl.

    @abstractmethod
    def row(self, sample: Sample) -> dict[str, Json]:
        """Return a sample as its line holds it, beside the line's unit."""

    @abstractmethod
    def sample(self, row: dict[str, Json]) -> Sample:
        """Read a line's row.

        Raises:
            ValueError: It is no sample. Other exceptions likewise.
        """

    @abstractmethod
    def place(self, sample: Sample) -> tuple[str, int]:
        """Return a sample's id and repeat, which no other sample of its run has."""

    @abstractmethod
    def lasting(self, sample: Sample) -> dict[str, Json]:
        """Return what of a sample enters the samples digest: no timing, no charges."""

    def whole(self, sample: Sample) -> dict[str, Json]:
        """Return a sample as plain data, all keys that a line may hold among them."""
        return self.row(sample)

    # The run's document: run.json, without what the envelope itself writes there.

    @abstractmethod
    def document(self, header: Any, result: Any, facts: Facts, count: Any) -> dict[str, Json]:
        """Return what a finished run's document states, `provenance` among it.

        Args:
            header: As the run was opened with.
            result: As it is sealed with.
            facts: What the envelope knows.
            count: Of all samples.
        """

    @abstractmethod
    def content(self, document: dict[str, Json], fields: dict[str, Json]) -> Content:
        """Read a document.

        Args:
            document: Without what the envelope itself writes there.
            fields: Those of the run's identity.

        Raises:
            pydantic.ValidationError: It is of another form.
        """

    @abstractmethod
    def plain(self, content: Content) -> dict[str, Json]:
        """Return what was read as plain data again, so that a key that was passed over shows."""

    @abstractmethod
    def with_samples(self, content: Content, samples: list[Sample]) -> Content:
        """Return a run's content with its samples, in order of id and repeat."""

    def faults(self, content: Content, fields: dict[str, Json]) -> Iterator[Fault]:
        """Name what the document says otherwise than the fields of the run's identity."""
        yield from ()

    # What is recomputed.

    @abstractmethod
    def count(self) -> Count[Sample]:
        """Return totals at their beginning."""

    @abstractmethod
    def checks(self, sealed: "Sealed[Content]", count: Any, *, needed: bool) -> Iterator[Check]:
        """Recompute from the samples all that the document states.

        Args:
            sealed: The run.
            count: Of all samples.
            needed: Whether another run that this one rests on must be there.
        """

    # Its line in the list of runs.

    @abstractmethod
    def summary(self, name: str, content: Content, started: str) -> RunSummary:
        """Return a sealed run's line."""

    @abstractmethod
    def unfinished(self, name: str, state: dict[str, Any]) -> RunSummary:
        """Return the line of a run of which there is a `progress.json`; may raise anything."""


def payload_names() -> tuple[str, ...]:
    """Names of all kinds."""
    return tuple(sorted(name for folder in payloads.__path__ for name in names_in(Path(folder))))


def find_payload(name: str) -> Payload[Any, Any]:
    """Import exactly one kind; it is at its newest version.

    Raises:
        LookupError: No such kind.
    """
    if name not in payload_names():
        raise LookupError(name)
    module = f"weighbridge.evidence.payloads.{name}"
    return defined_in(module, "PAYLOAD", Payload)  # type: ignore[type-abstract]


def payload_of(document: dict[str, Json], default: int | None = None) -> Payload[Any, Any]:
    """Return the kind and version that a document states.

    A version that is none at all gives the newest, and is a fault of the document.

    Args:
        document: `run.json` or `progress.json`.
        default: The version of a document that states none.

    Raises:
        NewerEvidence: This version of the program doesn't know them.
        EvidenceError: The kind is no name.
    """
    name = document.get("payload", UNNAMED)
    if not isinstance(name, str) or ("payload" in document and name == UNNAMED):
        raise EvidenceError(f"the payload {name!r:.60}", "a kind of evidence")
    try:
        payload = find_payload(name)
    except LookupError as error:
        known = ", ".join(payload_names())
        raise newer(f"a run of the kind {name!r:.60}, this one reads {known}") from error
    version = document.get("schema_version", default)
    if isinstance(version, bool) or not isinstance(version, int) or version < FIRST_VERSION:
        return payload
    if version > payload.newest:
        raise newer(f"schema {version}, this one reads up to {payload.newest}")
    return payload.at(version)


def newer(how: str) -> NewerEvidence:
    """Return the refusal of evidence that a later version of the program wrote."""
    return NewerEvidence(f"{_NEWER}: {how}", "", "install that version to read it")
