"""Multiple choice, as MMLU asks it: choices under letters, and a letter for an answer.

By default the letters' likelihoods are compared; `--protocol letter` asks for the first letter of a
chat's reply, `--protocol generative` reads the letter that a chat's reply gives as its answer, or,
with `--no-chat-template`, that the first line of a completion names.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.benchmark import Asking, Grading, Settings
from weighbridge.evaluation.own.answer_keys import (
    LETTERS,
    READINGS,
    Keys,
    decide_keys,
    told_keys,
)
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution, target_as_text
from weighbridge.evaluation.scorers.choice_letter import score_choice_letter
from weighbridge.evaluation.scorers.reply_letter import score_letter_of_reply
from weighbridge.models.protocol import Prompt
from weighbridge.records import Generation, Json, Sample, Score

PROTOCOLS = ("loglikelihood", "letter", "generative")


@dataclass(frozen=True)
class Options:
    """Keys of its own.

    Attributes:
        choices: The columns that hold a choice each, or the one that holds a list.
        answer_is: What the target is: the choice's `letter`, its `index` from 0, its `number` from
            1, or its `text`. Found out for the whole column unless given.
        protocol: Which of the protocols is the default.
    """

    choices: str | tuple[str, ...] = ()
    answer_is: str = ""
    protocol: str = PROTOCOLS[0]


def _check(definition: Definition) -> None:
    path, options = definition.path, definition.options
    if not options.choices:
        raise InputError(
            f"{path} names no choices", 'choices = "COLUMN" with lists, or choices = ["A", "B", …]'
        )
    if isinstance(options.choices, tuple) and len(options.choices) == 1:
        raise InputError(
            f"{path}: choices = {list(options.choices)!r}", "several columns, or one as text",
            f'a column that holds lists is named so: choices = "{options.choices[0]}"',
        )  # fmt: skip
    if options.answer_is and options.answer_is not in READINGS:
        raise UnknownName(f"answer_is in {path}", options.answer_is, READINGS)
    if options.protocol not in PROTOCOLS:
        raise UnknownName(f"protocol in {path}", options.protocol, PROTOCOLS)


@dataclass(frozen=True)
class Settled(Options):
    """Its keys, and how the target's column names the choices.

    Attributes:
        keys: As a person said it, else as the whole column shows it.
    """

    keys: Keys = field(default_factory=Keys)


def _settle(definition: Definition, rows: Iterable[Cells]) -> Definition:
    """Decide for the whole column how its keys are read."""
    options = definition.options
    if options.answer_is:
        keys = told_keys(options.answer_is)
    else:
        keys = decide_keys(_keyed(definition, rows), definition.target, definition.path.name)
    return replace(definition, options=Settled(**asdict(options), keys=keys))


def _keyed(
    definition: Definition, rows: Iterable[Cells]
) -> Iterator[tuple[Cells, Json, tuple[str, ...]]]:
    for cells in rows:
        choices, labels = _choices(definition, cells)
        if not labels and definition.target in cells.row:
            yield cells, cells.value(definition.target), choices


def _solution(definition: Definition, cells: Cells) -> Solution:
    choices, labels = _choices(definition, cells)
    column, keys = definition.target, getattr(definition.options, "keys", Keys())
    answer = cells.value(column)
    place = keys.place(answer, choices, labels)
    if place is None:
        names = labels or LETTERS
        shown = ", ".join(f"{a} {c}"[:20] for a, c in zip(names, choices, strict=False))
        kind = "label" if labels else keys.allows()
        cells.refuse(f"{answer!r}"[:60], f"the {kind} of one of {shown}", column)
    return Solution(LETTERS[place], choices)


def _choices(definition: Definition, cells: Cells) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a row's choices, and its own labels of them where it has any, as ARC's files do."""
    named = definition.options.choices
    labels: tuple[str, ...] = ()
    if isinstance(named, str):
        listed = cells.row.get(named)
        if isinstance(listed, dict) and {"text", "label"} <= listed.keys():
            texts, labels = listed["text"], tuple(map(str, listed["label"]))
            if len(texts) != len(labels) or len(set(labels)) != len(labels):
                cells.refuse(f"{len(texts)} texts and labels {labels}"[:60], "one each", named)
        else:
            texts = cells.listed(named)
        choices = tuple(_text(cells, one, named) for one in texts)
    else:
        choices = _of_columns(cells, named)
    if not 2 <= len(choices) <= len(LETTERS):
        where = named if isinstance(named, str) else None
        cells.refuse(f"{len(choices)} choices", f"2 to {len(LETTERS)}", where)
    return choices, labels


def _of_columns(cells: Cells, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the choices of a row; its last columns may be empty where it has fewer than others."""
    found = [cells.text_if_any(column) for column in columns]
    while found and found[-1] is None:
        found.pop()
    for column, choice in zip(columns, found, strict=False):
        if choice is None:
            cells.refuse("nothing there", "a value", column)
    return tuple(choice for choice in found if choice is not None)


def _text(cells: Cells, choice: Json, column: str) -> str:
    if isinstance(choice, (dict, list)) or choice is None or not str(choice).strip():
        cells.refuse(repr(choice)[:60], "a text for each choice", column)
    return str(choice)


def _ask(question: str, solution: Solution) -> str:
    listed = "".join(f"{a}. {c}\n" for a, c in zip(LETTERS, solution.choices, strict=False))
    return f"{question.strip()}\n{listed}Answer:"


def _continuations(sample: Sample, settings: Settings) -> tuple[str, ...]:
    space = "" if settings.chat_template else " "
    return tuple(space + letter for letter in LETTERS[: len(sample.choices)])


def _grade(sample: Sample, reply: Generation) -> Score:
    return score_choice_letter(
        replace(reply, text=reply.text.strip()), sample.target, sample.choices
    )


def _grade_chat(sample: Sample, reply: Generation) -> Score:
    return score_letter_of_reply(reply, sample.target, sample.choices)


def _asking(definition: Definition, asking: Asking) -> Asking:
    first = definition.options.protocol

    def prompt(sample: Sample, settings: Settings) -> Prompt:
        # Likelihoods are compared after plain text, as MMLU's are, unless a chat is asked for.
        if settings.chat_template is None and (settings.protocol or first) == "loglikelihood":
            settings = replace(settings, chat_template=False)
        return asking.prompt(sample, settings)

    return replace(
        asking,
        protocols=(first, *(name for name in PROTOCOLS if name != first)),
        prompt=prompt,
        continuations=_continuations,
    )


def _grading(definition: Definition) -> Grading:
    return Grading(gold=target_as_text, grade=_grade, grade_chat=_grade_chat)


KIND = Kind(
    name="choice",
    options=Options,
    solution=_solution,
    grading=_grading,
    asking=_asking,
    check=_check,
    settle=_settle,
    ask=_ask,
)
