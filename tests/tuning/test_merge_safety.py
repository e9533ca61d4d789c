"""`tune --merge` writes a new folder, or none: what exists is never deleted."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from test_tuning import SETTINGS, rows_of, run, write_rows
from typer.testing import CliRunner

from weighbridge.cli.main import app
from weighbridge.errors import InputError
from weighbridge.models.reading import read_model
from weighbridge.storage import new_folder
from weighbridge.tuning.adapters import attached_adapter, load_adapter
from weighbridge.tuning.merging import merge_adapter, merged_before

PROBE = torch.arange(5, 60)[None]


def snapshot(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def tuned(tiny_model, tmp_path_factory):
    """A finished run of one step, as the command makes it, and the words that asked for it."""
    place = tmp_path_factory.mktemp("tuned")
    words = [
        "tune", str(tiny_model), "--train", str(write_rows(place / "t.jsonl", 8)), "--out",
        str(place / "run"), "--cache", str(place / "cache"), "--max-steps", "1", "--threads", "1",
        "--json",
    ]  # fmt: skip
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    return place, words


def fail(words, place):
    """Run a command that must be refused, and say how; nothing may be lost by it."""
    before = snapshot(place)
    answer = CliRunner().invoke(app, words)
    assert isinstance(answer.exception, InputError), answer.output
    assert snapshot(place) == before
    return str(answer.exception)


def test_a_folder_with_something_in_it_is_refused_before_anything_is_trained(tiny_model, tmp_path):
    thesis = tmp_path / "thesis"
    (thesis / "chapters").mkdir(parents=True)
    (thesis / "chapters" / "one.md").write_text("years of work")
    train = write_rows(tmp_path / "t.jsonl", 4)
    words = ["tune", str(tiny_model), "--train", str(train), "--out", str(tmp_path / "run")]
    said = fail([*words, "--merge", str(thesis)], tmp_path)
    assert "never deleted" in said and not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("x")
    assert "is no folder" in fail([*words, "--merge", str(tmp_path / "file")], tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert "never deleted" in fail([*words, "--merge", str(tmp_path / "link")], tmp_path)


@pytest.mark.parametrize("where", ["base", "run", "around the run", "adapter", "checkpoints"])
def test_a_folder_that_the_run_needs_is_refused(where, tuned, tiny_model, tmp_path):
    _, words = tuned
    own = tmp_path / "base"
    shutil.copytree(tiny_model, own)
    words = [*words[:1], str(own), *words[2:]]
    words[words.index("--out") + 1] = str(tmp_path / "runs" / "mine")
    merge = {
        "base": own,
        "run": tmp_path / "runs" / "mine",
        "around the run": tmp_path / "runs",
        "adapter": tmp_path / "runs" / "mine" / "adapter",
        "checkpoints": tmp_path / "runs" / "mine" / "checkpoints",
    }[where]
    said = fail([*words, "--merge", str(merge)], tmp_path)
    assert "never deleted" in said and not (tmp_path / "runs").exists()


def test_the_merge_of_the_same_adapter_is_found_and_another_is_refused(tuned, tmp_path):
    _, words = tuned
    first = CliRunner().invoke(app, [*words, "--merge", str(tmp_path / "merged")])
    assert first.exit_code == 0, first.output
    before = snapshot(tmp_path / "merged")
    again = CliRunner().invoke(app, [*words, "--merge", str(tmp_path / "merged")])
    shown = json.loads(again.stdout)
    assert shown["merged"] == str(tmp_path / "merged") and shown["merged_before"]
    assert not json.loads(first.stdout)["merged_before"]
    assert snapshot(tmp_path / "merged") == before
    other = [*words, "--seed", "5", "--merge", str(tmp_path / "merged")]
    other[other.index("--out") + 1] = str(tmp_path / "another")
    assert "another adapter" in fail(other, tmp_path)
    weights = tmp_path / "merged" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    assert "was changed" in fail([*words, "--merge", str(tmp_path / "merged")], tmp_path)


def test_an_empty_folder_is_filled(tuned, tiny_model, tmp_path):
    place, _ = tuned
    (tmp_path / "merged").mkdir()
    model = read_model(tiny_model, torch.float32, "cpu")
    merge_adapter(*model, place / "run" / "adapter", tmp_path / "merged", PROBE)
    assert {p.name for p in tmp_path.iterdir()} == {"merged"}
    assert not (tmp_path / "merged" / ".held").exists()
    found = merged_before(tmp_path / "merged", place / "run" / "adapter", place / "run")
    assert found is not None and found.before


def test_a_folder_that_comes_to_be_meanwhile_is_kept(tmp_path):
    with (
        pytest.raises(InputError, match="appeared in the meantime"),
        new_folder(tmp_path / "merged") as partial,
    ):
        (partial / "ours").write_text("x")
        (tmp_path / "merged").mkdir()
        (tmp_path / "merged" / "theirs").write_text("y")
    assert snapshot(tmp_path) == {"merged/theirs": b"y"}


def test_what_a_killed_merge_left_is_removed_by_the_next_and_by_no_other(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c",
         "import sys, time; from pathlib import Path\n"
         "from weighbridge.storage import new_folder\n"
         "with new_folder(Path(sys.argv[1])) as partial:\n"
         "    (partial / 'model.safetensors').write_bytes(b'half')\n"
         "    print('writing', flush=True); time.sleep(600)\n", str(tmp_path / "merged")],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "writing\n"
    (half,) = tmp_path.glob(".partial-merged-*")
    with new_folder(tmp_path / "merged") as partial:
        (partial / "whole").write_text("x")
    assert half.exists()  # its process is alive
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    assert half.exists() and not (tmp_path / "merged" / "model.safetensors").exists()
    mine = tmp_path / ".partial-merged-mine"  # a person's own, without our lock
    mine.mkdir()
    (mine / "notes").write_text("y")
    with (
        pytest.raises(InputError, match="appeared in the meantime"),
        new_folder(tmp_path / "merged") as partial,
    ):
        pass
    assert not half.exists() and (mine / "notes").exists()
    assert snapshot(tmp_path / "merged") == {"whole": b"x"}


def test_an_adapter_that_does_not_land_is_refused_with_what_peft_said(tuned, tiny_model, tmp_path):
    from safetensors.torch import load_file, save_file

    place, _ = tuned
    adapter = tmp_path / "adapter"
    shutil.copytree(place / "run" / "adapter", adapter)
    tensors = load_file(adapter / "adapter_model.safetensors")
    some = sorted(tensors)[0]
    for change in (
        {some.replace("layers.0", "layers.7"): tensors[some]},
        {k: v for k, v in tensors.items() if k != some},
        {k.replace("self_attn", "attention"): v for k, v in tensors.items()},
    ):
        save_file({**change}, adapter / "adapter_model.safetensors", metadata={"format": "pt"})
        module, _ = read_model(tiny_model, torch.float32, "cpu")
        with pytest.raises(
            InputError, match=r"doesn't fit this model: .* not on it as in the file"
        ):
            load_adapter(module, adapter)


def test_what_peft_warns_of_is_passed_on(tiny_model, tmp_path, monkeypatch):
    import warnings

    from weighbridge.tuning import adapters

    original = adapters.get_peft_model

    def warning(*args):
        warnings.warn("the head is tied", UserWarning, stacklevel=1)
        return original(*args)

    monkeypatch.setattr(adapters, "get_peft_model", warning)
    model = read_model(tiny_model, torch.float32, "cpu")
    result = run(model, tmp_path / "run", rows_of(write_rows(tmp_path / "t.jsonl", 4)))
    assert result.notes == ("the head is tied",)
    assert any("the head is tied" in line for line in result.told())
    said: list[str] = []
    monkeypatch.setattr(adapters, "get_peft_model", original)
    with attached_adapter(model[0], SETTINGS, "tiny", said):
        assert said == []
