"""Models and data sets from a Hub that is really asked, over a socket, and fails as Hubs do."""

import csv
import json
import os
import resource
import shutil
import subprocess
import sys

import pytest

from hub_server import Hub, serving
from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK as MMLU
from weighbridge.evaluation.benchmarks.mmlu import SUBJECTS


@pytest.fixture
def hub():
    with serving(Hub()) as hub:
        yield hub


@pytest.fixture
def work(tmp_path):
    (tmp_path / "test.jsonl").write_text('{"q": "question", "a": "A"}\n')
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 3\n'
    )
    return tmp_path


def evaluate(hub, folder, *words, preexec_fn=None):
    return subprocess.run(
        [sys.executable, "-m", "weighbridge", "evaluate", *words, "--json"],
        capture_output=True, text=True, cwd=folder, preexec_fn=preexec_fn,
        env={
            **os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(folder / "hub"),
            "HF_HUB_DISABLE_XET": "1", "WEIGHBRIDGE_CACHE": str(folder / "cache"),
        },
    )  # fmt: skip


def source_of(folder, done):
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    ref = json.loads((folder / ".weighbridge" / "runs" / run["run"] / "run.json").read_text())
    return ref["model"]["source"], ref["model"]["revision"]


def assert_one_line(done, *words):
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = " ".join(done.stderr.split())
    for word in words:
        assert word in last, last


def test_a_model_is_downloaded_used_and_then_found_without_the_hub(hub, work, tiny_model):
    (tiny := work / "tiny").mkdir()
    shutil.copytree(tiny_model, tiny, dirs_exist_ok=True)
    (tiny / "modeling_evil.py").write_text("raise SystemExit('remote code was run')\n")
    (tiny / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    commit = hub.add("models/someone/tiny", tiny)
    done = evaluate(hub, work, "someone/tiny", "-b", "own.toml")
    assert source_of(work, done) == ("hub:someone/tiny", commit)
    assert not [name for name in hub.served if name.endswith((".py", ".bin"))]
    hub.fault, before = "broken", len(hub.served)
    done = evaluate(hub, work, "someone/tiny", "-b", "own.toml", "--seed", "1")
    assert source_of(work, done) == ("hub:someone/tiny", commit)
    assert len(hub.served) == before


@pytest.mark.slow
def test_a_revision_can_be_named(hub, work, tiny_model):
    hub.add("models/someone/tiny", work)
    shutil.copytree(tiny_model, work / "old")
    commit = hub.add("models/someone/tiny", work / "old", revision="v1")
    done = evaluate(hub, work, "someone/tiny@v1", "-b", "own.toml")
    assert source_of(work, done) == ("hub:someone/tiny", commit)
    assert_one_line(evaluate(hub, work, "someone/tiny@v9", "-b", "own.toml"), "404", "@v9")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("gated", ("403", "hf auth login")),
        pytest.param("missing", ("404", "check the name"), marks=pytest.mark.slow),
        pytest.param("broken", ("not in the Hub cache",), marks=pytest.mark.slow),
    ],
)
def test_what_the_hub_answers_is_said(hub, work, tiny_model, fault, words):
    hub.add("models/someone/tiny", tiny_model)
    hub.fault = fault
    assert_one_line(evaluate(hub, work, "someone/tiny", "-b", "own.toml"), "someone/tiny", *words)


@pytest.mark.slow
def test_a_download_that_was_cut_off_is_completed(hub, work, tiny_model):
    commit = hub.add("models/someone/tiny", tiny_model)
    hub.fault = "cut"
    done = evaluate(hub, work, "someone/tiny", "-b", "own.toml")
    assert_one_line(done, "someone/tiny", "cut off", "goes on with what is missing")
    hub.fault = ""
    done = evaluate(hub, work, "someone/tiny", "-b", "own.toml")
    assert source_of(work, done) == ("hub:someone/tiny", commit)


