"""`export gguf` and `export safetensors` as they are typed: 80 columns, bad input in one line."""

import json
import warnings

import pytest
import torch
from typer.testing import CliRunner

from conforming import document_faults
from gguf_exports import soft_model
from weighbridge.cli.main import app
from weighbridge.errors import WeighbridgeError
from weighbridge.tuning.gguf_export import peer
from weighbridge.tuning.lineage import read_lineage


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A base, an adapter on it that peft made, and one that learnt nothing."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("place")
    soft_model(folder / "base")
    for name, untrained in (("adapter", False), ("untrained", True)):
        module = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
        torch.manual_seed(3)
        config = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=untrained)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            get_peft_model(module, config).save_pretrained(folder / name)
    return folder


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(peer, "peer_name", lambda: None)


def export(*words):
    return CliRunner().invoke(app, ["export", *map(str, words), "--offline", "--threads", "1"])


def test_an_adapter_from_elsewhere_is_merged_and_becomes_a_file(place, tmp_path):
    model, cache = f"{place / 'base'}+{place / 'adapter'}", ("--cache", tmp_path / "cache")
    words = ("safetensors", model, "--to", tmp_path / "merged", *cache)
    done = export(*words, "--json")
    assert done.exit_code == 0, done.output
    merged = json.loads(done.stdout)
    assert not document_faults(["export", "safetensors"], merged)
    assert merged["divergence"]["kl_mean"] <= merged["divergence"]["kl_bound"] == 1e-6
    done = export("gguf", tmp_path / "merged", "--to", tmp_path / "m.gguf", *cache)
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stdout.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 80 and "nats a token" in " ".join(lines)
    steps = read_lineage(tmp_path / "m.gguf")
    assert [step.stage for step in steps] == ["base", "adapter", "merged", "gguf"]
    assert steps[2].digest == merged["digest"]
    words = ("gguf", tmp_path / "merged", "--to", tmp_path / "8.gguf", "--type", "Q8_0", "--json")
    document = json.loads(export(*words, *cache).stdout)
    assert not document_faults(["export", "gguf"], document)
    assert document["type"] == "q8_0" and document["peer"] is None


def test_a_file_without_its_record_is_nothing_to_verify(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF of someone")
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "m.gguf")])
    assert isinstance(done.exception, WeighbridgeError)
    assert "has no record of origin; expected m.gguf.lineage.json" in str(done.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gguf", "{p}/base+{p}/adapter", "--to", "x.gguf"), "merge it first: weighbridge export"),
        (("gguf", "{p}/adapter", "--to", "x.gguf"), "an adapter on it"),
        (("gguf", "{p}/base", "--to", "x.gguf", "--type", "q4_k"), "did you mean q4_k_m"),
        (("gguf", "{p}/base", "--to", "x.bin"), "a file that ends in .gguf"),
        (("gguf", "{p}/base", "--to", "{p}/there.gguf"), "there.gguf is there; expected a new"),
        (("gguf", "{p}/there.gguf", "--to", "x.gguf"), "is a GGUF file already"),
        (("gguf", "{p}/base", "{p}/base", "--to", "x.gguf"), "2 models; expected one"),
        (("gguf", "{p}/nowhere", "--to", "x.gguf"), "unknown model"),
        (("gguf", "{p}/base", "--to", "x.gguf", "--percent"), "--percent with the format gguf"),
        (("gguf", "{p}/base", "--to", "{p}/there.gguf/x.gguf"), "can't use"),
        (("safetensors", "{p}/base", "--to", "x"), "has no adapter on it"),
        (("safetensors", "{p}/untrained", "--to", "x"), "changes nothing"),
        (("safetensors", "{p}/base+{p}/adapter", "--to", "{p}/base"), "never deleted"),
        (("safetensors", "{p}/adapter", "--to", "x", "--type", "f16"), "--type with the format"),
        (("tables", "some-run", "--to", "x.csv", "--type", "f16"), "--type with the format tables"),
        (("guff", "{p}/base", "--to", "x.gguf"), "unknown format 'guff'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(words, said, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (place / "there.gguf").write_bytes(b"GGUF of someone")
    before = sorted(path for path in place.rglob("*"))
    done = export(*(word.format(p=place) for word in words), "--cache", tmp_path / "cache")
    assert isinstance(done.exception, WeighbridgeError), done.output
    assert said in str(done.exception) and "\n" not in str(done.exception)
    assert sorted(path for path in place.rglob("*")) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}
