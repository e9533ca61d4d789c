"""Runs on disk: a journal of samples, a seal, and the means to check both.

All kinds of evidence share one envelope (identity, provenance, journal, seal, verification). What
one kind puts into the envelope is defined by its file in `payloads/`.

Names are imported on first use: verification imports scipy, which takes about a second and which a
listing of unchanged runs does not need.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighbridge.evidence.document import run_identity
    from weighbridge.evidence.evaluations import (
        OpenEvaluation,
        RunStore,
        read_run,
        read_samples,
        samples_digest,
    )
    from weighbridge.evidence.journal import Journal
    from weighbridge.evidence.listing import summaries
    from weighbridge.evidence.payload import Check, RunSummary
    from weighbridge.evidence.payloads.evaluation import Evaluated, RunHeader
    from weighbridge.evidence.verification import Verification, verify

__all__ = [
    "Check",
    "Evaluated",
    "Journal",
    "OpenEvaluation",
    "RunHeader",
    "RunStore",
    "RunSummary",
    "Verification",
    "read_run",
    "read_samples",
    "run_identity",
    "samples_digest",
    "summaries",
    "verify",
]

_MODULES = {
    "Check": "payload",
    "Evaluated": "payloads.evaluation",
    "Journal": "journal",
    "OpenEvaluation": "evaluations",
    "RunHeader": "payloads.evaluation",
    "RunStore": "evaluations",
    "RunSummary": "payload",
    "Verification": "verification",
    "read_run": "evaluations",
    "read_samples": "evaluations",
    "run_identity": "document",
    "samples_digest": "evaluations",
    "summaries": "listing",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
