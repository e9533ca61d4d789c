"""The base with worked examples in its prompt: which prompts there are, and which is the best.

    validation rows of a target -> training rows that are none of them -> draws of examples
    -> the prompt that scores best on the validation rows

The items that the project measures take no part in the choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.task import Task
from weighbridge.evaluation.worked_examples import Example, asked_with, settings_with
from weighbridge.project.project_file import Project, Prompting
from weighbridge.project.tuning import TuningFiles
from weighbridge.records import BenchmarkSpec, EvalRun, Message, Sample, canonical_digest
from weighbridge.tuning.rows import PreferencePair, TuningRow

HELD_OUT_SHARE = 5
"""One of so many training rows is held out of the examples where there is no validation file."""


@dataclass(frozen=True)
class WorkedRow:
    """A training row that can stand in a prompt as a worked example.

    Attributes:
        name: The row's.
        turns: Of user and assistant.
        instruction: What its system turns say.
    """

    name: str
    turns: Example
    instruction: str = ""


@dataclass(frozen=True)
class Prompts:
    """The prompts to choose from for one target, and the rows to choose on.

    Attributes:
        wanted: What the project asks of the benchmark.
        task: Its own items, asked without examples.
        rows: Validation rows.
        pool: Training rows that are none of them.
        stated: The project's `[prompting]`.
    """

    wanted: BenchmarkSpec
    task: Task
    rows: tuple[Sample, ...]
    pool: tuple[WorkedRow, ...]
    stated: Prompting

    @property
    def candidates(self) -> tuple[tuple[int, int], ...]:
        """Number of examples and draw of each prompt, the base as it is first."""
        draws = range(1, self.stated.draws + 1)
        return ((0, 0), *((shots, draw) for shots in sorted(self.stated.shots) for draw in draws))

    def examples(self, shots: int, draw: int) -> tuple[WorkedRow, ...]:
        """Return the first rows of a draw, whose order depends on seed and rows alone."""
        seed = self.stated.seed
        drawn = sorted(self.pool, key=lambda row: canonical_digest([seed, draw, list(row.turns)]))
        return tuple(drawn[:shots])

    def on_validation(self, shots: int, draw: int) -> Task:
        """Return the validation rows, asked with these examples."""
        asked = self._asked_with(replace(self.task, subset="validation", data=None), shots, draw)
        asking = replace(asked.benchmark.asking, load=lambda request: self.rows)
        settings = replace(asked.settings, limit=None)
        return replace(asked, benchmark=replace(asked.benchmark, asking=asking), settings=settings)

    def on_items(self, shots: int, draw: int) -> Task:
        """Return the benchmark's own items, asked with these examples."""
        return self._asked_with(self.task, shots, draw)

    def _asked_with(self, task: Task, shots: int, draw: int) -> Task:
        turns = [row.turns for row in self.examples(shots, draw)]
        settings = settings_with(task.settings, turns)
        return replace(task, benchmark=asked_with(task.benchmark, turns), settings=settings)


def best_of(scored: Sequence[tuple[int, int, EvalRun]]) -> tuple[int, int]:
    """Return number of examples and draw of the best prompt; of equal ones the shortest.

    One of whose answers none could be graded comes after all others.

    Args:
        scored: Number of examples, draw, and the run over the validation rows.
    """

    def order(one: tuple[int, int, EvalRun]) -> tuple[bool, float, int, int]:
        shots, draw, run = one
        return run.estimate.known_mean is None, -run.estimate.mean, shots, draw

    shots, draw, _ = min(scored, key=order)
    return shots, draw


def plan_prompts(
    project: Project, files: TuningFiles | None, tasks: Sequence[tuple[BenchmarkSpec, Task]]
) -> tuple[Prompts, ...]:
    """Find, for each target, the rows to choose a prompt on and the examples to choose from.

    Raises:
        InputError: There are none, or a target can't be asked with examples.
    """
    stated = project.prompting
    if stated is None:
        return ()
    if files is None:
        raise InputError(
            f"{project.path}: [prompting] without [tune]",
            "a project that tunes: prompting is what tuning has to beat",
            "add [tune], or measure prompts with: weighbridge evaluate --shots",
        )
    worked = tuple(row for row in map(_worked, files.own_rows) if row is not None)
    targets = [(wanted, task) for wanted, task in tasks if wanted.role == "target"]
    return tuple(_prompts(project, stated, files, worked, wanted, task) for wanted, task in targets)


