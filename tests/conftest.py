"""What many tests need: real data, real weights, and a tiny model built on the spot."""

import gc
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker, and what it starts, has one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from tiny import build_tiny_model

# No test may fail because the machine is slow or busy.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

REPOSITORY = Path(__file__).parent.parent


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is imported by now stays: a collection that looks through all of it takes half a second.

    There are thousands of them, since libraries and our own engine ask for some.
    """
    gc.freeze()


@pytest.fixture(autouse=True)
def online_again():
    """`--offline` given to a command in this process holds for that test alone."""
    before = os.environ.get("HF_HUB_OFFLINE")
    yield
    if before is None:
        os.environ.pop("HF_HUB_OFFLINE", None)
    else:
        os.environ["HF_HUB_OFFLINE"] = before


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once what many tests lack, and not for each of them."""
    skipped = terminalreporter.stats.get("skipped", [])
    shared = Counter(report.longrepr[2] for report in skipped if type(report.longrepr) is tuple)
    for report in skipped:
        if type(report.longrepr) is tuple and shared[report.longrepr[2]] > 1:
            report.longrepr = ("tests", None, report.longrepr[2])  # pytest folds what is alike


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(os.environ.get("WEIGHBRIDGE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "SOURCES.md").is_file():
        pytest.skip(f"no test data at {folder}; set WEIGHBRIDGE_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of converted weights for the whole session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def opened(tmp_path: Path):
    """Opens endpoints whose answers are kept in this test's folder, and closes them."""
    from scripted_server import Opener

    opener = Opener(tmp_path / "answers")
    yield opener
    opener.close()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random two-layer Llama and a tokenizer with a chat template."""
    return build_tiny_model(tmp_path_factory.mktemp("tiny") / "tiny-llama")


@pytest.fixture(scope="session")
def smollm2(cache: Path):
    """SmolLM2-135M-Instruct, converted once."""
    from weighbridge.models.open_weights import load
    from weighbridge.sources.packages import package_file
    from weighbridge.sources.weights import ALIASES, find_weights

    alias = ALIASES["smollm2-135m"]
    if package_file(alias.package, alias.file) is None:
        pytest.skip(f"weights are not installed: {alias.get_it}")
    return load(find_weights("smollm2-135m"), cache=cache, threads=2)


PROJECT = """
[project]
name = "letters"
question = "Does it learn letters?"
[model]
base = "{base}"
[tune]
train = "train.jsonl"
validation = "test.jsonl"
safety_share = 0
learning_rate = 1e-2
epochs = 6
batch_size = 8
rank = 8
[[evaluate]]
benchmark = "letters.toml"
[[evaluate]]
benchmark = "mmlu"
role = "guard"
"""


def write_letters(path, first, count):
    """Write so many rows that ask for a letter; other numbers ask in other words."""
    with path.open("w") as file:
        for i in range(first, first + count):
            user, answer = f"say {'ABCD'[i % 4]} number {i}", "ABCD"[i % 4]
            turns = [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
            file.write(json.dumps({"messages": turns}) + "\n")


def write_project(folder, base):
    """Write a small project: letters to learn, and a guard whose data is not here."""
    write_letters(folder / "train.jsonl", 0, 48)
    write_letters(folder / "test.jsonl", 1000, 24)
    (folder / "letters.toml").write_text(
        'data = "test.jsonl"\nmessages = "messages"\nmax_tokens = 4\n'
    )
    (folder / "weighbridge.toml").write_text(PROJECT.format(base=base))
    return folder


@pytest.fixture
def project(tiny_model, tmp_path):
    """A small project; see `write_project`."""
    return write_project(tmp_path, tiny_model)
