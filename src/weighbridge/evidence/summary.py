"""One run's line in the list of runs, from its files."""

import os
from pathlib import Path

from weighbridge.errors import EvidenceError, InputError, WeighbridgeError, in_one_line
from weighbridge.evidence.checked import read_sealed
from weighbridge.evidence.document import read_object
from weighbridge.evidence.payload import FIRST_VERSION, NewerEvidence, RunSummary, payload_of


def summary_of(folder: Path) -> RunSummary | None:
    """Return a run's line; None where the folder holds no run, or one that was never begun."""
    try:
        if os.path.lexists(folder / "seal.json"):
            return _sealed_summary(folder)
        if not os.path.lexists(folder / "progress.json"):
            return None
        state = read_object(folder / "progress.json")
        return payload_of(state, FIRST_VERSION).unfinished(folder.name, state)
    except NewerEvidence as error:
        return _not_told(folder, error.saw)
    except (EvidenceError, InputError, LookupError, TypeError, ValueError, AttributeError,
            OverflowError, RecursionError) as error:  # fmt: skip
        why = str(error) if isinstance(error, WeighbridgeError) else in_one_line(error)
        return _not_told(folder, f"its documents can't be read ({why})")


def _sealed_summary(folder: Path) -> RunSummary:
    try:
        sealed = read_sealed(folder)
    except EvidenceError as error:
        return _not_told(folder, error.saw)
    started = sealed.envelope.provenance.started
    found: RunSummary = sealed.payload.summary(folder.name, sealed.content, started)
    return found


def _not_told(folder: Path, why: str) -> RunSummary:
    return RunSummary(folder.name, "", "", "", 0, 0, None, altered=why)
