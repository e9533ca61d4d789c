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
        run_id: Name of the run's folder.
        model: The model's name as users type it.
        benchmark: The benchmark's name as users type it, with its subset.
        started: ISO 8601, UTC.
        done: Number of samples so far.
        planned: Number of samples in the complete run.
        mean: None while the run is unfinished, where nothing was graded, and for kinds of evidence
            that have no mean on a benchmark's scale.
        scale: The run's own.
        interval: 95 %, of the mean; None where there is no mean.
        altered: Why the other fields are empty: what is wrong with the run's files, or that a newer
            version of the program wrote them. "" where the files are as they were sealed.
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
        """Whether a newer version of the program wrote the run, so that nothing else is known."""
        return self.altered.startswith(_NEWER)


@dataclass(frozen=True)
class Keys:
    """How the keys of one version differ from those of the newest.

    Attributes:
        may_lack: Dotted paths of keys that may be missing.
        must_lack: Dotted paths of keys that came later, and must be missing.
    """

    may_lack: frozenset[str] = frozenset()
    must_lack: frozenset[str] = frozenset()

    def of(self, row: dict[str, Json]) -> dict[str, Json]:
        """Return a row without the keys that came after this version."""
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
        run_id: Name of the run's folder.
        identity: Digest of the identity's fields.
        samples_digest: Digest of the samples; see `seal.Tally`.
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
    """What a payload seals beside the samples; made by the code that measured."""

    @property
    def planned_samples(self) -> int | None:
        """Number of samples in the finished run; None where it is the one the header planned."""
        ...


class Header(Protocol[Sample, Content]):
    """What is known of a run before it starts; a dataclass, whose fields stand in progress.json."""

    @property
    def payload(self) -> "Payload[Sample, Content]":
        """The run's kind."""
        ...

    @property
    def title(self) -> str:
        """What is asked, such as a benchmark, as users type it; the first part of the run's id."""
        ...

    @property
    def subject(self) -> str:
        """What is measured, such as a model's name; the second part of the run's id."""
        ...

    @property
    def planned_samples(self) -> int:
        """Number of samples in the complete run."""
        ...


