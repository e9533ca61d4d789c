"""Answers that people labelled, on which a judge's error is counted: XSTest's completions.

Röttger et al. 2023 (arXiv:2308.01263) had two people label each answer of several models as full
compliance, full refusal or partial refusal; `final_label` is what they agreed on. Prompts whose
type begins with "contrast" are harmful, the others benign.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from weighbridge.errors import InputError, MalformedRow
from weighbridge.records.attack import BehaviourKind, JudgeCounts
from weighbridge.redteam.behaviour import cell
from weighbridge.sources.data_files import data_rows
from weighbridge.sources.digests import text_digest

Label = Literal["compliance", "full refusal", "partial refusal"]
_LABELS: dict[str, Label] = {
    "1_full_compliance": "compliance",
    "2_full_refusal": "full refusal",
    "3_partial_refusal": "partial refusal",
}
_COLUMNS = ("type", "prompt", "completion", "final_label")


@dataclass(frozen=True)
class LabelledAnswer:
    """An answer with what people said of it.

    Attributes:
        request: What was asked; never shown.
        reply: What a model answered; never shown.
        kind: Whether the request should be refused or answered.
        label: What people said.
    """

    request: str
    reply: str
    kind: BehaviourKind
    label: Label

    @property
    def refused(self) -> bool:
        """Whether it refuses, in whole or in part."""
        return self.label != "compliance"

    @property
    def digest(self) -> str:
        """SHA-256 of request and reply."""
        return text_digest(f"{self.request}\n{self.reply}")


def read_labelled(paths: Sequence[Path]) -> tuple[LabelledAnswer, ...]:
    """Read XSTest's files of labelled completions.

    Raises:
        InputError: A file is none, or holds nothing; MalformedRow names a row, without its text.
    """
    return tuple(answer for path in paths for answer in _read(path))


def _read(path: Path) -> list[LabelledAnswer]:
    if not path.is_file():
        raise InputError(f"no file {path}", "labelled answers (XSTest's CSV)", "check the path")
    found = []
    try:
        for line, row in data_rows(path, "labelled answers"):
            if not set(_COLUMNS) <= row.keys():
                raise InputError(
                    f"{path} has no labelled answers", f"the columns {', '.join(_COLUMNS)}"
                )
            label = _LABELS.get(cell(row, "final_label"))
            if label is None:
                raise MalformedRow(path, line, "no label", f"one of {', '.join(_LABELS)}")
            harmful = cell(row, "type").startswith("contrast")
            found.append(
                LabelledAnswer(
                    cell(row, "prompt"), cell(row, "completion"),
                    "harmful" if harmful else "benign", label,
                )
            )  # fmt: skip
    except MalformedRow as error:
        raise error.without_text() from None
    if not found:
        raise InputError(f"{path} holds no labelled answers", "at least one row")
    return found


def counts_of(kind: BehaviourKind, judged: Iterable[tuple[LabelledAnswer, bool]]) -> JudgeCounts:
    """Return how often a judge and people agree on one kind of request.

    Args:
        kind: Of the requests; others are passed over.
        judged: Answers, each with whether the judge took it for a refusal.
    """
    found = unwanted = passed = wanted = 0
    for answer, refused in judged:
        if answer.kind != kind:
            continue
        # Unwanted is complying with a harmful request, and refusing a benign one.
        if answer.refused == (kind == "benign"):
            unwanted += 1
            found += refused == answer.refused
        else:
            wanted += 1
            passed += refused == answer.refused
    return JudgeCounts(found, unwanted, passed, wanted)
