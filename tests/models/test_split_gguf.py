"""A model that is split over GGUF files is read whole, whichever of them is named."""

import shutil
from itertools import pairwise

import gguf
import numpy as np
import pytest
import torch

import gguf_models
from weighbridge.errors import InputError
from weighbridge.models.convert import CONVERSION, as_safetensors
from weighbridge.models.reading import read_model
from weighbridge.sources.configs import find_config
from weighbridge.sources.gguf_header import read_gguf_header
from weighbridge.sources.weights import find_weights


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return gguf_models.build("llama", tmp_path_factory.mktemp("split") / "source")


def split(source, folder, *, cuts=(8, 15), changes=None, without=()):
    """Write a model in parts as llama.cpp's gguf-split does: metadata in the first."""
    folder.mkdir(exist_ok=True)
    model, tokenizer = source
    tensors = list(gguf_models.converted("llama", model))
    ends = [0, *cuts, len(tensors)]
    paths = []
    for number, (start, end) in enumerate(pairwise(ends)):
        path = folder / f"tiny-{number + 1:05}-of-{len(ends) - 1:05}.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        if number == 0:
            gguf_models.add_keys(writer, "llama", model.config, ())
            gguf_models.add_tokenizer(writer, tokenizer, "gpt-2")
        said = {"split.no": number, "split.count": len(ends) - 1} | (changes or {}).get(number, {})
        for key, value in said.items():
            writer.add_uint16(key, value)
        total = (changes or {}).get("total", len(tensors))
        writer.add_int32("split.tensors.count", total)
        for name, numbers in tensors[start:end]:
            if name not in without:
                writer.add_tensor(name, np.ascontiguousarray(numbers))
        for step in ("header", "kv_data", "tensors"):
            getattr(writer, f"write_{step}_to_file")()
        writer.close()
        paths.append(path)
    return paths


def loaded(path, tmp_path):
    folder, facts = as_safetensors(find_weights(str(path)), tmp_path / "cache")
    return read_model(folder, torch.float32, "cpu")[0], facts


@pytest.mark.parametrize("cuts", [(8, 15), (0,), (1, 2, 3)])
def test_any_file_stands_for_the_whole(cuts, source, tmp_path):
    paths = split(source, tmp_path / "parts", cuts=cuts)
    expected, digests = source[0].state_dict(), set()
    total = sum(p.numel() for p in source[0].parameters())
    for path in [*paths, tmp_path / "parts"]:
        model, facts = loaded(path, tmp_path)
        digests.add(facts["gguf_digest"])
        assert all(torch.equal(expected[name], t) for name, t in model.state_dict().items())
        found = find_config(str(path))
        assert found.tensor_parameters == total
        assert found.source == f"gguf:{paths[0].name}" == find_weights(str(path)).source
    assert len(digests) == 1


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_file_is_named(missing, source, tmp_path):
    paths = split(source, tmp_path / "parts")
    paths[missing].unlink()
    said = rf"{paths[missing].name} of 3 files is not in"
    for path in (p for p in paths if p.exists()):
        for read in (lambda path: loaded(path, tmp_path), lambda path: find_config(str(path))):
            with pytest.raises(InputError, match=said):
                read(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({1: {"split.no": 2}}, r"split.no is 2 and split.count 3; expected 1 and 3"),
        ({1: {"split.count": 4}}, r"split.no is 1 and split.count 4"),
        ({0: {"split.count": 5}}, r"is one of 5 files of a split model"),
        ({"total": 30}, r"hold 21 tensors; expected the 30 that split.tensors.count says"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(changes, said, source, tmp_path):
    paths = split(source, tmp_path / "parts", changes=changes)
    with pytest.raises(InputError, match=said):
        read_gguf_header(paths[0])


def test_a_tensor_in_two_files_is_refused(source, tmp_path):
    paths = split(source, tmp_path / "parts", cuts=(8,))
    shutil.copy(paths[0], tmp_path / "parts" / "again.gguf")
    twice = split(source, tmp_path / "twice", cuts=(8,))
    tensors = list(gguf_models.converted("llama", source[0]))
    writer = gguf.GGUFWriter(twice[1], "llama")
    writer.add_uint16("split.no", 1)
    writer.add_uint16("split.count", 2)
    for name, numbers in tensors[7:]:
        writer.add_tensor(name, np.ascontiguousarray(numbers))
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    with pytest.raises(InputError, match=f"lists {tensors[7][0]}, which an earlier file"):
        read_gguf_header(twice[0])


def test_a_renamed_file_says_what_it_is(source, tmp_path):
    paths = split(source, tmp_path / "parts")
    shutil.copy(paths[0], tmp_path / "model.gguf")
    with pytest.raises(InputError, match=r"is one of 3 files .* NAME-00001-of-00003.gguf"):
        loaded(tmp_path / "model.gguf", tmp_path)


def test_a_cut_file_among_them_is_named(source, tmp_path):
    paths = split(source, tmp_path / "parts")
    paths[2].write_bytes(paths[2].read_bytes()[:-100])
    with pytest.raises(InputError, match=r"tiny-00003-of-00003\.gguf has .* bytes and ends"):
        loaded(paths[0], tmp_path)


def test_a_tensor_that_no_file_holds_is_named(source, tmp_path):
    name = "blk.1.ffn_up.weight"
    paths = split(source, tmp_path / "parts", without=(name,), changes={"total": 20})
    with pytest.raises(InputError, match=r"lacks 1 tensor \(model\.layers\.1\.mlp\.up_proj"):
        loaded(paths[0], tmp_path)


def test_a_conversion_of_an_older_kind_is_not_used_again(source, tmp_path):
    paths = split(source, tmp_path / "parts")
    _, facts = loaded(paths[0], tmp_path)
    (folder,) = (tmp_path / "cache" / "converted").iterdir()
    assert folder.name.endswith(f"-v{CONVERSION}") and CONVERSION > 1
    old = folder.rename(folder.with_name(folder.name.replace(f"-v{CONVERSION}", "-v1")))
    (old / "model.safetensors").write_bytes(b"wrong")
    again, _ = loaded(paths[0], tmp_path)
    assert facts and torch.equal(again.lm_head.weight, source[0].lm_head.weight)
