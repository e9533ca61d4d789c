"""The form of a bundle: which folders it has, and the manifest with the digest of every file.

model/             the weights, exactly as they were measured
evidence/runs/     sealed runs of the model, of its base, and rounds of attacks on both
evidence/data.json what was found in the training data
policy.json  statement.json  decision.json
README.md  SECURITY.md  LICENSE  …       papers, made from what stands above
manifest.json      SHA-256 of each file but this and the signature
model.sig          the signature, where there is one
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from weighbridge import __version__
from weighbridge.errors import EvidenceError, InputError
from weighbridge.evidence.plain_json import strict_json
from weighbridge.records import Json, canonical_digest, canonical_json
from weighbridge.sources.regular_files import SETTINGS_BYTES, read_regular

MODEL, RUNS, DATA = "model", "evidence/runs", "evidence/data.json"
POLICY, STATEMENT, DECISION = "policy.json", "statement.json", "decision.json"
MANIFEST, SIGNATURE = "manifest.json", "model.sig"
NOT_LISTED = frozenset({MANIFEST, SIGNATURE})
VERSION = 1
_MOST_FILES = 1 << 17
_CLOSED = ConfigDict(extra="forbid")


@checked(frozen=True, config=_CLOSED)
class Manifest:
    """What a bundle holds.

    Attributes:
        version: Of this form.
        made_with: Version of the program that made it.
        model: Digest of the model's files.
        decision: Digest of the decision.
        files: SHA-256 of each file, by its path with slashes.
    """

    version: int
    made_with: str
    model: str
    decision: str
    files: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which names the bundle."""
        return canonical_digest(asdict(self))


_MANIFEST = TypeAdapter(Manifest)


@dataclass
class Listing:
    """What lies in a bundle's folder.

    Attributes:
        files: Paths of regular files, with slashes, in order.
        faults: What must not lie there, a clause each.
    """

    files: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def list_files(folder: Path) -> Listing:
    """List a bundle's files; links are named, and never followed."""
    found = Listing()
    for path, kind in _walk(folder, PurePosixPath()):
        if kind == "file":
            found.files.append(path)
        else:
            found.faults.append(f"{path} is {kind}")
        if len(found.files) > _MOST_FILES:
            found.faults.append(f"more than {_MOST_FILES:,} files")
            break
    found.files.sort()
    return found


def _walk(folder: Path, below: PurePosixPath) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        path = below / entry.name
        if entry.is_symlink():
            yield str(path), "a link"
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, path)
        else:
            regular = entry.is_file(follow_symlinks=False)
            yield str(path), "file" if regular else "no regular file"


def write_manifest(folder: Path, model: str, decision: str, files: Mapping[str, str]) -> Manifest:
    """Write the manifest of a bundle."""
    made = Manifest(VERSION, __version__, model, decision, dict(sorted(files.items())))
    (folder / MANIFEST).write_bytes(canonical_json(asdict(made)))
    return made


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest.

    Raises:
        InputError: There is none, or a newer version of the program wrote it.
        EvidenceError: It is not as it was written.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"{folder} has no {MANIFEST}", "a bundle", "make one with: weighbridge release build"
        )
    plain = read_plain(folder, MANIFEST)
    version = plain.get("version") if isinstance(plain, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise InputError(
            f"{folder}: a bundle of version {version}", f"at most {VERSION}",
            "verify it with a newer weighbridge",
        )  # fmt: skip
    try:
        found = _MANIFEST.validate_python(plain)
        if canonical_json(asdict(found)) == canonical_json(plain):
            return found
        raise EvidenceError(f"{MANIFEST} has values of other types", "a manifest as it was written")
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise EvidenceError(f"{MANIFEST}: {where}", "a manifest as it was written") from error


def read_plain(folder: Path, name: str) -> Json:
    """Read one of a bundle's JSON files, which is written in the one form that JSON has (RFC 8785).

    Raises:
        EvidenceError: It can't be read, or is written otherwise.
    """
    try:
        data = read_regular(folder / name, SETTINGS_BYTES, "a bundle's record", within=folder)
        found = strict_json(data)
        if canonical_json(found) != data:
            raise ValueError("it is not written as RFC 8785 says")
    except (ValueError, OSError, RecursionError, InputError) as error:
        raise EvidenceError(f"{name} can't be read ({error})", "JSON as it was written") from error
    return found
