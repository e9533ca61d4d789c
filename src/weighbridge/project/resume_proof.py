"""Proves on one's own model, data and machine that a killed run ends with the bits of a whole one.

Two runs of a few steps, each in processes of their own. One is left alone. The other is killed at
several moments, also while it saves, and started again each time. Every tensor of every checkpoint
and of the result must be the same in both, to the last bit.
"""

import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.project.resume_child import ChildRun, Kill, run_child
from weighbridge.storage import scratch_folder

STEPS = 6
_PRELOADED = ["weighbridge.tuning.loop", "weighbridge.models.open_weights"]


@dataclass(frozen=True)
class Difference:
    """Where a killed run first differs.

    Attributes:
        step: After which step.
        tensor: Which tensor: of the trained values, of the optimizer, or of the result.
    """

    step: int
    tensor: str


@dataclass(frozen=True)
class ResumeProof:
    """What was compared.

    Attributes:
        steps: Optimizer steps of either run.
        kills: Moments at which one was killed, in words.
        checkpoints: Checkpoints compared; a step that was done again counts again.
        tensors: Tensors compared, over all of these and the result.
        difference: The first one; None where all bits are the same.
        seconds: All of it.
    """

    steps: int
    kills: tuple[str, ...]
    checkpoints: int
    tensors: int
    difference: Difference | None
    seconds: float


def prove_resume(
    run: ChildRun,
    scratch: Path,
    say: Callable[[str], None],
    start: Callable[[ChildRun], None] = run_child,
) -> ResumeProof:
    """Run twice, killing one of both, and compare.

    Args:
        run: The run; its folder, log and moment of death are replaced.
        scratch: Where a temporary folder for both may be made.
        say: Told what happens.
        start: Does what a child is to do, in its process.

    Raises:
        InputError: The run itself fails, whether it is killed or not.
        StorageError: The disk is full or can't be written.
    """
    began = time.perf_counter()
    few = replace(
        run.settings,
        max_steps=min(STEPS, run.settings.max_steps or STEPS),
        checkpoint_steps=1,
        self_test=False,
    )
    with scratch_folder("verify-resume", scratch) as folder:
        whole = replace(run, settings=few, folder=folder / "whole", log=folder / "whole.log")
        _finish(whole, start)
        expected = _noted(whole.log)
        steps = max(line.step for line in expected)
        say(f"undisturbed: {steps} steps")
        killed = replace(whole, folder=folder / "killed", log=folder / "killed.log")
        kills = moments(steps)
        for kill in kills:
            _kill(replace(killed, kill=kill), start)
            say(f"killed {kill.told()}")
        _finish(killed, start)
        found = _noted(killed.log)
    return ResumeProof(
        steps=steps,
        kills=tuple(kill.told() for kill in kills),
        checkpoints=sum(not line.result for line in found),
        tensors=sum(len(line.digests) for line in found),
        difference=first_difference(expected, found),
        seconds=time.perf_counter() - began,
    )


def moments(steps: int) -> tuple[Kill, ...]:
    """Return when a run of so many steps is killed: each time it has gone on a while."""
    return (
        Kill("step", -(-steps // 3)),
        Kill("saving", -(-steps // 2)),
        Kill("naming", steps),
        Kill("result", steps),
    )


def _finish(child: ChildRun, start: Callable[[ChildRun], None]) -> None:
    code = _ended(child, start)
    if code:
        _raise(child, f"ended with code {code}")


def _kill(child: ChildRun, start: Callable[[ChildRun], None]) -> None:
    assert child.kill is not None
    code = _ended(child, start)
    if code != -signal.SIGKILL:
        _raise(child, f"was to be killed {child.kill.told()}, and ended with code {code}")


def _ended(child: ChildRun, start: Callable[[ChildRun], None]) -> int | None:
    """Run a child to its end, and return its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)  # torch is imported once, and not for each
    process = context.Process(target=start, args=(child,))
    process.start()
    try:
        process.join()
        return process.exitcode
    finally:
        if process.is_alive():
            process.kill()


def _raise(child: ChildRun, what: str) -> None:
    error = child.log.with_suffix(".error")
    if error.is_file():
        saw, expected, do = json.loads(error.read_text(encoding="utf-8"))
        raise InputError(saw, expected, do)
    raise WeighbridgeError(
        f"a run of --verify-resume {what}",
        "that it does what it is to",
        "look at what it printed above; where nothing is, memory may have run out",
    )


@dataclass(frozen=True)
class _Line:
    step: int
    result: bool
    digests: Mapping[str, str]


def _noted(log: Path) -> list[_Line]:
    return [_Line(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]


def first_difference(expected: Sequence[_Line], found: Sequence[_Line]) -> Difference | None:
    """Return the first tensor, by step and name, that differs or is there in one only."""
    wanted = {(line.step, line.result): line.digests for line in expected}
    seen = {(line.step, line.result) for line in found}
    for line in sorted(found, key=lambda line: (line.step, line.result)):
        other = wanted.get((line.step, line.result), {})
        for name in sorted(other.keys() | line.digests.keys()):
            if other.get(name) != line.digests.get(name):
                return Difference(line.step, name)
    for (step, _), digests in wanted.items():
        if (step, _) not in seen:
            return Difference(step, next(iter(digests), "nothing"))
    return None
