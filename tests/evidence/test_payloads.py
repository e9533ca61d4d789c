"""One envelope for every kind of evidence, and for every version of each kind."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from commands import weighbridge
from scored_runs import sealed as seal_scores
from weighbridge.errors import EvidenceError, InputError
from weighbridge.evidence import RunStore, document, payloads, verify
from weighbridge.evidence.payload import Keys, NewerEvidence, find_payload, payload_names
from weighbridge.evidence.payloads import evaluation
from weighbridge.evidence.seal import file_digest, seal_of, tally
from weighbridge.records import EvalRun, Provenance, ScoredSample, canonical_json

HERE = Path(__file__).parent
KINDS, BUNDLES = HERE / "labels_kind", HERE / "bundles"
UNITS, SIZE = 6, 4
FIELDS = {"question": "is it polite?", "items": "sha256:1"}
PLACE = Provenance({}, "3", "Linux", "cpu", 1, "2026-01-01T00:00:00+00:00")


@pytest.fixture
def labels(monkeypatch):
    """The module of a second kind, as it is where one file was added to the folder of kinds."""
    monkeypatch.setattr(payloads, "__path__", [*payloads.__path__, str(KINDS)])
    found = find_payload("labels")
    yield sys.modules[type(found).__module__]
    del sys.modules[type(found).__module__], payloads.labels


def at_version(labels, monkeypatch, version):
    """Go back to the time when this was the newest version of the second kind."""
    monkeypatch.setattr(labels.Labels, "newest", version)
    monkeypatch.setattr(labels, "PAYLOAD", labels.Labels())


def label(labels, number):
    said = ("polite", "rude", "polite", "unclear")[number % 4]
    return labels.Label(f"item-{number:02d}", "reviewer-1", said, 0.5, number % 4 != 3)


def work(store, labels, until=UNITS, place=PLACE):
    """Label unit by unit; unfinished where `until` comes before the end."""
    header = labels.LabelHeader("politeness", UNITS * SIZE, PLACE.started)
    with store.open(FIELDS, header) as run:
        if run.finished is not None:
            return run.finished
        for unit in range(until):
            if unit not in run.journal.finished_units():
                rows = [label(labels, unit * SIZE + i) for i in range(SIZE)]
                run.journal.append_unit(unit, rows)
                run.record(0.1, 0)
        return run.seal(labels.Labelled(place)) if until == UNITS else None


def altered(folder, name, was, becomes):
    path = folder / name
    path.chmod(0o644)
    data = path.read_bytes()
    assert was in data
    path.write_bytes(data.replace(was, becomes, 1))


def wrong(folder):
    return {check.name for check in verify(folder).checks if not check.ok}


def seal_again(folder, payload):
    """Make digests and seal anew, as a forger with our code would."""
    from weighbridge.evidence.journal import read_samples

    samples, stated = folder / "samples.jsonl", json.loads((folder / "run.json").read_bytes())
    read = tally(read_samples(samples, payload), payload)
    stated["samples_digest"] = read.digest
    for name in ("run.json", "seal.json"):
        (folder / name).chmod(0o644)
    data = canonical_json(stated)
    (folder / "run.json").write_bytes(data)
    seal = seal_of(data, read.digest, file_digest(samples))
    (folder / "seal.json").write_bytes(canonical_json(seal))


def test_every_kind_is_named_as_its_file(labels):
    assert payload_names() == ("attacks", "evaluation", "labels")
    for name in payload_names():
        payload = find_payload(name)
        assert payload.name == name and payload.version == payload.newest
        assert payload.at(1).version == 1


def test_a_second_kind_is_sealed_found_again_listed_and_verified(labels, tmp_path):
    store = RunStore(tmp_path)
    work(store, labels, until=2)
    (unfinished,) = store.summaries()
    assert (unfinished.done, unfinished.planned, unfinished.benchmark) == (8, 24, "politeness")
    run = work(store, labels)
    assert run.counts == {"polite": 12, "rude": 6, "unclear": 6} and run.uncertain == 6
    assert work(store, labels) == run == store.find_as(labels.PAYLOAD, FIELDS)
    read = store.read_as(labels.PAYLOAD, run.run_id)
    assert [one.item for one in read.labels] == [f"item-{i:02d}" for i in range(24)]
    assert verify(tmp_path / run.run_id).ok
    (line,) = store.summaries()
    assert (line.benchmark, line.done, line.mean, line.altered) == ("politeness", 24, None, "")


@pytest.mark.slow
def test_a_second_kind_killed_at_any_moment_ends_with_the_same_digest(labels, tmp_path):
    whole = work(RunStore(tmp_path / "whole"), labels)
    script = tmp_path / "work.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys, time
        sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
        from pathlib import Path
        from weighbridge.evidence import RunStore, payloads, Journal
        from weighbridge.evidence.payload import find_payload
        payloads.__path__.append({str(KINDS)!r})
        labels = sys.modules[type(find_payload("labels")).__module__]
        append = Journal.append_unit
        def slowly(self, unit, samples):
            append(self, unit, samples)
            print(unit, flush=True)
            time.sleep(60)
        Journal.append_unit = slowly
        import test_payloads
        test_payloads.work(RunStore(Path({str(tmp_path / "killed")!r})), labels)
        """)
    )
    for unit in range(2):
        child = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == f"{unit}\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    run = work(RunStore(tmp_path / "killed"), labels)
    assert run.run_id == whole.run_id
    for name in ("run.json", "seal.json", "samples.jsonl"):
        files = [tmp_path / where / run.run_id / name for where in ("whole", "killed")]
        one, other = (path.read_bytes() for path in files)
        assert one == other, name
    assert verify(tmp_path / "killed" / run.run_id).ok


