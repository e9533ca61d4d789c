"""A released model's own files and their digest: what is evaluated is what is released.

A merged model's folder and a GGUF file carry a record of where they come from (see
`weighbridge.tuning.lineage`): in the folder, or beside the file.
"""

from collections.abc import Callable
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.records import canonical_digest
from weighbridge.sources.digests import file_digest
from weighbridge.sources.documents import read_settings

LINEAGE = "weighbridge_lineage.json"
MERGE_RECORD = "weighbridge_merge.json"
_TEMPLATES = "additional_chat_templates"
_SAY_NOTHING = frozenset({LINEAGE, MERGE_RECORD, ".gitattributes", "LICENSE", "NOTICE"})


def lineage_file(artefact: Path) -> Path:
    """Return where the record of a folder or a GGUF file lies."""
    if artefact.suffix == ".gguf" and not artefact.is_dir():
        return artefact.with_name(artefact.name + ".lineage.json")
    return artefact / LINEAGE


def artefact_files(folder: Path, digest: Callable[[Path], str] = file_digest) -> dict[str, str]:
    """Digest each file of a model's folder that a loader may read, by its name.

    What only people read (a model card, a licence), our own records and folders with the same model
    in other formats are left out.

    Args:
        folder: The model's.
        digest: Digests a file; another where the digests are known already.

    Raises:
        InputError: One is no regular file.
    """
    return {
        path.relative_to(folder).as_posix(): digest(path)
        for path in sorted([*folder.iterdir(), *folder.glob(f"{_TEMPLATES}/*")])
        if path.is_file() and path.name not in _SAY_NOTHING and path.suffix != ".md"
        and not path.name.startswith(".")
    }  # fmt: skip


def stated_digest(artefact: Path) -> str | None:
    """Return the digest that an artefact's record gives it; None where it has no readable one."""
    path = lineage_file(artefact)
    if not path.is_file():
        return None
    try:
        found = read_settings(path, "a record of where a model comes from", within=path.parent)
        digest = found["steps"][-1]["digest"]
    except (InputError, LookupError, TypeError):
        return None
    return digest if isinstance(digest, str) else None


def artefact_digest(artefact: Path, digest: Callable[[Path], str] = file_digest) -> str:
    """Digest a GGUF file, or a folder by all its files and their names; see `artefact_files`."""
    if artefact.is_dir():
        return canonical_digest(artefact_files(artefact, digest))
    return digest(artefact)
