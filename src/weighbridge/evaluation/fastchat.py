"""MT-Bench's original files, as FastChat (github.com/lm-sys/FastChat) lays them out.

Questions, reference answers and judge prompts are read from their original place and never copied.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.judging import placeholders
from weighbridge.records import Json
from weighbridge.sources.tables import jsonl_rows

NEEDS_REFERENCE = ("math", "reasoning", "coding")
"""Categories whose judge sees a reference answer (FastChat's `NEED_REF_CATS`)."""
TURNS = 2
_LAYOUTS = ("", "mt_bench", "data/mt_bench", "fastchat/llm_judge/data/mt_bench")
_SHARED = {"question", "question_1", "question_2", "ref_answer_1", "ref_answer_2"}
_FIELDS = {
    "single": _SHARED | {"answer", "answer_1", "answer_2"},
    "pair": _SHARED
    | {"answer_a", "answer_b", "answer_a_1", "answer_a_2", "answer_b_1", "answer_b_2"},
}
_VERSIONS = {"single": "v1", "pair": "v2"}


@dataclass(frozen=True)
class Question:
    """One conversation of two turns; `references` are the answers to both, where it has any."""

    id: str
    category: str
    turns: tuple[str, ...]
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgment:
    """One line of a file of single-answer judgments."""

    line: int
    question_id: str
    turn: int
    model: str
    judge: tuple[str, ...]
    shown: str
    text: str


@dataclass(frozen=True)
class Files:
    """A folder's questions and judge prompts.

    Attributes:
        questions: In the order of the file.
        judge_prompts: By name, such as `single-math-v1-multi-turn`: name, system prompt, template.
    """

    questions: tuple[Question, ...]
    judge_prompts: dict[str, dict[str, str]]

    def judge_prompt(self, kind: str, category: str, turn: int) -> dict[str, str]:
        """Return the prompt that FastChat takes for a category and a 0-based turn.

        Args:
            kind: `single` or `pair`.
            category: The question's.
            turn: 0 or 1.
        """
        name = judge_prompt_name(kind, category, turn)
        if name not in self.judge_prompts:
            raise UnknownName("judge prompt", name, self.judge_prompts)
        return self.judge_prompts[name]


def judge_prompt_name(kind: str, category: str, turn: int) -> str:
    """Return a judge prompt's name in `judge_prompts.jsonl`.

    >>> judge_prompt_name("single", "math", 1), judge_prompt_name("pair", "stem", 0)
    ('single-math-v1-multi-turn', 'pair-v2')
    """
    suffix = "-multi-turn" if turn else ""
    if category in NEEDS_REFERENCE:
        return f"{kind}-math-v1{suffix}"
    return f"{kind}-{_VERSIONS[kind]}{suffix}"


def read_files(folder: Path, references: str = "gpt-4") -> Files:
    """Read `question.jsonl`, `reference_answer/REFERENCES.jsonl` and `judge_prompts.jsonl`.

    Args:
        folder: MT-Bench's folder, one that holds it, or a checkout of FastChat; the judge prompts
            may lie beside it, as in FastChat.
        references: Whose reference answers.

    Raises:
        InputError: A file is missing; MalformedRow names a row that is wrong.
    """
    found = [
        folder / layout for layout in _LAYOUTS if (folder / layout / "question.jsonl").exists()
    ]
    if not found:
        raise InputError(
            f"no question.jsonl in {folder}",
            "MT-Bench's folder, or a checkout of FastChat",
            "check --data mt_bench=PATH",
        )
    home = found[0]
    answers = _references(home / "reference_answer" / f"{references}.jsonl")
    beside = [home / "judge_prompts.jsonl", home.parent / "judge_prompts.jsonl"]
    prompts = next((path for path in beside if path.is_file()), beside[0])
    return Files(tuple(_questions(home / "question.jsonl", answers)), _judge_prompts(prompts))


def _questions(path: Path, references: dict[str, tuple[str, ...]]) -> Iterator[Question]:
    seen: dict[str, int] = {}
    for number, row in rows(path):
        question_id = _id(path, number, row)
        if question_id in seen:
            saw = f"question {question_id} again, first in line {seen[question_id]}"
            raise MalformedRow(path, number, saw, "ids that differ", "question_id")
        seen[question_id] = number
        category = _text(path, number, row, "category")
        turns = _turns(path, number, row.get("turns"), "turns")
        needed = category in NEEDS_REFERENCE
        if needed and question_id not in references:
            raise MalformedRow(
                path, number, f"{category} question {question_id} has no reference answer",
                f"one: its judge reads it ({', '.join(NEEDS_REFERENCE)})", "question_id",
            )  # fmt: skip
        yield Question(question_id, category, turns, references[question_id] if needed else ())


def _references(path: Path) -> dict[str, tuple[str, ...]]:
    return {_id(path, n, row): answer_turns(path, n, row) for n, row in rows(path)}


def answer_turns(path: Path, number: int, row: dict[str, Json]) -> tuple[str, ...]:
    """Return both turns of the first choice of an answer as FastChat writes it."""
    choices = row.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise MalformedRow(path, number, _shown(choices), 'choices with "turns"', "choices")
    return _turns(path, number, choices[0].get("turns"), "choices")


def _judge_prompts(path: Path) -> dict[str, dict[str, str]]:
    found = {}
    for number, row in rows(path):
        name = _text(path, number, row, "name")
        template = _text(path, number, row, "prompt_template")
        known = _FIELDS.get(name.partition("-")[0], set().union(*_FIELDS.values()))
        try:
            unknown = placeholders(template) - known
        except ValueError as error:
            raise MalformedRow(
                path, number, str(error), "braces around names only", "prompt_template"
            ) from error
        if unknown:
            raise MalformedRow(
                path, number, f"{{{min(unknown)}}}", f"one of: {', '.join(sorted(known))}",
                "prompt_template",
            )  # fmt: skip
        system = _text(path, number, row, "system_prompt")
        found[name] = {"name": name, "system_prompt": system, "prompt_template": template}
    return found


def is_judgments(path: Path) -> bool:
    """Whether a file's first row is a judgment as FastChat writes it, single or of a pair."""
    first = next(rows(path), None)
    forms = ({"judgment", "question_id", "turn"}, {"g1_winner", "g2_winner", "question_id", "turn"})
    return first is not None and any(form <= first[1].keys() for form in forms)


def read_judgments(path: Path) -> Iterator[Judgment]:
    """Read single-answer judgments made with FastChat (`model_judgment/JUDGE_single.jsonl`).

    Raises:
        MalformedRow: A row is something else.
    """
    for number, row in rows(path):
        turn, judge = row.get("turn"), row.get("judge")
        if not isinstance(turn, int) or not 1 <= turn <= TURNS:
            raise MalformedRow(path, number, _shown(turn), f"1 to {TURNS}", "turn")
        if not isinstance(judge, list):
            raise MalformedRow(path, number, _shown(judge), "judge and prompt's name", "judge")
        yield Judgment(
            number,
            _id(path, number, row),
            turn,
            _text(path, number, row, "model"),
            tuple(map(str, judge)),
            _text(path, number, row, "user_prompt"),
            _text(path, number, row, "judgment"),
        )


def rows(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Read a JSONL file's objects, each with its 1-based line.

    Raises:
        InputError: The file is missing or no text; MalformedRow names a row that is no object.
    """
    return jsonl_rows(path, "one of FastChat's JSONL files", halves="replace")


def _id(path: Path, number: int, row: dict[str, Json]) -> str:
    value = row.get("question_id")
    if not isinstance(value, (int, str)) or isinstance(value, bool):
        raise MalformedRow(path, number, _shown(value), "a number", "question_id")
    return str(value)


def _text(path: Path, number: int, row: dict[str, Json], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise MalformedRow(path, number, _shown(value), "text", key)
    return value


def _turns(path: Path, number: int, value: Json, key: str) -> tuple[str, ...]:
    turns = (
        tuple(turn for turn in value if isinstance(turn, str)) if isinstance(value, list) else ()
    )
    if not isinstance(value, list) or not len(turns) == len(value) == TURNS:
        raise MalformedRow(path, number, _shown(value), f"{TURNS} turns of text", key)
    return turns


def _shown(value: Json) -> str:
    return repr(value)[:60]
