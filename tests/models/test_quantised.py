"""Quantised folders: read by transformers, or refused in one true line naming what is missing."""

import importlib.util
import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tiny import build_tiny_model
from weighbridge.errors import InputError, MissingPiece, WeighbridgeError
from weighbridge.models.reading import read_model


def quantised_as(folder, said, key="quantization_config"):
    build_tiny_model(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: said}))
    return folder


@pytest.mark.parametrize(
    ("said", "method", "packages"),
    [
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bitsandbytes", ["bitsandbytes"]),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes", ["bitsandbytes"]),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, "gptq", ["optimum", "gptqmodel"]),
        ({"quant_method": "awq", "bits": 4, "group_size": 32}, "awq", ["gptqmodel"]),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors", ["compressed-tensors"]),
        ({"quant_method": "hqq"}, "hqq", ["hqq"]),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    said, method, packages, tmp_path
):
    missing = [p for p in packages if not importlib.util.find_spec(p.replace("-", "_"))]
    if not missing:
        pytest.skip(f"{packages} are installed")
    with pytest.raises(MissingPiece) as refused:
        read_model(quantised_as(tmp_path / "m", said), torch.float32, "cpu")
    line = str(refused.value)
    assert f"quantised by {method}" in line and f"pip install {' '.join(missing)}" in line
    assert "fetch" not in line and "\n" not in line


@pytest.mark.parametrize("key", ["quantization_config", "compression_config"])
def test_a_method_that_nobody_knows_is_not_read_as_plain_weights(key, tmp_path):
    folder = quantised_as(tmp_path / "m", {"quant_method": "exl9"}, key)
    with pytest.raises(InputError, match="'exl9', which the installed transformers doesn't know"):
        read_model(folder, torch.float32, "cpu")


def test_a_method_without_a_name_is_refused(tmp_path):
    folder = quantised_as(tmp_path / "m", {"bits": 4})
    with pytest.raises(InputError, match="without a quant_method"):
        read_model(folder, torch.float32, "cpu")


def test_what_only_another_machine_can_read_is_said_in_transformers_words(tmp_path):
    folder = quantised_as(tmp_path / "m", {"quant_method": "nvfp4"})
    with pytest.raises(WeighbridgeError) as refused:
        read_model(folder, torch.float32, "cpu")
    assert "quantised by nvfp4" in str(refused.value) and "NVFP4" in str(refused.value)


def test_eight_bit_floats_with_scales_are_read_as_the_numbers_that_they_stand_for(tmp_path):
    """As DeepSeek-V3 and MiniMax-M2 are published: blocks of float8 with one scale each."""
    folder = build_tiny_model(tmp_path / "m", hidden_size=128, intermediate_size=128)
    plain = load_file(folder / "model.safetensors")
    stored, meant = {}, {}
    for name, tensor in plain.items():
        stored[name] = meant[name] = tensor
        if name.endswith("proj.weight"):
            scale = torch.full((-(-tensor.shape[0] // 128), 1), float(tensor.abs().max()) / 448)
            low = (tensor / scale[0]).to(torch.float8_e4m3fn)
            stored[name], stored[f"{name}_scale_inv"] = low, scale
            meant[name] = low.float() * scale[0]
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    (folder / "config.json").write_text(json.dumps(config))
    module, _ = read_model(folder, torch.float32, "cpu")
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    got = module.state_dict()
    for name, tensor in meant.items():
        # transformers unfolds them through bfloat16.
        assert torch.allclose(got[name].float(), tensor, rtol=2**-7, atol=1e-6), name
