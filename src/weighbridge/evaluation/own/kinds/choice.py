"""Multiple choice, as MMLU asks it: choices under letters, and a letter for an answer.

By default the letters' likelihoods are compared; `--protocol letter` asks for the first letter of a
chat's reply, `--protocol generative` reads the letter that a chat's reply gives as its answer, or,
with `--no-chat-template`, that the first line of a completion names.
"""

import string
from dataclasses import dataclass, replace

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution
from weighbridge.evaluation.scorers.choice_letter import score_choice_letter
from weighbridge.evaluation.scorers.reply_letter import score_letter_of_reply
from weighbridge.models.protocol import Prompt
from weighbridge.records import Generation, Json, Sample, Score

LETTERS = string.ascii_uppercase
PROTOCOLS = ("loglikelihood", "letter", "generative")
READINGS = ("letter", "index", "number", "text")


@dataclass(frozen=True)
class Options:
    """Keys of its own.

    Attributes:
        choices: The columns that hold a choice each, or the one that holds a list.
        answer_is: What the target is: the choice's `letter`, its `index` from 0, its `number` from
            1, or its `text`. Found out row by row unless given; numbers from 1 never are.
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


def _solution(definition: Definition, cells: Cells) -> Solution:
    named = definition.options.choices
    if isinstance(named, str):
        choices = tuple(_text(cells, one, named) for one in cells.listed(named))
    else:
        choices = tuple(cells.text(column) for column in named)
    if not 2 <= len(choices) <= len(LETTERS):
        where = named if isinstance(named, str) else None
        cells.refuse(f"{len(choices)} choices", f"2 to {len(LETTERS)}", where)
    return Solution(_letter(definition, cells, choices), choices)


def _text(cells: Cells, choice: Json, column: str) -> str:
    if isinstance(choice, (dict, list)) or choice is None or not str(choice).strip():
        cells.refuse(repr(choice)[:60], "a text for each choice", column)
    return str(choice)


def _letter(definition: Definition, cells: Cells, choices: tuple[str, ...]) -> str:
    """Return the right choice's letter, however the row names it."""
    column, told = definition.target, definition.options.answer_is
    answer = cells.value(column)
    found = {
        reading: place
        for reading in ([told] if told else [r for r in READINGS if r != "number"])
        if (place := _place(reading, answer, choices)) is not None
    }
    if not found:
        shown = ", ".join(f"{a} {c}"[:20] for a, c in zip(LETTERS, choices, strict=False))
        kind = told or "letter, index from 0, or text"
        cells.refuse(f"{answer!r}"[:60], f"the {kind} of one of {shown}", column)
    if len(set(found.values())) > 1:
        ways = " and ".join(f"{way} of {LETTERS[place]}" for way, place in found.items())
        cells.refuse(f"{answer!r} is {ways}", f"answer_is in {definition.path.name}", column)
    return LETTERS[next(iter(found.values()))]


def _place(reading: str, answer: Json, choices: tuple[str, ...]) -> int | None:
    text = str(answer).strip()
    if reading == "letter":
        bare = text.strip("().:").upper()
        return LETTERS.index(bare) if bare and bare in LETTERS[: len(choices)] else None
    if reading == "text":
        fitting = [i for i, choice in enumerate(choices) if choice.strip() == text]
        return fitting[0] if len(fitting) == 1 else None
    if isinstance(answer, bool) or not text.isascii() or not text.isdigit():
        return None
    place = int(text) - (reading == "number")
    return place if 0 <= place < len(choices) else None


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


def _complete(definition: Definition, benchmark: Benchmark) -> Benchmark:
    first = definition.options.protocol

    def prompt(sample: Sample, settings: Settings) -> Prompt:
        # Likelihoods are compared after plain text, as MMLU's are, unless a chat is asked for.
        if settings.chat_template is None and (settings.protocol or first) == "loglikelihood":
            settings = replace(settings, chat_template=False)
        return benchmark.prompt(sample, settings)

    return replace(
        benchmark,
        protocols=(first, *(name for name in PROTOCOLS if name != first)),
        prompt=prompt,
        continuations=_continuations,
        grade=_grade,
        grade_chat=_grade_chat,
    )


KIND = Kind(
    name="choice",
    options=Options,
    solution=_solution,
    complete=_complete,
    check=_check,
    ask=_ask,
)
