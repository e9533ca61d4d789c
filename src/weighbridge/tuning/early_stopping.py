"""Early stopping: end a run whose validation loss no longer falls, and keep its best weights.

The loss is measured before the first step, after each epoch, and every `validation_steps`. A run
ends once `patience` measurements in a row were none better than the best before them, and what
comes out are the weights that had the best. These lie in a folder beside the checkpoints. Which
measurement is the best is a function of the metrics, which a checkpoint holds; so a run that is
killed goes on to the same end. It may find weights there that are ahead of its checkpoint, and
writes the same ones again when it comes to their step.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from weighbridge.errors import InputError, StorageError
from weighbridge.storage import whole_folder
from weighbridge.tuning.settings import Metric, TuneSettings
from weighbridge.tuning.tensors import read_tensors, write_tensors

BEST = "best"
_WEIGHTS = "weights.safetensors"


def require_validation(settings: TuneSettings, held_out: Sequence[object]) -> None:
    """Refuse early stopping where there is nothing to measure.

    Raises:
        InputError: There are no validation rows.
    """
    name = "patience" if settings.patience is not None else "validation_steps"
    if getattr(settings, name) is not None and not held_out:
        raise InputError(
            f"{name} = {getattr(settings, name)} without validation rows",
            "rows to measure the loss on, which the run doesn't learn from",
            "name a file with --validation (validation in [tune]), or leave it out",
        )


def best_of(metrics: Sequence[Metric]) -> Metric | None:
    """Return the measurement with the lowest validation loss, the first of equal ones."""
    measured = [metric for metric in metrics if metric.validation_loss is not None]
    return min(measured, key=lambda metric: metric.validation_loss or 0.0, default=None)


def exhausted(metrics: Sequence[Metric], patience: int | None) -> bool:
    """Whether so many measurements in a row were none better than the best before them."""
    best = best_of(metrics)
    if patience is None or best is None:
        return False
    later = [m for m in metrics if m.validation_loss is not None and m.step > best.step]
    return len(later) >= patience


def keep_best(
    folder: Path,
    metrics: Sequence[Metric],
    parameters: dict[str, torch.Tensor],
    patience: int | None,
) -> None:
    """Write the weights down if the last measurement is the best until now.

    Raises:
        StorageError: The disk is full or can't be written.
    """
    if patience is None or not metrics or metrics[-1].validation_loss is None:
        return
    best = best_of(metrics)
    if best is not None and best.step == metrics[-1].step:
        with whole_folder(folder / BEST) as partial:
            write_tensors(partial / _WEIGHTS, parameters)


def restore_best(
    folder: Path,
    metrics: Sequence[Metric],
    parameters: dict[str, torch.Tensor],
    patience: int | None,
) -> int | None:
    """Put the best weights back into the model; return their step, None where the last are kept.

    Raises:
        StorageError: Their file is gone or broken.
    """
    best = best_of(metrics)
    if patience is None or best is None or best.step == metrics[-1].step:
        return None
    path = folder / BEST / _WEIGHTS
    if not path.is_file():
        raise StorageError(
            f"the weights of step {best.step} are not at {path}",
            "the folder as the run left it",
            "remove the run's folder, and tune again",
        )
    values = read_tensors(path)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name])
    return best.step


def kept_sentence(metrics: Sequence[Metric], kept: int | None, total_steps: int) -> tuple[str, ...]:
    """Say which weights are kept, and whether the run ended early; nothing where the last are."""
    if kept is None:
        return ()
    made = metrics[-1].step
    lowest = next(m.validation_loss for m in metrics if m.step == kept)
    ended = f"ended after step {made} of {total_steps}: " if made < total_steps else ""
    which = f"step {kept}" if kept else "the untrained base"
    return (f"{ended}the validation loss was lowest at {which} ({lowest:.3f}), which is kept",)
