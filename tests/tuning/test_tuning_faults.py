"""Ctrl-C, full disks, folders that can't be written: real processes, one line, nothing lost."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
import torch
from test_tuning import write_rows

from commands import weighbridge
from tuning_runs import rows_of, run
from weighbridge.errors import StorageError
from weighbridge.models.reading import read_model
from weighbridge.tuning import Checkpointed, Planned, TuneSettings


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows") / "train.jsonl", 40)


@pytest.fixture
def words(tiny_model, data, cache, tmp_path):
    def of(folder):
        out = folder if str(folder).startswith("/") else tmp_path / folder
        return [
            sys.executable, "-m", "weighbridge", "tune", str(tiny_model), "--train", str(data),
            "--out", str(out), "--cache", str(cache), "--batch-size", "2", "--epochs", "4",
            "--lr", "5e-3", "--threads", "1", "--safety-share", "0", "--json",
        ]  # fmt: skip

    return of


@pytest.fixture
def undisturbed(words, tmp_path):
    """Bytes of the adapter that comes out when nothing happens."""

    def run(folder):
        done = subprocess.run(words(folder), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["steps"] == 80
        return (tmp_path / folder / "adapter" / "adapter_model.safetensors").read_bytes()

    return run


def assert_one_line(stderr, *expected):
    assert "Traceback" not in stderr
    errors = [line for line in stderr.splitlines() if line.startswith("weighbridge: ")]
    assert len(errors) == 1, stderr
    for word in expected:
        assert word in " ".join(stderr.split()), stderr


def steps_done(folder):
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def interrupt(words, folder, after, times):
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as child:
        while steps_done(folder) < after:
            assert child.poll() is None
            time.sleep(0.005)
        for _ in range(times):
            child.send_signal(signal.SIGINT)
            time.sleep(0.002)
        _, stderr = child.communicate()
    assert child.returncode == 130
    return stderr


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_after_ctrl_c_the_same_command_goes_on_to_the_same_bits(
    words, undisturbed, tmp_path, times
):
    stderr = interrupt(words("stopped"), tmp_path / "stopped", after=15, times=times)
    assert_one_line(stderr, "goes on from")
    assert times > 1 or "tuning stopped after step" in stderr
    assert not (tmp_path / "stopped" / "result.json").exists()
    assert undisturbed("stopped") == undisturbed("whole")


@pytest.mark.slow
def test_a_full_disk_is_said_and_costs_no_finished_step(words, undisturbed, tmp_path):
    child = subprocess.run(
        words("full"), capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    assert child.returncode == 2
    assert_one_line(child.stderr, "can't use", "what is finished is kept")
    assert not list((tmp_path / "full").rglob("adapter_model.safetensors"))
    assert undisturbed("full") == undisturbed("whole")


def test_a_disk_that_fills_up_later_keeps_the_checkpoint_before_whole(tiny_model, data, tmp_path):
    settings = TuneSettings(rank=4, batch_size=8, max_steps=4, checkpoint_steps=1)
    train, limits = rows_of(data), resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(event):
        if isinstance(event, Checkpointed) and event.step == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))

    try:
        with pytest.raises(StorageError, match=r"what is finished is kept|free space"):
            model = read_model(tiny_model, torch.float32, "cpu")
            run(model, tmp_path / "full", train, settings=settings, on_event=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = sorted(path.name for path in (tmp_path / "full" / "checkpoints").iterdir())
    assert kept == ["step-000001", "step-000002"]
    ended, planned = {}, []
    for folder in ("full", "whole"):
        model = read_model(tiny_model, torch.float32, "cpu")
        ended[folder] = run(
            model, tmp_path / folder, train, settings=settings, on_event=planned.append
        )
    assert [e.resumed_step for e in planned if isinstance(e, Planned)] == [2, 0]
    assert ended["full"].artefact_digest == ended["whole"].artefact_digest


def test_a_folder_that_cannot_be_written_is_said(words):
    if not os.path.isdir("/proc/self"):
        pytest.skip("needs /proc, which even root can't write to")
    child = weighbridge(*words("/proc/weighbridge")[3:])
    assert child.returncode == 2
    assert_one_line(child.stderr, "/proc/weighbridge")
