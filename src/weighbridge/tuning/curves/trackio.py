"""Trackio's local database: `trackio show` draws it.

Trackio can send figures to a Space or a server that its environment names; a run that it would do
so for is refused.
"""

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.tuning.curve import CurveWriter, Log

_ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")


def _open(folder: Path, run: str) -> tuple[Log, Callable[[], None]]:
    for name in _ELSEWHERE:
        if os.environ.get(name):
            raise InputError(
                f"curves for trackio while {name} is set",
                "a database on this machine: Weighbridge sends nothing anywhere",
                f"unset {name}",
            )
    os.environ.setdefault("TRACKIO_DIR", str(folder))  # it has no argument for its folder
    trackio = importlib.import_module("trackio")
    trackio.init(project="weighbridge", name=run, resume="allow")

    def log(figures: Mapping[str, float], step: int) -> None:
        trackio.log(dict(figures), step=step)

    return log, trackio.finish


CURVES = CurveWriter("trackio", "trackio", "pip install trackio", _open)