class Payload(ABC, Generic[Sample, Content]):
    """A kind of evidence, at one version of its schema.

    Args:
        version: The version that is read and written; None for the newest.

    Attributes:
        name: The stem of its file in `payloads/`.
        newest: The version that new runs are written in.
        elsewhere: Which commands take such a run, where a command takes only other kinds.
    """

    name: ClassVar[str]
    newest: ClassVar[int] = FIRST_VERSION
    elsewhere: ClassVar[str] = "name another run; they are listed by: weighbridge runs list"

    def __init__(self, version: int | None = None) -> None:
        self.version = self.newest if version is None else version

    def at(self, version: int) -> Self:
        """Return the kind as it was in another version."""
        return type(self)(version)

    @property
    def stated(self) -> dict[str, Json]:
        """The field by which a document states its kind; none for evaluations."""
        return {} if self.name == UNNAMED else {"payload": self.name}

    @property
    def sample_keys(self) -> Keys:
        """How the keys of samples in this version differ from the newest."""
        return ALL_KEYS

    @property
    def document_keys(self) -> Keys:
        """How the keys of documents in this version differ from the newest."""
        return ALL_KEYS

    # One sample: a line of samples.jsonl.

    @abstractmethod
    def row(self, sample: Sample) -> dict[str, Json]:
        """Return the fields that a sample's line holds, without those that name its unit."""

    @abstractmethod
    def sample(self, row: dict[str, Json]) -> Sample:
        """Read a line's row.

        Raises:
            ValueError: The row is no sample. Other exceptions that reading raises mean the same.
        """

    @abstractmethod
    def place(self, sample: Sample) -> tuple[str, int]:
        """Return a sample's id and repeat; no other sample of the run has the same two."""

    @abstractmethod
    def lasting(self, sample: Sample) -> dict[str, Json]:
        """Return the fields of a sample that enter the samples digest: no timing, no charges."""

    def whole(self, sample: Sample) -> dict[str, Json]:
        """Return a sample as plain data, with every key that a line may hold."""
        return self.row(sample)

    # The run's document: run.json, without what the envelope itself writes there.

    @abstractmethod
    def document(self, header: Any, result: Any, facts: Facts, count: Any) -> dict[str, Json]:
        """Return what a finished run's document states, `provenance` among it.

        Args:
            header: The header that the run was opened with.
            result: The result that it is sealed with.
            facts: What the envelope knows of the run.
            count: Totals over all samples.
        """

    @abstractmethod
    def content(self, document: dict[str, Json], fields: dict[str, Json]) -> Content:
        """Read a document.

        Args:
            document: `run.json`, without what the envelope itself writes there.
            fields: The fields of the run's identity.

        Raises:
            pydantic.ValidationError: The document has another form.
        """

    @abstractmethod
    def plain(self, content: Content) -> dict[str, Json]:
        """Return the content as plain data again, so that a key that reading ignored is noticed."""

    @abstractmethod
    def with_samples(self, content: Content, samples: list[Sample]) -> Content:
        """Return a run's content with its samples, in order of id and repeat."""

    def faults(self, content: Content, fields: dict[str, Json]) -> Iterator[Fault]:
        """Yield each contradiction between the document and the fields of the run's identity."""
        yield from ()

    # What is recomputed.

    @abstractmethod
    def count(self) -> Count[Sample]:
        """Return totals over no samples yet."""

    @abstractmethod
    def checks(self, sealed: "Sealed[Content]", count: Any, *, needed: bool) -> Iterator[Check]:
        """Recompute from the samples all that the document states.

        Args:
            sealed: The run.
            count: Totals over all samples.
            needed: Whether a run that this one was decided against must be there; else the checks
                that need it are left out where it is missing.
        """

    # Its line in the list of runs.

    @abstractmethod
    def summary(self, name: str, content: Content, started: str) -> RunSummary:
        """Return a sealed run's line."""

    @abstractmethod
    def unfinished(self, name: str, state: dict[str, Any]) -> RunSummary:
        """Return the line of an unfinished run from its `progress.json`.

        It raises whatever reading a damaged file raises; `summary_of` turns that into a line.
        """


def payload_names() -> tuple[str, ...]:
    """Names of all kinds."""
    return tuple(sorted(name for folder in payloads.__path__ for name in names_in(Path(folder))))


def find_payload(name: str) -> Payload[Any, Any]:
    """Import exactly one kind, at its newest version.

    Raises:
        LookupError: No such kind.
    """
    if name not in payload_names():
        raise LookupError(name)
    module = f"weighbridge.evidence.payloads.{name}"
    return defined_in(module, "PAYLOAD", Payload)  # type: ignore[type-abstract]


def payload_of(document: dict[str, Json], default: int | None = None) -> Payload[Any, Any]:
    """Return the kind and version that a document states.

    Where the stated version is no version at all, the kind is returned at its newest, and
    `document.faults` reports the version.

    Args:
        document: `run.json` or `progress.json`.
        default: The version of a document that states none.

    Raises:
        NewerEvidence: This version of the program doesn't know the kind or its version.
        EvidenceError: The kind is not a name, or is the one that documents don't state.
    """
    name = document.get("payload", UNNAMED)
    if not isinstance(name, str) or ("payload" in document and name == UNNAMED):
        raise EvidenceError(f"the payload {name!r:.60}", "a kind of evidence")
    try:
        payload = find_payload(name)
    except LookupError as error:
        known = ", ".join(payload_names())
        raise newer_evidence_error(
            f"a run of the kind {name!r:.60}, this one reads {known}"
        ) from error
    version = document.get("schema_version", default)
    if isinstance(version, bool) or not isinstance(version, int) or version < FIRST_VERSION:
        return payload
    if version > payload.newest:
        raise newer_evidence_error(f"schema {version}, this one reads up to {payload.newest}")
    return payload.at(version)


def newer_evidence_error(how: str) -> NewerEvidence:
    """Return the error for evidence that a newer version of the program wrote."""
    return NewerEvidence(f"{_NEWER}: {how}", "", "install that version to read it")
