"""The runs of a store, one line each: from its index, or from files that are read and checked."""

import os
from collections.abc import Callable
from pathlib import Path

from weighbridge.evidence.index import CHECKS, RunIndex
from weighbridge.evidence.payload import RunSummary

ListingProgress = Callable[[int, int], object]
"""Called with the number of runs looked at so far, and the number of all runs."""


def _ignore_progress(done: int, total: int) -> None:
    return None


def summaries(root: Path, on_progress: ListingProgress = _ignore_progress) -> list[RunSummary]:
    """Return all runs of a store, newest first, unfinished ones included.

    A run whose files are as they were when it was last checked is not opened; see `index`.

    Args:
        root: The store's folder.
        on_progress: Called before each run that has to be read and checked, so that progress can be
            shown: the first listing of a large store checks all of its runs.
    """
    index, names = RunIndex(root, CHECKS), run_names(root)
    found = []
    for number, name in enumerate(names):
        summary = index.find(name)
        if summary is None:
            on_progress(number, len(names))
            stamp = index.stamp(name)
            summary = _read(root / name)
            if summary is not None and not summary.altered and stamp is not None:
                index.add(summary, stamp)
        if summary is not None:
            found.append(summary)
    index.save(set(names))
    return sorted(found, key=lambda run: (run.started, run.run_id), reverse=True)


def run_names(root: Path) -> list[str]:
    """Return the names of a store's folders, in order."""
    if not root.is_dir():
        return []
    with os.scandir(root) as found:
        return sorted(e.name for e in found if not e.name.startswith(".") and e.is_dir())


def _read(folder: Path) -> RunSummary | None:
    from weighbridge.evidence.summary import summary_of  # imports scipy, which takes a second

    return summary_of(folder)
