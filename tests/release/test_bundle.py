"""A bundle verifies wherever it lies, and whatever was changed in it is named."""

import json
import shutil
import struct
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from release_cases import (
    BASE,
    NOW,
    policy,
    ref_of,
    seal_folder,
    seal_run,
    statement_text,
    tensors,
    write_folder,
    write_gguf_of,
)  # fmt: skip
from weighbridge.errors import InputError
from weighbridge.records import canonical_json
from weighbridge.release.build import Sources, build
from weighbridge.release.bundle import list_files, read_manifest, write_manifest
from weighbridge.release.decision import decide
from weighbridge.release.evidence import case_of
from weighbridge.release.one_pass import read_once
from weighbridge.release.statement import read_statement
from weighbridge.release.verification import unpacked, verify_bundle

LATER = datetime(2026, 12, 1, tzinfo=UTC)
WAIVED = """
[[waiver]]
gate = "harm"
by = "Ben"
reason = "a trial"
at = 2026-11-01T09:00:00Z
expires = 2026-12-10T09:00:00Z
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A bundle of a model with two runs, which is not fit to release, and says so."""
    place = tmp_path_factory.mktemp("release")
    folder = write_folder(place / "desk")
    (folder / "LICENSE").write_text("Do as you like.\n")
    digest = seal_folder(folder)
    for benchmark, scores in (("mmlu", [1, 0] * 6), ("look_alikes", [1] * 12)):
        seal_run(place / "runs", benchmark, scores, ref_of(digest))
        seal_run(place / "runs", benchmark, scores, BASE)
    more = 'url = "https://example.org/desk-1"\n'
    text = statement_text(digest, more=WAIVED)
    (place / "s.toml").write_text(text.replace("[base]", f"{more}[base]"))
    stated = read_statement(place / "s.toml")
    case = case_of(folder, place / "runs", policy(), stated, NOW)
    build(case, decide(case), Sources(folder, place / "runs"), place / "bundle")
    return place / "bundle"


@pytest.fixture
def bundle(built, tmp_path):
    """A copy in another place, where neither the model's folder nor the runs are."""
    return shutil.copytree(built, tmp_path / "elsewhere")


def relisted(bundle):
    """Write the manifest anew, as somebody would who hides what was changed."""
    before = read_manifest(bundle)
    files = {n: read_once(bundle / n)[0] for n in list_files(bundle).files if n != "manifest.json"}
    write_manifest(bundle, before.model, before.decision, files)


@pytest.mark.slow
def test_a_bundle_verifies_in_another_place_without_torch(bundle):
    found = verify_bundle(bundle, LATER)
    assert found.holds and found.outcome == "insufficient", found.differs
    assert {one.gate for one in found.decision.gates if one.outcome == "pass"} >= {"integrity"}
    script = Path(__file__).parent.parent / "without_torch.py"
    words = (sys.executable, script, "release", "verify", bundle, "--offline", "--json")
    done = subprocess.run(words, capture_output=True, text=True, cwd=bundle.parent)
    said = json.loads(done.stdout)
    assert done.returncode == 3 and said["holds"] and said["signature"] == "unsigned", done.stderr


def test_a_flipped_byte_in_any_file_is_named(bundle):
    names = list_files(bundle).files
    assert len(names) > 20
    for name in names:
        whole = (bundle / name).read_bytes()
        middle = len(whole) // 2
        (bundle / name).write_bytes(
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        )
        found = verify_bundle(bundle, LATER)
        assert found.outcome == "fail" and any(name in one for one in found.differs), name
        (bundle / name).write_bytes(whole)
    assert verify_bundle(bundle, LATER).holds


def edited(bundle, name, before, after):
    text = (bundle / name).read_text()
    assert before in text, text
    (bundle / name).write_text(text.replace(before, after, 1))


def a_sample(bundle):
    name = next(p for p in sorted((bundle / "evidence/runs").iterdir()) if "mmlu" in p.name)
    edited(bundle, f"evidence/runs/{name.name}/samples.jsonl", '"value": 0.0', '"value": 1.0')


