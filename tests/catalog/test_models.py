"""The catalog's models have the sizes that their publishers state."""

import cProfile
import json

import pytest

from weighbridge.catalog.models import find_model, find_model_by_repository, model_names
from weighbridge.errors import UnknownName
from weighbridge.planning.anatomy import (
    active_parameters,
    kv_cache_bytes_per_token,
    parameters,
    read_architecture,
    summarise,
    vision_parameters,
)


def architecture(name):
    return read_architecture(find_model(name).config, name)


@pytest.mark.parametrize(
    ("name", "total"),
    [
        # Sums over the tensors of the published safetensors, as the Hub shows them.
        ("llama-2-7b", 6_738_415_616),
        ("llama-2-13b", 13_015_864_320),
        ("llama-2-70b", 68_976_648_192),
        ("llama-3-8b", 8_030_261_248),
        ("llama-3-70b", 70_553_706_496),
        ("llama-3.1-405b", 405_853_388_800),
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-3.2-3b", 3_212_749_824),
        ("mistral-7b-v0.1", 7_241_732_096),
        ("mixtral-8x7b", 46_702_792_704),
        ("qwen2.5-0.5b", 494_032_768),
        ("qwen2.5-7b", 7_615_616_512),
        ("qwen3-8b", 8_190_735_360),
        ("qwen3-30b-a3b", 30_532_122_624),
        ("qwen3-235b-a22b", 235_093_634_560),
        ("gemma-2b", 2_506_172_416),
        ("gemma-7b", 8_537_680_896),
        ("gemma-2-2b", 2_614_341_888),
        ("gemma-2-9b", 9_241_705_984),
        ("gemma-2-27b", 27_227_128_320),
        ("gemma-3-1b", 999_885_952),
        ("phi-2", 2_779_683_840),
        ("phi-3-mini-4k", 3_821_079_552),
        ("phi-4", 14_659_507_200),
        ("phi-3.5-moe", 41_873_153_344),
        ("olmo-2-7b", 7_298_617_344),
        ("olmoe-1b-7b", 6_919_161_856),
        ("deepseek-v2", 235_741_434_880),
        ("gpt-oss-20b", 20_914_757_184),
        ("gpt-oss-120b", 116_829_156_672),
        ("smollm2-135m", 134_515_008),
        ("smollm2-360m", 361_821_120),
        ("smollm2-1.7b", 1_711_376_384),
        ("smollm3-3b", 3_075_098_624),
        ("seed-oss-36b", 36_151_104_512),
        ("granite-4-h-small", 32_207_337_984),
        ("hunyuan-a13b", 80_393_183_232),
        ("nemotron-3-nano-30b-a3b", 31_577_937_344),
        ("qwen3-next-80b-a3b", 79_674_391_296),  # Qwen3-Coder-Next's: the same architecture
        ("exaone-4-32b", 32_003_216_384),
        ("gpt2", 124_439_808),
        ("gpt2-xl", 1_557_611_200),
        # What others saw the loaded models report.
        ("exaone-4-1.2b", 1_279_391_488),
        ("nemotron-h-8b", 8_100_852_736),
        # Biderman et al. 2023 (arXiv:2304.01373) and its repository: total parameters.
        ("pythia-70m", 70_426_624),
        ("pythia-160m", 162_322_944),
        ("pythia-410m", 405_334_016),
        ("pythia-1b", 1_011_781_632),
        ("pythia-1.4b", 1_414_647_808),
        ("pythia-2.8b", 2_775_208_960),
        ("pythia-6.9b", 6_857_302_016),
        ("pythia-12b", 11_846_072_320),
        # Black et al. 2022 (arXiv:2204.06745), section 2.
        ("gpt-neox-20b", 20_554_567_680),
    ],
)
def test_totals_are_the_published_ones(name, total):
    assert parameters(architecture(name)) == total


@pytest.mark.parametrize(
    ("name", "total"),
    [  # sums over the published safetensors, vision tower and projector among them
        ("gemma-3-4b", 4_300_079_472),
        ("gemma-3-12b", 12_187_325_040),
        ("gemma-3-27b", 27_432_406_640),
        ("llama-4-scout", 108_641_793_536),
        ("llama-4-maverick", 401_583_781_376),
        ("mistral-small-3.1-24b", 24_011_361_280),
        ("qwen3-vl-8b", 8_767_123_696),
    ],
)
def test_totals_with_a_vision_tower(name, total):
    seeing = architecture(name)
    assert parameters(seeing) + vision_parameters(seeing) == total


@pytest.mark.parametrize(
    ("name", "total", "routers"),
    [  # sums over the published safetensors without layers for multi-token prediction
        ("kimi-k2", 1_026_408_232_448, 60 * 384),
        ("minimax-m2", 228_689_764_864, 62 * 256),
        ("glm-4.5", 352_797_829_024, 89 * 160),
        ("glm-4.5-air", 106_852_251_264, 45 * 128),
    ],
)
def test_published_sums_hold_the_routers_corrections(name, total, routers):
    """One for each expert of each layer: stored, but a buffer in transformers, not a parameter."""
    assert parameters(architecture(name)) + routers == total


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [  # billions, as the model cards on the Hub state them; GLM 4.5's total has a layer more,
        # and DeepSeek V3.2's figures are V3's
        ("qwen3-next-80b-a3b", 80, 3), ("glm-4.5", 355, 32), ("glm-4.5-air", 106, 12),
        ("minimax-m2", 230, 10), ("kimi-k2", 1000, 32), ("deepseek-v3.2", 671, 37),
        ("ernie-4.5-21b-a3b", 21, 3), ("ernie-4.5-300b-a47b", 300, 47),
        ("hunyuan-a13b", 80, 13), ("granite-4-h-small", 32, 9),
        ("nemotron-3-nano-30b-a3b", 31.6, 3.2), ("qwen3.5-397b-a17b", 397, 17), ("glm-5", 744, 40),
    ],
)  # fmt: skip
def test_the_mixtures_of_2025_round_to_what_publishers_say(name, total, active):
    """Some count the embedding among the active, some don't: the stated figure is one of both."""
    model = architecture(name)
    assert parameters(model) / 1e9 == pytest.approx(total, rel=0.04)
    with_it = active_parameters(model) / 1e9
    without = with_it - parameters(model, "embedding") / 1e9
    head = without - parameters(model, "head") / 1e9
    assert min(abs(x / active - 1) for x in (with_it, without, head)) < 0.09


