"""What saves memory in a pass changes nothing of what is learnt."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from weighbridge.models.peft_library import LoraConfig, get_peft_model
from weighbridge.tuning import heap
from weighbridge.tuning.fused import cross_entropies, cross_entropy_sum, fused_lora
from weighbridge.tuning.heap import gaps_returned
from weighbridge.tuning.recomputing import recomputed

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
CONFIG = LlamaConfig(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=3,
    num_attention_heads=4, num_key_value_heads=2,
)  # fmt: skip


def adapted_model(dtype=torch.float32, dropout=0.0):
    torch.manual_seed(0)
    model = LlamaForCausalLM(CONFIG).to(dtype)
    config = LoraConfig(r=4, target_modules="all-linear", lora_dropout=dropout)
    return get_peft_model(model, config, autocast_adapter_dtype=True).train()


def gradients(model):
    """Return gradients of a loss that reaches every layer, B included."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            nn.init.normal_(parameter, std=0.1)
    ids = torch.arange(40).view(2, 20) % 64
    loss = functional.cross_entropy(
        model(input_ids=ids, use_cache=False).logits.float().flatten(0, 1), ids.flatten()
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.autograd.grad(loss, trained)


def test_layers_that_are_computed_again_give_the_same_bits():
    model = adapted_model(dropout=0.2)
    kept = gradients(model)
    calls = []
    handle = model.base_model.model.model.layers[1].self_attn.register_forward_hook(
        lambda *_: calls.append(1)
    )
    with recomputed(model.base_model.model, wanted=True):
        again = gradients(model)
    handle.remove()
    assert len(calls) == 2
    assert all(torch.equal(one, other) for one, other in zip(kept, again, strict=True))
    assert not any("forward" in vars(layer) for layer in model.base_model.model.model.layers)


def test_an_adapter_in_float32_on_a_base_in_bf16_learns_what_peft_s_learns():
    model = adapted_model(torch.bfloat16)
    plain = gradients(model)
    with fused_lora(model):
        ours = gradients(model)
    for one, other in zip(ours, plain, strict=True):
        assert one.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), 0) > 0.999


def test_the_loss_of_bf16_keeps_no_logits_and_is_torch_s():
    torch.manual_seed(0)
    head = nn.Linear(16, 500, bias=False, dtype=torch.bfloat16).requires_grad_(False)
    hidden = torch.randn(300, 16, dtype=torch.bfloat16, requires_grad=True)
    targets = torch.randint(0, 500, (300,))
    wanted = functional.cross_entropy(head(hidden).float(), targets, reduction="sum")
    (gradient,) = torch.autograd.grad(wanted, hidden)
    sizes = []

    def seen(tensor):
        sizes.append(tensor.numel())
        return tensor

    for found in (
        lambda: cross_entropy_sum(hidden, head, targets),
        lambda: cross_entropies(hidden, head, targets).sum(),
    ):
        with torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
            loss = found()
        (ours,) = torch.autograd.grad(loss, hidden)
        assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
        assert ours.dtype == torch.bfloat16
        assert (
            functional.cosine_similarity(ours.float().flatten(), gradient.float().flatten(), 0)
            > 0.999
        )
    assert max(sizes) < 500 * 256


def test_gaps_are_given_back_where_a_pass_has_grown_and_not_before(monkeypatch):
    held, given = iter(range(0, 100 * heap.GAP_BYTES, heap.GAP_BYTES // 2)), []
    monkeypatch.setattr(heap, "resident_memory_bytes", lambda: next(held))
    monkeypatch.setattr(heap, "release_freed", lambda: given.append(1))
    model = adapted_model()
    with gaps_returned(model.base_model.model):
        gradients(model)
    # Three layers look after each of both passes; every second look finds that enough has grown.
    assert len(given) == 3
    gradients(model)
    assert len(given) == 3


def test_after_the_forecast_gaps_are_looked_for_near_its_peak_alone(monkeypatch):
    held, given = iter(range(0, 100 * heap.GAP_BYTES, heap.GAP_BYTES)), []
    monkeypatch.setattr(heap, "resident_memory_bytes", lambda: next(held))
    monkeypatch.setattr(heap, "release_freed", lambda: given.append(1))
    model = adapted_model()
    with gaps_returned(model.base_model.model) as gaps:
        gaps.keep_below(4 * heap.GAP_BYTES)
        gradients(model)
    # Two of six looks find less than three quarters of the peak held.
    assert len(given) == 4
