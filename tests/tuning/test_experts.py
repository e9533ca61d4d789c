"""A mixture's experts: adapted in peft's format, each watched, and none left out in silence."""

import json
import re
import warnings

import pytest
import torch
import transformers
from safetensors.torch import load_file

from architectures import SMALL, build
from tiny import build_tokenizer
from tuning_runs import rows_of, run, write_rows
from weighbridge.errors import InputError, UnknownName, WeighbridgeError
from weighbridge.models import nf4
from weighbridge.models.grouped_experts import grouped_experts
from weighbridge.planning.anatomy import lora_parameters, read_architecture
from weighbridge.tuning import TuneSettings
from weighbridge.tuning.adapters import (
    adapter_parameters,
    attached_adapter,
    load_adapter,
    save_adapter,
)
from weighbridge.tuning.expert_serving import require_served
from weighbridge.tuning.registry import find_method

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
SHAPES = ("mixtral", "qwen2-moe", "deepseek-v2", "gpt-oss")
PROBE = torch.arange(3, 40)[None]
EVERY = TuneSettings(rank=4, experts=True)


OTHERS = {
    "qwen2-moe": ("Qwen2Moe", {
        "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "shared_expert_intermediate_size": 48, "decoder_sparse_step": 1,
    }),
    "jamba": ("Jamba", {"num_experts": 4, "num_experts_per_tok": 2, "use_mamba_kernels": False}),
    "phimoe": ("Phimoe", {"num_local_experts": 4, "num_experts_per_tok": 2}),
}  # fmt: skip


def mixture(name, **more):
    if name not in OTHERS:
        return build(name, **more)
    torch.manual_seed(3)
    kind, settings = OTHERS[name]
    config = getattr(transformers, f"{kind}Config")(**{**SMALL, **settings, **more})
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def learnt(adapted):
    torch.manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)


def logits_of(module):
    with torch.no_grad():
        return module(input_ids=PROBE, use_cache=False).logits


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return rows_of(write_rows(tmp_path_factory.mktemp("rows") / "t.jsonl", 12))


@pytest.mark.parametrize("name", SHAPES)
def test_an_adapter_on_experts_is_peft_s_and_routers_stay(name, tmp_path):
    """Attention, shared and routed experts; peft and we load it with the same logits."""
    from peft import PeftModel

    module, said = mixture(name), []
    with attached_adapter(module, EVERY, "base", said) as adapted:
        learnt(adapted.eval())
        wanted = logits_of(adapted)
        trained = list(adapter_parameters(adapted))
        save_adapter(adapted, tmp_path / "adapter")
    assert not said  # nothing is left out
    kinds = ["self_attn", "mlp.experts."]
    kinds += ["mlp.shared_expert"] if name in ("qwen2-moe", "deepseek-v2") else []
    assert all(any(kind in one for one in trained) for kind in kinds)
    assert not any("gate." in one or "router" in one for one in trained)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = PeftModel.from_pretrained(mixture(name), str(tmp_path / "adapter"))
    assert torch.equal(logits_of(theirs), wanted)
    assert torch.equal(logits_of(load_adapter(mixture(name), tmp_path / "adapter")), wanted)


@pytest.mark.parametrize("experts", [False, True])
@pytest.mark.parametrize("name", [*SHAPES, "jamba", "phimoe"])
def test_the_plan_counts_what_is_trained_and_no_router_is(name, experts):
    module = mixture(name)
    with attached_adapter(module, TuneSettings(rank=4, experts=experts), "base") as adapted:
        found = adapter_parameters(adapted)
    assert not any(re.search(r"[._](gate|router)\.", one) for one in found)
    shape = read_architecture(module.config.to_dict(), "a shape")
    assert sum(each.numel() for each in found.values()) == lora_parameters(
        shape, 4, experts=experts
    )


@pytest.mark.parametrize("name", SHAPES)
def test_group_by_group_it_computes_what_peft_does(name):
    with attached_adapter(mixture(name), EVERY, "base") as adapted:
        learnt(adapted)
        trained = list(adapter_parameters(adapted).values())

        def passed():
            logits = adapted(input_ids=PROBE, use_cache=False).logits
            loss = logits.log_softmax(-1)[0, :, 7].sum()
            return [logits.detach(), *torch.autograd.grad(loss, trained)]

        theirs = passed()
        with grouped_experts(adapted):
            ours = passed()
    for one, other in zip(ours, theirs, strict=True):
        assert float((one - other).norm()) <= 1e-5 * float(other.norm())


def tuned(module, folder, rows, **settings):
    wanted = {"rank": 4, "learning_rate": 5e-3, "batch_size": 4, "max_steps": 3, **settings}
    return run((module, build_tokenizer()), folder, rows, settings=TuneSettings(**wanted))


def of_words(name, **more):
    return mixture(name, vocab_size=len(build_tokenizer()), **more)


