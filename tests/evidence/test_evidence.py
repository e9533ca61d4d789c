"""Nothing is lost, and nothing altered goes unseen."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.errors import EvidenceError, InputError, StorageError, UnknownName
from weighbridge.evidence import (
    Evaluated,
    Journal,
    RunHeader,
    RunStore,
    samples_digest,
    seal,
    verify,
)
from weighbridge.evidence.payloads.evaluation import PAYLOAD, Totals
from weighbridge.evidence.seal import tally
from weighbridge.records import (
    Graded,
    ModelRef,
    Provenance,
    ScoredSample,
    Ungraded,
    canonical_json,
)
from weighbridge.statistics import estimate
from weighbridge.storage import write_whole

MODEL = ModelRef("tiny", "directory:tiny", "sha256:" + "0" * 64)
FIELDS = {"model": dict(MODEL.identity), "benchmark": "b", "settings": {"shots": 0}}


def sample(number, *, right=True, latency=0.5):
    score = Graded(float(right), "A") if number % 7 else Ungraded("unparsed", "nothing")
    return ScoredSample(
        f"s/{number:03d}", 0, f"c{number % 3}", f"sha256:{number}", "sha256:p",
        f"Question {number}?", "A", "answer ✓", (-0.5, -1.25), "scored", 10, 0, 0, score, latency,
    )  # fmt: skip


def header(samples=20, units=4):
    return RunHeader(MODEL, "b", "1", None, "loglikelihood", {"shots": 0}, "mean", samples, units,
                     "2026-01-01T00:00:00+00:00")  # fmt: skip


def work(store, units=4, size=5):
    """A run's loop, as the runner has it."""
    with store.open(FIELDS, header(units * size, units)) as run:
        if run.finished:
            return run.finished
        for unit in range(units):
            if unit not in run.journal.finished_units():
                run.journal.append_unit(unit, [sample(unit * size + i) for i in range(size)])
                run.record(0.1, 10)
        place = Provenance({}, "3", "Linux", "cpu", 1, "2026-01-01T00:00:00+00:00")
        return run.seal(Evaluated(estimate(run.journal.samples()), place))


def test_a_run_is_sealed_found_again_and_verified(tmp_path):
    store = RunStore(tmp_path)
    run = work(store)
    assert work(store) == run
    assert store.find(FIELDS) == run
    assert store.read(run.run_id[:6], samples=False) == run
    assert store.read(run.run_id) == replace(
        run, samples=tuple(sorted((sample(i) for i in range(20)), key=lambda s: s.sample_id))
    )
    assert verify(store.folder_of(run.run_id)).ok
    assert [s.mean for s in store.summaries()] == [run.estimate.mean]