def _prompts(
    project: Project,
    stated: Prompting,
    files: TuningFiles,
    worked: tuple[WorkedRow, ...],
    wanted: BenchmarkSpec,
    task: Task,
) -> Prompts:
    where = f"{project.path}: [prompting] with {task.title}"
    if task.settings.shots:
        raise InputError(
            f"{where}, which has {task.settings.shots} worked examples of its own",
            "a target without any: the tuned model is asked as it was trained",
            "set shots = 0 for it in [[evaluate]]",
        )
    rows = _validation_rows(project, stated, files, task)
    first = task.benchmark.asking.prompt(rows[0], task.settings)
    if first.text is not None:
        raise InputError(
            f"{where}, which is asked in plain text",
            "a chat, in which worked examples are turns",
            "set chat_template = true for it in [[evaluate]]",
        )
    held_out = {sample.question for sample in rows}
    fitting = [row for row in _of_the_task(worked, rows) if _asked(row.turns) not in held_out]
    pool = tuple({row.turns: row for row in reversed(fitting)}.values())
    if len(pool) < max(stated.shots):
        raise InputError(
            f"{where}: shots = {max(stated.shots)} of {len(pool)} training rows that can be shown",
            "at most as many examples as there are, and no validation rows among them",
            "try fewer, or add training rows",
        )
    return Prompts(wanted, task, rows, pool, stated)


def _of_the_task(worked: Sequence[WorkedRow], rows: Sequence[Sample]) -> Sequence[WorkedRow]:
    """Leave out rows of other tasks, such as general text that is learnt against forgetting.

    Where items carry an instruction, those with another one, or none, are such; if no training row
    carries it, nothing can be told and all are kept.
    """
    asked = {
        "\n".join(turn.content for turn in sample.messages if turn.role == "system")
        for sample in rows
    }
    return [row for row in worked if row.instruction in asked] or worked


def _validation_rows(
    project: Project, stated: Prompting, files: TuningFiles, task: Task
) -> tuple[Sample, ...]:
    """Read the rows that prompts are chosen on, as items of the benchmark.

    Raises:
        InputError: The benchmark can't read them, or it is measured with them.
    """
    if stated.validation:
        path: Path = project.folder / stated.validation
        rows = _read(path, task, stated.rows)
    elif files.validation_files:
        path = files.validation_files[0]
        rows = _read(path, task, stated.rows)
    else:
        path = files.train_files[0]
        every = _read(path, task, None)
        most = min(stated.rows, len(every) // HELD_OUT_SHARE)
        rows = sorted(every, key=lambda s: canonical_digest([stated.seed, s.question]))[:most]
    if not rows:
        raise InputError(f"no rows to choose a prompt on in {path}", "at least one")
    measured = {sample.question for sample in task.items(task.settings)}
    both = sum(sample.question in measured for sample in rows)
    if both:
        raise InputError(
            f"{project.path}: [prompting] would choose on {both} of {len(rows)} rows that "
            f"{task.title} is measured with",
            "validation rows apart from the benchmark's",
            "name another file: validation in [prompting]",
        )
    return tuple(rows)


def _read(path: Path, task: Task, limit: int | None) -> list[Sample]:
    settings: Settings = replace(task.settings, limit=limit)
    try:
        return list(task.benchmark.asking.load(LoadRequest(path, None, settings)))
    except InputError as error:
        raise InputError(
            f"[prompting] reads {path} as items of {task.title}: {error.saw}",
            error.expected,
            "name a file in the benchmark's own format: validation in [prompting]",
        ) from error


def _worked(row: TuningRow) -> WorkedRow | None:
    """Return a training row as a worked example; None where it is no plain conversation.

    Of a preference pair, that is the prompt with the preferred answer.
    """
    messages = (*row.prompt, *row.chosen) if isinstance(row, PreferencePair) else row.messages
    if not messages or row.tools:
        return None
    turns: list[Message] = []
    instruction: list[str] = []
    for turn in messages:
        if turn.role == "tool" or turn.tool_calls:
            return None
        if turn.role == "system":
            instruction.append(turn.content)
        else:
            turns.append(Message(turn.role, turn.content))
    return WorkedRow(row.id, tuple(turns), "\n".join(instruction))


def _asked(turns: Example) -> str:
    return next((turn.content for turn in reversed(turns) if turn.role == "user"), "")
