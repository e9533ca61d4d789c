"""Strict reading of a run's `run.json` and `seal.json`: nothing is converted or filled in.

Three things are one: the folder's name, the fields that the run's identity is the digest of, and
the document. Where they disagree, each of them may be the altered one, so nothing is read.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import EvidenceError, InputError
from weighbridge.evidence.journal import read_samples
from weighbridge.evidence.plain_json import differences, strict_json
from weighbridge.evidence.seal import SCHEMA_VERSION
from weighbridge.records import EvalRun, Json, canonical_digest, canonical_json
from weighbridge.sources.regular_files import DOCUMENT_BYTES, read_regular

_RUN = TypeAdapter(EvalRun)
_CONDITIONS = ("sampling", "sandbox", "replies")
_BESIDE_THE_RUN = ("schema_version", "identity_fields", "planned_samples")
_AS_IDENTIFIED = ("benchmark", "benchmark_version", "subset")
_ADDED_LATER = frozenset(
    f"estimate.{name}" for name in ("slices", "beside", "cluster_sizes", "scale")
) | frozenset(
    f"provenance.{name}"
    for name in (
        "prices", "sandbox", "origin", "origin.stated", "origin.headline", "judge", "judge_tokens",
        "judge_cost_usd", "judge_seconds",
    )
) | {"slicing", "stopped", "unasked_samples", "model.settings_digest"}  # fmt: skip
"""Keys that older evidence lacks; `stopped` is written only where a run could stop."""

_COUNTS = (
    "threads", "wall_seconds", "input_tokens", "output_tokens", "computed_tokens", "cost_usd",
    "peak_memory_bytes", "judge_tokens", "judge_cost_usd", "judge_seconds",
)  # fmt: skip

Fault = tuple[str, str]
"""The name of a check that failed, and what is wrong."""


@dataclass(frozen=True)
class Sealed:
    """A sealed run's two documents.

    Attributes:
        folder: Where they are.
        data: `run.json`, as it stands.
        document: The same, read.
        seal_data: `seal.json`, as it stands.
        seal: The same, read.
        run: The run that the document describes, without its samples.
    """

    folder: Path
    data: bytes
    document: dict[str, Json]
    seal_data: bytes
    seal: dict[str, Json]
    run: EvalRun

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of both files, by name."""
        both = {"run.json": self.data, "seal.json": self.seal_data}
        return {name: hashlib.sha256(data).hexdigest() for name, data in both.items()}


def run_identity(fields: dict[str, Json]) -> str:
    """Return the digest of a run's identity, by which a finished run is found again."""
    return canonical_digest(fields)


def load(folder: Path) -> Sealed:
    """Read a sealed run's documents; only their form is checked.

    Raises:
        InputError: The folder is no sealed run.
        EvidenceError: A file is not what was sealed: no JSON, a key that stands twice, a wrong
            type.
    """
    if not (folder / "seal.json").is_file():
        what = "is not finished" if (folder / "progress.json").is_file() else "is not a run"
        raise InputError(f"{folder} {what}", "a sealed run", "run the same command to finish it")
    data, document = _read(folder / "run.json")
    seal_data, seal = _read(folder / "seal.json")
    stated = {key: value for key, value in document.items() if key not in _BESIDE_THE_RUN}
    fields = document.get("identity_fields")
    if isinstance(fields, dict):
        stated["conditions"] = {key: fields[key] for key in _CONDITIONS if key in fields}
    try:
        run = _RUN.validate_python(stated)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise EvidenceError(f"{folder}/run.json: {where}", "a run as it was sealed") from error
    return Sealed(folder, data, document, seal_data, seal, run)


def load_samples(folder: Path) -> EvalRun:
    """Read a run with its sorted samples, without checking its seal: for callers that do."""
    read = read_samples(folder / "samples.jsonl")
    ordered = sorted(read, key=lambda sample: (sample.sample_id, sample.repeat))
    return replace(load(folder).run, samples=tuple(ordered))


def faults(sealed: Sealed) -> Iterator[Fault]:
    """Name everything in which a run's documents contradict themselves or each other."""
    yield from _of_form(sealed)
    yield from _of_identity(sealed)
    for name in _COUNTS:
        value = getattr(sealed.run.provenance, name)
        if value is not None and value < 0:
            yield f"provenance.{name}", f"{value} is below 0"
    if sealed.run.unasked_samples < 0:
        yield "unasked_samples", f"{sealed.run.unasked_samples} is below 0"


def _of_form(sealed: Sealed) -> Iterator[Fault]:
    document, run = sealed.document, sealed.run
    version = document.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        yield "schema_version", f"{version!r} is not known; this version reads {SCHEMA_VERSION}"
    planned = document.get("planned_samples")
    if not isinstance(planned, int) or isinstance(planned, bool) or planned < 0:
        yield "planned_samples", f"{planned!r} is not a count"
    if not isinstance(document.get("identity_fields"), dict):
        yield "identity_fields", "missing"
    known = asdict(run)
    del known["samples"], known["conditions"]
    stated = {key: value for key, value in document.items() if key not in _BESIDE_THE_RUN}
    yield from differences(stated, known, _ADDED_LATER)
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


def _of_identity(sealed: Sealed) -> Iterator[Fault]:
    run, fields = sealed.run, sealed.document.get("identity_fields")
    name = sealed.folder.resolve().name
    if name != run.run_id:
        yield "folder", f"is called {name}, and holds {run.run_id}"
    if not run.run_id.endswith(f"--{run.identity.removeprefix('sha256:')[:10]}"):
        yield "run_id", f"{run.run_id} does not end as the identity {run.identity} begins"
    if not isinstance(fields, dict):
        return
    stated: dict[str, Any] = {key: getattr(run, key) for key in _AS_IDENTIFIED}
    stated |= {"model": dict(run.model.identity)}
    settings = dict(run.settings)
    for key in ("judge", "stop"):  # stand among the settings, and beside them in the identity
        if key in settings and key not in _object(fields.get("settings")):
            value = settings.pop(key)
            if fields.get(key) != value:
                yield f"settings.{key}", f"stated {value}, in the identity {fields.get(key)}"
        elif fields.get(key) is not None:
            yield f"settings.{key}", "is missing, and part of the identity"
    stated["settings"] = settings
    for key, value in stated.items():
        if key in fields and fields[key] != value:
            yield key, f"stated {value}, in the identity {fields[key]}"
    protocol = settings.get("protocol", run.protocol)
    if protocol != run.protocol:
        yield "protocol", f"stated {run.protocol}, among the settings {protocol}"


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
        EvidenceError: It holds something else.
    """
    if not path.exists():
        return {}
    return _read(path)[1]
