"""Letters by log-probability from llama.cpp's own server, on real weights, beside our engine's.

Needs `llama-cpp-python[server]`, which is no dependency because it compiles for minutes.
"""

import importlib.util
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.endpoint import open_endpoint, read_address
from weighbridge.records import Graded
from weighbridge.sources.weights import find_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("llama_cpp", "sse_starlette")),
        reason="no llama-cpp-python[server]",
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a server with SmolLM2-135M-Instruct's GGUF file."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    words = [
        sys.executable, "-m", "llama_cpp.server", "--model", str(find_weights("smollm2-135m").path),
        "--host", "127.0.0.1", "--port", str(port), "--n_ctx", "4096", "--logits_all", "true",
    ]  # fmt: skip
    with log.open("wb") as file:
        child = subprocess.Popen(words, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 900
        while True:
            assert child.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=1).close()
                break
            except OSError:
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/v1#smollm2"
    finally:
        child.terminate()
        child.wait()


def test_letters_from_llama_cpp_agree_with_the_engine_s(served, smollm2, real_data, tmp_path):
    benchmark, store = find_benchmark("mmlu"), RunStore(tmp_path / "runs")
    place = RunContext(store, 2, "2026-01-01T00:00:00+00:00")
    settings = Settings(protocol="letter", limit=40)
    asked = {"subset": "astronomy", "settings": settings, "data": real_data / "mmlu"}
    endpoint = open_endpoint(
        read_address(served), key=lambda _: None, answers=tmp_path / "answers", most_at_a_time=1
    )
    theirs = store.read(evaluate(endpoint, benchmark, place, **asked).run_id)
    endpoint.close()
    ours = store.read(evaluate(smollm2, benchmark, place, **asked).run_id)
    assert verify(store.folder_of(theirs.run_id)).ok
    assert all(isinstance(s.score, Graded) for s in theirs.samples)
    gaps, agreed = [], 0
    for mine, other in zip(ours.samples, theirs.samples, strict=True):
        assert mine.sample_id == other.sample_id and len(other.logprobs) == 4
        agreed += mine.output == other.output
        gaps.append(max(abs(x - y) for x, y in zip(mine.logprobs, other.logprobs, strict=True)))
    # llama.cpp multiplies 4-bit weights with 8-bit activations, we the same weights in float32.
    print(f"agree {agreed} of 40; median of the largest gap {sorted(gaps)[20]:.3f} nats")
    assert agreed >= 34 and sorted(gaps)[20] < 0.3
