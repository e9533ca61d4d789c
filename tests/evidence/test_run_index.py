"""The index of a store saves reading unchanged runs, and is never believed over their files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import weighbridge.evidence.listing as listing
import weighbridge.evidence.summary as summary
from scored_runs import sealed as seal_scores
from weighbridge.evidence import RunStore, verify
from weighbridge.evidence.checked import CHECKED
from weighbridge.evidence.index import INDEX
from weighbridge.records import canonical_json

LONG_AGO_NS = 1_600_000_000_123_456_789


@pytest.fixture
def store(tmp_path):
    """Three sealed runs, whose times of change are old enough to be noted."""
    for name, scores in (("one", [1.0, 0.0]), ("two", [1.0, 1.0]), ("three", [0.0, 0.0])):
        seal_scores(tmp_path, name, scores)
    found = RunStore(tmp_path / ".weighbridge/runs")
    for folder in found.root.iterdir():
        for path in folder.iterdir():
            path.chmod(0o644)
    wait_until_settled(found)
    return found


def wait_until_settled(store):
    """List until each run is in the index: what has just been changed is not noted yet."""
    for _ in range(1000):
        store.summaries()
        if len(noted(store)) == len(list(store.root.glob("*/seal.json"))):
            return
    raise AssertionError("never noted")


def noted(store):
    path = store.root / INDEX
    return json.loads(path.read_bytes())["runs"] if path.exists() else {}


@pytest.fixture
def opened(monkeypatch):
    """The names of the runs whose files a listing opened."""
    names = []
    summary_of = summary.summary_of

    def counted(folder):
        names.append(folder.name)
        return summary_of(folder)

    monkeypatch.setattr(summary, "summary_of", counted)
    return names


def test_listing_unchanged_runs_brings_neither_scipy_nor_pydantic(store):
    code = (
        "import sys; from pathlib import Path; from weighbridge.evidence import summaries\n"
        "assert len(summaries(Path(sys.argv[1]))) == 3\n"
        "assert not {'scipy', 'pydantic', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, store.root], check=True)


def forget_checks(store):
    for path in store.root.glob(f"*/{CHECKED}"):
        path.unlink()


def run_of(store, model):
    return next(store.root.glob(f"b--{model}--*"))


def test_unchanged_runs_are_listed_from_the_index_without_opening_them(store, opened):
    before = RunStore(store.root).summaries()
    assert opened == [] and [type(run.mean) for run in before] == [float] * 3
    (store.root / INDEX).unlink()
    assert RunStore(store.root).summaries() == before
    assert len(opened) == 3


ALTERED = {
    "another answer": ("samples.jsonl", b'"output": "o"', b'"output": "p"'),
    "another figure": ("run.json", b'"mean":0.5', b'"mean":0.7'),
    "another seal": ("seal.json", b'"algorithm":"s', b'"algorithm":"t'),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_file_is_seen_although_its_size_and_time_are_put_back(store, name):
    file, was, becomes = ALTERED[name]
    path = run_of(store, "one") / file
    found = path.stat()
    data = path.read_bytes()
    assert was in data
    path.write_bytes(data.replace(was, becomes, 1))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (found.st_size, found.st_mtime_ns)
    for _ in range(2):  # what is altered is never noted as checked
        altered = {run.run_id: run.mean for run in store.summaries() if run.altered}
        assert altered == {path.parent.name: None}
    path.write_bytes(data)
    assert not any(run.altered for run in store.summaries())


def test_only_what_changed_is_opened_again(store, opened):
    os.utime(run_of(store, "two") / "samples.jsonl", ns=(LONG_AGO_NS, LONG_AGO_NS))
    assert len(store.summaries()) == 3
    assert opened == [run_of(store, "two").name]


def test_a_file_that_another_took_the_name_of_is_checked_again(store, tmp_path, opened):
    path = run_of(store, "one") / "samples.jsonl"
    moved = path.rename(tmp_path / "moved")
    path.symlink_to(moved)
    (told,) = [run for run in store.summaries() if run.altered]
    assert told.run_id == path.parent.name and opened == [path.parent.name]
    path.unlink()
    moved.rename(path)
    assert not any(run.altered for run in store.summaries())


def test_swapped_folders_are_seen(store):
    one, two = run_of(store, "one"), run_of(store, "two")
    aside = one.rename(one.with_name("aside"))
    two.rename(one)
    aside.rename(two)
    assert {run.run_id for run in store.summaries() if run.altered} == {one.name, two.name}


def test_a_copied_store_does_not_trust_the_index_that_came_with_it(store, tmp_path, opened):
    copied = RunStore(shutil.copytree(store.root, tmp_path / "copied"))
    path = run_of(copied, "one") / "run.json"
    path.write_bytes(path.read_bytes().replace(b'"mean":0.5', b'"mean":0.7', 1))
    told = {run.run_id for run in copied.summaries() if run.altered}
    assert told == {path.parent.name} and len(opened) == 3


def test_a_removed_run_leaves_the_index_and_a_new_one_enters_it(store, tmp_path):
    shutil.rmtree(run_of(store, "one"))
    seal_scores(tmp_path, "four", [1.0])
    assert {run.model for run in store.summaries()} == {"two", "three", "four"}
    wait_until_settled(store)
    assert {row[1] for row in noted(store).values()} == {"two", "three", "four"}


DAMAGED = {
    "empty": b"",
    "cut": None,
    "a list": b"[]",
    "nothing": b"null",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "rows that are a list": b'{"of":[1,1],"runs":[]}',
    "no rows": b'{"of":[1,1]}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_index_is_made_anew_without_a_word(store, name, opened):
    before = store.summaries()
    path = store.root / INDEX
    path.write_bytes(DAMAGED[name] if name != "cut" else path.read_bytes()[:-30])
    assert store.summaries() == before and len(opened) == 3
    assert len(noted(store)) == 3


ROWS = {
    "no row": 7,
    "an object": {},
    "short": lambda row: row[:3],
    "a text for a mean": lambda row: [*row[:6], "0.5", *row[7:]],
    "a count that is true": lambda row: [*row[:4], True, *row[5:]],
    "no number": lambda row: [*row[:6], float("nan"), *row[7:]],
    "a name that is a list": lambda row: [row[0], ["x"], *row[2:]],
    "an interval of three": lambda row: [*row[:8], [0.0, 0.5, 1.0]],
    "another stamp": lambda row: [[0] * 15, *row[1:]],
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_was_never_written_so_is_passed_over(store, name, opened):
    before = store.summaries()
    written = json.loads((store.root / INDEX).read_bytes())
    key = run_of(store, "one").name
    change = ROWS[name]
    written["runs"][key] = change(written["runs"][key]) if callable(change) else change
    (store.root / INDEX).write_text(json.dumps(written))
    assert store.summaries() == before and opened == [key]


def test_an_index_of_other_checks_counts_as_none(store, monkeypatch, opened):
    monkeypatch.setattr(listing, "CHECKS", 999)
    assert len(store.summaries()) == 3 and len(opened) == 3


def test_a_forged_index_misleads_the_list_until_it_is_deleted_and_nothing_else(store):
    written = json.loads((store.root / INDEX).read_bytes())
    folder = run_of(store, "one")
    written["runs"][folder.name][6] = 0.99
    (store.root / INDEX).write_text(json.dumps(written))
    assert 0.99 in {run.mean for run in store.summaries()}  # as docs/threat-model.md says
    assert store.read(folder.name).estimate.mean == 0.5 and verify(folder).ok
    (store.root / INDEX).unlink()
    assert 0.99 not in {run.mean for run in store.summaries()}


def test_a_store_that_can_not_be_written_is_listed_without_an_index(store, monkeypatch):
    import weighbridge.evidence.index as index_module

    before = store.summaries()
    (store.root / INDEX).unlink()
    forget_checks(store)

    def full(*_, **__):
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(index_module, "replace_file", full)
    assert store.summaries() == before and not (store.root / INDEX).exists()


def test_two_processes_may_list_and_write_it_at_once(store):
    code = (
        "import sys; from pathlib import Path; from weighbridge.evidence import RunStore\n"
        "for _ in range(15):\n"
        f"    (Path(sys.argv[1]) / {INDEX!r}).unlink(missing_ok=True)\n"
        "    found = RunStore(Path(sys.argv[1])).summaries()\n"
        "    assert sorted(run.mean for run in found) == [0.0, 0.5, 1.0], found\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, store.root]) for _ in range(2)]
    assert [child.wait() for child in both] == [0, 0]
    assert len(noted(store)) == 3
    assert [path.name for path in store.root.glob(".*")] == [INDEX]


def test_an_unfinished_run_is_never_in_the_index(store, tmp_path):
    from test_evidence import FIELDS, header, sample

    with store.open(FIELDS, header()) as run:
        run.journal.append_unit(0, [sample(i) for i in range(5)])
    assert {(run.done, run.planned) for run in store.summaries() if run.mean is None} == {(5, 20)}
    assert run.run_id not in noted(store)


def test_a_run_of_which_nothing_was_graded_is_listed_alike_with_and_without_the_index(tmp_path):
    from weighbridge.records import Ungraded

    seal_scores(tmp_path, "m", [Ungraded("infrastructure")] * 2)
    store = RunStore(Path(tmp_path / ".weighbridge/runs"))
    before = store.summaries()
    wait_until_settled(store)
    assert store.summaries() == before and before[0].mean is None


def test_an_altered_document_with_its_digests_made_again_is_seen(store):
    from test_altered_evidence import seal_again

    folder = run_of(store, "one")
    stated = json.loads((folder / "run.json").read_bytes())
    stated["estimate"]["mean"] = 0.9
    (folder / "run.json").write_bytes(canonical_json(stated))
    seal_again(folder)
    assert {run.run_id for run in store.summaries() if run.altered} == {folder.name}
