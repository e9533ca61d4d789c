"""Judge the evidence of a finished `weighbridge demo` again; the package carries it.

check the shipped files -> copy them out -> verify every run -> compare -> judge -> write the report

No model runs, so this needs neither torch nor a download and takes seconds. The evidence is made by
`scripts/make_replay.py`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.errors import EvidenceError, InputError, MissingPiece
from weighbridge.evidence import RunStore, Verification, verify
from weighbridge.evidence.plain_json import strict_json
from weighbridge.project.report import Written, compare_again, read_facts, write_from_facts
from weighbridge.project.report_facts import ReportFacts
from weighbridge.records import EvalRun, Json, canonical_json
from weighbridge.sources.regular_files import DOCUMENT_BYTES, read_regular
from weighbridge.storage import storage_errors, write_whole

SHIPPED = "replay"
"""Folder of the embedded example that holds the evidence."""
DIGESTS = "digests.json"
"""The file in it that lists the SHA-256 of all others."""
_REPAIR = "reinstall: pip install --force-reinstall weighbridge"


@dataclass(frozen=True)
class RunCost:
    """What the shipped demo took, as measured when it ran.

    Attributes:
        seconds: In tuning and evaluation.
        peak_memory_bytes: Of the process.
        threads: For arithmetic.
    """

    seconds: float
    peak_memory_bytes: float
    threads: int


@dataclass(frozen=True)
class Replayed:
    """The verdict on the shipped evidence, and what it rests on."""

    written: Written
    facts: ReportFacts
    weighed: tuple[BenchmarkComparison, ...]
    runs: tuple[EvalRun, ...]
    cost: RunCost


def digests_json(files: Mapping[str, bytes]) -> bytes:
    """Return the list of the files' digests, as it ships with them."""
    return canonical_json({name: _sha256(data) for name, data in sorted(files.items())})


def read_shipped(folder: Path) -> dict[str, bytes]:
    """Read the shipped evidence, and check each file against its digest.

    Args:
        folder: The package's own copy; it is only read.

    Returns:
        Contents by name, relative to the folder.

    Raises:
        EvidenceError: A file is missing or altered; says which.
        MissingPiece: There is no evidence.
    """
    files: dict[str, bytes] = {}
    for name, digest in _digests(folder).items():
        try:
            data = read_regular(folder / name, DOCUMENT_BYTES, within=folder)
        except (OSError, InputError) as error:
            raise EvidenceError(f"{folder / name} can't be read", "a file", _REPAIR) from error
        if _sha256(data) != digest:
            raise EvidenceError(
                f"{folder / name} was altered: its digest is {_sha256(data)}", str(digest), _REPAIR
            )
        files[name] = data
    return files


def copy_out(files: Mapping[str, bytes], state: Path) -> Path:
    """Write the evidence into a folder; files of an earlier copy are replaced.

    Returns:
        The folder of its report.

    Raises:
        StorageError: The folder can't be written.
    """
    for name, data in files.items():
        path = state / name
        with storage_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data, mode=0o444 if name.startswith("runs/") else 0o644)
    return next(state / name for name in files if name.endswith("/report.json")).parent


def judge_again(
    report: Path,
    store: RunStore,
    example: Path,
    verified: Callable[[EvalRun, Verification], None],
) -> Replayed:
    """Verify every run of the copied evidence, compare, judge, and write the report.

    Args:
        report: The report's folder, with the facts that its page is made from.
        store: The runs.
        example: The embedded example, whose tuning data the report's benchmarks are compared with.
        verified: Called with each run once all of its checks hold.

    Raises:
        EvidenceError: A check fails, or the verdict is not the one that the demo reached.
    """
    facts = read_facts(report)
    runs = []
    for run_id in facts.runs:
        result = verify(store.folder_of(run_id))
        _require(result)
        runs.append(store.read(run_id, samples=False))
        verified(runs[-1], result)
    stated, facts = facts.verdict, replace(facts, tuning_data=str(example / facts.tuning_data))
    weighed = tuple(compare_again(facts, store))
    written = write_from_facts(facts, weighed, report, store)
    if written.judged.verdict != stated:
        raise EvidenceError(
            f"the shipped evidence gives the verdict {written.judged.verdict!r}",
            f"{stated!r}, as when the demo ran",
            _REPAIR,
        )
    return Replayed(written, facts, weighed, tuple(runs), _cost(facts, runs))


def _digests(folder: Path) -> dict[str, Json]:
    path = folder / DIGESTS
    if not path.is_file():
        raise MissingPiece("this installation carries no evidence of a demo", str(path), _REPAIR)
    try:
        found = strict_json(read_regular(path, within=folder))
        if isinstance(found, dict):
            return found
    except (OSError, ValueError, RecursionError, InputError) as error:
        raise EvidenceError(f"{path} can't be read ({error})", "digests", _REPAIR) from error
    raise EvidenceError(f"{path} lists no digests", "a digest for each shipped file", _REPAIR)


def _require(result: Verification) -> None:
    for check in result.checks:
        if not check.ok:
            raise EvidenceError(
                f"{result.run_id} fails the check {check.name!r} ({check.detail})",
                "evidence as it was sealed",
                _REPAIR,
            )


def _cost(facts: ReportFacts, runs: list[EvalRun]) -> RunCost:
    tuning = {forecast.unit: forecast.measured or 0.0 for forecast in facts.forecasts}
    seconds = tuning.get("seconds", 0.0) + sum(run.provenance.wall_seconds for run in runs)
    peaks = (run.provenance.peak_memory_bytes or 0 for run in runs)
    peak = max(tuning.get("bytes", 0.0), *peaks)
    return RunCost(seconds, peak, max(run.provenance.threads for run in runs))


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
