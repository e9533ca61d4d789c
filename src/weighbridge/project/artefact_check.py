"""A model on disk checked: its record of origin, its bytes, and which runs measured just these."""

from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.evidence import RunStore, Verification
from weighbridge.evidence.listing import run_names
from weighbridge.evidence.payload import Check
from weighbridge.sources.artefacts import artefact_digest, lineage_file
from weighbridge.sources.regular_files import DOCUMENT_BYTES, read_regular
from weighbridge.tuning.lineage import has_lineage, lineage_checks


def is_artefact(path: Path) -> bool:
    """Whether a path is a GGUF file, or a model's folder with a record of origin."""
    return (path.suffix == ".gguf" and path.is_file()) or (path.is_dir() and has_lineage(path))


def verify_artefact(path: Path, store: RunStore) -> Verification:
    """Check a record's seals and the artefact's bytes; name the runs that measured these bytes.

    That no run measured them is told, and is no fault of the artefact.

    Raises:
        InputError: It has no record, so that there is nothing to hold it against.
    """
    if not has_lineage(path):
        raise InputError(
            f"{path} has no record of origin",
            f"{lineage_file(path).name} beside it, as `export gguf` writes it",
            "keep both files together; without a record there is nothing to verify",
        )
    checks = list(lineage_checks(path))
    digest = artefact_digest(path)
    found = runs_that_measured(digest, store)
    told = ", ".join(found) or f"by no run in {store.root}"
    return Verification(str(path), (*checks, Check("measured", True, told)))


def runs_that_measured(digest: str, store: RunStore) -> list[str]:
    """Return the ids of the sealed runs whose model was the artefact with a digest, byte by byte.

    A run that is altered counts as none.
    """
    return [
        name
        for name in run_names(store.root)
        if _names(store.root / name, digest) and _measured(store, name, digest)
    ]


def _names(folder: Path, digest: str) -> bool:
    """Whether a run's document holds the digest: few do, and only those are read and checked."""
    try:
        path = folder / "run.json"
        return digest.encode() in read_regular(
            path, DOCUMENT_BYTES, "a run's document", within=folder
        )
    except (OSError, InputError):
        return False


def _measured(store: RunStore, name: str, digest: str) -> bool:
    try:
        model: Any = store.sealed(name).envelope.model
    except WeighbridgeError:
        return False
    return model is not None and model.revision == digest
