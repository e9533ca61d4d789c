"""Where a model comes from, step by step, each by its digest and sealed with those before it.

    base -> data -> recipe -> adapter -> merged -> gguf

The record lies in a merged model's folder, or beside a GGUF file. Each step's seal is a digest over
the step and the seal before it, so that no step can be altered, left out or put in without notice.
`weighbridge verify` checks the chain, and the files at its end byte by byte.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from weighbridge.errors import InputError
from weighbridge.evidence.payload import Check
from weighbridge.records import Json, canonical_digest
from weighbridge.sources.artefacts import artefact_digest, artefact_files, lineage_file
from weighbridge.sources.digests import file_digest
from weighbridge.sources.documents import read_settings

if TYPE_CHECKING:  # it needs torch, and `verify` does not
    from weighbridge.tuning.divergence import Divergence

Stage = Literal["base", "data", "recipe", "adapter", "model", "merged", "gguf"]
_VERSION = 1


@dataclass(frozen=True)
class LineageStep:
    """One step.

    Attributes:
        stage: What it is.
        digest: Its own: of weights and settings, of data files, of the recipe, or of a file.
        facts: What else is known of it, as plain JSON.
    """

    stage: Stage
    digest: str
    facts: Mapping[str, Json]


def adapter_step(adapter: Path) -> LineageStep:
    """Return the step of an adapter's folder: its weights' digest, with those of its other files.

    Raises:
        InputError: A file can't be read.
    """
    files = artefact_files(adapter)
    return LineageStep("adapter", files["adapter_model.safetensors"], {"files": dict(files)})


def measured_facts(found: "Divergence", kind: str, bound: float) -> dict[str, Json]:
    """Return what a step says of the divergence from the step before it."""
    return {
        "type": kind,
        "kl_mean": found.mean,
        "kl_max": found.largest,
        "kl_tokens": found.tokens,
        "kl_bound": bound,
        "kl_text": found.source,
    }


def folder_step(stage: Stage, files: Mapping[str, str], facts: Mapping[str, Json]) -> LineageStep:
    """Return the step of a model's folder, from the digests of its files."""
    return LineageStep(stage, canonical_digest(files), {**facts, "files": dict(files)})


def write_folder_lineage(
    folder: Path, steps: Sequence[LineageStep], stage: Stage, facts: Mapping[str, Json]
) -> None:
    """Write the record of a model's folder, whose last step is the folder itself.

    Args:
        folder: With all its other files; not yet under its final name.
        steps: Those before.
        stage: What the folder is.
        facts: What is known of it.
    """
    own = folder_step(stage, artefact_files(folder), facts)
    lineage_file(folder).write_text(lineage_text((*steps, own)), encoding="utf-8")


def lineage_text(steps: Sequence[LineageStep]) -> str:
    """Return a record's text."""
    listed: list[Json] = []
    seal = ""
    for step in steps:
        seal = _seal(seal, step.stage, step.digest, step.facts)
        listed.append(
            {"stage": step.stage, "digest": step.digest, "facts": dict(step.facts), "seal": seal}
        )
    document = {"schema_version": _VERSION, "steps": listed}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_lineage(artefact: Path) -> tuple[LineageStep, ...]:
    """Return the steps to a folder or a GGUF file; none where it has no record.

    Raises:
        InputError: The record can't be read, or its seals don't hold.
    """
    path = lineage_file(artefact)
    if not path.is_file():
        return ()
    raw = _steps(path)
    broken = _broken_seal(raw)
    if broken is not None:
        raise InputError(
            f"{path}: the seal of step {broken + 1} ({raw[broken].get('stage')}) does not hold",
            "the record as it was written",
            f"it was altered: see `weighbridge verify {artefact}`",
        )
    return tuple(LineageStep(one["stage"], one["digest"], one["facts"]) for one in raw)


def has_lineage(artefact: Path) -> bool:
    """Whether a record lies in a folder or beside a GGUF file."""
    return lineage_file(artefact).is_file()


def lineage_checks(artefact: Path, digest: Callable[[Path], str] = file_digest) -> Iterator[Check]:
    """Check a record's seals, and the artefact's own bytes against its last step.

    Args:
        artefact: A folder or a GGUF file.
        digest: Digests a file; another where the digests are known already.
    """
    try:
        raw = _steps(lineage_file(artefact))
    except InputError as error:
        yield Check("lineage", False, str(error))
        return
    broken = _broken_seal(raw)
    chain = " -> ".join(str(one["stage"]) for one in raw)
    if broken is not None:
        yield Check("lineage", False, f"step {broken + 1} of {chain} was altered")
    else:
        yield Check("lineage", True, chain)
    last = raw[-1]
    found = artefact_digest(artefact, digest)
    if found == last["digest"]:
        yield Check("artefact", True, f"{last['stage']} {found}")
        return
    stated = last["facts"].get("files")
    altered = (
        _altered(stated, artefact, digest) if artefact.is_dir() and isinstance(stated, dict) else []
    )
    what = ", ".join(altered) or artefact.name
    yield Check("artefact", False, f"{what}: not as it was written ({found}, not {last['digest']})")


def _altered(stated: Mapping[str, Any], folder: Path, digest: Callable[[Path], str]) -> list[str]:
    found = artefact_files(folder, digest)
    return sorted(
        name for name in stated.keys() | found.keys() if stated.get(name) != found.get(name)
    )


def _seal(before: str, stage: Any, digest: Any, facts: Any) -> str:
    return canonical_digest([before, stage, digest, facts])


def _broken_seal(steps: Sequence[Mapping[str, Any]]) -> int | None:
    seal = ""
    for number, step in enumerate(steps):
        try:
            seal = _seal(seal, step["stage"], step["digest"], step["facts"])
        except ValueError:  # it holds a number that was never written, and so can't be sealed
            return number
        if step.get("seal") != seal:
            return number
    return None


def _steps(path: Path) -> list[dict[str, Any]]:
    found = read_settings(path, "a record of where a model comes from", within=path.parent)
    steps = found.get("steps")
    whole = isinstance(steps, list) and steps and all(map(_is_step, steps))
    if found.get("schema_version") != _VERSION or not whole:
        raise InputError(
            f"{path} is no record that this version reads", f"schema_version {_VERSION} and steps"
        )
    return list(steps or ())


def _is_step(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("stage") in get_args(Stage)
        and isinstance(value.get("digest"), str)
        and isinstance(value.get("facts"), dict)
    )
