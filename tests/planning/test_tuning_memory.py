"""Laws of the memory forecast, and QLoRA of a 70B Llama on 48 GB."""

from dataclasses import replace

import pytest

from weighbridge.catalog.models import find_model, model_names
from weighbridge.errors import InputError
from weighbridge.planning.anatomy import parameters, read_architecture
from weighbridge.planning.tuning_memory import (
    CONTEXT_BYTES,
    PEFT,
    STACKS,
    TuningSetup,
    forecast,
    lora_footprint,
)
from weighbridge.planning.tuning_memory.activations import layer_bytes
from weighbridge.planning.tuning_memory.shapes import shape_of, usual_shape

METHODS = ("full", "lora", "qlora")


def architecture(name):
    return read_architecture(find_model(name).config, name)


EIGHT = architecture("llama-3-8b")


def peak(setup, model=EIGHT, stack=None):
    return forecast(model, setup, **({"stack": stack} if stack else {})).peak_bytes


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", ["rank", "row_tokens", "batch_size"])
def test_more_of_anything_never_takes_less(stack, method, checkpointing, name):
    setup = TuningSetup(method=method, checkpointing=checkpointing, loss="whole")
    sizes = [peak(replace(setup, **{name: n}), stack=stack) for n in (1, 2, 8, 64, 512, 4096)]
    assert sizes == sorted(sizes)
    if method != "full":  # whose peak may be the optimizer's step, which no row length changes
        assert sizes[0] < sizes[-1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("devices", [1, 4])
def test_the_items_add_up(method, devices):
    memory = forecast(
        EIGHT,
        TuningSetup(method=method, devices=devices),
        fragmentation_share=0.05,
        context_bytes=CONTEXT_BYTES,
    )
    assert sum(memory.items.values()) == memory.peak_bytes
    assert memory.reserved_bytes == memory.peak_bytes - CONTEXT_BYTES
    assert memory.fragmentation_bytes == pytest.approx(0.05 * memory.passing_bytes, abs=1)
    assert min(memory.items.values()) >= 0


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("name", ["llama-3-8b", "gemma-2-2b", "phi-2", "mixtral-8x7b", "gpt2-xl"])
def test_full_takes_more_than_lora_and_lora_more_than_qlora(stack, name):
    model, setup = architecture(name), TuningSetup(row_tokens=512, checkpointing=True)
    full, lora, qlora = (peak(replace(setup, method=m), model, stack) for m in METHODS)
    assert full > lora > qlora


@pytest.mark.parametrize("method", METHODS)
def test_checkpointing_and_smaller_moments_save_memory(method):
    setup = TuningSetup(method=method, batch_size=4)
    assert peak(replace(setup, checkpointing=True)) < peak(setup)
    sizes = [peak(replace(setup, optimizer=o)) for o in ("adamw", "adamw-8bit", "adamw-paged")]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3


@pytest.mark.parametrize("objective", ["dpo", "orpo"])
def test_two_answers_take_what_two_rows_take_and_a_reference_nothing(objective):
    pairs = TuningSetup(objective=objective, batch_size=2)
    assert forecast(EIGHT, pairs) == forecast(EIGHT, TuningSetup(batch_size=4))
    assert pairs.tokens == 4 * pairs.row_tokens
    with pytest.raises(InputError, match="objective = 'dop'; expected sft or dpo or orpo"):
        TuningSetup(objective="dop")


def test_a_chunked_loss_does_not_grow_with_the_vocabulary():
    whole = TuningSetup(row_tokens=4096, loss="whole")
    assert peak(whole) - peak(replace(whole, loss="chunked")) > 7 * 128256 * 4096


def test_full_tuning_in_bf16_holds_eight_bytes_a_parameter():
    """Weights, gradients and two moments of 2 bytes (and AdamW's own temporary of 2)."""
    setup = TuningSetup(method="full", row_tokens=1)
    memory, count = forecast(EIGHT, setup), parameters(EIGHT)
    assert memory.moment == "step"
    assert memory.weights_bytes + memory.gradient_bytes + memory.optimizer_bytes == 8 * count
    assert memory.peak_bytes == 10 * count


def test_quantised_weights_are_the_sum_of_their_blocks():
    """NF4 with quantised scales: (4 + 8/64 + 32/(64·256)) / 8 bytes a number of linear layers."""
    plain = forecast(EIGHT, TuningSetup()).weights_bytes
    stored = forecast(EIGHT, TuningSetup(method="qlora")).weights_bytes
    linear = sum(parameters(EIGHT, role) for role in ("attention", "mlp"))
    saved = linear * (2 - (4 + 8 / 64 + 32 / (64 * 256)) / 8)
    assert plain - stored == pytest.approx(saved, rel=1e-4)


def test_sharding_divides_what_is_held():
    setup = TuningSetup(method="full", checkpointing=True, row_tokens=16384)
    one, four = (forecast(EIGHT, replace(setup, devices=n)) for n in (1, 4))
    assert four.weights_bytes * 4 == one.weights_bytes
    assert four.optimizer_bytes * 4 == one.optimizer_bytes
    assert one.gathered_bytes == 0 < four.gathered_bytes
    assert four.peak_bytes < one.peak_bytes / 2


@pytest.mark.parametrize("name", model_names())
def test_every_model_of_the_catalog_has_a_forecast(name):
    """Whatever its layers are: mixtures, latent attention, state spaces."""
    setup = TuningSetup(method="qlora", rank=1, row_tokens=4096)
    memory = forecast(architecture(name), setup)
    assert memory.moment != "step" and memory.activation_bytes > 0
    assert memory.peak_bytes > memory.weights_bytes > 0


def test_torchtune_s_figure_of_an_8b_qlora():
    """7.4 GiB (torchtune's README): rank 8, two rows of 2,048, checkpointing, adapters in bf16."""
    setup = TuningSetup(method="qlora", rank=8, row_tokens=2048, batch_size=2, checkpointing=True)
    assert peak(setup) / 2**30 == pytest.approx(7.4, rel=0.1)


class TestSeventyBillionOn48GB:
    """What must be true for QLoRA of Llama 3 70B to fit on one device of 48 GB."""

    model = architecture("llama-3-70b")
    fits = TuningSetup(
        method="qlora", rank=16, row_tokens=2048, checkpointing=True, optimizer="adamw-8bit"
    )

    def taken(self, **changes):
        setup = replace(self.fits, **changes)
        return forecast(self.model, setup, context_bytes=CONTEXT_BYTES).peak_bytes

    def test_it_fits(self):
        assert self.taken() < 48e9

    @pytest.mark.parametrize(
        "change",
        [
            {"float32_embeddings": True, "loss": "whole"},
            {"checkpointing": False},
            {"double_quantised": False, "loss": "whole", "row_tokens": 4096},
            {"row_tokens": 2048, "batch_size": 8, "loss": "whole"},
            {"rank": 128},
            {"method": "lora"},
        ],
        ids=str,
    )
    def test_it_does_not_otherwise(self, change):
        assert self.taken(**change) > 48e9


def test_lora_s_own_figures():
    made = lora_footprint(EIGHT, TuningSetup(rank=8, targets=("q_proj", "v_proj")), PEFT)
    assert made.trainable_parameters == 32 * 8 * (4096 + 4096 + 4096 + 1024)
    assert made.token_bytes == 32 * (2 * 4 * 4096 + 2 * 4 * 8)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rank": 0}, "rank = 0"),
        ({"row_tokens": -1}, "row_tokens = -1"),
        ({"method": "magic"}, "full or lora or qlora"),
        ({"optimizer": "sgd"}, "optimizer = 'sgd'"),
        ({"element_bytes": 3}, "element_bytes = 3"),
        ({"targets": "q_proj"}, "targets = 'q_proj'"),
    ],
)
def test_wrong_settings_are_one_line(wrong, said):
    with pytest.raises(InputError) as told:
        TuningSetup(**wrong)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_norms_that_heads_share_act_on_every_head():
    """Qwen 3 8B: 32 query heads and 8 key heads of 128, beside two norms of 4,096."""
    shape = shape_of(architecture("qwen3-8b").layers[0], 4096)
    assert sorted(width for width, _ in shape.norms) == [1024, 4096, 4096, 4096]


def test_a_guessed_layer_is_llama_s():
    known = shape_of(EIGHT.layers[0], 4096)
    guessed = usual_shape(4096, 14336, 32, 4096, 1024)
    assert layer_bytes(guessed, TuningSetup(), PEFT) == layer_bytes(known, TuningSetup(), PEFT)
    assert [p.inputs * p.outputs for p in guessed.products] == [p.size for p in known.products]
