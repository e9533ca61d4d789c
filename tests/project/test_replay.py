"""Pack a finished project's evidence and judge it again; a small project stands for the demo."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from weighbridge.errors import EvidenceError
from weighbridge.evidence import RunStore
from weighbridge.project.replay import DIGESTS, copy_out, digests_json, judge_again, read_shipped


@pytest.fixture
def finished(repository, tmp_path):
    return shutil.copytree(repository / "tests/project/before_the_rooms", tmp_path / "finished")


@pytest.fixture(scope="module")
def make(repository):
    spec = importlib.util.spec_from_file_location("make", repository / "scripts/make_replay.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packed(make, finished, tmp_path):
    into = tmp_path / "shipped"
    make.write(make.packed(finished), into)
    return into


def replay(shipped, state):
    seen = []
    report = copy_out(read_shipped(shipped), state)
    store = RunStore(state / "runs")
    return judge_again(report, store, shipped, lambda run, result: seen.append(run.run_id)), seen


def test_what_is_packed_gives_the_same_page_and_verdict_elsewhere(finished, packed, tmp_path):
    replayed, seen = replay(packed, tmp_path / "state")
    assert replayed.written.judged.verdict == "paid"
    assert sorted(seen) == sorted(path.name for path in (finished / "runs").iterdir())
    page = finished / "reports/letters/report.html"
    assert replayed.written.page.read_bytes() == page.read_bytes()
    assert replayed.cost.seconds == pytest.approx(43, abs=1)
    assert replayed.cost.peak_memory_bytes > 5e8


def test_one_who_alters_a_file_and_its_digest_is_found_by_the_seal(packed, tmp_path):
    path = next(packed.rglob("*adapter*/samples.jsonl"))
    path.write_text(path.read_text().replace('"value": 0.0', '"value": 1.0', 1))
    files = {
        p.relative_to(packed).as_posix(): p.read_bytes()
        for p in packed.rglob("*")
        if p.is_file() and p.name != DIGESTS
    }
    (packed / DIGESTS).write_bytes(digests_json(files))
    with pytest.raises(EvidenceError, match=rf"{path.parent.name} fails the check '\w"):
        replay(packed, tmp_path / "state")


def test_a_verdict_that_the_runs_do_not_give_is_refused(packed, tmp_path):
    path = packed / "reports/letters/report.json"
    path.write_text(path.read_text().replace('"verdict":"paid"', '"verdict":"did not pay"'))
    digests = json.loads((packed / DIGESTS).read_text())
    files = {name: (packed / name).read_bytes() for name in digests}
    (packed / DIGESTS).write_bytes(digests_json(files))
    with pytest.raises(EvidenceError, match="gives the verdict 'paid'"):
        replay(packed, tmp_path / "state")


def test_a_missing_file_and_a_broken_list_are_named(packed):
    next(packed.rglob("seal.json")).unlink()
    with pytest.raises(EvidenceError, match=r"seal\.json can't be read.*reinstall"):
        read_shipped(packed)
    (packed / DIGESTS).write_text("[]")
    with pytest.raises(EvidenceError, match=r"digests\.json lists no digests"):
        read_shipped(packed)


def test_evidence_that_names_this_machine_or_does_not_verify_is_not_packed(make, finished):
    files = make.packed(finished)
    make._require_anonymous(files)
    for name in files:
        with pytest.raises(make.InputError, match="nothing that names this machine"):
            make._require_anonymous({name: str(Path.home()).encode()})
    path = finished / "reports/letters/report.json"
    path.write_text(path.read_text().replace("Does it learn letters?", "Does it learn more?"))
    with pytest.raises(make.InputError, match="does not verify"):
        make.packed(finished)