def a_decision(bundle):
    plain = json.loads((bundle / "decision.json").read_text())
    for one in plain["gates"]:
        one["outcome"] = "pass"
    (bundle / "decision.json").write_bytes(canonical_json(plain | {"outcome": "pass"}))


def weights(bundle, **changed):
    save_file({**tensors(), **changed}, bundle / "model/model.safetensors")


def not_a_number(bundle):
    norm = tensors()["model.norm.weight"]
    norm[3] = float("nan")
    weights(bundle, **{"model.norm.weight": norm})


def written(name, data):
    return lambda bundle: (bundle / name).write_bytes(data)


def a_record(bundle):
    path = bundle / "model/weighbridge_lineage.json"
    path.write_text(path.read_text().replace('"directory:base"', "1e18"))


HIDDEN = {
    "a number in the record of origin": (a_record, "was altered"),
    "the program's version": (
        lambda b: edited(b, "decision.json", '"made_with":"0', '"made_with":"9'), "two versions"),
    "a sample": (a_sample, "evidence"),
    "the decision": (a_decision, "outcome: stated 'pass'"),
    "a limit": (lambda b: edited(b, "policy.json", '"at_most":0.01', '"at_most":0.5'), "policy"),
    "an approver": (lambda b: edited(b, "statement.json", '"by":"Cem"', '"by":"Ada"'), "humans"),
    "the card": (lambda b: edited(b, "README.md", "0.5000", "0.9000"), "README.md says what"),
    "the gate's reason": (lambda b: edited(b, "decision.json", "not measured", "measured"), "gate"),
    "a run left out": (
        lambda b: shutil.rmtree(next((b / "evidence/runs").iterdir())), "not measured on"),
    "other weights": (weights, ""),
    "NaN": (not_a_number, "holds NaN"),
    "a pickle": (written("model/model.safetensors", b"\x80\x04\x95" + bytes(400)), "header would"),
    "a long header": (written("model/model.safetensors", struct.pack("<Q", 1 << 60)), "header wou"),
    "code": (written("model/modeling.py", b"1"), "modeling.py is code"),
}  # fmt: skip


@pytest.mark.parametrize("what", HIDDEN)
def test_what_was_changed_is_found_behind_a_new_manifest(bundle, what):
    change, said = HIDDEN[what]
    change(bundle)
    relisted(bundle)
    found = verify_bundle(bundle, LATER)
    if what == "other weights":  # the same ones, written again
        assert found.holds
        return
    assert found.outcome == "fail"
    assert any(said in one for one in found.differs), found.differs


def test_files_that_are_missing_or_too_many_and_links_are_named(bundle):
    (bundle / "SECURITY.md").unlink()
    (bundle / "model/more.json").write_text("{}")
    (bundle / "elsewhere").symlink_to("/etc")
    differs = verify_bundle(bundle, LATER).differs
    assert set(differs) >= {
        "SECURITY.md is missing", "model/more.json is not in the manifest", "elsewhere is a link",
    }  # fmt: skip


def test_time_that_ran_out_and_a_clock_set_back(bundle):
    late = verify_bundle(bundle, datetime(2027, 1, 1, tzinfo=UTC))
    assert late.differs == ("the waiver of harm expired 2026-12-10 09:00 UTC",)
    early = verify_bundle(bundle, datetime(2026, 11, 1, tzinfo=UTC))
    assert "ahead of this machine's clock" in early.differs[0]


def test_a_bundle_of_another_version_is_no_forgery(bundle, monkeypatch):
    """Its gates are asked again; words and papers of another version are not compared."""
    for module in ("decision", "verification"):
        monkeypatch.setattr(f"weighbridge.release.{module}.__version__", "0.9.0")
    found = verify_bundle(bundle, LATER)
    assert found.holds and "made with weighbridge" in "".join(found.notes), found.differs
    a_decision(bundle)
    relisted(bundle)
    assert not verify_bundle(bundle, LATER).holds


