"""The ladder's decoder against transformers' Llama and Mixtral, and its counts against torch's."""

import importlib.util

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

from conftest import REPOSITORY
from weighbridge.planning.anatomy import linear_flops
from weighbridge.planning.scaling.ladder import Shape
from weighbridge.pretraining.decoder import Decoder

SHAPES = [Shape(16, 1), Shape(32, 3), Shape(64, 2), Shape(32, 2, 8, 2), Shape(48, 1, 4, 2)]


def load_bench():
    """`bench/ladder_step.py`, which races the same two models."""
    path = REPOSITORY / "bench" / "ladder_step.py"
    spec = importlib.util.spec_from_file_location("ladder_step", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BENCH = load_bench()


def named(shape):
    kind = "dense" if shape.experts == 1 else f"{shape.experts}x{shape.experts_per_token}"
    return f"{shape.hidden}x{shape.layers}-{kind}"


def theirs(ours):
    """transformers' model with the same numbers."""
    shape = ours.shape
    config, model = (
        (LlamaConfig, LlamaForCausalLM)
        if shape.experts == 1
        else (MixtralConfig, MixtralForCausalLM)
    )
    made = model(config(**shape.config)).eval()
    missing, unexpected = made.load_state_dict(BENCH.renamed(ours), strict=False)
    assert set(missing) <= {"lm_head.weight"}  # tied
    assert not unexpected
    made.tie_weights()
    return made


@pytest.fixture(params=SHAPES, ids=named)
def decoder(request):
    model = Decoder(request.param, 48, seed=3)
    with torch.no_grad():  # norms that are not all ones, so that each is seen to be used
        rng = torch.Generator().manual_seed(4)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.mul_(1 + 0.3 * torch.randn(parameter.shape, generator=rng))
    return model


@pytest.fixture
def tokens():
    return torch.randint(0, 256, (3, 48), generator=torch.Generator().manual_seed(5))


def test_logits_and_gradients_are_those_of_transformers(decoder, tokens):
    other = theirs(decoder)
    ours, _ = decoder(tokens)
    expected = other(tokens).logits.reshape(-1, 256)
    torch.testing.assert_close(ours, expected, atol=2e-4, rtol=1e-4)
    targets = tokens.reshape(-1)
    for logits in (ours, expected):
        torch.nn.functional.cross_entropy(logits, targets).backward()
    ours_grad = torch.cat([layer.qkv.grad for layer in decoder.layers])
    expected_grad = torch.cat([
        getattr(layer.self_attn, f"{name}_proj").weight.grad
        for layer in other.model.layers for name in "qkv"
    ])  # fmt: skip
    torch.testing.assert_close(ours_grad, expected_grad, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(
        decoder.embedding.grad, other.model.embed_tokens.weight.grad, atol=1e-5, rtol=1e-3
    )


def test_parameters_are_those_that_anatomy_counts(decoder):
    assert sum(p.numel() for p in decoder.parameters()) == decoder.shape.parameters


def test_flops_are_those_that_torch_counts(decoder, tokens):
    """Products with weights alone: torch counts attention as if it were not causal."""
    with FlopCounterMode(display=False) as counter:
        decoder(tokens)
    counted = counter.get_flop_counts()["Global"]
    products = sum(n for op, n in counted.items() if "attention" not in str(op))
    assert products == tokens.numel() * linear_flops(decoder.shape.architecture)


def test_training_flops_take_attention_from_the_positions_before():
    """Scores and sums of t positions take 4 t width FLOPs in a layer; backward takes twice that."""
    shape = Shape(32, 3)
    attention = sum(4 * t * 32 * 3 for t in range(1, 129)) / 128
    expected = 3 * (linear_flops(shape.architecture) + attention)
    assert shape.training_flops(128) == pytest.approx(expected)


def test_no_row_is_dropped_when_all_choose_one_expert(tokens):
    """With a router of zeros all choose the same one: a dense model of that expert alone."""
    model, dense = Decoder(Shape(32, 1, 4, 1), 48, seed=0), Decoder(Shape(32, 1), 48, seed=0)
    mixed, alone = model.layers[0], dense.layers[0]
    with torch.no_grad():
        mixed.router.zero_()
        chosen = int(torch.zeros(4).softmax(-1).topk(1).indices)
        dense.embedding.copy_(model.embedding)
        alone.qkv.copy_(mixed.qkv)
        alone.output.copy_(mixed.output)
        alone.gate_up.copy_(mixed.gate_up[chosen])
        alone.down.copy_(mixed.down[chosen])
        logits, uneven = model(tokens)
        expected, none = dense(tokens)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    assert float(uneven) == pytest.approx(1.0)  # mean probabilities are all a quarter
    assert float(none) == 0


def test_uneven_use_costs_and_even_use_does_not(tokens):
    """Switch's loss is 1 where experts are used alike, near their number where one takes all."""
    model = Decoder(Shape(32, 1, 4, 1), 48, seed=0)
    layer = model.layers[0]
    with torch.no_grad():
        layer.feed_norm.zero_()[0] = 1.0
        layer.router.zero_()[0, 0] = 100.0  # one expert for all rows where the first state is > 0
        layer.router[1, 0] = -100.0
        model.embedding[:, 0] = 5.0
        _, uneven = model(tokens)
    assert float(uneven) > 3.5