ALTERED = {
    "a label": ("samples.jsonl", b'"rude"', b'"Rude"', {"samples digest", "figure counts"}),
    "a time": ("samples.jsonl", b'"seconds": 0.5', b'"seconds": 0.6', {"seal: seal"}),
    "a count": ("run.json", b'"rude":6', b'"rude":7', {"figure counts", "seal: run_digest"}),
    "a field's name": ("run.json", b'"title":', b'"tidle":', {"readable"}),
    "the kind": ("run.json", b'"labels","planned', b'"babels","planned', {"readable"}),
    "the identity": ("run.json", b'"items":"sha256:1"', b'"items":"sha256:2"', {"identity"}),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_byte_of_a_second_kind_is_named(labels, tmp_path, name):
    store = RunStore(tmp_path)
    folder = tmp_path / work(store, labels).run_id
    file, was, becomes, named = ALTERED[name]
    altered(folder, file, was, becomes)
    assert named <= wrong(folder) and not verify(folder).newer
    with pytest.raises(EvidenceError):
        store.read_as(labels.PAYLOAD, folder.name)


def test_figures_of_a_second_kind_are_recomputed_whoever_sealed_them(labels, tmp_path):
    folder = tmp_path / work(RunStore(tmp_path), labels).run_id
    altered(folder, "run.json", b'"uncertain":6', b'"uncertain":5')
    seal_again(folder, labels.PAYLOAD)
    assert wrong(folder) == {"figure uncertain"}


def test_a_run_is_not_read_as_another_kind(labels, tmp_path):
    store = RunStore(tmp_path)
    run = work(store, labels)
    with pytest.raises(InputError, match="of the kind labels; expected one of the kind evaluation"):
        store.read(run.run_id)


def test_a_kind_that_is_not_known_is_refused_in_one_true_line(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(payloads, "__path__", [*payloads.__path__, str(KINDS)])
        module = sys.modules[type(find_payload("labels")).__module__]
        folder = tmp_path / work(RunStore(tmp_path), module).run_id
        del sys.modules[module.__name__], payloads.labels
    kind = "a run of the kind 'labels', this one reads attacks, evaluation"
    line = f"written by a newer weighbridge: {kind}"
    with pytest.raises(NewerEvidence, match=line):
        RunStore(tmp_path).sealed(folder.name)
    assert [run.altered for run in RunStore(tmp_path).summaries()] == [line]
    assert verify(folder).newer


# Versions


@pytest.mark.parametrize("path", sorted(BUNDLES.glob("*/*")), ids=lambda path: path.parent.name)
def test_bundles_of_every_version_verify_and_are_written_alike_today(
    path, labels, tmp_path, monkeypatch
):
    """A field that came later is in no digest of what was sealed before it."""
    store = RunStore(shutil.copytree(path.parent, tmp_path / path.parent.name))
    folder = store.root / path.name
    assert verify(folder).ok
    kind, version = path.parent.name.rsplit("-", 1)
    sealed = store.sealed(path.name)
    assert (sealed.payload.name, sealed.payload.version) == (kind, int(version))
    if kind == "labels":
        at_version(labels, monkeypatch, int(version))
        work(RunStore(tmp_path / "again"), labels)
        for name in ("run.json", "seal.json", "samples.jsonl"):
            assert (tmp_path / "again" / path.name / name).read_bytes() == (
                folder / name
            ).read_bytes()


def test_a_field_of_a_later_version_is_refused_in_an_earlier_one(labels, tmp_path):
    path = next((BUNDLES / "labels-1").iterdir())
    folder = shutil.copytree(path, tmp_path / path.name)
    altered(folder, "run.json", b'"title":', b'"uncertain":6,"title":')
    seal_again(folder, labels.Labels(1))
    assert wrong(folder) == {"uncertain"}


def test_a_field_of_its_own_version_may_not_be_missing(labels, tmp_path):
    path = next((BUNDLES / "labels-2").iterdir())
    folder = shutil.copytree(path, tmp_path / path.name)
    altered(folder, "run.json", b',"uncertain":6', b"")
    seal_again(folder, labels.Labels(2))
    assert "uncertain" in wrong(folder)


def test_a_document_can_not_be_passed_off_as_one_of_another_version(labels, tmp_path):
    path = next((BUNDLES / "labels-1").iterdir())
    folder = shutil.copytree(path, tmp_path / path.name)
    altered(folder, "run.json", b'"schema_version":1', b'"schema_version":2')
    assert wrong(folder)
    seal_again(folder, labels.Labels(1))  # the samples' digest, too, is of their version
    assert {"samples digest", "uncertain"} & wrong(folder)


def test_a_run_is_finished_in_the_version_that_it_was_begun_in(labels, tmp_path, monkeypatch):
    store = RunStore(tmp_path)
    with monkeypatch.context() as patch:
        at_version(labels, patch, 1)
        work(store, labels, until=3)
    labels.PAYLOAD = labels.Labels()
    assert labels.PAYLOAD.version == 2
    run = work(store, labels)
    assert store.sealed(run.run_id).payload.version == 1
    bundle = next((BUNDLES / "labels-1").iterdir())
    for name in ("run.json", "samples.jsonl", "seal.json"):
        assert (tmp_path / run.run_id / name).read_bytes() == (bundle / name).read_bytes()


@dataclass(frozen=True)
class Sited(Provenance):
    site: str = "here"


@dataclass(frozen=True)
class SitedEnvelope(document.Envelope):
    provenance: Sited


@pytest.fixture
def sited(labels, monkeypatch):
    """What every kind states has a field more."""
    run = dataclass(frozen=True)(
        type("LabelRun", (labels.LabelRun,), {"__annotations__": {"provenance": Sited}})
    )
    with monkeypatch.context() as patch:
        patch.setattr(document, "ENVELOPE_VERSION", 2)
        patch.setattr(document, "ENVELOPE_KEYS", {1: Keys(must_lack=frozenset({LATER}))})
        patch.setattr(document, "_ENVELOPE", TypeAdapter(SitedEnvelope))
        patch.setattr(labels, "LabelRun", run)
        yield


LATER = "provenance.site"


def test_a_field_that_all_kinds_gain_changes_nothing_about_older_evidence(sited, labels, tmp_path):
    for path in BUNDLES.glob("labels-*/*"):
        assert verify(shutil.copytree(path, tmp_path / path.parent.name / path.name)).ok
    folder = tmp_path / work(RunStore(tmp_path), labels, place=Sited(**vars(PLACE))).run_id
    stated = json.loads((folder / "run.json").read_bytes())
    assert (stated["envelope_version"], stated["provenance"]["site"]) == (2, "here")
    assert verify(folder).ok
    altered(folder, "run.json", b'"site":"here",', b"")
    seal_again(folder, labels.PAYLOAD)
    assert wrong(folder) == {LATER}
    altered(folder, "run.json", b'"envelope_version":2,', b"")
    seal_again(folder, labels.PAYLOAD)
    assert verify(folder).ok  # who makes everything anew may leave out what nothing is held against


def test_an_envelope_that_is_not_known_is_refused_in_one_true_line(labels, tmp_path):
    folder = tmp_path / work(RunStore(tmp_path), labels).run_id
    altered(folder, "run.json", b'{"counts"', b'{"envelope_version":2,"counts"')
    assert wrong(folder) == {"readable"}
    seal_again(folder, labels.PAYLOAD)
    with pytest.raises(NewerEvidence, match="weighbridge: envelope 2, this one reads up to 1"):
        RunStore(tmp_path).sealed(folder.name)


@dataclass(frozen=True)
class Thoughtful(ScoredSample):
    thought: str = ""


@dataclass(frozen=True)
class Reviewed(EvalRun):
    reviewer: str = ""


class Evaluation2(evaluation.Evaluation):
    """Evaluations as they may be one day: a field more in each sample, and in the document."""

    newest = 2

    @property
    def sample_keys(self):
        return Keys(frozenset({"charges"}), frozenset(() if self.version > 1 else {"thought"}))

    @property
    def document_keys(self):
        now = super().document_keys.may_lack if self.version == 1 else frozenset({"stopped"})
        return Keys(now, frozenset(() if self.version > 1 else {"reviewer"}))

    def _read(self, row):
        return TypeAdapter(Thoughtful).validate_python(row)

    def row(self, sample):
        return super().row(Thoughtful(**vars(sample)))

    def lasting(self, sample):
        return super().lasting(Thoughtful(**vars(sample)))

    def content(self, document, fields):
        return TypeAdapter(Reviewed).validate_python(document)

    def document(self, header, result, facts, count):
        own = super().document(header, result, facts, count)
        return own | self.document_keys.of({"reviewer": "somebody"})


@pytest.fixture
def in_future(monkeypatch):
    """Evaluations have a version 2."""
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "PAYLOAD", Evaluation2())
        yield


def test_evaluations_of_today_verify_under_a_later_version(in_future, tmp_path, repository):
    runs = [*(HERE / "sealed_before").glob("*/*"), *(BUNDLES / "evaluation-1").iterdir()]
    runs += (repository / "tests/project/before_the_rooms/runs").iterdir()
    assert len(runs) >= 6
    for number, path in enumerate(runs):
        folder = shutil.copytree(path.parent, tmp_path / str(number)) / path.name
        assert verify(folder).ok, path
        assert RunStore(folder.parent).read(path.name).reviewer == ""


def test_a_later_version_verifies_and_its_own_fields_are_checked(in_future, tmp_path):
    name = seal_scores(tmp_path, "m", [1.0, 0.0, 0.5])
    folder = tmp_path / ".weighbridge/runs" / name
    stated = json.loads((folder / "run.json").read_bytes())
    assert stated["schema_version"] == 2 and stated["reviewer"] == "somebody"
    assert b'"thought": ""' in (folder / "samples.jsonl").read_bytes()
    assert verify(folder).ok
    altered(folder, "run.json", b',"reviewer":"somebody"', b"")
    seal_again(folder, Evaluation2())
    assert "reviewer" in wrong(folder)


@pytest.fixture
def of_the_future(tmp_path, monkeypatch):
    """The folder of a run that a later version sealed."""
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "PAYLOAD", Evaluation2())
        name = seal_scores(tmp_path, "m", [1.0, 0.0])
    return tmp_path / ".weighbridge/runs" / name