def test_an_old_bundle_still_verifies():
    """Whatever gains a field, what was released stays as it was; never make this file anew."""
    with unpacked(Path(__file__).parent / "bundle_of_0.0.9.zip") as folder:
        found = verify_bundle(folder, LATER)
    assert found.differs == () and found.outcome == "insufficient"
    assert [one.waiver for one in found.decision.gates if one.gate == "harm"] != [""]


def zipped(folder, path, more=()):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
        for name, data in more:
            archive.writestr(name, data)
    return path


def test_a_zip_verifies_and_one_that_leads_out_is_refused(bundle, tmp_path):
    with unpacked(zipped(bundle, tmp_path / "good.zip")) as folder:
        assert verify_bundle(folder, LATER).holds
    link = zipfile.ZipInfo("model/link")
    link.external_attr = 0o120777 << 16
    for number, name in enumerate(("../x", "/x", "a/../../x", "a\\..\\x", link, "README.md")):
        path = tmp_path / f"{number}.zip"
        with pytest.warns() if name == "README.md" else _quiet():
            zipped(bundle, path, [(name, b"x")])
        with pytest.raises(InputError), unpacked(path):
            raise AssertionError(name)
    assert not (tmp_path / "x").exists() and not (tmp_path.parent / "x").exists()


def _quiet():
    from contextlib import nullcontext

    return nullcontext()


def test_other_forms_are_bound_to_the_model_by_its_record(built, tmp_path):
    """Its adapter and a GGUF file of it; those of another model are refused."""
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    save_file({"a": np.ones((2, 2), np.float32)}, adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text("{}")
    folder = write_folder(tmp_path / "desk")
    (folder / "LICENSE").write_text("Do as you like.\n")
    digest = seal_folder(folder, adapter=adapter)
    gguf = write_gguf_of(tmp_path / "desk.gguf", digest)
    (tmp_path / "s.toml").write_text(statement_text(digest))
    stated = read_statement(tmp_path / "s.toml")
    case = case_of(folder, tmp_path / "runs", policy(), stated, NOW)
    sources = Sources(folder, tmp_path / "runs", also=(adapter, gguf))
    build(case, decide(case), sources, tmp_path / "bundle")
    found = verify_bundle(tmp_path / "bundle", LATER)
    assert found.holds and sum("not measured by itself" in note for note in found.notes) == 2

    other = write_gguf_of(tmp_path / "other.gguf", "sha256:" + "9" * 64)
    for path in (other, tmp_path):
        with pytest.raises(InputError):
            build(case, decide(case), Sources(folder, tmp_path, also=(path,)), tmp_path / "b2")
        assert not (tmp_path / "b2").exists()
    shutil.copy(other, tmp_path / "bundle/gguf/desk.gguf")
    (tmp_path / "bundle/weights.bin").write_bytes(b"x")
    (tmp_path / "bundle/adapter/adapter_config.json").write_text("{1}")
    relisted(tmp_path / "bundle")
    differs = verify_bundle(tmp_path / "bundle", LATER).differs
    assert set(differs) >= {
        "gguf/desk.gguf: its record of origin names another file",
        "adapter is not the adapter that the record of origin names",
        "weights.bin is of a kind that no bundle has",
    }, differs  # fmt: skip


def test_the_card_has_metadata_that_the_hub_reads(bundle):
    from huggingface_hub import ModelCard

    card = ModelCard((bundle / "README.md").read_text())
    assert card.data.license == "apache-2.0" and card.data.base_model == "Small"
    (mmlu,) = [one for one in card.data.eval_results if one.dataset_type == "cais/mmlu"]
    assert mmlu.metric_value == 0.5 and mmlu.source_url == "https://example.org/desk-1"
    assert "source:" in (bundle / ".eval_results/mmlu.yaml").read_text()
