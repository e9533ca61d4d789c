"""The catalogue of published models and scores: whole, dated, in range, with a source for each."""

import importlib.util
import sys
from collections import Counter
from datetime import date

import pytest

from weighbridge.catalog import published
from weighbridge.catalog.models import find_model, model_names
from weighbridge.catalog.published import catalogue, normalised
from weighbridge.errors import UnknownName
from weighbridge.planning.anatomy import parameters, read_architecture, vision_parameters
from weighbridge.sources.configs import find_config


@pytest.fixture(scope="module")
def facts():
    return catalogue()


def test_every_model_is_dated_named_and_has_a_source(facts):
    for name, model in facts.models.items():
        assert name == model.name == normalised(name) and model.title, name
        assert model.weights in ("open", "proprietary"), name
        assert date(2018, 1, 1) <= model.released <= facts.newest, name
        assert model.retires is None or model.retires > model.released, name
        assert model.sources and set(model.sources) <= set(facts.sources), name
        assert model.parameters is None or 1e6 < model.parameters < 5e12, name
        assert model.training_tokens is None or 1e10 <= model.training_tokens < 1e14, name
        if model.active_parameters is not None:
            assert model.active_parameters < model.parameters, name
        if model.usd_per_million_tokens is not None:
            assert 0 < model.usd_per_million_tokens[0] <= model.usd_per_million_tokens[1], name
    assert facts.newest == max(model.released for model in facts.models.values())


def test_every_score_is_in_range_and_has_a_source(facts):
    for score in facts.scores:
        benchmark = facts.benchmarks[score.benchmark]
        assert score.model in facts.models, score
        assert score.variant in ("base", "instruct", "as served", "unstated"), score
        assert score.source.title and score.source.url.startswith("http"), score
        assert score.source.protocol and score.source.credit in facts.sources, score
        assert score.shots is None or 0 <= score.shots <= 100, score
        if benchmark.unit == "":
            assert 0 <= score.value <= 1, score
            assert 0 <= benchmark.chance < benchmark.ceiling <= 1, benchmark
            assert benchmark.ceiling == 1 or benchmark.ceiling_source, benchmark
    assert all(facts.scores_on(name) for name in facts.benchmarks)


def test_the_tables_are_credited_with_their_licences(facts):
    licences = {key: source.licence for key, source in facts.sources.items()}
    assert licences["epoch-hub"] == licences["epoch-models"] == "CC BY 4.0"
    assert licences["models.dev"] == "MIT" and licences["obs-scaling"] == "Apache-2.0"
    assert all(licences.values())
    assert "Epoch AI" in facts.sources["epoch-hub"].title


def test_only_published_sizes_are_given_to_proprietary_models(facts):
    """GPT-4 is rumoured to have 1.8e12 parameters, and Epoch's table has that: it is not a fact."""
    sized = {
        name: model.parameters
        for name, model in facts.models.items()
        if model.weights == "proprietary" and model.parameters is not None
    }
    assert sized["chinchilla-70b"] == 70e9 and sized["gopher-280b"] == 280e9
    assert facts.models["gpt-4-0314"].parameters is None
    before_2023 = {name for name in sized if facts.models[name].released < date(2023, 1, 1)}
    assert before_2023 == set(sized)


def test_sizes_are_those_of_the_configurations(facts):
    """One catalogue: what `inspect` counts is what the chart shows."""
    linked = Counter(model.configuration for model in facts.models.values())
    assert len(linked) > 40 and set(linked) - {""} <= set(model_names())
    for model in facts.models.values():
        if model.configuration in ("llama-3-70b", "deepseek-v2", "gpt-oss-120b"):
            found = read_architecture(find_model(model.configuration).config, "")
            assert model.parameters == parameters(found) + vision_parameters(found)


def test_the_articles_four_scores_are_there_with_their_variants(facts):
    """Model cards of Llama 3 and 3.1, Mixtral's paper, DeepSeek-V2's README."""

    def values(model, variant):
        return {s.value for s in facts.scores_on("mmlu") if (s.model, s.variant) == (model, variant)
                and s.shots == 5}  # fmt: skip

    assert 0.795 in values("meta-llama-3-70b", "base")
    assert 0.706 in values("mixtral-8x7b-v0.1", "base")
    assert 0.785 in values("deepseek-v2", "base")
    assert 0.852 in values("llama-3.1-405b", "base")
    assert 0.873 in values("llama-3.1-405b-instruct", "instruct")


def test_retirements_that_were_announced(facts):
    """OpenAI's page of deprecations, read in November 2026."""
    assert facts.model("gpt-5-2025-08-07").retires == date(2026, 12, 11)
    assert facts.model("gpt-4o-2024-08-06").retires == date(2027, 1, 14)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("meta-llama/Meta-Llama-3-70B", "meta-llama-3-70b"),
        ("gpt-5-2025-08-07_high", "gpt-5-2025-08-07"),
        ("fireworks/kimi-k2p5", "kimi-k2.5"),
        ("Gopher (280B)", "gopher-280b"),
        (" claude-opus-4-7_xhigh", "claude-opus-4-7"),
    ],
)
def test_other_spellings_are_found(facts, written, name):
    assert facts.model(written).name == name


def test_a_published_name_opens_the_configuration():
    """One catalogue: what the chart calls a model, `inspect` and `plan` know, too."""
    found = find_config("Meta-Llama-3-70B-Instruct", offline=True)
    assert found.name == "llama-3-70b" and found.source.startswith("catalog:")
    with pytest.raises(UnknownName, match="unknown model 'gpt-5-2025-08-07'"):
        find_config("gpt-5-2025-08-07", offline=True)


def test_unknown_names_get_near_misses(facts):
    with pytest.raises(UnknownName, match="did you mean gpqa-diamond"):
        facts.benchmark("gpqa-diamant")
    with pytest.raises(UnknownName, match=r"did you mean .*deepseek-v3"):
        facts.model("deepseek-v33")
    assert facts.benchmark("GPQA_Diamond").name == "gpqa-diamond"
    assert set(facts.aliases.values()) <= set(facts.models)


def test_the_file_is_what_the_script_builds(repository, real_data, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(repository / "scripts"), *sys.path])
    path = repository / "scripts" / "build_catalog.py"
    specification = importlib.util.spec_from_file_location("build_catalog", path)
    builder = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(builder)
    built, left = builder.build(real_data)
    assert builder.text_of(built) == published.FILE.read_text(encoding="utf-8")
    assert published.FILE.stat().st_size < 1_500_000
    assert set(left) == {"without a score", "of a model whose date or access is not known"}
