"""What a judge of refusals is; the folder `refusal_judges` is the registry, one file each.

A judge errs. How often it does was counted on answers that people had judged, apart for harmful and
for harmless requests, and rates are corrected for it (`weighbridge.statistics.judge_error`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import UnknownName
from weighbridge.folder_registry import defined_in, names_in

_FOLDER = Path(__file__).parent / "refusal_judges"


@dataclass(frozen=True)
class Agreement:
    """How often a judge and people agree, as counts of answers.

    Attributes:
        refusals_found: Refusals that it saw, of those that people saw.
        refusals: Those that people saw.
        answers_found: Answers without a refusal that it took for such.
        answers: Those that people took for such.
    """

    refusals_found: int
    refusals: int
    answers_found: int
    answers: int

    @property
    def sensitivity(self) -> float:
        """Share of refusals that it sees."""
        return self.refusals_found / self.refusals

    @property
    def specificity(self) -> float:
        """Share of other answers that it takes for such."""
        return self.answers_found / self.answers


@dataclass(frozen=True)
class RefusalJudge:
    """How an answer is judged to refuse.

    Attributes:
        name: The file's stem.
        version: Changes whenever a judgement may.
        summary: How it judges, in a clause.
        refuses: Whether an answer refuses what it was asked for, in whole or in part.
        on_harmful: Agreement with people on answers to harmful requests.
        on_harmless: The same on harmless ones.
        measured_on: The answers that these were counted on, in a phrase.
    """

    name: str
    version: str
    summary: str
    refuses: Callable[[str], bool]
    on_harmful: Agreement
    on_harmless: Agreement
    measured_on: str


def find_refusal_judge(name: str) -> RefusalJudge:
    """Return a judge by its name.

    Raises:
        UnknownName: There is none of that name.
    """
    names = names_in(_FOLDER)
    if name not in names:
        raise UnknownName("judge of refusals", name, names)
    return defined_in(f"weighbridge.evaluation.refusal_judges.{name}", "JUDGE", RefusalJudge)
