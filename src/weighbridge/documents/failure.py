"""An error: what every command prints with `--json` where it fails."""

from dataclasses import dataclass

from weighbridge.documents.form import ABSENT, OrAbsent, Printed


@dataclass(frozen=True, kw_only=True)
class ErrorDocument:
    """What went wrong, and what to do.

    Attributes:
        kind: The error's class, such as InputError or UnknownName.
        saw: What was seen.
        expected: What was expected; "" where that goes without saying.
        do: What to do; "" likewise.
        traceback: For an error of our own: the file that it was written to; "" where none could be.
    """

    kind: str
    saw: str
    expected: str
    do: str
    traceback: OrAbsent[str] = ABSENT


@dataclass(frozen=True, kw_only=True)
class FailureDocument:
    """That a command failed; the exit code says how: 2 for bad input, 130 interrupted.

    Attributes:
        error: What went wrong.
    """

    error: ErrorDocument


PRINTED = (Printed("any command", FailureDocument, "where it fails"),)
