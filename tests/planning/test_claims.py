"""The article's claims give the published figures; each test names where a figure is from."""

from datetime import date

import pytest

from weighbridge.catalog.serving_rates import serving_rates
from weighbridge.errors import InputError, UnknownName
from weighbridge.planning.claims import check_claims, claim_names, find_claim
from weighbridge.planning.claims.article import (
    benchmark_parity,
    cheaper_at_scale,
    compute_optimal_law,
    early_models_undertrained,
    lora_10000x,
    mixture_matches_dense,
    narrowing_gap,
    qlora_70b_on_48gb,
    smaller_cache,
)
from weighbridge.planning.claims.serving_cost import compute_ratio, measured_ratios, outcome_of
from weighbridge.planning.serving.measurements import read_measurements

TODAY = date(2026, 11, 30)


@pytest.fixture(scope="module")
def claims():
    return {claim.id: claim for claim in check_claims((), TODAY).claims}


def test_every_file_is_a_claim_in_the_articles_order(claims):
    assert set(claims) == set(claim_names()) and len(claims) == 15
    places = [find_claim(name).place for name in claims]
    assert places == list(range(1, 16))
    assert all(find_claim(name).name == name for name in claim_names())


@pytest.mark.parametrize("name", claim_names())
def test_every_claim_has_what_a_reader_needs(claims, name):
    claim = claims[name]
    assert claim.outcome in ("holds", "fails", "holds_if")
    assert claim.text and claim.section and claim.sentence.endswith(".")
    assert claim.conditions and claim.measured and claim.evidence and claim.chart.rows
    assert all(source.title for source in claim.evidence)
    assert any(source.url for source in claim.evidence) or name == "compute_scales_with_active"
    assert len(claim.chart.axis) <= 52  # a phone's width
    drawn = {mark.colour for row in claim.chart.rows for mark in row.marks}
    assert drawn <= {colour for colour, _ in claim.chart.key}
    if claim.chart.log:
        assert all(mark.value > 0 for row in claim.chart.rows for mark in row.marks)


def outcomes(claims):
    return {name: claim.outcome for name, claim in claims.items()}


def test_what_holds_today(claims):
    found = outcomes(claims)
    assert [name for name, outcome in found.items() if outcome == "holds"] == [
        "early_models_undertrained", "cost_dense_70b", "cost_dense_405b",
    ]  # fmt: skip
    assert [name for name, outcome in found.items() if outcome == "fails"] == ["benchmark_parity"]


def test_tokens_per_parameter_of_the_law(claims):
    """At 5.76e23 FLOPs: 18.4 refitted (arXiv:2404.10102), 58.9 unrounded, 92.7 as printed."""
    values = [m.value for m in claims["compute_optimal_law"].measured]
    assert values[0] == pytest.approx(18.4, abs=0.05)
    assert values[-2] == pytest.approx(58.9, abs=0.05)
    assert compute_optimal_law.tokens_per_parameter(compute_optimal_law.ROUNDED) == pytest.approx(
        92.7, abs=0.15
    )


def test_early_models_had_too_few_tokens():
    """Hoffmann et al. 2022, table 1: GPT-3 had 1.7 tokens a parameter, Gopher 1.1."""
    assert early_models_undertrained.ratio("gpt-3-175b") == pytest.approx(300 / 175)
    assert early_models_undertrained.ratio("gopher-280b") == pytest.approx(300 / 280)
    best, (low, high) = early_models_undertrained.optimal_ratio("gopher-280b")
    assert low < best < high and low > 5
    ratio = early_models_undertrained.ratio("chinchilla-70b")
    assert ratio == pytest.approx(20) and low < ratio < high


def test_the_mixture_against_dense_models():
    """README of DeepSeek-V2: MMLU 78.5 against 78.9 and 71.3; BBH 78.9 against 81.0."""
    assert mixture_matches_dense.points_ahead("meta-llama-3-70b", "mmlu") == pytest.approx(-0.4)
    assert mixture_matches_dense.points_ahead("meta-llama-3-70b", "bbh") == pytest.approx(-2.1)
    assert mixture_matches_dense.points_ahead("deepseek-llm-67b", "mmlu") == pytest.approx(7.2)
    assert 3 < mixture_matches_dense.size_ratio("deepseek-llm-67b") < 3.3


