"""A model in a Hub cache, laid out as the Hub's client lays it out, works offline."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from commands import weighbridge
from weighbridge.errors import InputError
from weighbridge.sources.hub import hub_snapshot


@pytest.mark.slow
def test_a_cached_hub_model_is_used_offline(tiny_model, tmp_path):
    revision = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "hub" / "models--someone--tiny-llama"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(revision)
    blobs, snapshot = repo / "blobs", repo / "snapshots" / revision
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(tiny_model.iterdir())):
        blob = blobs / f"{number:040x}"
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
    (tmp_path / "test.jsonl").write_text('{"q": "question", "a": "A"}\n')
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 3\n'
    )
    words = ["evaluate", "someone/tiny-llama", "-b", "own.toml", "--offline", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "weighbridge", *words],
        capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    shown = weighbridge("runs", "show", run["run"], "--json", cwd=tmp_path)
    ref = json.loads(shown.stdout)["model_ref"]
    assert (ref["source"], ref["revision"]) == ("hub:someone/tiny-llama", revision)


@pytest.mark.parametrize("name", ["org/na me", "org/.name", "org/" + "x" * 200, "org/--"])
def test_a_name_that_no_repository_can_have_is_one_line(name):
    with pytest.raises(InputError, match="can't be looked up on the Hub"):
        hub_snapshot(name, "model", offline=True)
