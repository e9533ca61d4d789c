"""The type of a writer of curves: passes a run's figures on to a viewer that a person has.

Three lines to add one: write `curves/NAME.py`; define `CURVES = CurveWriter("NAME", "package",
"pip install …", open)`; the tests find it. Everything stays on this machine: a writer that could
send figures elsewhere refuses to.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.errors import MissingPiece, UnknownName
from weighbridge.folder_registry import defined_in, names_in

if TYPE_CHECKING:
    from weighbridge.tuning.settings import TuneEvent

_FOLDER = Path(__file__).parent / "curves"

Log = Callable[[Mapping[str, float], int], None]
"""Writes figures by name, at a step."""


@dataclass(frozen=True)
class CurveWriter:
    """One viewer's form of curves.

    Attributes:
        name: The file's stem.
        package: What must be installed.
        get_it: The command that installs it.
        open: From the folder of the curves and the run's name to what writes a step, and what ends.
    """

    name: str
    package: str
    get_it: str
    open: Callable[[Path, str], tuple[Log, Callable[[], None]]]


def curve_names() -> tuple[str, ...]:
    """Names of all writers."""
    return names_in(_FOLDER)


def find_curves(name: str) -> CurveWriter:
    """Import exactly one writer, whose package must be there.

    Raises:
        UnknownName: No such writer.
        MissingPiece: Its package is not installed.
    """
    if name not in curve_names():
        raise UnknownName("curves", name, curve_names())
    found = defined_in(f"weighbridge.tuning.curves.{name}", "CURVES", CurveWriter)
    if importlib.util.find_spec(found.package) is None:
        raise MissingPiece(
            f"curves for {name} without the package {found.package}",
            f"{found.package} installed",
            f"get it with: {found.get_it}",
        )
    return found


@contextmanager
def curves_written(name: str, folder: Path) -> "Iterator[Callable[[TuneEvent], None]]":
    """Yield a listener that writes a run's events as curves; without a name it does nothing.

    Args:
        name: Of the writer; "" for none.
        folder: The run's own.

    Raises:
        UnknownName: No such writer.
        MissingPiece: Its package is not installed.
        InputError: It would send figures to another machine.
    """
    if not name:
        yield lambda event: None
        return
    log, close = find_curves(name).open(folder.parent / "curves" / name, folder.name)
    try:
        yield lambda event: _write(event, log)
    finally:
        close()


def _write(event: "TuneEvent", log: Log) -> None:
    from weighbridge.tuning.settings import StepDone, Validated

    if isinstance(event, StepDone):
        figures = {
            "loss": event.loss,
            "learning_rate": event.learning_rate,
            "trained_tokens_per_second": event.trained_tokens_per_second,
            "peak_memory_bytes": float(event.memory_bytes),
        }
        if event.rewards is not None:
            figures["reward_accuracy"] = event.rewards.accuracy
        log(figures, event.step)
    elif isinstance(event, Validated):
        log({"validation_loss": event.validation_loss}, event.step)