NEWER = "written by a newer weighbridge: schema 2, this one reads up to 1"


def test_a_version_that_is_not_known_is_refused_in_one_true_line(of_the_future, tmp_path):
    store = RunStore(of_the_future.parent)
    with pytest.raises(NewerEvidence, match=f"^{NEWER}; install"):
        store.read(of_the_future.name)
    assert verify(of_the_future).newer
    done = weighbridge("verify", of_the_future.name, cwd=tmp_path)
    assert done.returncode == 3 and done.stdout.startswith("UNKNOWN") and NEWER in done.stdout
    assert "ALTERED" not in done.stdout
    done = weighbridge("runs", "list", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [of_the_future.name, f"    {NEWER}"]
    done = weighbridge("runs", "show", of_the_future.name, cwd=tmp_path)
    assert done.returncode == 2 and NEWER in done.stderr and "Traceback" not in done.stderr


def test_an_unfinished_run_of_a_later_version_is_not_gone_on_with(tmp_path, monkeypatch):
    from test_evidence import FIELDS as OTHERS
    from test_evidence import header, sample

    store = RunStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "PAYLOAD", Evaluation2())
        with store.open(OTHERS, header()) as run:
            run.journal.append_unit(0, [sample(i) for i in range(5)])
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    with pytest.raises(NewerEvidence, match=NEWER), store.open(OTHERS, header()):
        pass
    assert [line.altered for line in store.summaries()] == [NEWER]
    assert before["samples.jsonl"] == (run.folder / "samples.jsonl").read_bytes()


def test_an_altered_document_is_never_called_a_newer_one(tmp_path):
    folder = tmp_path / ".weighbridge/runs" / seal_scores(tmp_path, "m", [1.0])
    for was, becomes in (
        (b'"schema_version":1', b'"schema_version":2'),
        (b'{"benchmark"', b'{"payload":"attacks","benchmark"'),
    ):
        original = (folder / "run.json").read_bytes()
        altered(folder, "run.json", was, becomes)
        assert not verify(folder).ok and not verify(folder).newer
        (folder / "run.json").write_bytes(original)
    assert verify(folder).ok
    digest = hashlib.sha256((folder / "run.json").read_bytes()).hexdigest()
    assert json.loads((folder / "seal.json").read_bytes())["run_digest"] == f"sha256:{digest}"
