"""Evidence checked: what `verify` prints."""

from dataclasses import dataclass

from weighbridge.documents.form import Printed


@dataclass(frozen=True, kw_only=True)
class CheckDocument:
    """One thing that was checked.

    Attributes:
        name: What.
        ok: Whether it holds.
        detail: What was found.
    """

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class VerifiedDocument:
    """All checks of a run, a report's page, or a model's folder or GGUF file.

    Attributes:
        run: The run's id, or the path of the page or the model.
        ok: Whether every check holds.
        checks: One each.
    """

    run: str
    ok: bool
    checks: tuple[CheckDocument, ...]


@dataclass(frozen=True, kw_only=True)
class VerificationDocument:
    """Whether evidence is as it was sealed, and its figures follow from its samples.

    Attributes:
        ok: Whether every check of every run holds; the exit code is 1 where not, and 3 where only
            runs of a newer version can't be checked.
        runs: Runs and pages, in order.
    """

    ok: bool
    runs: tuple[VerifiedDocument, ...]


PRINTED = (Printed("verify", VerificationDocument),)
