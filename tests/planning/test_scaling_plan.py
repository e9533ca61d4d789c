"""Plans: optima against brute force, intervals from draws, and what is said loudly."""

import json

import numpy as np
import pytest

from commands import weighbridge
from weighbridge.catalog.accelerators import accelerator
from weighbridge.catalog.laws import law_names, read_law, write_law
from weighbridge.errors import InputError, UnknownName
from weighbridge.planning.scaling import allocation
from weighbridge.planning.scaling.forms import Chinchilla, Kaplan
from weighbridge.planning.scaling.published import FORMS, known_law

BUDGET = 5.76e23
EPOCH = known_law("epoch-chinchilla")


@pytest.mark.parametrize("name", law_names())
def test_every_law_of_the_catalog_is_whole(name):
    record = read_law(name)
    form = FORMS[record.form]
    assert record.constants.keys() == form.__dataclass_fields__.keys()
    assert record.title and record.source
    known = known_law(name, experts=8)
    bought = allocation.allocate(known, BUDGET)
    assert 6 * bought.parameters * bought.tokens == pytest.approx(BUDGET)
    if isinstance(known.law, Chinchilla | Kaplan):
        sizes = bought.parameters * np.geomspace(0.2, 5, 2001)
        best = sizes[np.argmin(known.law.loss(sizes, BUDGET / 6 / sizes))]
        assert bought.parameters == pytest.approx(best, rel=2e-3)


def test_the_default_law_has_intervals_of_everything():
    """arXiv:2404.10102: parameters and tokens grow alike, near 20 tokens a parameter."""
    bought = allocation.allocate(EPOCH, BUDGET)
    points = (bought.parameters, bought.tokens, bought.tokens_per_parameter, bought.loss)
    for (name, interval), value in zip(bought.intervals.items(), points, strict=True):
        assert interval[0] < value < interval[1], name
    assert bought.intervals["tokens_per_parameter"][0] < 20
    assert bought.intervals["tokens_per_parameter"][1] > 20
    assert bought.beyond == pytest.approx(BUDGET / 1.2956e22, rel=1e-3)
    assert 0 < bought.regret < 0.01


def test_the_catalog_s_draws_are_what_its_command_makes(real_data):
    """The law's file names the command; it is run again, for its first resamples."""
    from weighbridge.planning.scaling import parametric
    from weighbridge.planning.scaling.reading import read_points

    record = read_law("epoch-chinchilla-huber")
    points = read_points(real_data / "scaling" / "svg_extracted_data.csv").without_highest(5)
    found = parametric.fit(points, bootstraps=1000, threads=2)
    for name in parametric.NAMES:
        drawn = np.asarray(getattr(found.draws, name))
        assert np.median(np.abs(drawn / record.draws[name] - 1)) < 1e-5


@pytest.mark.parametrize("lifetime", [1e11, 1e13, 1e15])
def test_serving_is_cheapest_where_brute_force_says(lifetime):
    """Sardana et al. 2023 (arXiv:2401.00448), equation 3."""
    law = EPOCH.law
    plan = allocation.for_serving(EPOCH, BUDGET, lifetime)
    bought = allocation.allocate(EPOCH, BUDGET)
    assert law.loss(plan.parameters, plan.tokens) == pytest.approx(bought.loss, rel=1e-9)
    assert plan.parameters < bought.parameters and plan.tokens > bought.tokens
    sizes = np.geomspace(bought.parameters / 40, bought.parameters * 1.1, 20_000)
    tokens = np.asarray(law.tokens_for(bought.loss, sizes))
    total = 6 * sizes * tokens + 2 * sizes * lifetime
    assert plan.training_flops + plan.serving_flops == pytest.approx(total.min(), rel=1e-5)
    assert 0 <= plan.saved < 1
    low, high = plan.parameters_interval
    assert low < plan.parameters < high


