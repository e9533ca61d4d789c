"""What a judge of refusals is; the folder `refusal_judges` is the registry, one file each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import UnknownName
from weighbridge.folder_registry import defined_in, names_in

_FOLDER = Path(__file__).parent / "refusal_judges"


@dataclass(frozen=True)
class RefusalJudge:
    """How an answer is judged to refuse.

    Attributes:
        name: The file's stem.
        version: Changes whenever a judgement may.
        summary: How it judges, in a clause.
        refuses: Whether an answer refuses what it was asked for, in whole or in part.
    """

    name: str
    version: str
    summary: str
    refuses: Callable[[str], bool]


def find_refusal_judge(name: str) -> RefusalJudge:
    """Return a judge by its name.

    Raises:
        UnknownName: There is none of that name.
    """
    names = names_in(_FOLDER)
    if name not in names:
        raise UnknownName("judge of refusals", name, names)
    return defined_in(f"weighbridge.evaluation.refusal_judges.{name}", "JUDGE", RefusalJudge)
