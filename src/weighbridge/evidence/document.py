"""Strict reading of a run's `run.json` and `seal.json`: nothing is converted or filled in.

The folder's name, the fields of the run's identity and the document must agree. Where they do not,
any of the three may have been altered, so the run is refused.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import EvidenceError, InputError
from weighbridge.evidence.journal import read_samples
from weighbridge.evidence.payload import (
    ALL_KEYS,
    FIRST_VERSION,
    Content,
    Fault,
    Keys,
    NewerEvidence,
    Payload,
    Sample,
    newer_evidence_error,
    payload_of,
)
from weighbridge.evidence.plain_json import differences, strict_json
from weighbridge.evidence.seal import SEAL_VERSION
from weighbridge.records import Json, ModelRef, Provenance, canonical_digest, canonical_json
from weighbridge.sources.regular_files import DOCUMENT_BYTES, read_regular

_ENVELOPE_FIELDS = (
    "payload", "schema_version", "envelope_version", "identity_fields", "planned_samples",
)  # fmt: skip
ENVELOPE_VERSION = FIRST_VERSION
"""Version of the fields that every kind states; documents of the first version don't state it."""
ENVELOPE_KEYS: dict[int, Keys] = {}
"""By envelope version, the fields that its documents lack. Whoever adds a field to `Provenance` or
`ModelRef` raises `ENVELOPE_VERSION` and names the field here for each earlier version."""
_COUNTS = (
    "threads", "wall_seconds", "input_tokens", "output_tokens", "computed_tokens", "cost_usd",
    "peak_memory_bytes", "judge_tokens", "judge_cost_usd", "judge_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Envelope:
    """What every kind of run states.

    Attributes:
        run_id: Name of the run's folder.
        identity: Digest of the identity's fields; it identifies the run, whatever its folder is
            called.
        samples_digest: Digest of the samples; see `seal.Tally`.
        provenance: Where and how the run was made.
        model: The model that the run measured; None for evidence that is about no model.
    """

    run_id: str
    identity: str
    samples_digest: str
    provenance: Provenance
    model: ModelRef | None = None


_ENVELOPE = TypeAdapter(Envelope)
_STATED_BY_ALL = ("run_id", "identity", "samples_digest", "provenance", "model")


@dataclass(frozen=True)
class Sealed(Generic[Content]):
    """A sealed run's two documents.

    Attributes:
        folder: The run's folder.
        data: The bytes of `run.json`.
        document: `run.json`, parsed.
        seal_data: The bytes of `seal.json`.
        seal: `seal.json`, parsed.
        payload: The run's kind, at the version that it was written in.
        envelope: What every kind of run states.
        content: What the payload read from the document; the samples are not in it.
    """

    folder: Path
    data: bytes
    document: dict[str, Json]
    seal_data: bytes
    seal: dict[str, Json]
    payload: Payload[Any, Content]
    envelope: Envelope
    content: Content

    @property
    def samples(self) -> Path:
        """Path of the file that holds the samples."""
        return self.folder / "samples.jsonl"

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of both documents, by name."""
        both = {"run.json": self.data, "seal.json": self.seal_data}
        return {name: hashlib.sha256(data).hexdigest() for name, data in both.items()}


def run_identity(fields: Json) -> str:
    """Return the digest of a run's identity, by which a finished run is found again."""
    return canonical_digest(fields)


def load(folder: Path) -> Sealed[Any]:
    """Read a sealed run's documents; only their form is checked.

    Raises:
        InputError: The folder is no run or an unfinished one, or a newer version of the program
            wrote it.
        EvidenceError: A file is not what was sealed: it is not JSON, it has a key twice, or a value
            of the wrong type.
    """
    if not (folder / "seal.json").is_file():
        if (folder / "progress.json").is_file():
            saw, do = f"{folder} is not finished", "run the same command to finish it"
        else:
            saw, do = f"{folder} is not a run", "runs are listed by: weighbridge runs list"
        raise InputError(saw, "a sealed run", do)
    data, document = _read(folder / "run.json")
    seal_data, seal = _read(folder / "seal.json")
    payload = _payload(data, document, seal)
    stated = {key: document[key] for key in _STATED_BY_ALL if key in document}
    try:
        envelope = _ENVELOPE.validate_python(stated)
        own = {key: value for key, value in document.items() if key not in _ENVELOPE_FIELDS}
        content = payload.content(own, _object(document.get("identity_fields")))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise EvidenceError(f"{folder}/run.json: {where}", "a run as it was sealed") from error
    return Sealed(folder, data, document, seal_data, seal, payload, envelope, content)


def load_as(folder: Path, payload: Payload[Sample, Content]) -> Sealed[Content]:
    """Read a sealed run's documents as `load` does, and require one kind.

    Raises:
        InputError: The run is of another kind. The errors of `load` are raised, too.
    """
    return of_kind(load(folder), payload)


def of_kind(sealed: Sealed[Any], payload: Payload[Sample, Content]) -> Sealed[Content]:
    """Require that a run is of one kind, in any of its versions.

    Raises:
        InputError: The run is of another kind.
    """
    if sealed.payload.name != payload.name:
        raise InputError(
            f"{sealed.folder.name} holds a run of the kind {sealed.payload.name}",
            f"one of the kind {payload.name}",
            sealed.payload.elsewhere,
        )
    return sealed


def with_samples(sealed: Sealed[Content]) -> Content:
    """Read a run's samples in order of id and repeat, without checking its seal."""
    read = read_samples(sealed.samples, sealed.payload)
    return sealed.payload.with_samples(sealed.content, sorted(read, key=sealed.payload.place))


def _payload(data: bytes, document: dict[str, Json], seal: dict[str, Json]) -> Payload[Any, Any]:
    """Return a run's kind; an altered document is reported as altered, never as a newer one.

    Raises:
        NewerEvidence: A newer version of the program wrote the run.
        EvidenceError: The document states another kind or version than was sealed.
    """
    version = seal.get("schema_version")
    if isinstance(version, int) and not isinstance(version, bool) and version > SEAL_VERSION:
        raise newer_evidence_error(f"seal {version}, this one reads up to {SEAL_VERSION}")
    try:
        enveloped = _envelope_version(document)
        if enveloped is not None and enveloped > ENVELOPE_VERSION:
            raise newer_evidence_error(
                f"envelope {enveloped}, this one reads up to {ENVELOPE_VERSION}"
            )
        return payload_of(document)
    except NewerEvidence as error:
        if seal.get("run_digest") == f"sha256:{hashlib.sha256(data).hexdigest()}":
            raise
        raise EvidenceError(
            "run.json is not what was sealed", "the document that its seal names"
        ) from error


def stated_envelope() -> dict[str, Json]:
    """Return the field that states the envelope's version in a new document; none for version 1."""
    return {} if ENVELOPE_VERSION == FIRST_VERSION else {"envelope_version": ENVELOPE_VERSION}


def _envelope_version(document: dict[str, Json]) -> int | None:
    """Return a document's envelope version; None where no program ever wrote the stated value."""
    if "envelope_version" not in document:
        return FIRST_VERSION
    found = document["envelope_version"]
    return found if type(found) is int and found > FIRST_VERSION else None


def faults(sealed: Sealed[Any]) -> Iterator[Fault]:
    """Yield each contradiction within a run's documents, or between them."""
    yield from _form_faults(sealed)
    yield from _identity_faults(sealed)
    for name in _COUNTS:
        value = getattr(sealed.envelope.provenance, name)
        if value is not None and value < 0:
            yield f"provenance.{name}", f"{value} is below 0"


def _form_faults(sealed: Sealed[Any]) -> Iterator[Fault]:
    document, payload = sealed.document, sealed.payload
    version = document.get("schema_version")
    if version != payload.version or isinstance(version, bool):
        yield "schema_version", f"{version!r} is not known; this version reads {payload.newest}"
    enveloped = _envelope_version(document)
    if enveloped is None:
        yield "envelope_version", f"{document['envelope_version']!r} is none that was ever written"
    planned = document.get("planned_samples")
    if not isinstance(planned, int) or isinstance(planned, bool) or planned < 0:
        yield "planned_samples", f"{planned!r} is not a count"
    if not isinstance(document.get("identity_fields"), dict):
        yield "identity_fields", "missing"
    shared = asdict(sealed.envelope)
    if sealed.envelope.model is None and "model" not in document:
        del shared["model"]
    keys = ENVELOPE_KEYS.get(enveloped or ENVELOPE_VERSION, ALL_KEYS)
    known = payload.document_keys.of(keys.of(shared | payload.plain(sealed.content)))
    stated = {key: value for key, value in document.items() if key not in _ENVELOPE_FIELDS}
    yield from differences(stated, known, payload.document_keys.may_lack | keys.may_lack)
    for name, data, read in (
        ("run.json", sealed.data, document),
        ("seal.json", sealed.seal_data, sealed.seal),
    ):
        try:
            whole = canonical_json(read) == data
        except (ValueError, TypeError, RecursionError) as error:
            yield name, f"holds what was never written ({error})"
        else:
            if not whole:
                yield name, "is not written as it was sealed (RFC 8785)"


def _identity_faults(sealed: Sealed[Any]) -> Iterator[Fault]:
    envelope, fields = sealed.envelope, sealed.document.get("identity_fields")
    name = sealed.folder.resolve().name
    if name != envelope.run_id:
        yield "folder", f"is called {name}, and holds {envelope.run_id}"
    if not envelope.run_id.endswith(f"--{envelope.identity.removeprefix('sha256:')[:10]}"):
        why = f"{envelope.run_id} does not end as the identity {envelope.identity} begins"
        yield "run_id", why
    if not isinstance(fields, dict):
        return
    if fields.get("payload") != sealed.document.get("payload"):
        yield "payload", f"stated {sealed.payload.name}, in the identity {fields.get('payload')}"
    if envelope.model is not None and "model" in fields:
        model = dict(envelope.model.identity)
        if fields["model"] != model:
            yield "model", f"stated {model}, in the identity {fields['model']}"
    yield from sealed.payload.faults(sealed.content, fields)


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _read(path: Path) -> tuple[bytes, dict[str, Json]]:
    try:
        data = read_regular(path, DOCUMENT_BYTES, "a run's document", within=path.parent)
        found = strict_json(data)
    except (ValueError, OSError, RecursionError) as error:
        raise EvidenceError(f"{path} can't be read ({error})", "JSON as it was written") from error
    except InputError as error:
        raise EvidenceError(error.saw, error.expected, error.do) from error
    if not isinstance(found, dict):
        raise EvidenceError(f"{path} holds a {type(found).__name__}", "an object")
    return data, found


def read_object(path: Path) -> dict[str, Any]:
    """Read a file's JSON object; an absent file is an empty one.

    Raises:
        EvidenceError: The file can't be read, or holds something else than an object.
    """
    if not path.exists():
        return {}
    return _read(path)[1]
