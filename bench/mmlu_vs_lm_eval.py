"""Ours against lm-evaluation-harness's `hf` backend on MMLU: same weights, fp32, items, threads.

    python bench/mmlu_vs_lm_eval.py --mmlu PATH [--questions 100] [--json]

Six subjects, five shots. The peer's best batch size is searched once per machine and kept. Loading
is left out on both sides; tokenising is part of the work. No result is cached on either side.

The share of the physical limit is the least arithmetic of the distinct tokens, at the machine's own
matrix rate, over the time taken; the rate is measured before each subject and after the last.
"""

import argparse
import contextlib
import csv
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from physical_limit import machine_flops_per_second, scoring_flops

SUBJECTS = (
    "abstract_algebra", "astronomy", "formal_logic", "logical_fallacies", "machine_learning",
    "marketing",
)  # fmt: skip
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
LETTERS = "ABCD"


def ours(folder: Path, mmlu: Path, questions: int) -> tuple[float, dict[str, str], dict[str, Any]]:
    """Return seconds, answers by item, and how much arithmetic it was, at which rates."""
    from weighbridge.evaluation.benchmark import LoadRequest, Settings
    from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK
    from weighbridge.models.engine import scoring
    from weighbridge.models.open_weights import load
    from weighbridge.models.protocol import ScoreRequest
    from weighbridge.sources.weights import find_weights

    model = load(find_weights(str(folder)), cache=folder.parent)
    model.network.check()
    settings = Settings(shots=5, limit=questions)
    answers: dict[str, str] = {}
    seconds, flops, rates = 0.0, 0.0, [machine_flops_per_second()]
    for subject in SUBJECTS:
        asked: list[Any] = []
        with recorded(scoring, asked):
            started = time.perf_counter()
            samples = list(BENCHMARK.asking.load(LoadRequest(mmlu, subject, settings)))
            requests = [
                ScoreRequest(
                    s.id,
                    BENCHMARK.asking.prompt(s, settings),
                    BENCHMARK.asking.continuations(s, settings),
                )
                for s in samples
            ]
            for result in model.score(requests):
                best = max(range(4), key=lambda i: result.logprobs[i])
                answers[result.sample_id] = LETTERS[best]
            seconds += time.perf_counter() - started
        flops += scoring_flops(model.network, asked)
        rates.append(machine_flops_per_second())
    rate = sum(rates) / len(rates)
    return (
        seconds,
        answers,
        {
            "computed_tokens": model.computed_tokens,
            "machine_gflops": round(rate / 1e9),
            "share_of_limit": round(flops / rate / seconds, 3),
        },
    )


@contextlib.contextmanager
def recorded(scoring: Any, asked: list[Any]) -> Iterator[None]:
    """Note what the engine is asked to score; costs nothing beside it."""
    import weighbridge.models.open_weights as open_weights

    real = scoring.score_tokens

    def noting(network: Any, likelihoods: Any, *rest: Any) -> Any:
        asked.extend(likelihoods)
        return real(network, likelihoods, *rest)

    open_weights.score_tokens = noting
    try:
        yield
    finally:
        open_weights.score_tokens = real


def write_tasks(mmlu: Path, folder: Path) -> list[str]:
    """Write the harness's own mmlu tasks over local files, prompts and settings unchanged."""
    for subject in SUBJECTS:
        for split in ("dev", "test"):
            with (mmlu / split / f"{subject}_{split}.csv").open(
                newline="", encoding="utf-8"
            ) as file:
                rows = [
                    {"question": row[0], "choices": row[1:5], "answer": LETTERS.index(row[5])}
                    for row in csv.reader(file)
                ]
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{subject}_{split}.jsonl").write_text(lines)
        about = subject.replace("_", " ")
        files = {split: str(folder / f"{subject}_{split}.jsonl") for split in ("dev", "test")}
        task = {
            "task": f"local_mmlu_{subject}",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": files},
            "test_split": "test",
            "fewshot_split": "dev",
            "fewshot_config": {"sampler": "first_n"},
            "num_fewshot": 5,
            "output_type": "multiple_choice",
            "description": "The following are multiple choice questions (with answers) about "
            f"{about}.\n\n",
            "doc_to_text": "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\n"
            "C. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
            "doc_to_choice": list(LETTERS),
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
        (folder / f"{subject}.yaml").write_text(json.dumps(task))
    return [f"local_mmlu_{subject}" for subject in SUBJECTS]


def peer(folder: Path, mmlu: Path, questions: int, batch: int) -> tuple[float, dict[str, str]]:
    """Return seconds and answers by item of lm-evaluation-harness."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=batch)
    with tempfile.TemporaryDirectory() as scratch:
        tasks = write_tasks(mmlu, Path(scratch))
        manager = TaskManager(include_path=scratch, include_defaults=False)
        started = time.perf_counter()
        found = lm_eval.simple_evaluate(
            model=model, tasks=tasks, limit=questions, task_manager=manager, log_samples=True,
            bootstrap_iters=0, cache_requests=False,
        )  # fmt: skip
        seconds = time.perf_counter() - started
    answers = {}
    for task, rows in found["samples"].items():
        subject = task.removeprefix("local_mmlu_")
        for row in rows:
            logprobs = [float(response[0]) for response in row["filtered_resps"]]
            best = max(range(4), key=lambda i: logprobs[i])
            answers[f"{subject}/{row['doc_id']:04d}"] = LETTERS[best]
    return seconds, answers


def best_batch_size(folder: Path, mmlu: Path, keep: Path) -> int:
    """Search the peer's best batch size on a few questions, once per machine."""
    if keep.is_file():
        return int(json.loads(keep.read_text())["batch_size"])
    seconds = {batch: peer(folder, mmlu, 4, batch)[0] for batch in BATCH_SIZES}
    best = min(seconds, key=lambda batch: seconds[batch])
    keep.write_text(json.dumps({"batch_size": best, "seconds": seconds}))
    return best


def race(folder: Path, mmlu: Path, questions: int, cache: Path) -> dict[str, Any]:
    """Run both in turn."""
    import torch

    batch = best_batch_size(folder, mmlu, cache / "lm_eval_mmlu_batch_size.json")
    our_seconds, our_answers, work = ours(folder, mmlu, questions)
    peer_seconds, peer_answers = peer(folder, mmlu, questions, batch)
    differing = [item for item in our_answers if our_answers[item] != peer_answers[item]]
    return {
        "ours_seconds": round(our_seconds, 2),
        "peer_seconds": round(peer_seconds, 2),
        "ratio": round(peer_seconds / our_seconds, 2),
        "equal": not differing and our_answers.keys() == peer_answers.keys(),
        "differing": differing,
        "questions": len(our_answers),
        **work,
        "peer_batch_size": batch,
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Run both in turn and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mmlu", type=Path, required=True, help="folder with dev/ and test/")
    parser.add_argument("--questions", type=int, default=100, help="per subject")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "weighbridge")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_DATASETS_OFFLINE"] = "1"

    import torch

    from weighbridge.models.convert import as_safetensors
    from weighbridge.sources.weights import find_weights

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    folder, _ = as_safetensors(find_weights("smollm2-135m"), arguments.cache)
    result = race(folder, arguments.mmlu, arguments.questions, arguments.cache)
    if not arguments.json:
        print(
            f"weighbridge {result['ours_seconds']:.1f} s, lm-evaluation-harness "
            f"{result['peer_seconds']:.1f} s (batch size {result['peer_batch_size']}): "
            f"{result['ratio']}x on {result['questions']} questions, "
            f"{len(result['differing'])} answers differ; "
            f"{result['share_of_limit']:.0%} of the physical limit"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
