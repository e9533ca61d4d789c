"""Small data of our own writing in each benchmark's original layout.

The contract matrix takes the originals where they are, and these where they are not; GPQA's
questions are always these, since the originals must not lie about in plain text.

A new benchmark in the folder needs a writer here, unless a package that tests install brings its
data, or it needs none.
"""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from encrypted_zip import write_encrypted_zip
from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.evaluation.benchmarks import gpqa, mmlu, mt_bench
from weighbridge.evaluation.fastchat import NEEDS_REFERENCE
from weighbridge.sources.datasets import DataPlaces, find_data

ITEMS = 4
PASSWORD = "our-own-password"


def write_gpqa(folder: Path, items: int = ITEMS) -> Path:
    """The authors' encrypted archive, with its password beside it."""
    written = io.StringIO()
    writer = csv.DictWriter(written, gpqa.COLUMNS)
    writer.writeheader()
    for i in range(items):
        answers = {name: f"{name} {i}" for name in gpqa.ANSWERS}
        writer.writerow({"Record ID": f"rec{i}", "Question": f"What is number {i}?", **answers})
    data = written.getvalue().encode()
    files = {f"dataset/gpqa_{subset}.csv": data for subset in gpqa.SUBSETS}
    (folder / "password.txt").write_text(PASSWORD)
    return write_encrypted_zip(folder / "dataset.zip", files, PASSWORD)


def write_mmlu(folder: Path, items: int = ITEMS) -> Path:
    """The original release's folders of CSV files."""
    for split, rows in (("dev", 5), ("test", items)):
        (folder / split).mkdir()
        for subject in mmlu.SUBJECTS:
            with (folder / split / f"{subject}_{split}.csv").open("w", newline="") as file:
                csv.writer(file).writerows(
                    [f"Is {i} of {subject}?", "yes", "no", "both", "none", mmlu.LETTERS[i % 4]]
                    for i in range(rows)
                )
    return folder


def write_gsm8k(folder: Path, items: int = ITEMS) -> Path:
    """The original release's JSONL files."""
    for split, rows in (("train", 8), ("test", items)):
        _write_lines(
            folder / f"{split}.jsonl",
            [
                {
                    "question": f"What is {i} and {i}?",
                    "answer": f"{i} + {i} = {2 * i}\n#### {2 * i}",
                }
                for i in range(rows)
            ],
        )
    return folder


def write_mt_bench(folder: Path, items: int = ITEMS) -> Path:
    """FastChat's files: questions, references, and judge prompts of our own wording."""
    questions = [
        {"question_id": 10 * c + i, "category": category, "turns": [f"Say {i}.", "And again."]}
        for c, category in enumerate(mt_bench.CATEGORIES)
        for i in range(items)
    ]
    _write_lines(folder / "question.jsonl", questions)
    (folder / "reference_answer").mkdir()
    _write_lines(
        folder / "reference_answer/gpt-4.jsonl",
        [
            {"question_id": q["question_id"], "choices": [{"turns": ["It.", "It again."]}]}
            for q in questions
            if q["category"] in NEEDS_REFERENCE
        ],
    )
    prompts = []
    for kind, version in (("single", "v1"), ("pair", "v2")):
        for name in (f"{kind}-{version}", f"{kind}-math-v1"):
            for suffix in ("", "-multi-turn"):
                whose = [""] if kind == "single" else ["_a", "_b"]
                turns = ["_1", "_2"] if suffix else [""]
                asked = "".join(f" Question: {{question{turn}}}" for turn in turns)
                given = "".join(f" Answer{w}: {{answer{w}{t}}}" for w in whose for t in turns)
                template = f"Rate it.{asked}{given}"
                prompts.append(
                    {"name": name + suffix, "system_prompt": "Judge.", "prompt_template": template}
                )
    _write_lines(folder / "judge_prompts.jsonl", prompts)
    return folder


def write_humaneval(folder: Path, items: int = ITEMS) -> Path:
    """HumanEval's own JSONL."""
    rows = [
        {
            "task_id": f"HumanEval/{i}",
            "prompt": f'def add{i}(x):\n    """Return x + {i}."""\n',
            "entry_point": f"add{i}",
            "canonical_solution": f"    return x + {i}\n",
            "test": f"def check(candidate):\n    assert candidate(1) == {i + 1}\n",
        }
        for i in range(items)
    ]
    _write_lines(folder / "HumanEval.jsonl", rows)
    return folder / "HumanEval.jsonl"


WRITERS: dict[str, Callable[[Path], Path]] = {
    "gpqa": write_gpqa, "gsm8k": write_gsm8k, "humaneval": write_humaneval, "mmlu": write_mmlu,
    "mt_bench": write_mt_bench,
}  # fmt: skip
ALWAYS_OURS = ("gpqa",)


def data_for(benchmark: Benchmark, folder: Path, originals: Path | None) -> Path | None:
    """Return where a benchmark's items lie: the originals, or files of our own."""
    need = benchmark.asking.data
    if need is None:
        return None
    if originals is not None and need.name not in ALWAYS_OURS and (originals / need.name).exists():
        places = DataPlaces({}, root=originals, offline=True)
        return find_data(need.name, places)
    assert benchmark.name in WRITERS, f"write small data for {benchmark.name}: {__file__}"
    folder.mkdir(exist_ok=True)
    return WRITERS[benchmark.name](folder)


def _write_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
