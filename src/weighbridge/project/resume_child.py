"""A tuning run in a process of its own that kills itself where it is told to.

The kill is a real SIGKILL, which no code of the process sees: nothing is flushed, closed or
removed. What is written is watched through Python's audit events, so that the moment is exact and
no code of the run is changed.
"""

import hashlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from weighbridge.errors import WeighbridgeError
from weighbridge.tuning.mixing import Mixing
from weighbridge.tuning.registry import find_method
from weighbridge.tuning.settings import TuneSettings

Where = Literal["step", "saving", "naming", "result"]

TOLD: dict[Where, str] = {
    "step": "in the midst of step {step}",
    "saving": "while the checkpoint of step {step} was written",
    "naming": "before the whole checkpoint of step {step} took its name",
    "result": "before the whole result took its name",
}
_CALLS = 20  # of parts of the model, before it is killed in the midst of a step


@dataclass(frozen=True)
class Kill:
    """When a run kills itself; steps count from 1."""

    where: Where
    step: int

    def told(self) -> str:
        """Say it."""
        return TOLD[self.where].format(step=self.step)


@dataclass(frozen=True)
class ChildRun:
    """What a child does.

    Attributes:
        model: The base, as at the command line.
        train: What it learns from.
        validation: What it is measured on.
        settings: Of the run.
        cache: Of converted models.
        device: Where it computes.
        threads: That it computes with.
        offline: Whether to stay off the network.
        folder: The run's.
        log: Gets a line for each checkpoint: the digest of each tensor.
        kill: When it kills itself; None for never.
        mixing: What is mixed into the rows; None for nothing.
    """

    model: str
    train: Path
    validation: Path | None
    settings: TuneSettings
    cache: Path
    device: str
    threads: int
    offline: bool
    folder: Path
    log: Path
    kill: Kill | None = None
    mixing: Mixing | None = None


def run_child(child: ChildRun) -> None:
    """Tune, in a process of its own; what goes wrong is written beside the log."""
    from weighbridge.opening.models import open_model
    from weighbridge.project.tuning import read_tuning_files, tune_model, with_mixture
    from weighbridge.tuning import Checkpointed, StepDone

    arm = _killer(child)

    def on_event(event: object) -> None:
        if isinstance(event, Checkpointed):
            _note(child.log, event.step, event.path)
        elif isinstance(event, StepDone):
            arm(event.step)

    try:
        settings = child.settings
        files = read_tuning_files(
            child.train, child.validation, settings.objective, mixing=child.mixing,
            offline=child.offline,
        )  # fmt: skip
        files = with_mixture(files, settings.seed)
        with open_model(
            child.model, child.cache, child.device, child.threads, child.offline,
            four_bits=not find_method(settings.method).keeps_base,
        ) as model:  # fmt: skip
            arm(0)
            result = tune_model(model, child.model, settings, files, child.folder, on_event)
        _note(child.log, result.steps, result.artefact, result=True)
    except WeighbridgeError as error:
        said = json.dumps([error.saw, error.expected, error.do])
        child.log.with_suffix(".error").write_text(said, encoding="utf-8")
        sys.exit(error.exit_code)


def _note(log: Path, step: int, folder: Path, result: bool = False) -> None:
    """Write down the digest of each tensor in a folder, in a fixed order."""
    from weighbridge.tuning.tensors import read_tensors

    digests = {
        f"{path.stem}/{name}": hashlib.blake2b(_bytes(tensor), digest_size=16).hexdigest()
        for path in sorted(folder.glob("*.safetensors"))
        for name, tensor in sorted(read_tensors(path).items())
    }
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, "result": result, "digests": digests}) + "\n")


def _bytes(tensor: Any) -> bytes:
    import torch

    data: bytes = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return data


def _killer(child: ChildRun) -> Any:
    """Make ready to be killed; return what must be told of each step that is done."""
    kill = child.kill
    if kill is None:
        return lambda done: None
    if kill.where != "step":
        _kill_at_file(kill, child.folder)
        return lambda done: None
    return lambda done: _kill_in_step() if done == kill.step - 1 else None


def _kill_in_step() -> None:
    from torch.nn.modules.module import register_module_forward_pre_hook

    calls = 0

    def count(module: Any, arguments: Any) -> None:
        nonlocal calls
        calls += module.training
        if calls > _CALLS:
            _end()

    register_module_forward_pre_hook(count)


def _kill_at_file(kill: Kill, folder: Path) -> None:
    partial = f".partial-step-{kill.step:06d}-"

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename") or not isinstance(arguments[0], str | os.PathLike):
            return
        path = Path(arguments[0])
        if not path.is_relative_to(folder):
            return
        first = path.relative_to(folder).as_posix()
        if kill.where == "saving":
            hit = event == "open" and partial in first and path.name == "state.json"
        elif kill.where == "naming":
            hit = event == "os.rename" and partial in first
        else:
            hit = event == "os.rename" and "/" not in first and path.name.startswith(".partial-")
        if hit:
            _end()

    sys.addaudithook(hear)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