def test_the_more_is_served_the_smaller_the_model():
    sizes = [allocation.for_serving(EPOCH, BUDGET, t).parameters for t in (1e11, 1e12, 1e13, 1e14)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 2 * sizes[-1]


def test_enough_unique_tokens_change_nothing():
    bought = allocation.allocate(EPOCH, BUDGET)
    plan = allocation.with_repeats(EPOCH, BUDGET, bought.tokens * 3)
    assert plan.epochs == 1
    assert plan.parameters == pytest.approx(bought.parameters, rel=0.01)
    assert plan.loss == pytest.approx(bought.loss, abs=1e-6)


def test_repeats_up_to_four_epochs_cost_little_and_forty_cost_much():
    """arXiv:2305.16264: 4 epochs are nearly as good as new data; at 40 it is worth nothing more."""
    law = read_law("datablations")
    known = known_law("datablations")
    tokens = allocation.allocate(known, 1e22).tokens
    new = allocation.allocate(known, 1e22).loss
    losses = [allocation.with_repeats(known, 1e22, tokens / n).loss - new for n in (4, 40)]
    assert losses[0] < 0.02 < 0.1 < losses[1]
    assert law.constants["alpha"] == law.constants["beta"]


def test_hours_are_those_of_llama_2():
    """Llama 2 70B: 1,720,320 hours of A100-80GB for 2.0T tokens, so 43.5 % of the peak.

    MODEL_CARD.md of meta-llama/llama @ 0e3444bc, as in arXiv:2307.09288.
    """
    a100 = accelerator("a100-sxm").bf16_flops
    hours = allocation.bill(6 * 70e9 * 2e12, a100, 0.4347, 2.0).hours
    assert hours == pytest.approx(1_720_320, rel=1e-3)
    assert allocation.bill(3600.0 * 1e12, 1e12, 1.0, 2.5).usd == pytest.approx(2.5)


def test_a_law_survives_its_file(tmp_path):
    record = read_law("epoch-chinchilla")
    path = tmp_path / "mine.json"
    path.write_bytes(write_law(record))
    assert read_law(str(path)) == record


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "Invalid JSON"),
        (b'{"title": "x"}', "Field required"),
        (b'{"title":"x","form":"chinchilla","constants":{"A":1},"source":"",'
         b'"counts":"all parameters"}',
         "those of the form chinchilla"),
        (b'{"title":"x","form":"power","constants":{"coefficient":1,"exponent":1},"source":"",'
         b'"counts":"all parameters","draws":{"exponent":[1]}}', "draws that don't fit"),
        (b'{"title":"x","form":"joint-mixture","constants":{},"source":"",'
         b'"counts":"active parameters","experts_at_one":2,"experts_at_most":2}',
         "experts_at_most 2; expected more than experts_at_one"),
    ],
)  # fmt: skip
def test_broken_laws_are_refused(tmp_path, content, said):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        known_law(str(path))


def test_unknown_names_and_missing_experts_are_refused():
    with pytest.raises(UnknownName, match="did you mean epoch-chinchilla"):
        known_law("epoch-chinchila")
    with pytest.raises(InputError, match="--experts NUMBER"):
        known_law("ludziejewski-moe")
    with pytest.raises(UnknownName, match="did you mean h100"):
        accelerator("h100-sxn")
    with pytest.raises(InputError, match="gives sizes but no loss"):
        allocation.for_serving(known_law("kaplan"), BUDGET, 1e12)


def test_a_joint_law_is_planned_with_experts(tmp_path):
    """Fitted, kept and read again; more experts need fewer active parameters here."""
    from test_scaling_fit import JOINT, joint_runs

    from weighbridge.planning.scaling import mixture
    from weighbridge.planning.scaling.published import record_of

    points = joint_runs(noise=0.002)
    found = mixture.fit(points, bootstraps=20)
    path = tmp_path / "mine.json"
    path.write_bytes(write_law(record_of(found.law, found.draws, points, "by hand")))
    with pytest.raises(InputError, match="--experts NUMBER"):
        known_law(str(path))
    for experts in (1.0, 8.0):
        known = known_law(str(path), experts)
        bought = allocation.allocate(known, 1e20)
        truth = JOINT.with_experts(experts).optimal_parameters(1e20)
        low, high = bought.intervals["parameters"]
        assert bought.parameters == pytest.approx(truth, rel=0.1) and low < truth < high
    assert known.law.loss(1e9, 2e10) < JOINT.with_experts(1.0).loss(1e9, 2e10)


