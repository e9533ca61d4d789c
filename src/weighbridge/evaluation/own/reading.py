"""From a user's TOML and rows to a benchmark.

read the keys -> find the kind -> decide what all rows tell together -> for each row: id, cluster,
what is asked, the right answer
"""

import json
from collections.abc import Iterator
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import About, Asking, Benchmark, LoadRequest, Settings
from weighbridge.evaluation.items import rows_once
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import LAST_TURN, Definition
from weighbridge.evaluation.own.kind import Kind, Solution
from weighbridge.evaluation.own.template import fill
from weighbridge.evaluation.own.toml_keys import read_definition
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Message, Sample, canonical_digest
from weighbridge.sources.digests import file_digest
from weighbridge.sources.tables import table_rows

FORMAT = 4
"""Part of every own benchmark's version: raised when a number could change with the code."""
ROLES = ("system", "user", "assistant")


def read_own_benchmark(path: Path) -> Benchmark:
    """Read the TOML.

    Raises:
        InputError: A file is missing or contradicts itself; UnknownName for a key or scorer.
    """
    definition, kind = read_definition(path)
    common = definition.common
    data = _existing(definition, "data", common.data)
    files = [path, data]
    shots = 0
    if common.examples:
        examples = _existing(definition, "examples", common.examples)
        files.append(examples)
        shots = sum(1 for _ in table_rows(examples)) if common.shots is None else common.shots
    version = canonical_digest([FORMAT, *map(file_digest, files)]).removeprefix("sha256:")[:12]
    about = About(
        title=definition.name,
        summary=common.summary or f"Own benchmark from {path.name}.",
        licence=common.licence,
        source=path.name,
    )
    asking = Asking(
        protocols=("generative",),
        load=lambda request: _load(definition, kind, request.data or data, request),
        prompt=_prompt,
        sampling=Sampling(
            common.temperature, max_tokens=common.max_tokens or 256, stop=common.stop
        ),
        chat_by_default=True,
        default_shots=shots,
        default_chat_shots=shots,
        unit_size=20,
    )
    return Benchmark(
        definition.name, version, about, kind.asking(definition, asking), kind.grading(definition)
    )


def _existing(definition: Definition, key: str, named: str) -> Path:
    path = definition.beside(named)
    try:
        there = path.is_file()
    except OSError:  # such as a name longer than any file's
        there = False
    if not there:
        raise InputError(
            f"{definition.path}: {key} = {named!r}"[:200],
            f"a JSONL, CSV or Parquet file at {path}"[:200],
        )
    return path


def _load(definition: Definition, kind: Kind, data: Path, request: LoadRequest) -> Iterator[Sample]:
    definition = kind.settle(definition, _cells(data))
    examples = _examples(definition, kind, request.settings.shots)
    count = 0

    def rows() -> Iterator[tuple[int, Sample]]:
        return ((cells.line, _sample(definition, kind, cells, examples)) for cells in _cells(data))

    for sample in rows_once(rows, data, definition.common.id or "id", request.settings.limit):
        count += 1
        yield sample
    if not count:
        raise InputError(f"{data} holds no rows", "at least one")


def _cells(path: Path) -> Iterator[Cells]:
    for place, (line, row) in enumerate(table_rows(path)):
        yield Cells(path, line, row, first=place == 0)


def _examples(definition: Definition, kind: Kind, shots: int) -> list[list[str]]:
    """Return the turns of the first so many worked examples, each ending with its right answer."""
    if not shots:
        return []
    named = definition.common.examples
    if not named:
        raise InputError(
            f"--shots {shots} for {definition.name}", "0, or worked examples",
            f'name them in {definition.path}: examples = "FILE"',
        )  # fmt: skip
    path = _existing(definition, "examples", named)
    worked = [_worked(definition, kind, cells) for cells in _cells(path)]
    if not 0 < shots <= len(worked):
        raise InputError(f"--shots {shots}", f"0 to {len(worked)}, the rows of {path}")
    return [turn for example in worked[:shots] for turn in example]


