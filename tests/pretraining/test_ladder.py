"""A ladder as a user meets it: real processes, a real corpus, killed, resumed, altered."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.planning.scaling.ladder import LadderSettings, rungs
from weighbridge.pretraining import training
from weighbridge.pretraining.corpus import read_corpus
from weighbridge.pretraining.findings import as_points
from weighbridge.pretraining.folder import read_journal
from weighbridge.pretraining.sweep import train_ladder
from weighbridge.pretraining.training import rate_share, train

SMALL = LadderSettings(
    largest_flops=3.2e10, budgets=3, step=2.0, sizes=7, tokens_per_parameter=2.0, spread=3.0,
    mixture_sizes=1, experts=4, seeds=2, held_out=2.0, learning_rate=8e-3,
)  # fmt: skip


def losses(ladder):
    return {one.rung.name: one.trained.loss for one in ladder.trained_rungs}


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    """A ladder of the smallest models, undisturbed, by two processes."""
    folder = tmp_path_factory.mktemp("ladder") / "whole"
    said = []
    done = []
    found = train_ladder(SMALL, None, "", folder, 2, lambda *flops: done.append(flops), said.append)
    return found, folder, said, done


@pytest.mark.slow
def test_a_ladder_learns_and_concludes(ladder):
    found, _, _, done = ladder
    assert len(found.trained_rungs) == len(rungs(SMALL))
    values = np.array(list(losses(found).values()))
    assert (values < 0.7 * np.log(256)).all()  # a uniform guess is 5.55 nats
    assert float(found.law.law.alpha) > 0
    assert [pair.flops for pair in found.pairs] == [8e9, 1.6e10]
    for pair in found.pairs:
        by_hand = [b - a for a, b in zip(pair.dense, pair.mixture, strict=True)]
        assert pair.difference == pytest.approx(np.mean(by_hand))
        assert pair.interval[0] < pair.difference < pair.interval[1]
    fractions = [now / total for now, total in done]
    assert fractions == sorted(fractions)
    assert fractions[-1] <= 1


@pytest.mark.slow
def test_the_prediction_rests_on_the_smaller_models_alone(ladder):
    found, folder, said, _ = ladder
    written = json.loads((folder / "prediction.json").read_text())
    assert written["loss"] == found.prediction.loss
    smaller = [one for one in found.trained_rungs if one.rung.role in ("dense", "mixture")]
    again = as_points(smaller, "dense", "")
    assert len(again) == found.law.points == len(found.points)
    assert again.budgets.max() < written["parameters"] * written["tokens"] * 6
    assert any("predicted before training" in line for line in said)
    before = (folder / "prediction.json").stat().st_mtime
    journal = (folder / "rungs.jsonl").read_text().splitlines()
    assert "6.40e10" in journal[-1] and "6.40e10" in journal[-2]
    assert before <= (folder / "rungs.jsonl").stat().st_mtime


@pytest.mark.slow
def test_the_runs_are_what_scaling_fit_reads(ladder):
    from weighbridge.planning.scaling import parametric
    from weighbridge.planning.scaling.reading import read_points

    found, folder, *_ = ladder
    points = read_points(folder / "runs.csv", where=["role=dense"])
    assert len(points) == len(found.points)
    again = parametric.fit(points)
    assert float(again.law.alpha) == pytest.approx(float(found.law.law.alpha), rel=1e-3)
    with_mixtures = read_points(folder / "runs.csv")
    assert set(with_mixtures.experts) == {1.0, 4.0}


@pytest.mark.slow
def test_a_finished_ladder_is_not_trained_again(ladder):
    found, folder, *_ = ladder
    again = train_ladder(SMALL, None, "", folder, 2)
    assert losses(again) == losses(found)
    assert [one.trained.seconds for one in again.trained_rungs] == [
        one.trained.seconds for one in found.trained_rungs
    ]


@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_losses(ladder, tmp_path):
    """kill -9 of the parent alone: its workers must end by themselves.

    The last of it is trained by one process instead of two, which changes nothing either.
    """
    found, *_ = ladder
    folder = tmp_path / "killed"
    program = (
        "from pathlib import Path\n"
        "from weighbridge.planning.scaling.ladder import LadderSettings\n"
        "from weighbridge.pretraining.sweep import train_ladder\n"
        "if __name__ == '__main__':\n"
        f"    train_ladder({SMALL!r}, None, '', Path({str(folder)!r}), 2)\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    journal = folder / "rungs.jsonl"
    for kill in range(3):
        process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
        wanted = (kill + 1) * 5
        while process.poll() is None:
            if journal.exists() and len(journal.read_bytes().splitlines()) >= wanted:
                break
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        while _alive_in(process.pid):  # for ever, if a worker outlives its parent
            time.sleep(0.1)
    assert len(journal.read_bytes().splitlines()) < len(found.trained_rungs)
    again = train_ladder(SMALL, None, "", folder, 1)
    assert losses(again) == losses(found)


def _alive_in(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry))
    return found


def interrupt(after, done):
    if done >= after:
        raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dense", pytest.param("mixture", marks=pytest.mark.slow)])
def test_a_run_interrupted_within_goes_on_to_the_same_bits(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        corpus = read_corpus(None)
        rung = next(r for r in rungs(SMALL) if r.role == kind)
        whole = train(rung, corpus, 1e-2, tmp_path / "whole", lambda tokens: None)

        for stop_at in (rung.tokens // 3, rung.tokens // 2):
            with pytest.raises(KeyboardInterrupt):
                train(rung, corpus, 1e-2, tmp_path / "cut", partial(interrupt, stop_at))
        ended = train(rung, corpus, 1e-2, tmp_path / "cut", lambda tokens: None)
        assert (ended.loss, ended.loss_stderr) == (whole.loss, whole.loss_stderr)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_another_ladder_in_the_same_folder_is_refused(ladder):
    _, folder, *_ = ladder
    with pytest.raises(InputError, match="holds another ladder; what differs: settings"):
        train_ladder(replace(SMALL, seed=1), None, "", folder, 1)


@pytest.mark.slow
def test_a_text_that_changed_is_refused(ladder, tmp_path):
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "a.txt").write_text("".join(f"line {i} of a text\n" for i in range(100_000)))
    with pytest.raises(KeyboardInterrupt):
        train_ladder(SMALL, folder, "", tmp_path / "out", 2, lambda done, total: interrupt(0, done))
    (folder / "a.txt").write_text("".join(f"line {i} of a book\n" for i in range(100_000)))
    with pytest.raises(InputError, match="what differs: corpus"):
        train_ladder(SMALL, folder, "", tmp_path / "out", 2)


@pytest.mark.slow
def test_an_altered_prediction_is_noticed(ladder, tmp_path):
    _, folder, *_ = ladder
    path = folder / "prediction.json"
    kept = path.read_text()
    try:
        path.write_text(kept.replace('"loss": ', '"loss": 1'))
        with pytest.raises(InputError, match="not what the smaller models of this ladder predict"):
            train_ladder(SMALL, None, "", folder, 1)
    finally:
        path.write_text(kept)


@pytest.mark.slow
def test_the_same_text_by_another_path_is_the_same_ladder(tmp_path, monkeypatch):
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "a.txt").write_text("".join(f"line {i} of a text\n" for i in range(100_000)))
    monkeypatch.chdir(tmp_path)
    for path in (folder, Path("text")):
        with pytest.raises(KeyboardInterrupt):
            train_ladder(
                SMALL, path, "", tmp_path / "out", 2, lambda done, total: interrupt(0, done)
            )


@pytest.mark.slow
def test_a_torn_last_line_is_taken_back_and_another_is_refused(ladder, tmp_path):
    _, folder, *_ = ladder
    journal = tmp_path / "rungs.jsonl"
    data = (folder / "rungs.jsonl").read_bytes()
    journal.write_bytes(data[:-9])
    assert len(read_journal(journal)) == len(data.splitlines()) - 1
    assert journal.read_bytes().endswith(b"\n")
    journal.write_bytes(b'{"name": 3}\n' + data)
    with pytest.raises(InputError, match="line 1 is no record of a trained model"):
        read_journal(journal)


def test_a_rate_too_high_ends_in_one_line(tmp_path):
    corpus = read_corpus(None)
    rung = next(r for r in rungs(SMALL) if r.role == "dense")
    with pytest.raises(InputError, match="lower --learning-rate, which is 1e"):
        train(rung, corpus, 1e30, tmp_path / "none", lambda tokens: None)


def test_rates_rise_to_their_peak_and_end_near_nothing():
    shares = [rate_share(step, 200) for step in range(1, 201)]
    assert max(shares) == shares[19] == 1.0
    assert shares[:20] == sorted(shares[:20])
    assert shares[19:] == sorted(shares[19:], reverse=True)
    assert 0 < shares[-1] < 0.01


def test_the_standard_library_is_read_the_same_way_twice_and_split_by_files():
    one, two = read_corpus(None), read_corpus(None)
    assert one.digest == two.digest
    assert len(one.train) > 5_000_000
    share = len(one.validation) / (len(one.train) + len(one.validation))
    assert 0.02 < share < 0.12


def test_a_folder_within_its_own_text_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("words " * 1000)
    with pytest.raises(InputError, match="lies in its text"):
        train_ladder(SMALL, tmp_path, "", tmp_path / "out", 1)


@pytest.mark.parametrize("count", [39, 40, 41, 60])
def test_a_folder_of_any_number_of_files_has_text_held_out(count, tmp_path):
    for i in range(count):
        (tmp_path / f"{i:03}.txt").write_text(f"file {i} " * (200 if i else 20_000))
    corpus = read_corpus(tmp_path)
    share = len(corpus.validation) / (len(corpus.train) + len(corpus.validation))
    assert 0.02 < share < 0.3


def test_a_checkpoint_that_is_none_says_what_to_remove(tmp_path):
    rung = next(r for r in rungs(SMALL) if r.role == "dense")
    (tmp_path / "bad").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="remove the file, and that model starts again"):
        train(rung, read_corpus(None), 1e-2, tmp_path / "bad", lambda tokens: None)


@pytest.mark.slow
def test_a_killed_worker_is_one_clear_error_and_nothing_is_lost(tmp_path):
    """kill -9 of one worker, as the system does where memory ends."""
    folder = tmp_path / "out"

    def finished():
        journal = folder / "rungs.jsonl"
        return read_journal(journal) if journal.exists() else []

    def kill_one(done, total):
        if len(finished()) > 2:
            for child in multiprocessing.active_children()[:1]:
                os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(WeighbridgeError, match=r"ended with -9.*the same command goes on"):
        train_ladder(SMALL, None, "", folder, 2, kill_one)
    assert not multiprocessing.active_children()
    assert len(finished()) > 2


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda p: None, "is neither a file nor a folder"),
        (lambda p: p.mkdir(), "holds no UTF-8 text"),
        (lambda p: p.write_bytes(b"\xff\xfe\x00\x81" * 100), "holds no UTF-8 text"),
    ],
)
def test_a_corpus_without_text_is_refused(make, told, tmp_path):
    path = tmp_path / "corpus"
    make(path)
    with pytest.raises(InputError, match=told):
        read_corpus(path)


def test_files_that_are_no_text_are_left_out_and_counted(tmp_path):
    (tmp_path / "a.md").write_text("words " * 100)
    (tmp_path / "b.bin").write_bytes(b"\xff\x00\xfe" * 50)
    (tmp_path / ".hidden").write_text("secret")
    corpus = read_corpus(tmp_path)
    assert (corpus.files, corpus.skipped) == (1, 1)
    assert b"secret" not in corpus.train.tobytes()
    assert read_corpus(tmp_path, "*.md").digest == corpus.digest
