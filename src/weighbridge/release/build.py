"""Writes a bundle: weights, evidence, decision and papers, each named in the manifest."""

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from weighbridge.errors import InputError, StorageError
from weighbridge.evidence.document import load
from weighbridge.records import canonical_json
from weighbridge.release.bundle import (
    DATA,
    DECISION,
    MODEL,
    NOT_LISTED,
    POLICY,
    RUNS,
    STATEMENT,
    Manifest,
    list_files,
    write_manifest,
)
from weighbridge.release.case import Case
from weighbridge.release.companions import companion_files, faults_of_companions
from weighbridge.release.decision import Decision, as_plain
from weighbridge.release.one_pass import read_once
from weighbridge.release.paper import papers_of
from weighbridge.release.signing import Signer, sign
from weighbridge.sources.regular_files import SETTINGS_BYTES, read_regular
from weighbridge.storage import new_folder

LICENCE = "LICENSE"
_OF_A_RUN = ("run.json", "seal.json", "samples.jsonl")
"""What is sealed of a run; the conversations of a round of attacks stay where they are."""


@dataclass(frozen=True)
class Sources:
    """Where a bundle's contents are.

    Attributes:
        model: The folder of weights.
        runs: Where runs are kept.
        licence: File with the licence's text; None takes the one in the model's folder.
        link: Whether files of weights become hard links, and take no room.
        also: Other forms of the model: its adapter's folder, and GGUF files made of it.
    """

    model: Path
    runs: Path
    licence: Path | None = None
    link: bool = False
    also: tuple[Path, ...] = ()


def build(
    case: Case,
    decision: Decision,
    sources: Sources,
    bundle: Path,
    by: Signer | None = None,
) -> Manifest:
    """Write a bundle into a new folder.

    Args:
        case: The model.
        decision: What its gates answered.
        sources: Where the contents are.
        bundle: The folder.
        by: By what it is signed; None leaves it unsigned.

    Raises:
        InputError: The folder is there, a licence's text is missing, a file changed meanwhile, or
            what is to go with the model is not of it; a key is none.
        MissingPiece: It is to be signed, and the package for it is not here.
        StorageError: The disk is full or can't be written.
    """
    if bundle.exists() or bundle.is_symlink():
        raise InputError(f"{bundle} is there", "a new folder", "name another one")
    licence = _licence(sources)
    also = {n: p for path in sources.also for n, p in companion_files(path, case).items()}
    with new_folder(bundle) as folder:
        for name in case.inventory.files:
            _place(sources.model / name, folder / MODEL / name, sources.link)
        for name, path in also.items():
            _place(path, folder / name, sources.link)
        names = {one.run_id for one in case.runs} | {one.run_id for one in case.rounds}
        for run in sorted(names):
            sealed = load(sources.runs / run)
            for name in _OF_A_RUN:
                _place(sealed.folder / name, folder / RUNS / run / name, link=False)
        records = {POLICY: case.policy.plain, DECISION: as_plain(decision)}
        written = {name: canonical_json(record) for name, record in records.items()}
        written[STATEMENT] = canonical_json(case.statement.plain)
        if case.data is not None:
            written[DATA] = canonical_json(asdict(case.data))
        for name, data in (written | papers_of(case, decision) | {LICENCE: licence}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        manifest = write_manifest(folder, case.digest, decision.digest, _digests(folder, case))
        if by is not None:
            sign(folder, manifest, case.statement.name, by)
        return manifest


def _licence(sources: Sources) -> bytes:
    path = sources.licence or sources.model / LICENCE
    if not path.is_file():
        raise InputError(
            f"no text of the licence: {path}", "the licence's own text",
            'licence_text = "FILE" in the statement, or LICENSE in the folder of weights',
        )  # fmt: skip
    return read_regular(path, SETTINGS_BYTES, "the licence's text")


def _place(source: Path, target: Path, link: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(source, target)
        except OSError as error:
            raise StorageError(
                f"can't link {source} ({error.strerror})", "a folder on the same file system",
                "leave out --link, so that it is copied",
            ) from error  # fmt: skip
    else:
        shutil.copyfile(source, target, follow_symlinks=True)


def _digests(folder: Path, case: Case) -> dict[str, str]:
    """Digest every file as it stands in the bundle now; weights must be those that were weighed."""
    found = {
        name: read_once(folder / name)[0]
        for name in list_files(folder).files
        if name not in NOT_LISTED and not name.startswith(".held")
    }
    for name, digest in case.inventory.files.items():
        if found[f"{MODEL}/{name}"] != digest:
            raise InputError(
                f"{name} changed while the bundle was written", "a folder that nobody writes to",
                "build it again",
            )  # fmt: skip
    fault = next(faults_of_companions(folder, found, case), "")
    if fault:
        raise InputError(fault, "other forms of exactly this model", "leave it out")
    return found