def _worked(definition: Definition, kind: Kind, cells: Cells) -> list[list[str]]:
    turns, solution = _row(definition, kind, cells)
    shown = Sample("example", tuple(turns), solution.target, metadata=solution.metadata)
    gold = kind.grading(definition).gold(shown)
    if not gold.strip():
        cells.refuse(
            "no right answer", "one: this row is a worked example", definition.common.target
        )
    return [*([turn.role, turn.content] for turn in turns), ["assistant", gold]]


def _sample(definition: Definition, kind: Kind, cells: Cells, examples: list[list[str]]) -> Sample:
    common = definition.common
    turns, solution = _row(definition, kind, cells)
    if common.system:
        turns = [Message("system", common.system), *turns]
    named = common.id or ("id" if cells.row.get("id") is not None else "")
    return Sample(
        id=cells.text(named) if named else f"{cells.path.stem}-{cells.line:06d}",
        messages=tuple(turns),
        target=solution.target,
        # An item without a source stands alone.
        cluster=cells.text_if_any(common.cluster) if common.cluster else None,
        choices=solution.choices,
        metadata=solution.metadata | ({"examples": examples} if examples else {}),
    )


def _row(definition: Definition, kind: Kind, cells: Cells) -> tuple[list[Message], Solution]:
    """Return what a row asks, and its right answer."""
    common = definition.common
    if not (common.prompt or common.messages):  # the text alone; it is its own question
        solution = kind.solution(definition, cells)
        return [Message("user", str(solution.target))], solution
    if common.prompt:
        turns = [Message("user", fill(definition.prompt, cells.text))]
    else:
        turns = _turns(cells, common.messages)
        if not common.target and kind.ends_in_answer:
            cells, turns = _answer_of_last_turn(cells, turns, common.messages)
    if turns[-1].role != "user":
        saw = f"last turn is the {turns[-1].role}'s"
        cells.refuse(saw, "a user's turn, to be answered", common.messages)
    solution = kind.solution(definition, cells)
    turns[-1] = Message("user", kind.ask(turns[-1].content, solution))
    return turns, solution


def _turns(cells: Cells, column: str) -> list[Message]:
    turns = []
    for turn in cells.listed(column):
        match turn:
            case {"role": ("system" | "user" | "assistant") as role, "content": str(content)}:
                turns.append(Message(role, content))
            case _:
                expected = 'turns such as {"role": "user", "content": "…"}'
                cells.refuse(json.dumps(turn)[:80], expected, column)
    return turns


def _answer_of_last_turn(
    cells: Cells, turns: list[Message], column: str
) -> tuple[Cells, list[Message]]:
    *asked, last = turns
    if last.role != "assistant":
        cells.refuse(f"last turn is the {last.role}'s", "an assistant's turn", column)
    if not asked:
        cells.refuse("no turn before the answer", "a user's turn", column)
    row = cells.row | {LAST_TURN: last.content}
    return Cells(cells.path, cells.line, row, cells.first), asked


def _prompt(sample: Sample, settings: Settings) -> Prompt:
    """Return turns; or plain text, where no chat is wanted."""
    examples = list(_worked_turns(sample))
    before = sum(1 for _ in _leading_system(sample))
    turns = (*sample.messages[:before], *examples, *sample.messages[before:])
    return Prompt(text=_plain(turns)) if settings.chat_template is False else Prompt(messages=turns)


def _worked_turns(sample: Sample) -> Iterator[Message]:
    for turn in sample.listed("examples") if "examples" in sample.metadata else ():
        match turn:
            case [("system" | "user" | "assistant") as role, str(content)]:
                yield Message(role, content)
            case _:
                raise InputError(f"item {sample.id}: example {turn!r:.60}", "a role and a text")


def _leading_system(sample: Sample) -> Iterator[Message]:
    for message in sample.messages:
        if message.role != "system":
            return
        yield message


def _plain(turns: tuple[Message, ...]) -> str:
    """Write turns one after the other: an answer behind its question, a blank line between."""
    text = ""
    for turn in turns:
        if turn.role == "assistant":
            text += ("" if text[-1:].isspace() else " ") + turn.content
        else:
            text += ("\n\n" if text else "") + turn.content
    return text
