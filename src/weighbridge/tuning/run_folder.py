"""A run's folder: whose it is, what it was started with, and whether it is finished."""

import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError
from weighbridge.records import Json, canonical_digest
from weighbridge.sources.digests import file_digest
from weighbridge.sources.documents import read_settings
from weighbridge.storage import sweep, write_whole
from weighbridge.tuning.masks import MaskedRow
from weighbridge.tuning.method import Output
from weighbridge.tuning.settings import TuneResult, TuneSettings

CHECKPOINTS = "checkpoints"
"""The folder of checkpoints in a run's; what comes out lies in one named by the method's output."""


def result_weights(folder: Path) -> Path:
    """Return the safetensors file of an adapter's folder, or else of a whole model's."""
    adapter = folder / "adapter_model.safetensors"
    return adapter if adapter.is_file() else folder / "model.safetensors"


@dataclass(frozen=True)
class RunParts:
    """What decides a tuning run's result.

    Attributes:
        settings: All settings that have an effect on the values, as plain JSON.
        base_digest: Of the base's weights and settings.
        train_digest: Of the training rows' token ids and masks.
        validation_digest: Of the validation rows'.
    """

    settings: dict[str, Json]
    base_digest: str
    train_digest: str
    validation_digest: str

    @property
    def identity(self) -> str:
        """The digest of all of it."""
        return canonical_digest(asdict(self))


def run_parts(
    rows: Sequence[MaskedRow],
    validation: Sequence[MaskedRow],
    settings: TuneSettings,
    base_digest: str,
) -> RunParts:
    """Return what decides the result: settings, and digests of the base and the masked rows."""
    return RunParts(settings.identity(), base_digest, _rows_digest(rows), _rows_digest(validation))


def _rows_digest(rows: Sequence[MaskedRow]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(b"%d:" % len(row))
        digest.update(array("q", row.token_ids).tobytes())
        digest.update(bytes(row.trained))
    return "sha256:" + digest.hexdigest()


def claim(
    folder: Path,
    parts: RunParts,
    base: str,
    template_date: str | None = None,
    dtype: str | None = None,
) -> int:
    """Make `folder` this run's own; return the number of threads that it is computed with.

    Raises:
        InputError: It holds another run, and what differs; or something else.
    """
    path = folder / "run.json"
    if path.exists():
        sweep(folder)
        sweep(folder / CHECKPOINTS)
        run = read_settings(path, "a tuning run's own record", within=folder)
        if run.get("identity") != parts.identity:
            raise InputError(
                f"{folder} holds another tuning run ({_differences(run, parts)})",
                "a folder of its own for each run",
                "choose another folder, or remove this one",
            )
        threads = run.get("threads")
        if type(threads) is not int or threads < 1:
            raise InputError(f"{path} states {threads!r} threads", "a tuning run's own record")
        return threads
    _require_own(folder)
    threads = torch.get_num_threads()
    run = {
        "identity": parts.identity,
        **asdict(parts),
        "base": base,
        "dtype": dtype,
        "threads": threads,
        "torch": torch.__version__,
        "template_date": template_date,
    }
    write_whole(path, json.dumps(run, indent=2) + "\n")
    return threads


def _differences(run: Mapping[str, Any], parts: RunParts) -> str:
    """Say in what a folder's run differs from the one that is asked for."""
    said, stored = [], run.get("settings")
    asked = json.loads(json.dumps(parts.settings))
    if isinstance(stored, dict):
        said += [
            f"{name} {_plain(stored.get(name))} there, {_plain(asked.get(name))} here"
            for name in sorted({*stored, *asked})
            if stored.get(name) != asked.get(name)
        ]
    for part, words in _PARTS.items():
        # Runs from before the digests of rows were written down have none.
        if part in run and run[part] != getattr(parts, part):
            said.append(f"other {words}")
    return "; ".join(said) or "its training or validation rows differ"


def _plain(value: Any) -> str:
    return "unset" if value is None else json.dumps(value)


_PARTS = {
    "base_digest": "weights or settings of the base",
    "train_digest": "training rows",
    "validation_digest": "validation rows",
}


def _require_own(folder: Path) -> None:
    """Refuse a folder of something else: a run removes what earlier attempts left half-written."""
    others = [p for p in folder.iterdir() if p.name != ".lock" and ".run.json." not in p.name]
    if others:
        raise InputError(
            f"{folder} holds other files ({others[0].name}) and no tuning run",
            "a folder of its own for each run",
            "name a new one",
        )


def finished(folder: Path, output: Output) -> TuneResult | None:
    """Return the result of a run that is done and whose artefact is whole; None otherwise."""
    path = folder / "result.json"
    if not path.is_file():
        return None
    try:
        stored = read_settings(path, "a tuning run's result", within=folder)
        if "adapter_file_digest" in stored:  # from before other things than adapters came out
            stored["artefact_digest"] = stored.pop("adapter_file_digest")
        stored["artefact"] = str(folder / output)  # the folder may have been moved
        result = TypeAdapter(TuneResult).validate_python(stored)
        whole = file_digest(result_weights(result.artefact)) == result.artefact_digest
    except (OSError, ValueError, TypeError, ValidationError, InputError):
        return None
    return result if whole else None


def write_result(folder: Path, result: TuneResult) -> None:
    """Write the last thing that a run writes: with it, the run is done."""
    plain: dict[str, Json] = {**asdict(result), "artefact": str(result.artefact)}
    write_whole(folder / "result.json", json.dumps(plain, indent=2) + "\n")
