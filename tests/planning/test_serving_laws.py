"""What must hold of every forecast of serving, whatever it was calibrated on."""

from dataclasses import replace
from datetime import date

import pytest

from weighbridge.catalog.accelerators import accelerator, accelerator_names
from weighbridge.catalog.models import find_model
from weighbridge.errors import InputError, UnknownName
from weighbridge.planning.anatomy import kv_cache_bytes, parameters, read_architecture
from weighbridge.planning.serving.costs import (
    PEAK,
    ceiling,
    cost_of,
    decode_seconds,
    mean_context,
    output_rate,
)
from weighbridge.planning.serving.efficiency import (
    CALIBRATED,
    NEIGHBOURING,
    OUTSIDE,
    calibrated,
)
from weighbridge.planning.serving.footprint import expert_coverage, footprint
from weighbridge.planning.serving.forecast import Deployment, plan
from weighbridge.planning.serving.layout import Layout, check_tensor_parallel
from weighbridge.planning.serving.precision import arithmetic_flops, choose_precision

KINDS = {
    "llama-3.1-8b": "dense",
    "mixtral-8x7b": "mixture",
    "deepseek-v3": "latent mixture",
    "qwen3-next-80b-a3b": "hybrid mixture",
}
TODAY = date(2026, 11, 30)


def model(name, precision="fp8"):
    config = find_model(name).config
    return footprint(read_architecture(config, name), choose_precision(config, precision))


def asked(name, machine="h200", count=8, precision="fp8", **changes):
    first = Deployment(
        model=model(name, precision), name=name, machine=accelerator(machine), accelerators=count,
        input_tokens=1000.0, output_tokens=1000.0, concurrency=None, tensor=None, as_of=TODAY,
    )  # fmt: skip
    return replace(first, **changes)


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_a_cache_is_the_anatomys(name, kind):
    one = model(name, "bf16")
    assert one.kind == kind
    for tokens in (1, 1500, 40_000):
        grown = one.sequence_bytes(tokens) - one.sequence_bytes(0)
        assert grown == kv_cache_bytes(one.architecture, tokens, 2)


@pytest.mark.parametrize("name", KINDS)
def test_weights_are_what_the_anatomy_stores(name):
    """All parameters at two bytes, about half at fp8, and the rest for a step but the table."""
    plain, half = model(name, "bf16"), model(name, "fp8")
    assert plain.weight_bytes == 2 * parameters(plain.architecture)
    assert 0.49 < half.weight_bytes / plain.weight_bytes < 0.6
    table = 2 * plain.architecture.outer[0].parameters
    assert plain.step_bytes + plain.expert_bytes == plain.weight_bytes - table


def test_experts_that_a_batch_reads():
    """1 - (1 - k/E)^B: Mixtral at 8 sequences reads .90, 8 of 128 experts at 64 .98."""
    assert expert_coverage(8, 2, 1) == pytest.approx(0.25)
    assert expert_coverage(8, 2, 8) == pytest.approx(0.90, abs=0.005)
    assert expert_coverage(128, 8, 64) == pytest.approx(0.98, abs=0.005)
    assert expert_coverage(0, 0, 64) == 0


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("together", [False, True])
def test_a_larger_batch_is_slower_for_each_and_faster_for_all(name, together):
    layout = Layout(8, data_attention=together and name != "llama-3.1-8b")
    cost = cost_of(model(name), accelerator("h200"), layout, 1000, 1000)
    rates = calibrated().rates
    batches = [1, 2, 8, 64, 512]
    steps = [decode_seconds(cost, b, rates) for b in batches]
    speeds = [output_rate(cost, b, rates) for b in batches]
    assert steps == sorted(steps) and speeds == sorted(speeds)


@pytest.mark.parametrize("name", KINDS)
def test_more_bandwidth_never_hurts_and_decides_small_batches(name):
    machine = accelerator("h200")
    faster = replace(machine, memory_bytes_per_second=2 * machine.memory_bytes_per_second)
    slow, fast = (cost_of(model(name), m, Layout(8), 10, 1000) for m in (machine, faster))
    for batch in (1, 16, 256):
        assert output_rate(fast, batch, PEAK) >= output_rate(slow, batch, PEAK)
    assert output_rate(fast, 1, PEAK) / output_rate(slow, 1, PEAK) > 1.9


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("machine", ["h100", "b200", "mi325x", "rtx-pro-6000", "l4"])
@pytest.mark.parametrize("lengths", [(128, 2048), (1000, 1000), (20_000, 500)])
def test_no_forecast_is_above_the_roofline(name, machine, lengths):
    inputs, outputs = map(float, lengths)
    count = 64 if machine == "l4" else 16
    try:
        found = plan(
            asked(name, machine, count, input_tokens=inputs, output_tokens=outputs), calibrated()
        )
    except InputError as error:
        assert "do not fit" in str(error)
        return
    cost = cost_of(found.deployment.model, found.deployment.machine, found.layout, inputs, outputs)
    assert found.offline.tokens_per_second <= found.ceiling <= float(ceiling(cost, cost.max_batch))
    low, high = found.offline.interval
    assert low < found.offline.tokens_per_second <= high <= found.ceiling * 1.0001
    assert found.server.tokens_per_second <= found.offline.tokens_per_second


