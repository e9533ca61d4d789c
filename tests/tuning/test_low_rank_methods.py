"""LoRA's relatives against peft itself: parameters, start, scale, rates, and what is saved."""

import math

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from architectures import build
from tiny import build_tokenizer
from tuning_runs import rows_of, run, write_rows
from weighbridge.errors import WeighbridgeError
from weighbridge.models.reading import read_model
from weighbridge.tuning import TuneSettings
from weighbridge.tuning.job import optimizer_of
from weighbridge.tuning.registry import find_method

# peft asks transformers by a name that transformers has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
PROBE = torch.arange(5, 60)[None]
OPTIONS = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "lora-plus": {},
    "pissa": {"init_lora_weights": "pissa"},
}
EACH = sorted(OPTIONS)


@pytest.fixture
def base(tiny_model):
    return read_model(tiny_model, torch.float32, "cpu")


@pytest.fixture
def rows(tmp_path):
    return rows_of(write_rows(tmp_path / "t.jsonl", 8))


def prepared(name, module, folder, **more):
    settings = TuneSettings(method=name, rank=4, **more)
    return find_method(name).prepared(module, settings, "tiny", folder, [])


def peft_made(name, module, alpha):
    config = LoraConfig(
        r=4, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM", **OPTIONS[name]
    )
    return get_peft_model(module, config)


def scales_of(model):
    layers = (part for part in model.modules() if isinstance(part, LoraLayer))
    return {scale for layer in layers for scale in layer.scaling.values()}


def logits_of(module):
    module.eval()
    with torch.no_grad():
        return module(input_ids=PROBE, use_cache=False).logits


@pytest.mark.parametrize("name", EACH)
def test_it_trains_what_peft_trains_at_the_same_scale(name, base, tiny_model, tmp_path):
    alpha = float(find_method(name).defaults["alpha"])
    theirs = peft_made(name, read_model(tiny_model, torch.float32, "cpu")[0], alpha)
    wanted = {n: p.shape for n, p in theirs.named_parameters() if p.requires_grad}
    with prepared(name, base[0], tmp_path) as model:
        trained = find_method(name).trained(model)
        assert {n: p.shape for n, p in trained.items()} == wanted
        for one, other in zip(model.modules(), theirs.modules(), strict=True):
            if isinstance(one, LoraLayer):
                assert one.scaling == other.scaling


@pytest.mark.parametrize("name", EACH)
def test_with_the_same_numbers_in_it_the_logits_are_pefts(name, base, tiny_model, tmp_path):
    theirs = peft_made(
        name, read_model(tiny_model, torch.float32, "cpu")[0],
        float(find_method(name).defaults["alpha"]),
    )  # fmt: skip
    with prepared(name, base[0], tmp_path) as model:
        ours = dict(model.named_parameters())
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter_name, parameter in theirs.named_parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.02)
                    ours[parameter_name].copy_(parameter)
        difference = (logits_of(model) - logits_of(theirs)).abs().max()
        assert float(difference) <= 1e-4 * float(logits_of(theirs).abs().max())


def test_the_scale_of_rslora_is_alpha_by_the_root_of_the_rank(base, tmp_path):
    with prepared("rslora", base[0], tmp_path, alpha=6.0) as model:
        scales = {
            v for m in model.modules() if isinstance(m, LoraLayer) for v in m.scaling.values()
        }
    assert scales == {6.0 / math.sqrt(4)}


def test_lora_plus_has_the_groups_and_rates_of_pefts_optimizer(base, tmp_path):
    settings = TuneSettings(method="lora-plus", rank=4, learning_rate=1e-3, learning_rate_ratio=8.0)
    method = find_method("lora-plus")
    with method.prepared(base[0], settings, "tiny", tmp_path, []) as model:
        ours = optimizer_of(method, method.trained(model), settings)
        theirs = create_loraplus_optimizer(model, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=8.0)
        rates = {id(p): g["lr"] * g["rate_factor"] for g in ours.param_groups for p in g["params"]}
        wanted = {id(p): g["lr"] for g in theirs.param_groups for p in g["params"]}
        assert rates == pytest.approx(wanted)
        assert len({round(rate, 9) for rate in rates.values()}) == 2


