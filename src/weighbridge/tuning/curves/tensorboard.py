"""TensorBoard's event files, through torch: `tensorboard --logdir FOLDER` shows them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from weighbridge.tuning.curve import CurveWriter, Log


def _open(folder: Path, run: str) -> tuple[Log, Callable[[], None]]:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / run))

    def log(figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            writer.add_scalar(name, value, step)

    return log, writer.close


CURVES = CurveWriter("tensorboard", "tensorboard", "pip install tensorboard", _open)
