"""What a paper of a bundle is; the folder `papers/` is the registry, one `PAPER` a file.

A paper is made from a case and its decision alone, so that whoever verifies a bundle makes it again
and compares. It reads no file and no clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from weighbridge.folder_registry import defined_in, names_in
from weighbridge.release.case import Case
from weighbridge.release.decision import Decision

_FOLDER = Path(__file__).parent / "papers"


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes:
        name: The file's stem.
        tells: What it is for, in a phrase.
        files: Its content by path in the bundle; none where a release needs no such paper.
    """

    name: str
    tells: str
    files: Callable[[Case, Decision], dict[str, bytes]]


def paper_names() -> tuple[str, ...]:
    """Names of all papers."""
    return names_in(_FOLDER)


def papers_of(case: Case, decision: Decision) -> dict[str, bytes]:
    """Return all papers of a release, by path in the bundle."""
    found: dict[str, bytes] = {}
    for name in paper_names():
        paper = defined_in(f"weighbridge.release.papers.{name}", "PAPER", Paper)
        found |= paper.files(case, decision)
    return found
