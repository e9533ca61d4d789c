"""Small tuning runs: rows to learn from, and a run of a few steps on the tiny model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from weighbridge.tuning import TuneResult, TuneSettings, read_tuning_data
from weighbridge.tuning.loop import tune

INSTRUCTION = "Answer the question with one letter. " * 2


def write_rows(path: Path, count: int, first: int = 0) -> Path:
    with path.open("w") as file:
        for i in range(first, first + count):
            question = f"question {i} " + "and choices " * (i % 5)
            turns = [("system", INSTRUCTION), ("user", question), ("assistant", "ABCD"[i % 4] * 3)]
            row = {"messages": [{"role": r, "content": c} for r, c in turns]}
            file.write(json.dumps(row) + "\n")
    return path


def write_pairs(path: Path, count: int, first: int = 0) -> Path:
    with path.open("w") as file:
        for i in range(first, first + count):
            row = {
                "prompt": f"{INSTRUCTION}question {i} " + "and choices " * (i % 5),
                "chosen": "ABCD"[i % 4] * 3,
                "rejected": "no answer" + " is it" * (i % 3),
            }
            file.write(json.dumps(row) + "\n")
    return path


def rows_of(path: Path) -> Any:
    return read_tuning_data(path).rows


def run(
    model: Any,
    folder: Path,
    train: Any,
    validation: Any = (),
    settings: TuneSettings | None = None,
    on_event: Any = lambda event: None,
) -> TuneResult:
    module, tokenizer = model
    return tune(
        module, tokenizer, train, validation, settings or TuneSettings(), folder, on_event,
        base="tiny", base_digest="sha256:0",
    )  # fmt: skip


_ONE_STEP_AT_A_TIME = """
import sys
from pathlib import Path

sys.path.insert(0, {tests!r})
import torch

torch.set_num_threads({threads})
import tuning_runs
from weighbridge.models.reading import read_model
from weighbridge.tuning import StepDone, TuneSettings


def show(event):
    if isinstance(event, StepDone):
        print(event.step, flush=True)
        sys.stdin.readline()


tuning_runs.run(
    read_model(Path({model!r}), torch.float32, "cpu"), Path({folder!r}),
    tuning_runs.rows_of(Path({train!r})), settings=TuneSettings(**{settings!r}), on_event=show,
)
"""


def run_and_kill(
    model: Path, folder: Path, train: Path, settings: dict[str, Any], steps: range
) -> int:
    """Run in a child that waits before each step, and kill it in the midst of the one after these.

    Returns the step whose checkpoint it left; 0 where it left none yet.
    """
    import torch

    script = _ONE_STEP_AT_A_TIME.format(
        tests=str(Path(__file__).parent), threads=torch.get_num_threads(), model=str(model),
        folder=str(folder), train=str(train), settings=settings,
    )  # fmt: skip
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True, env={**os.environ}
    )
    assert child.stdin is not None and child.stdout is not None
    for step in steps:
        assert child.stdout.readline() == f"{step}\n"
        child.stdin.write("go on\n")
        child.stdin.flush()
    time.sleep(0.002 * len(steps))
    assert child.poll() is None
    child.kill()
    assert child.wait() == -signal.SIGKILL
    for end in (child.stdin, child.stdout):
        end.close()
    saved = sorted((folder / "checkpoints").glob("step-*"))
    return int(saved[-1].name.removeprefix("step-")) if saved else 0