def test_one_step_of_lora_plus_moves_b_by_its_own_rate(base, rows, tmp_path):
    """AdamW's first step moves each number by its rate, whatever the gradient's size."""
    moved = {}
    for name, more in (("lora", {}), ("lora-plus", {"learning_rate_ratio": 8.0})):
        settings = TuneSettings(
            method=name, rank=4, learning_rate=1e-3, max_steps=1, clip_norm=0.0, **more
        )
        result = run(base, tmp_path / name, rows, settings=settings)
        tensors = load_file(result.artefact / "adapter_model.safetensors")
        moved[name] = max(float(t.abs().max()) for key, t in tensors.items() if "lora_B" in key)
    assert moved["lora-plus"] == pytest.approx(8 * moved["lora"], rel=1e-2)


def test_pissa_starts_from_the_principal_part_that_peft_finds(base, tiny_model, tmp_path):
    theirs = peft_made("pissa", read_model(tiny_model, torch.float32, "cpu")[0], 16.0)
    with prepared("pissa", base[0], tmp_path) as model:
        for one, other in zip(model.modules(), theirs.modules(), strict=True):
            if not isinstance(one, LoraLayer):
                continue
            ours, wanted = (
                layer.lora_B["default"].weight @ layer.lora_A["default"].weight
                for layer in (one, other)
            )
            assert torch.allclose(ours, wanted, atol=1e-4)
            rests = [layer.get_base_layer().weight for layer in (one, other)]
            assert torch.allclose(*rests, atol=1e-4)


def test_pissas_adapter_is_a_lora_of_twice_the_rank_on_the_base_as_it_was(
    base, tiny_model, rows, tmp_path
):
    settings = TuneSettings(method="pissa", rank=4, learning_rate=1e-3, batch_size=4)
    result = run(base, tmp_path / "run", rows, settings=settings)
    untouched = read_model(tiny_model, torch.float32, "cpu")[0]
    loaded = PeftModel.from_pretrained(untouched, result.artefact)
    config = loaded.peft_config["default"]
    assert (config.r, config.lora_alpha, config.init_lora_weights) == (8, 32, True)
    assert scales_of(loaded) == {4.0}  # alpha by rank, as while it was trained


def test_what_pissa_saves_is_what_it_had_become(base, tiny_model, tmp_path):
    with prepared("pissa", base[0], tmp_path / "run") as model:
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in find_method("pissa").trained(model).values():
                parameter.add_(torch.randn_like(parameter) * 0.01)
        expected = logits_of(model)
        find_method("pissa").save(model, None, tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(
        read_model(tiny_model, torch.float32, "cpu")[0], tmp_path / "adapter"
    )
    assert float((logits_of(loaded) - expected).abs().max()) < 1e-4 * float(expected.abs().max())
    tensors = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert max(float(t.abs().max()) for t in tensors.values()) < 0.5  # the change, not the weights


def test_pissa_on_layers_whose_weights_stand_elsewhere_is_refused(base, tmp_path):
    """The tiny model's head is its embeddings: what is taken out of the one lacks in the other."""
    with (
        pytest.raises(WeighbridgeError, match="whose weights stand nowhere else"),
        prepared("pissa", base[0], tmp_path, target=("lm_head",)),
    ):
        pass


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("architecture", ["gpt2", "gpt-oss", "mamba", "gemma3-window"])
def test_other_architectures_learn_and_get_their_base_back(name, architecture, rows, tmp_path):
    module = build(architecture, vocab_size=len(build_tokenizer()))
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    settings = TuneSettings(method=name, rank=4, learning_rate=2e-3, epochs=3, batch_size=8)
    result = run((module, build_tokenizer()), tmp_path / "run", rows, settings=settings)
    assert result.loss_last < result.loss_first
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
