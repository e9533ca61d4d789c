"""Checkpoints: everything that the rest of a run depends on, in safetensors and JSON.

Order of rows, learning rate and dropout are functions of the step number and the seed, so values,
AdamW's moments and the step are all there is to save.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from weighbridge.errors import WeighbridgeError
from weighbridge.sources.digests import file_digest
from weighbridge.sources.regular_files import DOCUMENT_BYTES, read_regular
from weighbridge.storage import whole_folder
from weighbridge.tuning.method import Arrangement, Output
from weighbridge.tuning.settings import Metric
from weighbridge.tuning.tensors import read_tensors, write_tensors

_KEEP = 2
_OPTIMIZER, _STATE = "optimizer.safetensors", "state.json"


@dataclass(frozen=True)
class RunState:
    """Where a run stands.

    Attributes:
        step: Optimizer steps made.
        metrics: One entry a step, and one for step 0.
        predicted_seconds: Forecast for all steps, from the probe of the first attempt.
        predicted_memory_bytes: Forecast of the first attempt.
        peak_memory_bytes: Largest of all attempts so far.
        arrangement: How rows are laid out; None in checkpoints from before they could be packed.
        expert_tokens: Tokens sent to each expert in all steps, by the experts' module.
    """

    step: int
    metrics: tuple[Metric, ...]
    predicted_seconds: float
    predicted_memory_bytes: int
    peak_memory_bytes: int
    arrangement: Arrangement | None = None
    expert_tokens: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Stored:
    state: RunState
    digests: dict[str, str]


def save_checkpoint(
    folder: Path,
    state: RunState,
    parameters: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    output: Output = "adapter",
) -> Path:
    """Write ``folder/step-NNNNNN`` whole, keep the one before it, remove older ones.

    Args:
        folder: Of the run's checkpoints.
        state: Where the run stands.
        parameters: What is trained.
        optimizer: That trains it.
        output: What it will become; names the file of the values.

    Raises:
        StorageError: The disk is full or can't be written.
    """
    path = folder / f"step-{state.step:06d}"
    with whole_folder(path) as partial:
        write_tensors(partial / _values(output), parameters)
        write_tensors(partial / _OPTIMIZER, _moments(parameters, optimizer))
        digests = {name: file_digest(partial / name) for name in (_values(output), _OPTIMIZER)}
        stored = asdict(_Stored(state, digests))
        (partial / _STATE).write_text(json.dumps(stored, allow_nan=False), encoding="utf-8")
    for old in _checkpoints(folder)[:-_KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def load_checkpoint(
    folder: Path,
    parameters: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    output: Output = "adapter",
) -> RunState | None:
    """Restore the newest whole checkpoint in place; None where there is none.

    A checkpoint whose bytes don't match their digests is passed over for the one before it.
    """
    for path in reversed(_checkpoints(folder)):
        stored = _read_whole(path)
        if stored is None:
            continue
        values = read_tensors(path / _values(output))
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(values[name])
        _restore_moments(parameters, optimizer, read_tensors(path / _OPTIMIZER))
        return stored.state
    return None


def _values(output: Output) -> str:
    return f"{output}.safetensors"


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _read_whole(path: Path) -> _Stored | None:
    try:
        data = read_regular(path / _STATE, DOCUMENT_BYTES, "a checkpoint's state", within=path)
        stored = TypeAdapter(_Stored).validate_json(data)
        if any(file_digest(path / name) != digest for name, digest in stored.digests.items()):
            return None
    except (OSError, ValidationError, WeighbridgeError):
        return None
    return stored


def _moments(parameters: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{key}/{name}": value
        for name, parameter in parameters.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _restore_moments(
    parameters: dict[str, Tensor], optimizer: torch.optim.Optimizer, moments: dict[str, Tensor]
) -> None:
    by_name: dict[str, dict[str, Tensor]] = {}
    for key, value in moments.items():
        kind, name = key.split("/", 1)
        by_name.setdefault(name, {})[kind] = value
    # The optimizer's own loading puts each on its parameter's device, and leaves step counts where
    # the optimizer wants them.
    names = {id(parameter): name for name, parameter in parameters.items()}
    order = [names[id(one)] for group in optimizer.param_groups for one in group["params"]]
    state = {at: by_name[name] for at, name in enumerate(order) if name in by_name}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def metric_lines(metrics: Iterable[Metric]) -> str:
    """Return metrics as JSON lines."""
    return "".join(json.dumps(asdict(metric), allow_nan=False) + "\n" for metric in metrics)
