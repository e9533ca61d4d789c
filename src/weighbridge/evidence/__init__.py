"""Runs on disk: a journal of samples, a seal, and the means to check both."""

from weighbridge.evidence.document import run_identity
from weighbridge.evidence.journal import Journal
from weighbridge.evidence.seal import samples_digest
from weighbridge.evidence.store import OpenRun, RunHeader, RunStore, RunSummary
from weighbridge.evidence.verify import Check, Verification, verify

__all__ = [
    "Check",
    "Journal",
    "OpenRun",
    "RunHeader",
    "RunStore",
    "RunSummary",
    "Verification",
    "run_identity",
    "samples_digest",
    "verify",
]