def test_more_accelerators_and_shorter_prompts_are_never_slower():
    speeds = [
        plan(asked("llama-3.3-70b", "h100", n), calibrated()).offline.tokens_per_second
        for n in (2, 4, 8)
    ]
    assert speeds == sorted(speeds)
    long, short = (
        plan(asked("llama-3.3-70b", input_tokens=i), calibrated()).offline.tokens_per_second
        for i in (8000.0, 100.0)
    )
    assert short > long


def test_what_fits_is_weights_and_cache_together():
    """70B takes 141 GB in bf16 and 70 in fp8: two H100 or one H200 hold the latter."""
    with pytest.raises(InputError, match="do not fit"):
        plan(asked("llama-3.3-70b", "h100", 1, "bf16"), calibrated())
    for machine, count in (("h100", 2), ("h200", 1)):
        found = plan(asked("llama-3.3-70b", machine, count), calibrated())
        held = found.weights + found.largest_batch * found.sequence / found.layout.group
        assert held <= found.deployment.machine.memory_bytes
        assert found.largest_batch > 10


def test_heads_that_are_fewer_than_accelerators_are_held_several_times():
    """Qwen3-235B has 4 key-value heads: on 8 accelerators each holds a fourth of the cache."""
    tight, spread = (
        cost_of(model("qwen3-235b-a22b"), accelerator("h200"), layout, 1000, 1000)
        for layout in (Layout(8), Layout(8, data_attention=True))
    )
    assert tight.sequence_read == 2 * spread.sequence_read


def test_answers_of_differing_length_hold_more_cache():
    """Of answers of 10 and 190 tokens, the long one runs 19 times as long: 100 + 36200/400."""
    assert mean_context(100, 100) == 150
    assert mean_context(100, 100, spread=0.9) == round(100 + (10**2 + 190**2) / 2 / (2 * 100))
    equal, mixed = (
        plan(asked("llama-3.3-70b", "h100", 2, spread=spread), calibrated()) for spread in (0, 1)
    )
    assert mixed.largest_batch < equal.largest_batch
    assert mixed.offline.tokens_per_second < equal.offline.tokens_per_second


def test_a_group_beyond_its_links_goes_over_the_network():
    """16 H200 are two nodes, 16 GB200 one rack."""
    for machine, slower in (("h200", True), ("gb200", False)):
        here = accelerator(machine)
        cost = cost_of(model("llama-3.1-405b"), here, Layout(16), 1000, 1000)
        assert (cost.link < here.link_bytes_per_second) == slower


def test_support_is_told_and_widens():
    constants = calibrated()
    assert constants.support("dense", "h200-sxm", "fp8")[0] == CALIBRATED
    assert constants.support("hybrid mixture", "mi325x", "fp8")[0] == NEIGHBOURING
    assert constants.support("dense", "a100-sxm", "bf16") == (OUTSIDE, None)
    widths = [constants.half_width(s, TODAY, TODAY) for s in (CALIBRATED, NEIGHBOURING, OUTSIDE)]
    assert widths == sorted(widths) and widths[0] < widths[-1]


def test_age_widens_an_interval():
    old, new = (
        plan(asked("llama-3.3-70b", as_of=day), calibrated())
        for day in (date(2026, 2, 1), date(2027, 2, 1))
    )
    assert old.age_days < new.age_days
    low_old, _ = old.offline.interval
    low_new, _ = new.offline.interval
    wider = low_new / new.offline.tokens_per_second
    assert wider < low_old / old.offline.tokens_per_second


def test_precisions_need_their_units():
    """No FP4 on an H100, but gpt-oss is unpacked there, as it is published in four bits."""
    h100 = accelerator("h100")
    llama, oss = find_model("llama-3.1-8b").config, find_model("gpt-oss-120b").config
    with pytest.raises(InputError, match=r"h100-sxm has no fp4.*expected one of bf16, fp8, int4"):
        arithmetic_flops(h100, choose_precision(llama, "fp4"))
    assert arithmetic_flops(h100, choose_precision(oss)) == h100.bf16_flops
    assert choose_precision(oss).name == "fp4" and choose_precision(llama).name == "bf16"
    with pytest.raises(InputError, match="a100-sxm has no fp8"):
        arithmetic_flops(accelerator("a100"), choose_precision(llama, "fp8"))
    with pytest.raises(UnknownName, match="did you mean fp8"):
        choose_precision(llama, "fp9")


def test_impossible_tensor_parallel_degrees():
    architecture = model("llama-3.3-70b").architecture
    check_tensor_parallel(architecture, 4, 8)
    with pytest.raises(InputError, match=r"no multiple.*expected one of 1, 2, 4, 8"):
        check_tensor_parallel(architecture, 3, 8)
    with pytest.raises(InputError, match="does not divide 64 attention heads"):
        check_tensor_parallel(architecture, 3, 6)


@pytest.mark.parametrize(
    "name", ["h200-nvl", "b200", "mi325x", "rtx-pro-6000", "gb200", "b300", "mi355x", "L40S"]
)
def test_accelerators_of_the_data_by_plain_names(name):
    found = accelerator(name)
    assert found.memory_bytes_per_second > 1e11 and found.link_bytes_per_second > 1e10
    assert found.fp8_flops == pytest.approx(2 * found.bf16_flops, rel=0.02)
    assert found.source


def test_a_wrong_accelerator_has_near_misses():
    with pytest.raises(UnknownName, match=r"did you mean .*h200-nvl"):
        accelerator("h200-nvll")
    assert {"h100", "h100-sxm"} <= set(accelerator_names())
