"""A run of a million samples takes the memory of a short one, and reads what does not change."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from long_run import Ready, write_benchmark
from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.items import cut, survey
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore
from weighbridge.records import Message, Sample, canonical_digest

# What this run's samples had as a digest when all of them were sorted in memory at once.
DIGEST_OF_20_000 = "sha256:fc3782d264e116f7a5d4e22b343b31201d87d181037f42455cf5b97fff13ece8"


def command(repository, folder, samples, *more):
    folder.mkdir(exist_ok=True)
    return [sys.executable, repository / "tests" / "long_run.py", folder, str(samples), *more]


def measured(*words):
    done = subprocess.run(command(*words), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def cpu_seconds(took):
    return took["evaluate_cpu_seconds"] + took["verify_cpu_seconds"]


def peak(took):
    return max(took["evaluate_peak_bytes"], took["verify_peak_bytes"])


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["generative", "loglikelihood"])
def test_twenty_thousand_samples_take_little_more_than_none(repository, tmp_path, protocol):
    took = measured(repository, tmp_path, 20_000, "--protocol", protocol)
    assert took["verified"] and (took["n"], took["mean"]) == (20_000, 0.1)
    assert peak(took) - took["start_bytes"] < 40e6
    if protocol == "generative":
        assert took["digest"] == DIGEST_OF_20_000


@pytest.mark.slow
@pytest.mark.soak
def test_a_million_samples_take_little_more_than_twenty_thousand(repository, tmp_path):
    short = measured(repository, tmp_path / "short", 20_000)
    long = measured(repository, tmp_path / "long", 1_000_000)
    shutil.rmtree(tmp_path)
    assert long["verified"] and long["n"] == 1_000_000
    assert peak(long) - peak(short) < 300e6
    # No slower than in proportion, with room for a machine that is busy meanwhile.
    assert cpu_seconds(long) < 4 * 50 * cpu_seconds(short)


@pytest.mark.slow
def test_killed_while_it_streams_it_ends_with_the_same_digest(repository, tmp_path):
    def written():
        return sum(f.stat().st_size for f in (tmp_path / "runs").glob("*/samples.jsonl"))

    for _ in range(2):
        before = written()
        child = subprocess.Popen(command(repository, tmp_path, 20_000), stdout=subprocess.PIPE)
        while child.poll() is None and written() < before + 2_000_000:
            time.sleep(0.002)
        assert child.poll() is None, "it ended before it could be killed"
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    took = measured(repository, tmp_path, 20_000)
    assert took["verified"] and took["digest"] == DIGEST_OF_20_000


@pytest.fixture
def own(tmp_path):
    return write_benchmark(tmp_path, 100)


def place(tmp_path):
    return RunContext(RunStore(tmp_path / "runs"), 1, "2026-01-01T00:00:00+00:00")


class Meddler(Ready):
    """Changes a row of the benchmark's file, or takes the first away, before it is asked."""

    def __init__(self, rows, at):
        self.rows, self.at = rows, at

    def generate(self, requests):
        lines = self.rows.read_text().splitlines(keepends=True)
        lines[self.at] = lines[self.at].replace('"7"', '"8"')
        self.rows.write_text("".join(lines if self.at else lines[1:]))
        yield from super().generate(requests)


@pytest.mark.parametrize(("at", "kept"), [(50, 40), (99, 80), (0, 0)])
def test_a_file_that_changes_between_the_readings_is_one_clear_error(own, tmp_path, at, kept):
    with pytest.raises(InputError, match="items changed while they were asked"):
        evaluate(Meddler(tmp_path / "rows.jsonl", at), read_own_benchmark(own), place(tmp_path))
    (journal,) = (tmp_path / "runs").glob("*/samples.jsonl") if kept else (None,)
    assert (len(journal.read_text().splitlines()) if journal else 0) == kept


def test_a_file_that_loses_its_end_between_the_readings_is_seen(own, tmp_path):
    benchmark, calls = read_own_benchmark(own), []

    def load(request):
        calls.append(request)
        rows = list(benchmark.asking.load(request))
        return rows[:80] if len(calls) > 1 else rows

    with pytest.raises(InputError, match="items changed"):
        evaluate(
            Ready(),
            replace(benchmark, asking=replace(benchmark.asking, load=load)),
            place(tmp_path),
        )


def test_the_same_id_twice_is_found_before_anything_is_asked(own, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(rows.read_text().replace("row-71", "row-3"))
    with pytest.raises(MalformedRow, match=r"line 72.*'row-3' again, first in line 4"):
        evaluate(Ready(), read_own_benchmark(own), place(tmp_path))
    with pytest.raises(MalformedRow, match="first in line 4"):
        list(read_own_benchmark(own).asking.load(request(limit=3)))
    found = read_own_benchmark(own)
    asking = replace(found.asking, load=lambda _: iter([item("a"), item("b"), item("a")]))
    twice = replace(found, asking=asking)
    with pytest.raises(InputError, match="item 3 has the id 'a', as item 1 has"):
        evaluate(Ready(), twice, place(tmp_path))
    assert not (tmp_path / "runs").exists()


def request(**settings):
    from weighbridge.evaluation.benchmark import LoadRequest

    return LoadRequest(None, None, Settings(**settings))


def item(name, prefix=None):
    return Sample(name, (Message("user", "?"),), "x", metadata={"prefix": prefix} if prefix else {})


def test_a_survey_names_items_as_a_list_of_them_is_named(own):
    items = list(read_own_benchmark(own).asking.load(request()))
    seen = survey(lambda: iter(items), 3, 20)
    assert seen.digest == canonical_digest([one.digest for one in items])
    assert (seen.samples, seen.units) == (300, 15)
    assert survey(lambda: [], 1, 20).digest == canonical_digest([])


def test_units_are_cut_at_their_size_and_where_the_shared_prompt_changes():
    items = [item(f"a{i}", "P") for i in range(5)] + [item(f"b{i}", "Q") for i in range(2)]
    units = list(cut(iter(items), 2, 4))
    assert [unit.number for unit in units] == [0, 1, 2, 3]
    assert [[(s.id, repeat) for s, repeat in unit.samples] for unit in units] == [
        [("a0", 0), ("a0", 1), ("a1", 0), ("a1", 1)],
        [("a2", 0), ("a2", 1), ("a3", 0), ("a3", 1)],
        [("a4", 0), ("a4", 1)],
        [("b0", 0), ("b0", 1), ("b1", 0), ("b1", 1)],
    ]
