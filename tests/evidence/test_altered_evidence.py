"""A table of ways to alter evidence: `verify` names each, and whoever reads runs refuses it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from scored_runs import sealed as seal_scores
from weighbridge.errors import EvidenceError, StorageError, WeighbridgeError
from weighbridge.evidence import Journal, RunStore, read_run, read_samples, verify
from weighbridge.evidence.checked import CHECKED
from weighbridge.evidence.payloads.evaluation import PAYLOAD
from weighbridge.evidence.seal import file_digest, seal_of, tally
from weighbridge.records import Graded, Ungraded, canonical_json

BEFORE = Path(__file__).parent / "sealed_before"
SCORES = [Graded(1.0, "A", "", {"x": 0.5}), 0.0, Ungraded("refused", "no"), 0.5]


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("intact")
    name = seal_scores(folder, "m", SCORES, clusters=["a", "a", "b", "b"], usd_each=0.01)
    found = folder / ".weighbridge/runs" / name
    assert verify(found).ok
    for path in found.iterdir():
        path.chmod(0o644)
    (found / CHECKED).unlink(missing_ok=True)  # of files that were there, and are not in a copy
    return found


@pytest.fixture
def copy(intact, tmp_path):
    return shutil.copytree(intact, tmp_path / "runs" / intact.name)


def refused(folder):
    """Whether `verify` and every way of reading a run refuse a folder."""
    store = RunStore(folder.parent)
    assert not verify(folder).ok
    for samples in (False, True):
        with pytest.raises(WeighbridgeError):
            store.read(folder.name, samples=samples)
    (line,) = store.summaries() or [None]
    assert line is None or (line.mean is None and line.altered)
    assert not verify(folder).ok
    return True


def rewrite(folder, change, *, resealed):
    """Change a run's document; a forger with our code makes the digests and the seal again."""
    document = json.loads((folder / "run.json").read_bytes())
    change(document)
    try:
        data = canonical_json(document)
    except ValueError:
        data = json.dumps(document).encode()
    (folder / "run.json").write_bytes(data)
    if resealed:
        seal_again(folder)


def seal_again(folder):
    samples = folder / "samples.jsonl"
    read = tally(read_samples(samples), PAYLOAD)
    data = (folder / "run.json").read_bytes()
    seal = seal_of(data, read.digest, file_digest(samples))
    (folder / "seal.json").write_bytes(canonical_json(seal))


def put(document, path, value):
    *way, last = path.split(".")
    for key in way:
        document = document[key]
    document[last] = value


def leaves(value, where=""):
    if isinstance(value, dict) and value:
        return [leaf for key in value for leaf in leaves(value[key], f"{where}.{key}".strip("."))]
    return [where]


LEAVES = leaves(json.loads(next(BEFORE.glob("charged/*/run.json")).read_bytes()))


@pytest.mark.parametrize("path", LEAVES)
def test_each_field_altered_is_refused(copy, path):
    rewrite(copy, lambda d: put(d, path, "other"), resealed=False)
    assert refused(copy)


@pytest.mark.parametrize("path", LEAVES)
def test_each_field_taken_out_is_refused(copy, path):
    def take_out(document):
        *way, last = path.split(".")
        for key in way:
            document = document[key]
        del document[last]

    rewrite(copy, take_out, resealed=False)
    assert refused(copy)


FORGED = {
    "estimate.mean": 0.9, "estimate.mean_graded": 0.9, "estimate.stderr": 0.001,
    "estimate.interval": [0.8, 1], "estimate.n": 400, "estimate.ungraded.refused": 0,
    "estimate.bounds": [0.9, 0.9], "estimate.macro_mean": 0.9, "estimate.clusters.a": 1,
    "estimate.parts.x": 1, "estimate.cluster_sizes.a": 20, "estimate.scale": [0, 10],
    "estimate.aggregate": "pass_at_1", "estimate.extra": 1, "estimate.mean ": 1,
    "identity": "sha256:" + "0" * 64, "samples_digest": "sha256:" + "0" * 64, "run_id": "b--x",
    "benchmark": "c", "settings.shots": 5, "settings.extra": 1, "settings.stop": {"reference": "x"},
    "settings.judge": {"model": "x"}, "model.weights_digest": "sha256:1", "model.dtype": "int4",
    "model.tokenizer_digest": "sha256:2", "identity_fields.benchmark": "c",
    "identity_fields.model.dtype": "int4", "identity_fields.extra": 1,
    "identity_fields.settings": {"shots": 5}, "planned_samples": 400, "planned_samples ": 4,
    "schema_version": 2, "schema_version ": 1, "provenance.cost_usd": 0,
    "provenance.input_tokens": 1, "provenance.output_tokens": 1, "provenance.judge_cost_usd": 1,
    "provenance.wall_seconds": -1, "provenance.computed_tokens": -1, "provenance.threads": "1",
    "provenance.judge_seconds": -1, "provenance.judge_tokens": "0", "unasked_samples": -1,
    "extra": 1, "conditions": {"sampling": {}}, "samples": [], "protocol": 7,
    "stopped": {"early": True}, "slicing": {"kind": {"a": ["s0000"]}},
}  # fmt: skip