def test_relative_cost_by_arithmetic_is_the_articles():
    assert compute_ratio("mixtral-8x7b") == pytest.approx(0.18, abs=0.005)
    assert compute_ratio("deepseek-v2") == pytest.approx(0.30, abs=0.005)
    assert compute_ratio("llama-3.1-405b") == pytest.approx(5.8, abs=0.06)


def by_chip(model, dense, title):
    return {
        ratio.accelerator: ratio.value
        for ratio in measured_ratios(model, dense)
        if title in ratio.source.title
    }


def test_measured_cost_against_the_70b():
    """NVIDIA's TensorRT-LLM tables and MLPerf 5.1, per accelerator, median over loads."""
    dense = by_chip("llama-3.1-405b", "llama-3.3-70b", "TensorRT-LLM 1.0")
    assert dense["h100-sxm"] == pytest.approx(5.8, abs=0.1)
    assert dense["h200-sxm"] == pytest.approx(6.5, abs=0.1)
    assert dense["b200-sxm"] == pytest.approx(5.1, abs=0.1)
    mixture = by_chip("qwen3-235b-a22b", "llama-3.3-70b", "TensorRT-LLM 1.0")
    assert mixture["h100-sxm"] == pytest.approx(1.14, abs=0.01)
    assert mixture["h200-sxm"] == pytest.approx(1.05, abs=0.04)
    assert mixture["b200-sxm"] == pytest.approx(1.41, abs=0.02)
    mixtral = by_chip("mixtral-8x7b", "llama-2-70b", "MLPerf")
    assert mixtral["h200-sxm"] == pytest.approx(0.56, abs=0.015)
    assert mixtral["mi325x"] == pytest.approx(0.49, abs=0.01)
    assert outcome_of(5.8, 5.75, measured_ratios("llama-3.1-405b", "llama-3.3-70b")) == "holds"
    assert outcome_of(0.5, 0.3, ()) == "fails"


def test_the_committed_rates_are_those_of_the_tables(real_data):
    rows = read_measurements(real_data / "economics").rows
    published = {
        (row.model, row.accelerator, row.precision, row.input_tokens, row.output_tokens,
         round(row.tokens_per_second / row.accelerators, 1))
        for row in rows
    }  # fmt: skip
    for rate in serving_rates():
        key = (rate.model, rate.accelerator, rate.precision, rate.input_tokens, rate.output_tokens,
               rate.tokens_per_second)  # fmt: skip
        assert key in published


def test_deepseek_v2s_cache():
    """34,560 numbers a token against 194,560: 82.2 % smaller; at 6 bits against 16, 93.3 %."""
    assert smaller_cache.elements_per_token("deepseek-v2") == 576 * 60
    assert smaller_cache.elements_per_token("deepseek-llm-67b") == 2048 * 95
    assert smaller_cache.smaller_by(16) == pytest.approx(82.2, abs=0.05)
    assert smaller_cache.smaller_by(6) == pytest.approx(93.3, abs=0.05)


def test_lora_reduces_by_10000_where_its_paper_says():
    """arXiv:2106.09685: 175B with rank 4 on query and value; not with today's settings."""
    assert lora_10000x.gpt3_reduction(4) == pytest.approx(10_000, rel=0.08)
    assert lora_10000x.matrix_reduction(4096, 16) == 128
    assert 150 < lora_10000x.reduction("llama-3-8b", 16, "all-linear") < 250
    assert lora_10000x.reduction("llama-3.1-405b", 4, "q_proj,v_proj") > 10_000


def test_qlora_of_70b_fits_in_48_gb_only_with_its_savings(claims):
    device = qlora_70b_on_48gb.budget()
    assert device.fits(qlora_70b_on_48gb.FITTING)
    found = {m.name: m.value for m in claims["qlora_70b_on_48gb"].measured}
    assert 44 < found["peak"] < 48
    assert found["as above, AdamW in 32 bits"] > 48 and found["as above, rank 64"] > 48
    assert any("bf16" in condition for condition in claims["qlora_70b_on_48gb"].conditions)


def test_the_article_mixes_variants_in_its_mmlu_column(claims):
    claim = claims["mmlu_column"]
    assert "Instruct" in claim.sentence and "85.2" in claim.sentence
    assert [round(m.value, 1) for m in claim.measured] == [79.5, 70.6, 78.5, 87.3, 85.2]


