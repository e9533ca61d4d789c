"""`weighbridge plan cost` as a person types it: four comparators; one line for what is wrong."""

import json

import pytest
from typer.testing import CliRunner

from weighbridge.cli.main import app
from weighbridge.errors import InputError

AS_OF = ("--as-of", "2026-11-30")
TWO_H100 = ("--self-hosted", "llama-3.3-70b", "--gpus", 2, "--precision", "fp8", *AS_OF)
SECTION_5 = (*TWO_H100, "--tokens-per-second", 4205, "--usd-per-hour", "$2.50")


def cost(*words):
    return CliRunner().invoke(app, ["plan", "cost", *map(str, words)])


def figures(*words):
    done = cost(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(*words):
    """Return the line that the command line would print; tests/cli/test_cli.py holds the rest."""
    done = cost(*words)
    assert isinstance(done.exception, InputError), (done.output, done.exception)
    assert done.exception.exit_code == 2 and "\n" not in str(done.exception)
    return str(done.exception)


def test_the_four_comparators_always_and_each_with_its_day():
    found = figures(*SECTION_5, "--api", "gpt-4o")
    by_role = {one["role"]: one for one in found["comparators"]}
    assert list(by_role) == ["incumbent", "small sibling", "hosted open weights", "self-hosted"]
    assert by_role["small sibling"]["name"] == "openai/gpt-4o-mini"
    assert "llama-3.3-70b" in by_role["hosted open weights"]["name"].lower()
    for role in list(by_role)[:3]:
        assert by_role[role]["day"] in " ".join(found["conditions"]), role
    # scaling_and_economics.md, section 5: 38 times, 2.6 % of capacity, 584M tokens a month.
    assert found["times_cheaper"] == pytest.approx(38, rel=0.01)
    assert found["cost_ratio"] == pytest.approx(1 / 38, rel=0.01)
    assert found["break_even_utilization"] == pytest.approx(0.026, abs=5e-4)
    assert found["break_even_tokens_per_month"] == pytest.approx(584e6, rel=1e-3)
    assert by_role["small sibling"]["break_even_utilization"] == pytest.approx(0.44, abs=5e-3)
    assert by_role["small sibling"]["utilization_for_five"] > 1


def test_a_model_that_leaves_its_api_says_when():
    """2026-11.md, section 1: gpt-4o and 4o-mini on 14 Jan 2027, gpt-5 on 11 Dec 2026."""
    incumbent, sibling, *_ = figures(*SECTION_5, "--api", "gpt-4o")["comparators"]
    assert incumbent["why"] == sibling["why"] == "leaves its API on 2027-01-14"
    incumbent, *_ = figures(*SECTION_5, "--api", "gpt-5")["comparators"]
    assert incumbent["why"] == "leaves its API on 2026-12-11"
    assert not figures(*SECTION_5, "--api", "gpt-5.5")["comparators"][0]["why"]


def test_a_comparator_without_a_price_keeps_its_place_and_says_why():
    found = figures("--self-hosted", "smollm2-135m", "--api", "gpt-4.1-nano", *AS_OF)
    _, sibling, hosted, _ = found["comparators"]
    assert sibling["usd_per_request"] is None and "--sibling" in sibling["why"]
    assert hosted["usd_per_request"] is None and "--hosted" in hosted["why"]


def test_what_was_spent_once_has_to_come_back_in_the_months_in_use():
    words = (*SECTION_5, "--api", "gpt-4o-mini", "--operations", 1000, "--tuning", "3,000")
    short, long = (figures(*words, "--months", months) for months in (3, 12))
    assert short["fixed"]["usd_per_month"] == 2000 and long["fixed"]["usd_per_month"] == 1250
    more = short["break_even_tokens_per_month"] - long["break_even_tokens_per_month"]
    assert more == pytest.approx(750 / 0.375 * 1e6)
    assert figures(*words)["fixed"]["months_in_use"] == 6


def test_prices_older_than_90_days_say_so():
    found = figures(*TWO_H100, "--api", "gpt-4o")
    assert found["accelerator_price"]["old"] and found["accelerator_price"]["basis"] == "rental"
    assert any("h100" in said and "2026-04" in said for said in found["old_prices"])
    text = cost(*TWO_H100, "--api", "gpt-4o").stdout
    assert "OLD PRICE" in text and max(map(len, text.splitlines())) <= 80
    assert not figures(*SECTION_5, "--api", "gpt-4o")["old_prices"]


def test_a_price_that_is_known_only_of_a_later_day_says_so():
    """claude-opus-4-6 cost the same from 2026-03-13 on; of gpt-5 the list tells no first day."""
    words = ("--self-hosted", "llama-3.3-70b", "--as-of", "2026-05-01", "--api", "claude-opus-4-6")
    known = figures(*words, "--sibling", "gpt-5")
    assert [said.split()[0] for said in known["later_prices"]][:1] == ["openai/gpt-5"]
    early = figures(*words[:3], "2026-01-15", *words[4:])
    assert {"an", "anthropic/claude-opus-4-6"} <= {s.split()[0] for s in early["later_prices"]}
    assert not figures(*TWO_H100, "--api", "gpt-5")["later_prices"]


def test_the_assumption_that_decides_stands_first():
    words = (*TWO_H100, "--api", "gpt-4o-mini", "--utilization", 0.3, "--operations", 500)
    found = figures(*words)
    widths = [
        max(ends) / min(ends)
        for one in found["sensitivity"]
        if (ends := (one["cost_ratio_at_low"], one["cost_ratio_at_high"]))
    ]
    assert widths == sorted(widths, reverse=True)
    deciding = [one["assumption"] for one in found["sensitivity"] if one["decides"]]
    assert "throughput" in deciding


@pytest.mark.slow
def test_what_decides_is_drawn(tmp_path):
    found = figures(*TWO_H100, "--api", "gpt-4o-mini", "--chart", tmp_path / "c.svg")
    drawn = (tmp_path / "c.svg").read_text()
    assert all(one["assumption"].split("'")[0] in drawn for one in found["sensitivity"])


def test_a_claim_has_a_chance_by_how_sure_the_throughput_is():
    """The median is as likely as not; a measured throughput leaves no chance to speak of."""
    found = figures(*TWO_H100, "--api", "gpt-5-mini", "--utilization", 0.1)
    own = found["usd_per_million_tokens"]
    words = (*TWO_H100, "--utilization", 0.1, "--api")
    even = figures(*words, f"{own}/{own}")["comparators"][0]
    assert even["chance_cheaper"] == pytest.approx(0.5, abs=0.01)
    high = found["cost_ratio_interval"][1] * found["comparators"][0]["usd_per_million_tokens"]
    sure = figures(*words, f"{high}/{high}")["comparators"][0]
    assert sure["chance_cheaper"] == pytest.approx(0.975, abs=0.01)
    five = figures(*words, f"{5 * own}/{5 * own}")["comparators"][0]
    assert five["chance_five_times_cheaper"] == pytest.approx(0.5, abs=0.01)
    low, top = found["break_even_utilization_interval"]
    assert low < found["break_even_utilization"] < top
    assert figures(*SECTION_5, "--api", "gpt-5")["comparators"][0]["chance_cheaper"] is None


def test_a_log_of_two_days_shows_what_sharing_and_sleeping_change(tmp_path):
    """By day 3,600 requests an hour, nothing at night: each 1,000 tokens in and 100 out."""
    rows = [
        f"{day * 86400 + hour * 3600 + i * 36},1000,3000"
        for day in range(3)
        for hour in range(12)
        for i in range(100)
    ]
    log = tmp_path / "log.csv"
    log.write_text("time,input_tokens,output_tokens\n" + "\n".join(rows) + "\n")
    words = ("--self-hosted", "llama-3.3-70b", "--gpus", 2, "--tokens-per-second", 100, *AS_OF)
    load = figures(*words, "--usd-per-hour", 2, "--api", "gpt-4o", "--log", log)["load"]
    assert load["peak_deployments"] == 1 and load["hours"][0]["requests"] == 100
    assert load["hours"][0]["deployments"] == pytest.approx(100 * 3000 / 3600 / 100)
    assert load["hours"][13]["requests"] == 0
    peak, by_hour, asleep, shared = (way["usd_per_month"] for way in load["ways"])
    assert peak == by_hour == pytest.approx(4 * 730)
    assert asleep == pytest.approx(peak * 36 / 60, rel=0.02)
    assert shared == pytest.approx(peak * load["mean_deployments"] / 0.6)


def test_an_accepted_answer_costs_what_failures_cost_too():
    words = (*SECTION_5, "--api", "gpt-4o", "--accepted", 0.5, "--api-accepted", 0.9)
    found = figures(*words, "--usd-by-someone", 2)["comparators"]
    for index, share in ((0, 0.9), (2, 0.5), (3, 0.5)):
        usd, accepted = found[index]["usd_per_request"], found[index]["accepted"]
        assert accepted["usd_asked_again"] == pytest.approx(usd / share)
        assert accepted["usd_by_someone"] == pytest.approx(usd + (1 - share) * 2)
    assert "accepted" not in found[1]


def test_a_runs_score_is_the_share_of_accepted_answers(repository):
    runs = repository / "tests" / "project" / "before_the_rooms" / "runs"
    run = "letters--tiny-adapter--a15f228607"
    mean = json.loads((runs / run / "run.json").read_text())["estimate"]["mean"]
    words = (*SECTION_5, "--api", "openai:gpt-4o", "--runs", runs, "--accepted", run)
    assert figures(*words)["comparators"][3]["accepted"]["share"] == mean > 0


def test_a_log_without_times_gives_lengths_alone(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"prompt_tokens": 300, "completion_tokens": 30}\n' * 3)
    found = figures(*SECTION_5, "--api", "gpt-4o", "--log", log)
    assert found["input_tokens"] == 300 and "load" not in found
    assert any("nothing was said of the load" in said for said in found["conditions"])


API = (*SECTION_5, "--api")
WRONG = {
    "a negative price": ((*API, "-1/2"), "0 or more"),
    "a missing price": ((*API, "1/"), "INPUT/OUTPUT"),
    "a free incumbent": ((*API, "0/0"), "above 0"),
    "a negative rent": ((*TWO_H100, "--api", "gpt-4o", "--usd-per-hour=-3"), "more than 0"),
    "no rent": ((*TWO_H100, "--api", "gpt-4o", "--usd-per-hour", "cheap"), "dollars, such as 2.5"),
    "euros": ((*TWO_H100, "--api", "gpt-4o", "--usd-per-hour", "2.5 EUR"), "US dollars"),
    "a sign of pounds": ((*API, "£1/£2"), "US dollars"),
    "an unknown API model": ((*API, "gpt-4o-minii"), "did you mean gpt-4o-mini"),
    "an unknown host's model": ((*API, "groq/llama-3.3-70b-versatil"), "groq/llama-3.3-70b-vers"),
    "a model without a price": ((*API, "whisper-1"), "no price per token"),
    "an accelerator without a price": (
        ("--self-hosted", "llama-3.1-8b", "--gpu", "l4", "--api", "gpt-4o"), "--usd-per-hour",
    ),
    "prices of the future": ((*API, "gpt-4o", "--as-of", "2999-01-01"), "in the future"),
    "a share above 1": ((*API, "gpt-4o", "--cached-share", 1.5), "from 0 to 1"),
    "an idle deployment": ((*API, "gpt-4o", "--utilization", 0), "above 0"),
    "no months": ((*API, "gpt-4o", "--months", 0), "months above 0"),
    "no throughput": ((*TWO_H100, "--api", "gpt-4o", "--tokens-per-second", "nan"), "above 0"),
    "two loads": (
        (*API, "gpt-4o", "--utilization", 0.5, "--tokens-per-month", "1B"), "one of them",
    ),
    "a hand without failures": ((*API, "gpt-4o", "--usd-by-someone", 1), "--accepted"),
    "a model that can't fit": (
        ("--self-hosted", "llama-3.1-405b", "--gpus", 1, "--api", "gpt-4o"), "--gpus",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_line(what):
    words, said = WRONG[what]
    assert said in refused(*words)


LOGS = {
    "a log with a gap": ("0,5,5\n9,5,5\n90000,5,5\n90009,5,5", "without gaps"),
    "a log of the future": ("1764500000,5,5\n32503680000,5,5", "in the future"),
    "a log with an empty cell": ("0,5,\n9,5,5", "a whole number of tokens"),
    "a log with a negative count": ("0,-5,5\n9,5,5", "a whole number of tokens"),
    "an empty log": ("", "no request"),
}


@pytest.mark.parametrize("what", LOGS)
def test_a_log_that_would_mislead_is_one_line(what, tmp_path):
    rows, said = LOGS[what]
    log = tmp_path / "log.csv"
    log.write_text(f"time,input_tokens,output_tokens\n{rows}\n")
    assert said in refused(*API, "gpt-4o", "--log", log)
