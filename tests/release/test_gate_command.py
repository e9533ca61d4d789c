"""`release gate` on a folder on disk: what is in the files, and what the command says."""

import json
import struct

import pytest

from commands import weighbridge
from release_cases import seal_folder, statement_text, tensors, write_folder, write_runs
from weighbridge.release.data_scan import kinds_in
from weighbridge.release.gates.integrity import GATE
from weighbridge.release.inventory import take_inventory


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "desk")


def pickled(folder):
    (folder / "model.safetensors").write_bytes(b"\x80\x04\x95" + bytes(400))


def oversized(folder):
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")


def not_a_number(folder):
    broken = tensors()["model.norm.weight"]
    broken[3] = float("nan")
    from safetensors.numpy import save_file

    save_file({**tensors(), "model.norm.weight": broken}, folder / "model.safetensors")
    seal_folder(folder)


def configured(folder, **more):
    config = json.loads((folder / "config.json").read_text()) | more
    (folder / "config.json").write_text(json.dumps(config))
    seal_folder(folder)


FAULTS = {
    "a pickle disguised": (pickled, "can't be loaded"),
    "a header of an exabyte": (oversized, "header would take"),
    "NaN": (not_a_number, "model.norm.weight holds NaN"),
    "code": (lambda f: (f / "modeling.py").write_text("1"), "modeling.py is code"),
    "a format that runs code": (lambda f: (f / "x.bin").write_bytes(b"x"), "x.bin"),
    "a pickle called json": (lambda f: (f / "a.json").write_bytes(b"\x80\x04"), "is a pickle"),
    "a link": (lambda f: (f / "b.json").symlink_to(f / "config.json"), "b.json is a link"),
    "auto_map": (lambda f: configured(f, auto_map={"AutoModel": "x.Y"}), "auto_map"),
    "nested": (lambda f: configured(f, x={"y": [{"trust_remote_code": True}]}), "trust_remote"),
    "another architecture": (lambda f: configured(f, vocab_size=31), "config.json describes"),
    "a file altered since": (lambda f: (f / "tokenizer.json").write_text("[]"), "tokenizer.json"),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_a_folder_that_is_not_only_whole_data_fails(folder, what):
    assert not take_inventory(folder).faults and not take_inventory(folder).unknown
    break_it, said = FAULTS[what]
    break_it(folder)
    found = take_inventory(folder)
    assert any(said in fault for fault in found.faults), found.faults
    from release_cases import case

    assert GATE.decide(case(inventory=found)).outcome == "fail"


def test_secrets_and_personal_data_are_told_from_what_looks_alike():
    assert kinds_in("card 4111 1111 1111 1111, order 4111 1111 1111 1112") == (
        (),
        ("payment card",),
    )
    assert kinds_in("order 1234567890123456, 1111111111111111, a@example.org") == ((), ())
    assert kinds_in("db is postgres://me:hunter2@host/x")[0] == ("password in a URL",)


@pytest.mark.slow
def test_the_command_decides_in_three_ways_and_says_what_would_turn_it(tmp_path):
    data = tmp_path / "train.jsonl"
    data.write_text(json.dumps({"prompt": "hello", "completion": "good day to you"}) + "\n")
    folder = write_folder(tmp_path / "desk", data)
    digest = seal_folder(folder, data)
    write_runs(tmp_path / "runs", digest, n=80)
    words = ("release", "gate", "desk", "--statement", "s.toml", "--runs", "runs")

    (tmp_path / "s.toml").write_text(statement_text(digest))
    done = weighbridge(*words, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    outcomes = {one["gate"]: one["outcome"] for one in found["gates"]}
    assert done.returncode == 3 and found["model"] == digest
    passing = {gate for gate, outcome in outcomes.items() if outcome == "pass"}
    assert passing == {"integrity", "coherence", "judge_quality", "licence", "humans", "use_policy"}
    harm = next(one for one in found["gates"] if one["gate"] == "harm")
    assert harm["evidence"] and "more requests" in harm["turns"]

    data.write_text('{"prompt": "key AKIAABCDEFGHIJKLMNOP", "completion": "x"}\n')
    done = weighbridge(*words, cwd=tmp_path)
    assert done.returncode == 3 and "that the model was tuned on" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80

    (folder / "model.safetensors").write_bytes(b"\x80\x04")
    assert weighbridge(*words, cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(("before", "after", "said"), [
    ('trainer = "Ada"', "", "trainer"),
    ('trainer = "Ada"', 'trainer = "Ada"\ntrianer = "x"', "trianer"),
    ("format = 1", "format = 2", "format 1"),
    ("T09:00:00Z", "T09:00:00", "offset"),
])  # fmt: skip
def test_a_statement_that_is_none_is_one_line(folder, tmp_path, before, after, said):
    (tmp_path / "s.toml").write_text(statement_text("sha256:x").replace(before, after))
    done = weighbridge("release", "gate", "desk", "--statement", "s.toml", cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_policy_that_is_none_is_one_line(folder, tmp_path):
    shipped = weighbridge("release", "policy").stdout
    (tmp_path / "s.toml").write_text(statement_text("sha256:x"))
    for before, after in (("at_most = 0.01", "at_most = 0"), ('"humans"', '"human"')):
        (tmp_path / "p.toml").write_text(shipped.replace(before, after))
        words = ("release", "gate", "desk", "--statement", "s.toml", "--policy", "p.toml")
        done = weighbridge(*words, cwd=tmp_path)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.slow
def test_a_bundle_is_built_verified_and_held_against_the_third(folder, tmp_path):
    (folder / "LICENSE").write_text("Do as you like.\n")
    (tmp_path / "train.jsonl").write_text('{"prompt": "hello", "completion": "good day"}\n')
    (tmp_path / "s.toml").write_text(statement_text(seal_folder(folder)))
    words = ("desk", "--statement", "s.toml")
    refused = weighbridge("release", "build", *words, "--to", "bundle", "--json", cwd=tmp_path)
    assert refused.returncode == 3 and not (tmp_path / "bundle").exists()
    build = ("release", "build", *words, "--draft", "--to", "bundle")
    built = json.loads(weighbridge(*build, "--json", cwd=tmp_path).stdout)
    assert built["signature"] is None and built["decision"]["outcome"] == "insufficient"
    again = weighbridge(*build, cwd=tmp_path)
    assert again.returncode == 2 and "bundle is there" in again.stderr

    done = weighbridge("release", "verify", "bundle", "--unsigned", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode == 3 and found["holds"] and found["digest"] == built["digest"]
    assert found["gates"] == built["decision"]["gates"]
    (tmp_path / "bundle/README.md").write_text("all is well")
    done = weighbridge("release", "verify", "bundle", cwd=tmp_path)
    assert done.returncode == 1 and "README.md is not as it was" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80

    done = weighbridge("release", "signature", "desk", "--json", cwd=tmp_path)
    assert done.returncode == 3 and json.loads(done.stdout)["signature"] == "unsigned"
    done = weighbridge("release", "gpai", *words, "--base-flops", "1e22", "--json", cwd=tmp_path)
    assert done.returncode == 3 and json.loads(done.stdout)["answer"] == "unknown"