def test_a_run_says_of_each_layer_what_became_of_its_experts(rows, tmp_path):
    result = tuned(of_words("mixtral"), tmp_path / "run", rows, experts=True)
    assert [one.layer for one in result.experts] == [0, 1]
    for one in result.experts:
        assert (one.experts, one.used, one.trained, one.exported) == (4, 4, 4, 4)
        assert (one.quantised, one.router, one.unused) == (0, "frozen", ())
    assert result.loss_last < result.loss_first
    assert (
        "experts: of 8 in 2 layers, 8 were used, 8 trained, 0 quantised, 8 exported; routers frozen"
    ) in result.told()
    saved = load_file(result.artefact / "adapter_model.safetensors")
    assert any("experts" in name for name in saved)
    config = json.loads((result.artefact / "adapter_config.json").read_text())
    assert config["target_parameters"] == ["mlp.experts.down_proj", "mlp.experts.gate_up_proj"]

    frozen = tuned(of_words("mixtral"), tmp_path / "frozen", rows)
    assert {(one.trained, one.exported) for one in frozen.experts} == {(0, 0)}
    assert any(line.startswith("no adapter on the experts' down_proj") for line in frozen.told())


def test_an_expert_that_no_token_is_sent_to_is_named(rows, tmp_path):
    module = of_words("gpt-oss")
    for layer in module.model.layers:
        layer.mlp.router.bias.data[2] = -1e4
    result = tuned(module, tmp_path / "run", rows, experts=True)
    assert [one.unused for one in result.experts] == [(2,), (2,)]
    assert [(one.used, one.trained, one.exported) for one in result.experts] == [(3, 3, 3)] * 2
    assert "experts that no token was sent to: layer 0: 2; layer 1: 2" in result.told()


def test_an_expert_without_a_gradient_ends_the_run(rows, tmp_path, monkeypatch):
    from weighbridge.models import grouped_experts as grouped

    real = grouped._pair

    def losing(a, b, expert, experts):  # what is written of expert 1 backwards is lost
        pair = real(a, b, expert, experts)
        backward = torch._C._current_graph_task_id() != -1
        return tuple(one.clone() for one in pair) if backward and expert == 1 else pair

    monkeypatch.setattr(grouped, "_pair", losing)
    with pytest.raises(WeighbridgeError, match=r"experts 1 of .*experts .*no gradient after 3 st"):
        tuned(of_words("mixtral"), tmp_path / "run", rows, experts=True, self_test=False)


def test_what_peft_can_t_do_there_is_refused_in_a_line():
    with pytest.raises(InputError, match=r"experts = True with dropout.*before any token"):
        TuneSettings(experts=True, dropout=0.1)
    for method in ("dora", "pissa", "full"):
        with pytest.raises(InputError, match="by plain LoRA alone"):
            TuneSettings(method=method, experts=True)
    with (
        pytest.raises(InputError, match="LlamaForCausalLM holds no experts"),
        attached_adapter(build("llama"), EVERY, "base"),
    ):
        pass
    assert "experts" not in TuneSettings().identity()  # runs from before keep theirs
    assert TuneSettings(experts=True).identity()["experts"] is True


def test_the_engine_that_is_to_serve_is_asked_first():
    with pytest.raises(InputError, match=r"--serve-with vllm.*#52198.*--merge FOLDER"):
        require_served("vllm", experts=True, merged=False)
    assert require_served("vllm", experts=True, merged=True) == ()
    assert require_served("llama.cpp", experts=False, merged=False) == ()
    assert require_served("transformers", experts=True, merged=False) == ()
    (said,) = require_served("", experts=True, merged=False)
    assert "for vllm, sglang, llama.cpp, merge it" in said
    with pytest.raises(UnknownName, match="vlm"):
        require_served("vlm", experts=False, merged=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixtral", "gpt-oss"])
def test_experts_are_held_in_four_bits_each_counted(name, rows, tmp_path):
    """bitsandbytes would leave them as they are."""
    pytest.importorskip("bitsandbytes")
    wide = {"intermediate_size": 128, "hidden_size": 64}
    module = of_words(name, **wide)
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    result = tuned(module, tmp_path / "run", rows, method="qlora", experts=True)
    assert [(one.quantised, one.trained) for one in result.experts] == [(4, 4)] * 2
    assert any("and 16 matrices of routed experts" in line for line in result.told())
    after = module.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())

    record = nf4.quantise(module)
    assert record.experts == 16
    held = module.model.layers[0].mlp.experts
    numbers = before["model.layers.0.mlp.experts.down_proj"][0].numel()
    packed, state = held.packed["down_proj"][0]
    assert packed.nbytes + state.absmax.nbytes == numbers // 2 + numbers // 64
    assert held.down_proj.untyped_storage().nbytes() == 4  # only its shape stands there
    wanted = logits_of(load_adapter(module, result.artefact))
    again = of_words(name, **wide)
    merged = find_method("qlora").merge(
        again, build_tokenizer(), result.artefact, tmp_path / "merged", PROBE
    )
    found = logits_of(transformers.AutoModelForCausalLM.from_pretrained(merged.path))
    assert float((found - wanted).abs().max()) < 1e-4 * float(wanted.abs().max())


def test_an_expert_that_is_not_in_four_bits_is_an_error(monkeypatch):
    pytest.importorskip("bitsandbytes")
    real = nf4._Making._in_four_bits

    def skipped(self, name, numbers):
        weight = real(self, name, numbers)
        if name.endswith("experts.down_proj.3"):
            weight.data = numbers  # as it was
        return weight

    monkeypatch.setattr(nf4._Making, "_in_four_bits", skipped)
    with pytest.raises(WeighbridgeError, match=r"experts\.down_proj\.3 takes 32,9.. bytes"):
        nf4.quantise(mixture("mixtral", intermediate_size=128))
