"""Other forms of the released model in a bundle: its adapter, and GGUF files made of it.

Each is bound to the model by the record of origin: an adapter is the one that was merged, and a
GGUF file's own record goes on from the model's digest. They are not measured by themselves.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.release.case import Case
from weighbridge.sources.artefacts import lineage_file
from weighbridge.sources.gguf_header import read_gguf_header
from weighbridge.sources.safetensors_files import read_header
from weighbridge.tuning.lineage import read_lineage

ADAPTER, GGUF = "adapter", "gguf"
_WEIGHTS = "adapter_model.safetensors"
_SUFFIXES = frozenset({".json", ".jsonl", ".md", ".yaml"})
_NAMES = frozenset({"LICENSE", "NOTICE", "model.sig"})


def companion_files(path: Path, case: Case) -> dict[str, Path]:
    """Return the files of another form of the model, by their paths in a bundle.

    Args:
        path: The adapter's folder, or a GGUF file with its record beside it.
        case: The model.

    Raises:
        InputError: It is neither, or not of this model.
    """
    if path.is_dir():
        names = _adapter_digests(case)
        absent = [name for name in names if not (path / name).is_file()]
        if not names or absent:
            why = f"it lacks {absent[0]}" if absent else "the model's record names no adapter"
            raise InputError(f"{path}: {why}", "the folder of the adapter that was merged")
        return {f"{ADAPTER}/{name}": path / name for name in names}
    fault = _gguf_fault(path, case, None) if path.suffix == ".gguf" else "it is no GGUF file"
    if fault:
        raise InputError(
            f"{path}: {fault}", "the model's adapter, or a GGUF file made of exactly this model",
            "make one with: weighbridge export gguf FOLDER --to FILE.gguf",
        )  # fmt: skip
    record = lineage_file(path)
    return {f"{GGUF}/{path.name}": path, f"{GGUF}/{record.name}": record}


def faults_of_companions(folder: Path, files: Mapping[str, str], case: Case) -> Iterator[str]:
    """Say what of a bundle's other forms is not of its model, and what has no place in a bundle.

    Args:
        folder: The bundle.
        files: Digests of its files by their paths, which were compared with the files.
        case: The model.
    """
    adapter = {PurePosixPath(n).name: d for n, d in files.items() if n.startswith(f"{ADAPTER}/")}
    if adapter:
        if adapter != _adapter_digests(case):
            yield f"{ADAPTER} is not the adapter that the record of origin names"
        elif _WEIGHTS in adapter:
            yield from _unreadable(folder / ADAPTER / _WEIGHTS)
    for name, digest in files.items():
        path = PurePosixPath(name)
        known = path.suffix in _SUFFIXES or name in _NAMES
        if path.parts[0] == GGUF and path.suffix == ".gguf":
            fault = _gguf_fault(folder / name, case, digest)
            yield from [f"{name}: {fault}"] if fault else []
        elif path.parts[0] not in ("model", ADAPTER) and not known:
            yield f"{name} is of a kind that no bundle has"


def notes_of_companions(files: Mapping[str, str]) -> Iterator[str]:
    """Say of each other form that it was not measured by itself."""
    if any(name.startswith(f"{ADAPTER}/") for name in files):
        yield "the adapter is the one that was merged; it was not measured by itself"
    for name in files:
        if name.startswith(f"{GGUF}/") and name.endswith(".gguf"):
            yield f"{name} was made of the model, and not measured by itself"


def _adapter_digests(case: Case) -> dict[str, str]:
    step = case.step("adapter")
    named = step.facts.get("files") if step is not None else None
    return {str(k): str(v) for k, v in named.items()} if isinstance(named, dict) else {}


def _gguf_fault(path: Path, case: Case, digest: str | None) -> str:
    """Say why a GGUF file is not of a model; "" where it is."""
    try:
        steps = read_lineage(path)
        read_gguf_header(path)
    except WeighbridgeError as error:
        return error.saw.replace(f"{path.parent}/", "")
    if not steps:
        return "it has no record of origin beside it"
    if all(step.digest != case.digest for step in steps[:-1]):
        return "its record of origin does not name this model"
    stated = steps[-1].digest
    return "" if digest in (None, stated) else "its record of origin names another file"


def _unreadable(path: Path) -> Iterator[str]:
    try:
        read_header(path)
    except InputError as error:
        yield error.saw.replace(f"{path.parent}/", f"{ADAPTER}/")