def test_plan_train_says_its_keys_and_says_extrapolation_loudly():
    done = weighbridge(
        "plan", "train", "--compute", "5.76e23", "--lifetime-tokens", "10T", "--json"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for key in ("parameters", "tokens", "tokens_per_parameter", "loss"):
        low, high = said["intervals"][key]
        assert low < said[key] < high
    assert said["tokens_per_parameter"] == pytest.approx(18.4, abs=0.1)
    assert said["warnings"][0].startswith("EXTRAPOLATED: this budget is 44.5 times")
    assert said["serving"]["parameters"] < said["parameters"]
    near = json.loads(weighbridge("plan", "train", "--compute", "1e22", "--json").stdout)
    assert near["warnings"] == []
    text = weighbridge("plan", "train", "--compute", "5.76e23", "--unique-tokens", "300B").stdout
    assert "EXTRAPOLATED" in text and max(map(len, text.splitlines())) <= 80


def test_a_fitted_law_is_planned_with(real_data, tmp_path):
    runs = real_data / "scaling" / "svg_extracted_data.csv"
    law, surface, cloud = tmp_path / "mine.json", tmp_path / "s.svg", tmp_path / "c.png"
    done = weighbridge(
        "scaling", "fit", runs, "--drop-highest", 5, "--bootstraps", 200, "--save-law", law,
        "--surface", surface, "--cloud", cloud, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for key in ("A", "B", "E", "alpha", "beta", "optimal_exponent"):
        low, high = said["intervals"][key]
        assert low < said[key] < high
    assert said["objective"] == pytest.approx(0.00101827402, rel=1e-8)
    assert said["bootstraps"] == 200 and said["seconds"] > 0
    assert surface.read_text().startswith("<svg") and cloud.read_bytes()[:4] == b"\x89PNG"
    plan = json.loads(
        weighbridge("plan", "train", "--compute", "1e22", "--law", law, "--json").stdout
    )
    assert plan["intervals"]["parameters"][0] < plan["parameters"]


@pytest.mark.slow
def test_compare_and_laws_say_their_tables(real_data, tmp_path):
    runs = real_data / "scaling" / "svg_extracted_data.csv"
    words = ("scaling", "compare", runs, "--drop-highest", 5, "--bootstraps", 50)
    text = weighbridge(*words, "--isoflops", tmp_path / "i.svg").stdout
    assert "They disagree by" in text
    assert max(len(line) for line in text.splitlines()[:-1]) <= 80
    said = json.loads(weighbridge(*words, "--json").stdout)
    assert [row["approach"][0] for row in said["approaches"]] == ["1", "2", "3", "K"]
    table = json.loads(
        weighbridge("scaling", "laws", "--chart", tmp_path / "l.svg", "--json").stdout
    )
    ratios = {row["law"]: row["tokens_per_parameter"] for row in table["laws"]}
    assert [row["law"] for row in table["laws"] if row["experts"]] == ["ludziejewski-moe"]
    assert ratios["hoffmann"] == pytest.approx(58.9, abs=0.5) and ratios["kaplan"] < 1
    assert (tmp_path / "l.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "train"], "Missing option '--compute'"),
        (["plan", "train", "--compute", "much"], "--compute much; expected a number above 0"),
        (["plan", "train", "--compute", "1e99"], "from 1e9 to 1e32"),
        (["plan", "train", "--compute", "-1"], "--compute -1; expected"),
        (["plan", "train", "--compute", "1e22", "--law", "nowhere.json"], "can't be read"),
        (["scaling", "fit", "nowhere.csv"], "no file at nowhere.csv"),
        (["scaling", "compare", "nowhere.csv", "--compute", "0"], "no file at"),
        (["scaling", "laws", "--chart", "laws.gif"], "a name that ends in .svg or .png"),
    ],
)
def test_bad_words_are_one_line(words, said):
    done = weighbridge(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and done.stderr.count("\n") == 1
