"""garak as an engine: run in a process of its own on a model's folder, its report then imported.

garak is not a dependency: it is large, and lives in an environment of its own, whose Python is
named. It loads the folder by itself; what it writes to the terminal goes to a file beside the
report, because its report and its log hold texts.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError, LibraryError, MissingPiece
from weighbridge.evaluation.run_context import RunContext
from weighbridge.records import ModelRef, canonical_digest
from weighbridge.records.attack import AttackRun
from weighbridge.redteam.garak_report import import_report, read_report
from weighbridge.storage import storage_errors

_LOOK = "import importlib.util as i; raise SystemExit(not i.find_spec('garak'))"


@dataclass(frozen=True)
class GarakRun:
    """What garak is to do.

    Attributes:
        python: The Python of the environment that garak is installed in.
        probes: garak's own names, separated by commas.
        generations: Outputs for each prompt.
        seed: Of garak's sampling.
    """

    python: str
    probes: str
    generations: int = 1
    seed: int = 0

    def arguments(self, folder: Path, prefix: Path) -> list[str]:
        """Return the command line that attacks a folder and writes `prefix.report.jsonl`."""
        return [
            self.python, "-m", "garak", "--target_type", "huggingface",
            "--target_name", str(folder.resolve()), "--probes", self.probes,
            "--generations", str(self.generations), "--seed", str(self.seed),
            "--report_prefix", str(prefix.resolve()),
        ]  # fmt: skip


def require_garak(python: str) -> None:
    """See that garak is there, before a model is loaded.

    Raises:
        MissingPiece: It is not.
    """
    try:
        asked = [
            python,
            "-c",
            "import importlib.util as i; raise SystemExit(not i.find_spec('garak'))",
        ]
        there = subprocess.run(asked, capture_output=True).returncode == 0
    except OSError:
        there = False
    if not there:
        raise MissingPiece(
            f"no garak for {python}",
            "a Python that has it",
            "python -m venv garak && garak/bin/pip install garak, then --python garak/bin/python",
        )


def attack_with_garak(
    wanted: GarakRun,
    folder: Path,
    model: ModelRef,
    place: RunContext,
    state: Path,
    *,
    offline: bool,
) -> AttackRun:
    """Let garak attack a model, and seal what it reports; a finished report is not made again.

    Args:
        wanted: What it is to do.
        folder: The model's, as transformers loads it.
        model: What is in that folder.
        place: Where evidence goes.
        state: Where the report is kept, for its owner alone.
        offline: Whether garak must not reach for the network.

    Raises:
        LibraryError: garak failed; its last lines are in a file that is named.
        InputError: It reported nothing.
    """
    stated = [dict(model.identity), wanted.probes, wanted.generations, wanted.seed]
    name = canonical_digest(stated).removeprefix("sha256:")[:16]
    with storage_errors(state):
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
    prefix = state / f"garak-{name}"
    report, log = prefix.with_name(f"{prefix.name}.report.jsonl"), prefix.with_suffix(".log")
    if not _whole(report):
        report.unlink(missing_ok=True)
        _run(wanted.arguments(folder, prefix), log, offline)
        for kept in state.glob(f"{prefix.name}.*"):
            kept.chmod(0o600)
    return import_report(report, place, model)


def _whole(report: Path) -> bool:
    try:
        return report.is_file() and read_report(report).whole
    except InputError:
        return False


def _run(arguments: list[str], log: Path, offline: bool) -> None:
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"} if offline else {}
    with storage_errors(log), log.open("wb") as said:
        log.chmod(0o600)
        code = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            env={**os.environ, **quiet},
        ).returncode  # fmt: skip
    if code:
        raise LibraryError(
            f"garak ended with exit code {code}",
            "a report",
            f"see {log}, which may hold texts of attacks",
        )
