"""A GGUF file is the model that it was made from, or is not written."""

import os
import resource
import shutil

import numpy as np
import pytest
import torch

from gguf_exports import export, soft_model
from weighbridge.errors import InputError, StorageError, UnknownName, WeighbridgeError
from weighbridge.models.convert import as_safetensors
from weighbridge.models.reading import read_model
from weighbridge.sources.artefacts import lineage_file
from weighbridge.sources.weights import find_weights
from weighbridge.tuning.divergence import BOUNDS
from weighbridge.tuning.gguf_export import exporting, peer, tensors
from weighbridge.tuning.lineage import lineage_checks, read_lineage

IDS = (torch.arange(3, 43) * 7 % 250 + 3)[None]


@pytest.fixture(scope="module")
def soft(tmp_path_factory):
    return soft_model(tmp_path_factory.mktemp("soft") / "soft")


@pytest.fixture
def alone(monkeypatch):
    """As where llama.cpp is not installed; with it, each file costs two more processes."""
    monkeypatch.setattr(peer, "peer_name", lambda: None)


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits[0]


@pytest.mark.parametrize(("kind", "most"), [("f16", 1e-5), ("q8_0", 1e-2)])
def test_a_file_loads_as_the_model_and_says_how_close_it_is(kind, most, soft, alone, tmp_path):
    found = export(soft, tmp_path / "model.gguf", kind)
    assert found.divergence.mean < most <= found.kl_bound == BOUNDS[kind].mean
    assert (found.peer, found.peer_divergence) == (None, None)
    folder, facts = as_safetensors(find_weights(str(found.path)), tmp_path / "cache")
    assert facts["gguf_digest"] == found.digest
    assert facts["quantization"] == kind.upper()
    back, tokenizer = read_model(folder, torch.float32, "cpu")
    own, theirs = read_model(soft, torch.float32, "cpu")
    p, q = (torch.log_softmax(logits(model).double(), -1) for model in (own, back))
    assert float((p.exp() * (p - q)).sum(-1).mean()) < most
    assert tokenizer.chat_template == theirs.chat_template
    (step,) = read_lineage(found.path)
    assert step.digest == found.digest and step.facts["kl_mean"] == found.divergence.mean
    assert {p.name for p in tmp_path.iterdir()} == {
        "model.gguf", "model.gguf.lineage.json", "cache",
    }  # fmt: skip


def test_a_byte_that_is_altered_in_a_file_is_named(soft, alone, tmp_path):
    path = export(soft, tmp_path / "model.gguf").path
    assert all(check.ok for check in lineage_checks(path))
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    (wrong,) = (check for check in lineage_checks(path) if not check.ok)
    assert wrong.detail.startswith("model.gguf: not as it was written")


def test_a_file_that_is_there_is_kept_until_another_one_is_whole(
    soft, alone, tmp_path, monkeypatch
):
    path = export(soft, tmp_path / "model.gguf").path
    before, record = path.read_bytes(), lineage_file(path).read_bytes()
    with pytest.raises(InputError, match=r"model.gguf is there; expected a new file; --overwrite"):
        export(soft, path, "q8_0")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 3, limit[1]))
    try:
        with pytest.raises(StorageError, match="no room left"):
            export(soft, path, "q8_0", overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    monkeypatch.setattr(shutil, "disk_usage", lambda where: type("Usage", (), {"free": 1000})())
    with pytest.raises(StorageError, match=r"which has room for 0\.00"):
        export(soft, path, "q8_0", overwrite=True)
    assert path.read_bytes() == before and lineage_file(path).read_bytes() == record
    assert not list(tmp_path.glob(".*"))
    monkeypatch.undo()
    monkeypatch.setattr(peer, "peer_name", lambda: None)
    (tmp_path / ".model.gguf.999999999.part").write_bytes(b"left by a process that was killed")
    export(soft, path, "q8_0", overwrite=True)
    assert path.read_bytes() != before and all(check.ok for check in lineage_checks(path))
    assert not list(tmp_path.glob(".*.part"))


def test_rotary_pairs_in_the_wrong_order_are_refused_by_the_divergence(
    soft, alone, tmp_path, monkeypatch
):
    """The commonest error of converters: every tensor is there, and the model talks nonsense."""
    plain = tensors._plain

    def unturned(layout, config, name, tensor):
        if "q_proj" in name:
            return plain(tensors.LAYOUTS["qwen2"], config, name, tensor)
        return plain(layout, config, name, tensor)

    monkeypatch.setattr(tensors, "_plain", unturned)
    with pytest.raises(WeighbridgeError, match="the GGUF file gives other probabilities"):
        export(soft, tmp_path / "model.gguf")
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def test_a_tensor_that_is_stored_otherwise_is_named(soft, alone, tmp_path, monkeypatch):
    stored = exporting.write_file.__globals__["stored"]

    def spoilt(tensor, kind):
        numbers = np.array(stored(tensor, kind))
        if tensor.name == "blk.1.ffn_down.weight":
            numbers.reshape(-1)[7] += 1
        return numbers

    monkeypatch.setitem(exporting.write_file.__globals__, "stored", spoilt)
    with pytest.raises(WeighbridgeError, match=r"blk.1.ffn_down.weight was not written"):
        export(soft, tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()


def test_q4_k_m_needs_llama_cpp_and_says_so_before_anything_is_read(
    soft, alone, tmp_path, monkeypatch
):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(WeighbridgeError, match=r"type q4_k_m is made by llama.cpp, which is not"):
        export(soft, tmp_path / "model.gguf", "q4_k_m")
    with pytest.raises(UnknownName, match=r"unknown GGUF type 'q4_k'.*did you mean q4_k_m"):
        export(soft, tmp_path / "model.gguf", "q4_k")


def test_llama_quantize_serves_where_the_package_is_not_installed(
    soft, alone, tmp_path, monkeypatch
):
    tool = tmp_path / "bin" / "llama-quantize"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "error: no such type $3" >&2\nexit 3\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    with pytest.raises(WeighbridgeError, match=r"exit 3\): error: no such type q4_k_m"):
        export(soft, tmp_path / "model.gguf", "q4_k_m")
    assert not (tmp_path / "model.gguf").exists()


@pytest.mark.slow
def test_llama_cpp_gives_the_same_ids_and_logits_and_quantises(soft, tmp_path):
    pytest.importorskip("llama_cpp")
    for kind in ("f16", "q4_k_m"):
        found = export(soft, tmp_path / f"{kind}.gguf", kind)
        assert found.peer.startswith("llama-cpp-python")
        assert found.peer_divergence.mean < BOUNDS[kind].mean


@pytest.mark.slow
def test_a_file_that_llama_cpp_cannot_read_is_refused(soft, tmp_path, monkeypatch):
    pytest.importorskip("llama_cpp")
    monkeypatch.setattr(
        exporting.peer, "peer_ids", lambda path, texts: peer._ask(
            {"do": "ids", "path": str(path.with_name("nowhere.gguf")), "texts": []}
        ),
    )  # fmt: skip
    with pytest.raises(WeighbridgeError, match=r"llama.cpp can't use the file"):
        export(soft, tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()