def test_hybrids_and_dense_models_of_2025_round_to_what_publishers_say():
    """Nemotron H 8B: 8.1B (arXiv:2504.03624); EXAONE 4: without embeddings, on its model cards."""
    assert round(parameters(architecture("nemotron-h-8b")) / 1e9, 1) == 8.1
    for name, billions in (("exaone-4-32b", 30.95), ("exaone-4-1.2b", 1.07)):
        model = architecture(name)
        around = parameters(model, "embedding") + parameters(model, "head")
        assert (parameters(model) - around) / 1e9 == pytest.approx(billions, abs=0.006)


def test_a_state_does_not_grow_with_the_context():
    """Nemotron H 8B: 24 state spaces of 128 · 64 · 128 numbers in float32, and convolutions."""
    found = summarise(architecture("nemotron-h-8b"), "nemotron-h-8b", "catalog")
    assert found.state_bytes_per_sequence == 24 * (4 * 128 * 64 * 128 + 2 * 4 * (8192 + 2048))
    assert found.kv_cache_bytes_per_token == 4 * 2 * 2 * 8 * 128


def test_active_parameters_of_mixtures():
    """Mixtral 12.9B (arXiv:2401.04088), DeepSeek-V2 21B (arXiv:2405.04434), embedding included."""
    assert active_parameters(architecture("mixtral-8x7b")) == 12_879_925_248
    assert active_parameters(architecture("deepseek-v2")) == 21_375_800_320


@pytest.mark.parametrize(
    ("name", "billions"),
    [  # stated with one digit, embedding included
        ("mixtral-8x22b", 39), ("deepseek-v3", 37), ("qwen3-235b-a22b", 22), ("llama-4-scout", 17),
        ("llama-4-maverick", 17), ("qwen2-57b-a14b", 14), ("phi-3.5-moe", 6.6),
        ("olmoe-1b-7b", 1.3), ("qwen1.5-moe-a2.7b", 2.7),
    ],
)  # fmt: skip
def test_active_parameters_round_to_what_publishers_say(name, billions):
    assert active_parameters(architecture(name)) / 1e9 == pytest.approx(billions, rel=0.03)


@pytest.mark.parametrize(("name", "billions"), [("gpt-oss-20b", 3.61), ("gpt-oss-120b", 5.13)])
def test_gpt_oss_counts_active_parameters_without_the_embedding(name, billions):
    """Table 1 of its model card (arXiv:2508.10925), which also gives attention: .64 and .96."""
    model = architecture(name)
    active = active_parameters(model) - active_parameters(model, "embedding")
    assert round(active / 1e9, 2) == billions
    attention = {"gpt-oss-20b": 0.64, "gpt-oss-120b": 0.96}[name]
    assert round(parameters(model, "attention") / 1e9, 2) == attention


@pytest.mark.parametrize(
    ("name", "kibibytes"),
    [
        ("llama-3-8b", 128), ("mixtral-8x7b", 128), ("llama-3-70b", 320), ("llama-3.1-405b", 504),
        ("deepseek-v2", 67.5), ("deepseek-llm-67b", 380),
    ],
)  # fmt: skip
def test_the_cache_a_token_in_bf16(name, kibibytes):
    """2 · layers · key-value heads · head width · 2 bytes; MLA: layers · (512 + 64) · 2 bytes."""
    assert kv_cache_bytes_per_token(architecture(name)) == kibibytes * 1024


@pytest.mark.parametrize("name", model_names())
def test_every_model_is_whole_and_has_a_source(name):
    model = find_model(name)
    assert model.title and model.hub and model.hub[0] in model.source
    found = architecture(name)
    assert parameters(found) > 0
    assert not any("default" in note for note in found.notes), found.notes
    for repository in model.hub:
        assert find_model_by_repository(repository.upper()) == model


def test_names_are_found_or_suggested():
    assert find_model_by_repository("nobody/nothing") is None
    with pytest.raises(UnknownName, match="did you mean llama-3-8b"):
        find_model("llama-3-8")


def test_no_repository_is_listed_twice():
    listed = [repository.lower() for name in model_names() for repository in find_model(name).hub]
    assert len(listed) == len(set(listed))
    assert json.dumps(listed)


def test_taking_a_model_apart_takes_little_work():
    """As calls of functions, which every machine makes alike: milliseconds of them."""
    profile = cProfile.Profile()
    profile.runcall(summarise, architecture("deepseek-v3"), "deepseek-v3", "catalog")
    assert sum(entry.callcount for entry in profile.getstats()) < 100_000
