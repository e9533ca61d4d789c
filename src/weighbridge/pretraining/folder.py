"""A ladder's folder: its settings, finished models, the prediction, and the table of runs.

Every file is complete or absent, except that the last line of `rungs.jsonl` may be cut off.
"""

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError
from weighbridge.planning.scaling.ladder import LadderSettings, Rung
from weighbridge.planning.scaling.prediction import Prediction
from weighbridge.pretraining.corpus import Corpus
from weighbridge.pretraining.findings import TrainedRung
from weighbridge.pretraining.training import Trained
from weighbridge.records import canonical_digest
from weighbridge.sources.documents import read_settings
from weighbridge.sources.regular_files import SETTINGS_BYTES, read_regular
from weighbridge.storage import storage_errors, write_whole

RECIPE = 1
"""Raise it whenever decoder, optimizer or batches change, so that one ladder has one recipe."""

_SAME = 1e-3  # relative tolerance of a repeated prediction: another machine rounds otherwise


def claim(folder: Path, settings: LadderSettings, corpus: Corpus) -> None:
    """Claim a folder for this ladder.

    Raises:
        InputError: It belongs to another ladder.
    """
    import torch

    asked = {
        "recipe": RECIPE,
        "settings": asdict(settings),
        "corpus": {"digest": corpus.digest, "bytes": len(corpus.train)},
        "torch": torch.__version__,
    }
    identity = canonical_digest(asked)
    path = folder / "ladder.json"
    if not path.exists():
        if (folder / "rungs.jsonl").exists():
            raise InputError(
                f"{folder} holds trained models but no ladder.json that says what they are",
                "a ladder's whole folder, or an empty one",
                "choose another with --out",
            )
        kept = asked | {"identity": identity, "text": corpus.name}
        write_whole(path, json.dumps(kept, indent=2) + "\n")
        return
    with storage_errors(path):
        held = read_settings(path, "a ladder's own record", within=folder)
    if held.get("identity") == identity:
        return
    differing = [name for name in asked if held.get(name) != asked[name]] or ["identity"]
    raise InputError(
        f"{folder} holds another ladder; what differs: {', '.join(differing)}",
        "a folder of its own for each ladder",
        "choose another with --out, or remove this one",
    )


def read_journal(path: Path) -> list[Trained]:
    """Return the rungs that are done. A last line that was cut off is removed from the file.

    Raises:
        InputError: Another line is not a record of a rung.
    """
    if not path.exists():
        return []
    with storage_errors(path):
        data = read_regular(path, SETTINGS_BYTES, "a ladder's journal", within=path.parent)
        if not data.endswith(b"\n") and data:
            data = data[: data.rfind(b"\n") + 1]
            with path.open("r+b") as file:
                file.truncate(len(data))
    reader = TypeAdapter(Trained)
    done = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            done.append(reader.validate_json(line))
        except ValidationError as error:
            raise InputError(
                f"{path}, line {number} is no record of a trained model",
                "lines that this command wrote",
                "remove the line, and that model is trained again",
            ) from error
    return done


def append_record(path: Path, trained: Trained) -> None:
    """Append a finished rung to the journal, and wait until it is on the disk."""
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(trained), allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def kept_prediction(folder: Path, made: Prediction, rung: Rung) -> Prediction:
    """Write the prediction before its run begins; return the one that was written first.

    Raises:
        InputError: The written prediction is not the one that the smaller models give.
    """
    path = folder / "prediction.json"
    if not path.exists():
        write_whole(path, json.dumps({"rung": rung.name} | asdict(made), indent=2) + "\n")
        return made
    try:
        with storage_errors(path):
            fields = read_settings(path, "a ladder's prediction", within=folder)
        written = TypeAdapter(Prediction).validate_python(
            {name: value for name, value in fields.items() if name != "rung"}
        )
        same = fields.get("rung") == rung.name and np.allclose(
            (written.loss, *written.interval), (made.loss, *made.interval), rtol=_SAME
        )
    except (ValueError, AttributeError):
        same = False
    if not same:
        raise InputError(
            f"{path} is not what the smaller models of this ladder predict",
            "the prediction as it was written",
            "remove the folder and train the ladder again",
        )
    return written


def write_runs(folder: Path, done: Sequence[TrainedRung]) -> Path:
    """Write `runs.csv`, which `scaling fit` reads, and return its path."""
    text = io.StringIO()
    columns = (
        "name", "role", "experts", "active_parameters", "total_parameters", "tokens", "flops",
        "budget", "loss", "loss_stderr", "seed", "hidden", "layers", "seconds",
    )  # fmt: skip
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for one in done:
        rung, trained = one.rung, one.trained
        table.writerow((
            rung.name, rung.role, rung.shape.experts, rung.shape.active_parameters,
            rung.shape.parameters, rung.tokens, f"{rung.flops:.0f}", f"{rung.budget:.0f}",
            f"{trained.loss:.6f}", f"{trained.loss_stderr:.6f}", rung.seed, rung.shape.hidden,
            rung.shape.layers, f"{trained.seconds:.2f}",
        ))  # fmt: skip
    path = folder / "runs.csv"
    write_whole(path, text.getvalue())
    return path