@pytest.mark.parametrize("path", FORGED)
def test_a_forger_with_a_new_seal_is_refused_where_the_samples_or_the_identity_say_otherwise(
    copy, path
):
    rewrite(copy, lambda d: put(d, path, FORGED[path]), resealed=True)
    assert refused(copy)


TYPES = {
    "estimate.mean": "0.375", "estimate.n": True, "estimate.stderr": None, "benchmark": None,
    "provenance.input_tokens": "4", "planned_samples": True, "schema_version": True,
    "schema_version ": None, "identity_fields": [], "estimate": [], "provenance.notes": "none",
}  # fmt: skip


@pytest.mark.parametrize("path", TYPES)
def test_a_value_of_another_type_is_refused_with_a_new_seal_too(copy, path):
    rewrite(copy, lambda d: put(d, path, TYPES[path]), resealed=True)
    assert refused(copy)


TEXTS = {
    "twice": lambda t: t.replace('"benchmark":"b"', '"benchmark":"b","benchmark":"b"', 1),
    "NaN": lambda t: t.replace('"wall_seconds":0', '"wall_seconds":NaN'),
    "Infinity": lambda t: t.replace('"wall_seconds":0', '"wall_seconds":Infinity'),
    "endless": lambda t: t.replace('"wall_seconds":0', '"wall_seconds":1e999'),
    "spaces": lambda t: t.replace(":", ": "),
    "a line's end": lambda t: t + "\n",
    "a mark before it": lambda t: "\ufeff" + t,
    "cut": lambda t: t[:-20],
    "empty": lambda _: "",
    "a list": lambda t: f"[{t}]",
    "deep": lambda _: "[" * 100_000,
    "digits": lambda t: t.replace('"n":4', '"n":' + "4" * 5000),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("file", ["run.json", "seal.json"])
def test_a_document_written_otherwise_is_refused(copy, file, name):
    text = (copy / file).read_text()
    changed = TEXTS[name](text)
    if changed == text:
        changed = text.replace('"algorithm"', '"algorithm":1,"algorithm"', 1)
    (copy / file).write_text(changed)
    if file == "run.json":
        seal_again(copy)
    assert refused(copy)


SEAL = ("algorithm", "run_digest", "samples_digest", "samples_file_digest", "seal",
        "schema_version")  # fmt: skip


@pytest.mark.parametrize("value", ["other", None, 3, "taken out"])
@pytest.mark.parametrize("key", [*SEAL, "extra"])
def test_each_field_of_the_seal_altered_is_refused(copy, key, value):
    seal = json.loads((copy / "seal.json").read_bytes())
    seal[key] = value
    if value == "taken out":
        del seal[key]
        seal |= {} if key in SEAL else {"other": 1}
    (copy / "seal.json").write_bytes(canonical_json(seal))
    assert refused(copy)


LINES = {
    "sample_id": "other", "repeat": 1, "repeat ": 0, "cluster": "b", "sample_digest": "x",
    "prompt_digest": "x", "question": "other", "target": {"x": 2}, "output": "other",
    "logprobs": [-1.0], "stop": "length", "input_tokens": 2, "output_tokens": 2, "seed": 1,
    "latency_seconds": 9.0, "charges": [], "unit": 1, "unit_size": 5, "extra": 1,
    "score.value": 0.0, "score.answer": "B", "score.why": "x", "score.parts": {}, "score.extra": 1,
    "score.kind": "ungraded", "unit ": 0,
}  # fmt: skip
BAD_LINES = {
    "input_tokens": "1", "repeat": True, "latency_seconds": "0", "seed": "0", "unit": "0",
    "unit_size": True, "output_tokens": -1, "extra": 1, "score.extra": 1, "score.value": "1",
    "logprobs": {}, "charges": [{"by": "model"}], "latency_seconds ": 0, "repeat ": -1,
    "cluster": 5, "target ": 1,
}  # fmt: skip
CHARGES = {
    "input_tokens": -1, "cached_input_tokens": 5, "output_tokens": -9, "reasoning_tokens": 2,
    "by": "nobody", "rate.input_usd_per_million_tokens": -1.0, "extra": 0,
    "rate.output_usd_per_million_tokens": 1e300, "rate.extra": 1,
}  # fmt: skip


def change_line(folder, change, number=0):
    path = folder / "samples.jsonl"
    lines = path.read_text().splitlines()
    row = json.loads(lines[number])
    change(row)
    lines[number] = json.dumps(row)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("path", LINES)
def test_each_field_of_a_sample_altered_is_refused(copy, path):
    change_line(copy, lambda row: put(row, path, LINES[path]))
    assert refused(copy)


@pytest.mark.parametrize("path", BAD_LINES)
def test_a_line_that_is_none_of_ours_is_refused_whatever_the_seal(copy, path):
    change_line(copy, lambda row: put(row, path, BAD_LINES[path]))
    seal_file_alone(copy)
    assert refused(copy)


@pytest.mark.parametrize("path", CHARGES)
def test_a_charge_that_can_not_be_is_refused_whatever_the_seal(copy, path):
    change_line(copy, lambda row: put(row["charges"][0], path, CHARGES[path]))
    seal_file_alone(copy)
    assert refused(copy)


def seal_file_alone(folder):
    stated = json.loads((folder / "run.json").read_bytes())["samples_digest"]
    data, samples = (folder / "run.json").read_bytes(), folder / "samples.jsonl"
    (folder / "seal.json").write_bytes(canonical_json(seal_of(data, stated, file_digest(samples))))


def lines_of(change):
    def alter(folder):
        path = folder / "samples.jsonl"
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return alter


FILES = {
    "a line fewer": lines_of(lambda rows: rows[:-1]),
    "a line twice": lines_of(lambda rows: [*rows, rows[0]]),
    "another order": lines_of(lambda rows: rows[::-1]),
    "an empty line": lines_of(lambda rows: [*rows, b"\n"]),
    "a line cut": lines_of(lambda rows: [*rows[:-1], rows[-1][:-5]]),
    "no line's end": lines_of(lambda rows: [*rows[:-1], rows[-1].rstrip()]),
    "a key twice": lines_of(lambda rows: [rows[0].replace(b'{"unit"', b'{"unit": 0, "unit"', 1),
                                          *rows[1:]]),
    "NaN": lines_of(lambda rows: [rows[0].replace(b'"latency_seconds": 0.0',
                                                  b'"latency_seconds": NaN'), *rows[1:]]),
    "nothing": lines_of(lambda _: []),
    "no samples": lambda folder: (folder / "samples.jsonl").unlink(),
    "a folder for samples": lambda folder: ((folder / "samples.jsonl").unlink(),
                                            (folder / "samples.jsonl").mkdir()),
    "no document": lambda folder: (folder / "run.json").unlink(),
    "no seal": lambda folder: (folder / "seal.json").unlink(),
    "the seal is a folder": lambda folder: ((folder / "seal.json").unlink(),
                                            (folder / "seal.json").mkdir()),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_taken_away_cut_or_put_in_another_order_are_refused(copy, name):
    FILES[name](copy)
    assert refused(copy)


@pytest.mark.parametrize("name", ["copy", "b--m--0000000000", "b--n--8b56b689b3", "8b56b689b3"])
def test_a_run_under_another_name_is_refused(copy, name):
    assert refused(copy.rename(copy.with_name(name)))


def test_swapped_folders_and_files_are_refused(intact, tmp_path):
    other = intact.parent / seal_scores(intact.parents[2], "other", [1.0, 1.0, 1.0, 1.0])
    for mine, its in ((intact, other), (other, intact)):
        assert refused(shutil.copytree(its, tmp_path / mine.name / mine.name))
    for number, name in enumerate(("run.json", "seal.json", "samples.jsonl")):
        folder = shutil.copytree(intact, tmp_path / str(number) / intact.name)
        (folder / name).write_bytes((other / name).read_bytes())
        assert refused(folder)
    shutil.rmtree(other)


def settled(folder):
    """Read a run when its files are old enough for what was checked to be noted."""
    past = 1_600_000_000_123_456_789
    os.utime(folder / "samples.jsonl", ns=(past, past))
    for _ in range(200):
        read_run(folder, samples=False)
        if (folder / CHECKED).exists():
            return json.loads((folder / CHECKED).read_bytes())
    raise AssertionError("never noted")


def test_what_was_checked_is_not_read_again_until_a_file_changes(copy, monkeypatch):
    import weighbridge.evidence.checked as checked

    settled(copy)
    times = []
    monkeypatch.setattr(checked, "checks_of", lambda *a, **k: times.append(1) or [])
    read_run(copy, samples=False)
    assert not times
    os.utime(copy / "samples.jsonl")
    read_run(copy, samples=False)
    assert times


def test_an_altered_sample_is_seen_although_its_time_and_size_are_put_back(copy):
    settled(copy)
    path, was = copy / "samples.jsonl", (copy / "samples.jsonl").stat()
    path.write_bytes(path.read_bytes().replace(b'"output": "o"', b'"output": "p"', 1))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert path.stat().st_size == was.st_size
    assert refused(copy)


INDEXES = [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 4000, b"1" * 5000, b'{"checks": 1}']


@pytest.mark.parametrize("index", [*INDEXES, None])
def test_no_index_makes_an_altered_run_verify(copy, index):
    noted = settled(copy)
    change_line(copy, lambda row: put(row, "output", "other"))
    found = (copy / "samples.jsonl").stat()
    noted["samples"] = [str(n) for n in (found.st_dev, found.st_ino, found.st_size)]
    noted["changed"] = [str(found.st_mtime_ns), str(found.st_ctime_ns)]
    (copy / CHECKED).write_bytes(canonical_json(noted) if index is None else index)
    assert not verify(copy).ok
    if index is not None:  # a whole one can be forged: it is a cache
        assert refused(copy)


def test_an_index_does_not_cover_an_altered_document(copy):
    settled(copy)
    rewrite(copy, lambda d: put(d, "estimate.mean", 0.9), resealed=True)
    assert refused(copy)


@pytest.mark.parametrize("path", sorted(BEFORE.glob("*/*")), ids=lambda path: path.parent.name)
def test_evidence_that_was_sealed_before_is_read_and_verifies(path, tmp_path):
    folder = shutil.copytree(path, tmp_path / path.name)
    assert verify(folder).ok
    assert RunStore(tmp_path).read(path.name).samples
    assert [line.altered for line in RunStore(tmp_path).summaries()] == [""]


def started(folder):
    from test_evidence import FIELDS, header

    return RunStore(folder).open(FIELDS, header())


def test_a_journal_that_another_process_appended_to_takes_no_more(tmp_path):
    from test_evidence import sample, work
    from test_evidence import verify as check

    units = [[sample(unit * 5 + i) for i in range(5)] for unit in range(4)]
    with pytest.raises(StorageError, match="works on"), started(tmp_path) as run:
        run.journal.append_unit(0, units[0])
        (run.folder / ".lock").unlink()  # somebody tidies up
        with started(tmp_path) as other:
            other.journal.append_unit(1, units[1])
        run.journal.append_unit(1, units[1])
    done = work(RunStore(tmp_path))
    assert done.estimate.n == 20 and check(tmp_path / done.run_id).ok


def test_a_removed_journal_takes_no_more(tmp_path):
    from test_evidence import sample

    with pytest.raises(StorageError, match="another process"), started(tmp_path) as run:
        run.journal.append_unit(0, [sample(i) for i in range(5)])
        run.journal.path.unlink()
        run.journal.append_unit(1, [sample(i) for i in range(5, 10)])


JOURNALS = {
    "a unit twice": lambda rows: rows + rows[:2],
    "a line within another unit": lambda rows: [rows[0], *rows[2:]],
    "another size": lambda rows: [rows[0].replace(b'"unit_size": 2', b'"unit_size": 1'), *rows[1:]],
    "a number as text": lambda rows: [rows[0].replace(b'"repeat": 0', b'"repeat": "0"'), *rows[1:]],
    "a field more": lambda rows: [rows[0].replace(b'"unit"', b'"x": 1, "unit"', 1), *rows[1:]],
    "a key twice": lambda rows: [rows[0].replace(b'"unit"', b'"unit": 0, "unit"', 1), *rows[1:]],
    "a unit below 0": lambda rows: [r.replace(b'"unit": 0', b'"unit": -1') for r in rows],
}


@pytest.mark.parametrize("name", JOURNALS)
def test_an_unfinished_journal_is_checked_line_by_line_before_it_goes_on(tmp_path, name):
    from test_evidence import sample

    journal = Journal(tmp_path / "samples.jsonl", PAYLOAD)
    for unit in range(3):
        journal.append_unit(unit, [sample(2 * unit), sample(2 * unit + 1)])
    rows = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join(JOURNALS[name](rows)))
    with pytest.raises(EvidenceError, match="line"):
        Journal(journal.path, PAYLOAD)


def test_an_unfinished_run_of_another_identity_is_not_gone_on_with(tmp_path):
    from test_evidence import FIELDS, header

    with started(tmp_path) as run:
        folder = run.folder
    with started(tmp_path / "other") as run:
        path = run.folder / "progress.json"
        state = json.loads(path.read_bytes())
    state["identity_fields"]["settings"] = {"shots": 5}
    (folder / "progress.json").write_bytes(canonical_json(state))
    with (
        pytest.raises(EvidenceError, match="another run"),
        RunStore(tmp_path).open(FIELDS, header()),
    ):
        pass