def test_a_torn_line_and_a_half_unit_are_dropped_and_done_again(tmp_path):
    whole = work(RunStore(tmp_path / "whole"))
    store = RunStore(tmp_path / "torn")
    with store.open(FIELDS, header()) as run:
        run.journal.append_unit(0, [sample(i) for i in range(5)])
        path = run.journal.path
    for torn in (b'{"unit": 1, "unit_size": 5, "sam', b""):
        lines = path.read_bytes()
        second = lines.splitlines(keepends=True)[0].replace(b'"unit": 0', b'"unit": 1')
        path.write_bytes(lines + second + torn)
        assert Journal(path, PAYLOAD).finished_units() == {0}
        assert path.read_bytes() == lines
    assert work(store).samples_digest == whole.samples_digest


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    journal = Journal(tmp_path / "samples.jsonl", PAYLOAD)
    journal.append_unit(0, [sample(i) for i in range(5)])
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[2] = b"garbage\n"
    journal.path.write_bytes(b"".join(lines))
    with pytest.raises(EvidenceError, match="line 3"):
        Journal(journal.path, PAYLOAD)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_digest(tmp_path):
    whole = work(RunStore(tmp_path / "whole"), units=12, size=40)
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_evidence as t
        append = t.Journal.append_unit
        def slowly(self, unit, samples):
            append(self, unit, samples)
            print(unit, flush=True)
            time.sleep(0.02)
        t.Journal.append_unit = slowly
        t.work(t.RunStore(t.Path({str(tmp_path / "killed")!r})), units=12, size=40)
        """)
    )
    for after in (1, 2, 4):
        child = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
        for _ in range(after):
            child.stdout.readline()
        time.sleep(0.003 * after)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    run = work(RunStore(tmp_path / "killed"), units=12, size=40)
    assert run.samples_digest == whole.samples_digest
    assert verify(tmp_path / "killed" / run.run_id).ok


def test_timing_is_not_part_of_the_digest_and_the_answer_is():
    rows = [sample(i) for i in range(5)]
    assert samples_digest(rows) == samples_digest(
        [replace(r, latency_seconds=9) for r in rows[::-1]]
    )
    assert samples_digest(rows) != samples_digest([replace(rows[0], output="B"), *rows[1:]])


@given(
    keys=st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), st.integers(0, 3)),
        unique=True, max_size=30,
    ),
    at_once=st.integers(1, 9),
)  # fmt: skip
def test_sorting_in_pieces_gives_the_digest_of_sorting_at_once(keys, at_once):
    rows = [replace(sample(i), sample_id=name, repeat=r) for i, (name, r) in enumerate(keys)]
    kept = [vars(replace(row, latency_seconds=0)) for row in rows]
    # As samples were before they could have charges: runs of that time verify.
    lines = [canonical_json({k: v for k, v in row.items() if k != "charges"}) for row in kept]
    ordered = sorted(range(len(rows)), key=lambda i: (rows[i].sample_id, rows[i].repeat))
    whole = hashlib.sha256(b"".join(hashlib.sha256(lines[i]).digest() for i in ordered))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seal, "SORTED_AT_ONCE", at_once)
        count = Totals()
        read = tally(iter(rows), PAYLOAD, count)
    assert read.digest == f"sha256:{whole.hexdigest()}"
    assert (read.samples, read.distinct) == (len(rows), len(rows))
    assert count.input_tokens == 10 * len(rows)
    assert tally(rows + rows[:2], PAYLOAD).distinct == len(rows)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("sealed"))
    return store.folder_of(work(store).run_id)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(["run.json", "samples.jsonl", "seal.json"]))
def test_any_changed_byte_that_changes_the_content_is_seen(sealed, data, name):
    original = (sealed / name).read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    to = data.draw(st.integers(0, 255).filter(lambda b: b != original[at]))
    changed = original[:at] + bytes([to]) + original[at + 1 :]
    if name == "samples.jsonl" and _same_samples(original, changed):
        return
    copy = sealed.parent.parent / "copy" / sealed.name
    shutil.copytree(sealed, copy, dirs_exist_ok=True)
    try:
        os.chmod(copy / name, 0o644)
        (copy / name).write_bytes(changed)
        assert not verify(copy).ok
    finally:
        shutil.rmtree(copy)


@pytest.mark.parametrize("name", ["latency_seconds", "why", "parts", "kind", "cluster"])
def test_a_field_that_lost_its_name_is_seen(sealed, tmp_path, name):
    """Read leniently it would have its default value, which may be what stood there."""
    copy = shutil.copytree(sealed, tmp_path / sealed.name)
    path = copy / "samples.jsonl"
    os.chmod(path, 0o644)
    path.write_bytes(path.read_bytes().replace(f'"{name}"'.encode(), b'"another"', 1))
    assert not verify(copy).ok


def _same_samples(a, b):
    """Whether a change touched only what the digest leaves out: timing and unit numbers."""
    try:
        first, second = ([json.loads(x) for x in y.splitlines()] for y in (a, b))
    except ValueError:
        return False
    for row in (*first, *second):
        if not isinstance(row, dict):
            return False
        for key in ("unit", "unit_size", "latency_seconds"):
            row.pop(key, None)
    return first == second


def test_two_processes_do_not_write_the_same_run(tmp_path):
    store = RunStore(tmp_path)
    with (
        store.open(FIELDS, header()),
        pytest.raises(StorageError, match=f"process {os.getpid()} works on"),
        store.open(FIELDS, header()),
    ):
        pass


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path):
    store = RunStore(tmp_path)
    with store.open(FIELDS, header()) as run:
        run.journal.append_unit(0, [sample(i) for i in range(5)])
        before = run.journal.path.read_bytes()
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limit[1]))
        try:
            with pytest.raises(StorageError, match="no room left"):
                run.journal.append_unit(1, [sample(i) for i in range(5, 10)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            signal.signal(signal.SIGXFSZ, ignored)
        assert run.journal.path.read_bytes() == before
    assert work(store).estimate.n == 20


def test_a_folder_that_can_not_be_written_says_so(tmp_path):
    with (
        pytest.raises(StorageError, match="can't use"),
        RunStore(Path("/proc/weighbridge")).open(FIELDS, header()),
    ):
        pass


def test_a_folder_that_was_taken_away_is_not_made_again(tmp_path):
    """A sealed run without the answers that it was sealed from would be worse than none."""
    with pytest.raises(StorageError, match="can't use"):
        write_whole(tmp_path / "gone" / "run.json", b"{}")
    assert list(tmp_path.iterdir()) == []


def test_unfinished_unknown_and_ambiguous_runs(tmp_path):
    store = RunStore(tmp_path)
    run = work(store)
    with store.open({**FIELDS, "benchmark": "c"}, header()) as other:
        other.journal.append_unit(0, [sample(i) for i in range(5)])
        other.record(1, 1)
    assert {(s.done, s.planned, s.mean is None) for s in store.summaries()} >= {(5, 20, True)}
    with pytest.raises(InputError, match="not finished"):
        store.read(other.run_id)
    with pytest.raises(InputError, match="2 runs begin"):
        store.read("b--")
    with pytest.raises(UnknownName, match="did you mean"):
        store.read(run.run_id[:-1] + "x")
