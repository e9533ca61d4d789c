"""Runs in other tools' formats: the folder `exports/` is the list, one `EXPORTER` a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError, UnknownName
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.records import EvalRun
from weighbridge.storage import storage_errors, write_whole

_FOLDER = Path(__file__).parent / "exports"


@dataclass(frozen=True)
class ExportRequest:
    """What the user asked to export.

    Attributes:
        runs: The runs, with their samples.
        to: Where to write: a file or a folder, depending on the format.
        dataset: The Hub's id of the benchmark's data set, for formats that name it.
        task: The benchmark's name on the Hub.
        source_url: Where a reader finds the evidence.
        percent: Whether figures are written in percent rather than as shares.
    """

    runs: Sequence[EvalRun]
    to: Path
    dataset: str = ""
    task: str = ""
    source_url: str = ""
    percent: bool = False


@dataclass(frozen=True)
class Exporter:
    """One format.

    Attributes:
        name: The file's stem, with a hyphen for an underscore.
        writes: What the format writes, as it is shown to users.
        files: Returns the content of each file to write, by its path.
    """

    name: str
    writes: str
    files: Callable[[ExportRequest], dict[Path, bytes]]


def exporter_names() -> tuple[str, ...]:
    """Names of all formats."""
    return tuple(sorted(stem.replace("_", "-") for stem in names_in(_FOLDER)))


def find_exporter(name: str) -> Exporter:
    """Import exactly one exporter.

    Raises:
        UnknownName: No such format.
    """
    if name not in exporter_names():
        raise UnknownName("format", name, exporter_names())
    module = f"{__package__}.exports.{name.replace('-', '_')}"
    return defined_in(module, "EXPORTER", Exporter)


def export_runs(name: str, request: ExportRequest, *, overwrite: bool = False) -> list[Path]:
    """Write runs in a format; each file is written whole or not at all.

    Raises:
        InputError: The format needs something else, or a file is there and may not be replaced.
    """
    files = find_exporter(name).files(request)
    if not overwrite:
        for path in files:
            if path.exists():
                raise InputError(f"{path} is there", "a new file", "--overwrite, or another --to")
    for path, content in files.items():
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return list(files)


def only_run(request: ExportRequest) -> EvalRun:
    """Return the one run of a request.

    Raises:
        InputError: The request does not have exactly one run.
    """
    if len(request.runs) != 1:
        raise InputError(f"{len(request.runs)} runs", "one for each file", "export them in turn")
    return request.runs[0]