def test_parity_is_of_old_benchmarks():
    found = benchmark_parity.standings(TODAY)
    assert benchmark_parity.outcome_of(found) == "fails"
    by_name = {one.benchmark.name: one for one in found}
    assert by_name["gsm8k"].matched and by_name["mmlu"].matched
    assert not by_name["frontiermath"].matched and not by_name["hle"].matched
    early = benchmark_parity.outcome_of(benchmark_parity.standings(date(2025, 1, 31)))
    assert early == "holds_if"


def test_the_gap_did_not_clearly_narrow():
    found = narrowing_gap.gaps(TODAY)
    assert found["eci"].trend == "no clear change" and found["mmlu"].saturated
    assert narrowing_gap.outcome_of(found) == "holds_if"
    assert narrowing_gap.outcome_of({"arc-agi-2": found["arc-agi-2"]}) == "fails"


@pytest.mark.parametrize(
    ("usd_per_hour", "dense", "sparse", "small"),
    [(1.30, 3.7, 7.8, 19), (1.69, 2.8, 6.0, 15), (2.50, 1.9, 4.0, 10)],
)
def test_times_cheaper_than_sixty_cents(usd_per_hour, dense, sparse, small):
    """From TensorRT-LLM's table at full load against $0.60 for 1M in and 1M out."""
    found = [
        cheaper_at_scale.times(model, 0.60, TODAY, usd_per_hour)
        for model in ("llama-3.3-70b", "gpt-oss-120b", "gpt-oss-20b")
    ]
    assert found == pytest.approx([dense, sparse, small], rel=0.04)


@pytest.mark.parametrize(
    ("usd", "most", "for_five", "for_ten"),
    [(18, 54, 0.09, 0.18), (12.5, 38, 0.13, 0.26), (11.25, 34, 0.15, 0.29), (2.8, 8.5, 0.59, None),
     (2.25, 6.8, 0.73, None), (1.44, 4.4, None, None), (0.75, 2.3, None, None)],
)  # fmt: skip
def test_the_table_of_2025(usd, most, for_five, for_ten):
    """70B in FP8 on two H100 at $2.50: most times cheaper, and the load for five and ten times."""
    day = date(2025, 10, 15)
    ratio = cheaper_at_scale.times("llama-3.3-70b", usd, day, 2.50)
    assert ratio == pytest.approx(most, rel=0.02)
    for times, load in ((5, for_five), (10, for_ten)):
        assert times / ratio == pytest.approx(load, abs=0.006) if load else times / ratio > 1


def test_prices_and_models_are_those_of_the_day():
    names = {one.name for one, _, _ in cheaper_at_scale.available(date(2025, 8, 1))}
    assert names == {"gpt-4o", "gpt-4o-mini", "gemini-2.5-flash"}
    today = {one.name for one, _, _ in cheaper_at_scale.available(TODAY)}
    assert {"gpt-6-luna", "claude-haiku-5-5", "gpt-5"} <= today
    gone = {one.name for one, _, _ in cheaper_at_scale.available(date(2026, 12, 11))}
    assert "gpt-5" not in gone and "gpt-4o" in gone
    assert cheaper_at_scale.outcome_of([6.0, 7.0]) == "holds"
    assert cheaper_at_scale.outcome_of([4.9]) == "fails"


def test_a_dense_70b_never_reaches_five_against_todays_small_models(claims):
    claim = claims["cheaper_at_scale"]
    assert claim.outcome == "holds_if"
    assert "never reaches five" in claim.sentence and "7.8 times" in claim.sentence
    assert "gpt-6-luna" not in claim.conditions[0] and "gpt-6-luna" in claim.conditions[1]


def test_prices_that_are_not_of_the_day_say_so(claims):
    told = claims["cheaper_at_scale"].conditions
    assert any("H100's price still holds, though it is 243 days old" in one for one in told)
    early = " ".join(cheaper_at_scale.check(date(2025, 8, 1)).conditions)
    assert "of 2026-04-01, a later day" in early and "no earlier ones: gpt-4o, gemini" in early
    assert "gpt-oss" not in early  # not out yet
    late = " ".join(cheaper_at_scale.check(date(2027, 6, 1)).conditions)
    assert "older than 90 days: claude-sonnet-4-5" in late


def test_what_is_wrong_is_one_line():
    with pytest.raises(UnknownName, match="did you mean lora_10000x"):
        check_claims(["lora_1000x"], TODAY)
    with pytest.raises(InputError, match="a day from 2024-07-23 on"):
        check_claims([], date(2020, 1, 1))
    assert find_claim("LoRA-10000x").name == "lora_10000x"