@pytest.mark.slow
def test_a_full_disk_is_said(hub, work, tiny_model):
    hub.add("models/someone/tiny", tiny_model)

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = evaluate(hub, work, "someone/tiny", "-b", "own.toml", preexec_fn=no_room)
    assert_one_line(done, "someone/tiny", "could not be stored")


@pytest.mark.slow
def test_pickled_weights_are_refused_and_not_fetched(hub, work, tiny_model):
    (folder := work / "pickled").mkdir()
    shutil.copy(tiny_model / "config.json", folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    hub.add("models/someone/pickled", folder)
    done = evaluate(hub, work, "someone/pickled", "-b", "own.toml")
    assert_one_line(done, "holds no safetensors", "never loaded")
    assert hub.served == ["config.json"]


@pytest.fixture(scope="module")
def parquet(real_data, tmp_path_factory):
    """MMLU as the Hub lays it out, made from the original files."""
    folder = tmp_path_factory.mktemp("mmlu")
    for subject in SUBJECTS:
        for split in ("dev", "test"):
            path = real_data / "mmlu" / split / f"{subject}_{split}.csv"
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))
            write_parquet(
                folder / subject / f"{split}-00000-of-00001.parquet",
                [
                    {
                        "question": q,
                        "subject": subject,
                        "choices": choices,
                        "answer": "ABCD".index(a),
                    }
                    for q, *choices, a in rows
                ],
            )
    write_parquet(folder / "auxiliary_train" / "train-00000-of-00001.parquet", [{"train": 1}])
    return folder


def write_parquet(path, rows):
    import pyarrow
    import pyarrow.parquet

    path.parent.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def test_mmlu_is_the_same_from_the_hubs_files_and_the_original_ones(parquet, real_data):
    settings = Settings(shots=5)
    originals = MMLU.asking.load(LoadRequest(real_data / "mmlu", None, settings))
    assert len(originals) == 14_042
    assert MMLU.asking.load(LoadRequest(parquet, None, settings)) == originals


@pytest.mark.slow
def test_mmlu_comes_from_the_hub_without_its_training_set(hub, work, parquet, tiny_model):
    commit = hub.add("datasets/cais/mmlu", parquet)
    done = evaluate(hub, work, str(tiny_model), "-b", "mmlu:astronomy", "--limit", "5")
    assert done.returncode == 0, done.stderr
    assert "astronomy/test-00000-of-00001.parquet" in hub.served
    assert not [name for name in hub.served if "train" in name]
    assert (work / "hub" / "datasets--cais--mmlu" / "snapshots" / commit).is_dir()


@pytest.mark.slow
def test_a_gated_data_set_is_said(hub, work, parquet, tiny_model):
    hub.add("datasets/cais/mmlu", parquet)
    hub.fault = "gated"
    done = evaluate(hub, work, str(tiny_model), "-b", "mmlu:astronomy")
    assert_one_line(done, "the Hub answered 403", "--data mmlu=PATH")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "q", "choices": ["a", "b", "c", "d"], "answer": 4}, "line 2, column answer"),
        ({"question": "q", "choices": ["a", "b", "c", "d"], "answer": None}, "None"),
        ({"question": "q", "choices": ["a", "b"], "answer": 0}, "a list of four"),
        ({"question": None, "choices": ["a", "b", "c", "d"], "answer": 0}, "column question"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, row, words):
    good = {"question": "q", "choices": ["a", "b", "c", "d"], "answer": 0}
    write_parquet(tmp_path / "astronomy" / "test-00000-of-00001.parquet", [good, row])
    with pytest.raises(MalformedRow, match=words):
        MMLU.asking.load(LoadRequest(tmp_path, "astronomy", Settings()))


def test_a_truncated_file_is_named(tmp_path, parquet):
    name = "test-00000-of-00001.parquet"
    (tmp_path / "astronomy").mkdir()
    whole = (parquet / "astronomy" / name).read_bytes()
    (tmp_path / "astronomy" / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"astronomy/test-.*can't be read"):
        MMLU.asking.load(LoadRequest(tmp_path, "astronomy", Settings()))
