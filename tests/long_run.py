"""A run of as many samples as asked for, in a process of its own: what it took of time and memory.

    python tests/long_run.py FOLDER SAMPLES [--protocol loglikelihood]

The model answers at once, so that what is measured is the run: reading items, asking, journal,
figures, seal, verification.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.protocol import Capability, Generated, ScoreResult
from weighbridge.process_memory import peak_memory_bytes, restart_peak
from weighbridge.records import Generation, ModelRef

WORDS = "the customer asks for a copy of an invoice that was sent to an old address " * 3


class Ready:
    """A model that knows every answer before it is asked."""

    ref = ModelRef("ready", "test:ready", "sha256:" + "0" * 64)
    capabilities = frozenset({Capability.GENERATE, Capability.SCORE})
    device, computed_tokens, notes = "none", 0, ()

    def on_done(self, requests):
        pass

    def check_prompts(self, shapes):
        return ()

    def generate(self, requests):
        for request in requests:
            asked = request.prompt.messages[-1].content
            # Its answer is the row's last digit: right one time in ten.
            written = Generation(request.sample_id, request.repeat, asked[-1], "end", 60, 1, 0)
            yield Generated(written, asked)

    def score(self, requests):
        for request in requests:
            asked, options = request.prompt.messages[-1].content, request.continuations
            logprobs = tuple(-0.25 if asked.endswith(option) else -4.5 for option in options)
            yield ScoreResult(request.sample_id, logprobs, (False,) * len(options), asked, 60)

    def close(self):
        pass


def write_benchmark(folder: Path, samples: int) -> Path:
    """Write a user's own benchmark: rows of some 300 bytes, in a hundred clusters."""
    with (folder / "rows.jsonl").open("w") as file:
        for i in range(samples):
            row = {"id": f"row-{i}", "text": f"{WORDS}{i}", "label": "7", "desk": f"d{i % 100}"}
            file.write(json.dumps(row) + "\n")
    path = folder / "long.toml"
    path.write_text(
        'data = "rows.jsonl"\nprompt = "{text}"\ntarget = "label"\ncluster = "desk"\nid = "id"\n'
    )
    return path


def chosen(path: Path, protocol: str):
    """The benchmark, which compares likelihoods where that is asked for."""
    benchmark = read_own_benchmark(path)
    if protocol == "loglikelihood":
        options = tuple("0123456789")
        asking = replace(
            benchmark.asking,
            protocols=(protocol,),
            continuations=lambda sample, settings: options,
        )
        return replace(benchmark, asking=asking)
    return benchmark


def measure(folder: Path, samples: int, protocol: str) -> dict:
    """Evaluate, verify and show, and say what each took."""
    benchmark = chosen(write_benchmark(folder, samples), protocol)
    store = RunStore(folder / "runs")
    place = RunContext(store, 1, "2026-01-01T00:00:00+00:00")
    took = {"start_bytes": peak_memory_bytes()}

    def timed(name, work):
        restart_peak()
        started, computed = time.perf_counter(), time.process_time()
        result = work()
        took[f"{name}_seconds"] = round(time.perf_counter() - started, 2)
        took[f"{name}_cpu_seconds"] = round(time.process_time() - computed, 2)
        took[f"{name}_peak_bytes"] = peak_memory_bytes()
        return result

    run = timed("evaluate", lambda: evaluate(Ready(), benchmark, place, settings=Settings()))
    checked = timed("verify", lambda: verify(store.folder_of(run.run_id)))
    shown = timed("show", lambda: store.read(run.run_id, samples=False))
    assert shown.estimate == run.estimate
    return took | {
        "verified": checked.ok, "n": run.estimate.n, "mean": run.estimate.mean,
        "digest": run.samples_digest,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("samples", type=int)
    parser.add_argument("--protocol", default="generative")
    asked = parser.parse_args()
    print(json.dumps(measure(asked.folder, asked.samples, asked.protocol)))


if __name__ == "__main__":
    main()
