"""Frozen layers compute the same and give the weights back to the bit."""

import sys

import peft
import pytest
import torch
import transformers

from weighbridge.models.engine import frozen
from weighbridge.models.engine.frozen import FrozenLinear, FrozenLora, freeze_linears, thaw_linears
from weighbridge.models.engine.network import Network

# peft asks transformers for names that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:.lora_bias=True")


def small_llama(tied=True):
    torch.manual_seed(1)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=61, tie_word_embeddings=tied, attention_bias=True,
        )
    ).eval()  # fmt: skip


def with_lora(model, **settings):
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", **settings)
    wrapped = peft.get_peft_model(model, config)
    torch.manual_seed(2)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return wrapped.eval()


def logits(model, rows):
    with torch.inference_mode():
        return model(input_ids=rows).logits


ROWS = torch.arange(3, 43).reshape(2, 20)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("wrap", [lambda model: model, with_lora])
def test_frozen_layers_compute_the_same(tied, wrap):
    model = wrap(small_llama(tied))
    expected = logits(model, ROWS)
    freeze_linears(model)
    kinds = {type(layer) for layer in model.modules()}
    assert FrozenLinear in kinds
    assert (FrozenLora in kinds) == (wrap is with_lora)
    assert not any(type(layer) is torch.nn.Linear for layer in model.modules())
    assert torch.allclose(logits(model, ROWS), expected, atol=2e-5)


@pytest.mark.parametrize(
    ("act", "fused"),
    [("silu", True), ("gelu_pytorch_tanh", True), ("gelu", True), ("relu2", False)],
)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 30.0])  # small values must not hide a difference
def test_gated_blocks_run_fused_where_that_is_the_same(act, fused, scale):
    model = small_llama()
    for layer in model.model.layers:
        layer.mlp.act_fn = transformers.activations.ACT2FN[act]
        for part in layer.mlp.parameters():
            part.data *= scale
    expected = logits(model, ROWS)
    freeze_linears(model)
    for layer in model.model.layers:
        assert ("forward" in vars(layer.mlp)) == fused
        x = torch.randn(50, 64) * 3 / scale
        whole, block = type(layer.mlp).forward(layer.mlp, x), layer.mlp(x)
        assert (block - whole).abs().max() <= 2e-5 * whole.abs().max()
    assert torch.allclose(logits(model, ROWS), expected, atol=2e-5)
    thaw_linears(model)
    assert torch.equal(logits(model, ROWS), expected)


def test_weights_come_back_to_the_bit_and_can_be_trained():
    model = with_lora(small_llama())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = {name: p.requires_grad for name, p in model.named_parameters()}
    freeze_linears(model)
    logits(model, ROWS)
    thaw_linears(model)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert {name: p.requires_grad for name, p in model.named_parameters()} == trained
    base = model.get_base_model()
    assert base.lm_head.weight is base.model.embed_tokens.weight
    model(input_ids=ROWS, labels=ROWS).loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is mapped")
def test_weights_of_a_mapped_file_are_neither_dropped_nor_copied_back(tmp_path):
    small_llama().save_pretrained(tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    before = {name: p.data_ptr() for name, p in model.named_parameters()}
    expected = logits(model, ROWS)
    freeze_linears(model)
    assert any(isinstance(layer, FrozenLinear) for layer in model.modules())
    logits(model, ROWS)
    thaw_linears(model)
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == before
    assert torch.equal(logits(model, ROWS), expected)


@pytest.mark.parametrize("tied", [True, False])
def test_code_that_reads_a_frozen_weight_gets_it(tied):
    model = small_llama(tied)
    expected = {name: layer.weight.clone() for name, layer in model.named_modules()
                if type(layer) is torch.nn.Linear}  # fmt: skip
    freeze_linears(model)
    frozen = {name: layer.weight for name, layer in model.named_modules()
              if isinstance(layer, FrozenLinear)}  # fmt: skip
    assert frozen.keys() == expected.keys()
    assert all(torch.equal(frozen[name], expected[name]) for name in expected)


@pytest.mark.parametrize("change", [{"use_dora": True}, {"lora_bias": True}])
def test_adapters_that_are_more_than_a_plain_lora_keep_pefts_own_layer(change):
    model = with_lora(small_llama(), **change)
    expected = logits(model, ROWS)
    freeze_linears(model)
    assert not any(isinstance(layer, FrozenLora) for layer in model.modules())
    assert torch.allclose(logits(model, ROWS), expected, atol=2e-5)


def test_a_network_lends_the_module_as_it_was_built():
    model = small_llama()
    network = Network(model)
    network.logits(torch.zeros(1, 64))
    with network.as_built() as module:
        assert module is model
        assert type(module.lm_head) is torch.nn.Linear
        assert module.config._attn_implementation == "sdpa"
        expected = logits(module, ROWS[:1])
    assert model.config._attn_implementation != "sdpa"
    assert torch.isfinite(expected).all()


@pytest.mark.parametrize("change", ["gone", "other numbers", "other arguments"])
def test_where_torch_s_own_products_are_gone_or_changed_layers_stay_plain(change, monkeypatch):
    plain = torch.ops.mkldnn._linear_pointwise

    class Products:
        _reorder_linear_weight = torch.ops.mkldnn._reorder_linear_weight

        def __getattr__(self, name):
            if change == "gone" or name != "_linear_pointwise":
                raise AttributeError(name)

            def changed(x, weight, bias):
                return None

            def wrong(*words):
                return plain(*words) * 1.01

            return wrong if change == "other numbers" else changed

    monkeypatch.setattr(torch.ops, "mkldnn", Products())
    frozen._can_reorder.cache_clear()
    try:
        module = torch.nn.Sequential(torch.nn.Linear(8, 8))
        freeze_linears(module)
        assert type(module[0]) is torch.nn.Linear
    finally:
        monkeypatch.undo()
        frozen._can_reorder.cache_clear()
    freeze_linears(module)
    assert isinstance(module[0], FrozenLinear) == torch.backends.mkldnn.is_available()
