"""A way of grading a user's own items. The folder `kinds/` is the registry.

Three lines to add one: write `kinds/NAME.py`; define `KIND = Kind(name="NAME", …)`; show its ten
lines of TOML in `docs/how-to/your-own-benchmark.md`, which the tests run.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weighbridge.evaluation.benchmark import Asking, Grading
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.records import Json, Sample

_FOLDER = Path(__file__).parent / "kinds"


@dataclass(frozen=True)
class Solution:
    """A row's right answer; the fields are those of `Sample`."""

    target: Json
    choices: tuple[str, ...] = ()
    metadata: dict[str, Json] = field(default_factory=dict)


def _nothing_to_check(definition: Definition) -> None:
    return None


def _as_defined(definition: Definition, rows: Iterable[Cells]) -> Definition:
    return definition


def _asked_as_usual(definition: Definition, asking: Asking) -> Asking:
    return asking


def target_as_text(sample: Sample) -> str:
    """Return an item's target as an answer would give it: text as it is, anything else as JSON."""
    target = sample.target
    if target is None:
        return ""
    return target if isinstance(target, str) else json.dumps(target, ensure_ascii=False)


def _as_written(question: str, solution: Solution) -> str:
    return question


@dataclass(frozen=True)
class Kind:
    """A grading method.

    Attributes:
        name: The file's stem, and the TOML's `scorer`.
        options: A frozen dataclass of the TOML's keys that only this kind has.
        solution: Reads a row's right answer.
        grading: How answers are graded.
        asking: How items are asked, from how every kind asks them.
        settle: Decides what only all rows together tell, before any of them is read.
        check: Refuses keys that contradict each other.
        ask: What is asked, from the text of the row and its solution.
        needs_target: Whether `target` must be named where there is a `prompt`.
        ends_in_answer: Whether `messages` without a `target` end in the right answer.
        needs_question: Whether there must be a `prompt` or `messages`; else `target` may be alone.
    """

    name: str
    options: type[Any]
    solution: Callable[[Definition, Cells], Solution]
    grading: Callable[[Definition], Grading]
    asking: Callable[[Definition, Asking], Asking] = _asked_as_usual
    settle: Callable[[Definition, Iterable[Cells]], Definition] = _as_defined
    check: Callable[[Definition], None] = _nothing_to_check
    ask: Callable[[str, Solution], str] = _as_written
    needs_target: bool = True
    ends_in_answer: bool = True
    needs_question: bool = True


def kind_names() -> tuple[str, ...]:
    """Names of all kinds."""
    return names_in(_FOLDER)


def find_kind(name: str) -> Kind:
    """Import one kind, whose name is in `kind_names`."""
    return defined_in(f"weighbridge.evaluation.own.kinds.{name}", "KIND", Kind)
