"""Runs on an endpoint: whatever happens on the way, each sample ends once, and money is counted."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands import weighbridge
from endpoint_server import serving_weights
from fault_proxy import FAULTS, proxying
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.endpoint import Patience, SpendingBudget, open_endpoint, read_address
from weighbridge.models.open_weights import load
from weighbridge.records import Graded, Price, Rate, Ungraded
from weighbridge.sources.weights import find_weights

QUICK = Patience(
    request_seconds=1, attempts=4, first_wait_seconds=0.01, longest_wait_seconds=0.03,
    give_up_seconds=120,
)  # fmt: skip
PRICE = Price((Rate(-1, 2.0, 8.0, 0.5),), "the test")
ROWS = 8


@pytest.fixture(scope="module")
def weights(tiny_model, cache):
    return load(find_weights(str(tiny_model)), cache=cache, threads=1)


@pytest.fixture(scope="module")
def served(weights):
    with serving_weights(weights) as server:
        yield server


def write_benchmark(folder, rows=ROWS):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"q": f"row {n}. A B", "a": "A"}) + "\n" for n in range(rows))
    )
    (folder / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 5\n'
    )
    return folder / "own.toml"


def run_once(url, folder, benchmark, *, patience=QUICK, budget=None, price=PRICE):
    budget = budget or SpendingBudget()
    address = replace(read_address(f"{url}#tiny"), price=price)
    model = open_endpoint(
        address, key={}.get, answers=folder / "answers", budget=budget, patience=patience
    )
    store = RunStore(folder / "runs")
    place = RunContext(store, 1, "2026-01-01T00:00:00+00:00", already_paid=budget.already_paid)
    try:
        run = evaluate(model, benchmark, place, settings=Settings())
    finally:
        model.close()
    assert verify(store.folder_of(run.run_id)).ok
    return store.read(run.run_id)


def outcomes(run):
    return {s.sample_id: (s.output, s.score) for s in run.samples}


@pytest.fixture(scope="module")
def undisturbed(served, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run = run_once(served.url, folder, read_own_benchmark(write_benchmark(folder)))
    assert len(run.samples) == ROWS
    return run


@pytest.fixture
def without_faults(undisturbed):
    """The outcomes of the undisturbed run; by a call, so that a failure is told in few lines."""
    return lambda: outcomes(undisturbed)


schedules = st.lists(
    st.lists(st.sampled_from([*FAULTS, "refusal"]), max_size=6), min_size=ROWS, max_size=ROWS
)


def tries(proxy, number):
    return sum(times for body, times in proxy.came.items() if f'"row {number}. ' in body)


@pytest.mark.slow
@settings(
    max_examples=20, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(schedule=schedules)
def test_under_any_faults_each_sample_ends_once(served, without_faults, tmp_path_factory, schedule):
    folder = tmp_path_factory.mktemp("faults")
    benchmark = read_own_benchmark(write_benchmark(folder))
    with proxying(served.url) as proxy:
        proxy.slow_seconds = 60  # until the client hangs up

        def fault(turn, nth):
            if not turn.startswith("row "):
                return ""
            planned = schedule[int(turn.split()[1].rstrip("."))]
            return planned[nth] if nth < len(planned) else ""

        proxy.schedule = fault
        run = run_once(proxy.url, folder, benchmark)
    without = without_faults()
    assert [s.sample_id for s in run.samples] == list(without)
    assert len({(s.sample_id, s.repeat) for s in run.samples}) == ROWS
    for number, sample in enumerate(run.samples):
        if isinstance(sample.score, Ungraded) and sample.score.reason == "refused":
            assert "refusal" in schedule[number]
        elif isinstance(sample.score, Ungraded) and sample.score.reason == "infrastructure":
            # A busy machine may add faults to the schedule; a sample is lost after all tries only.
            assert tries(proxy, number) >= QUICK.attempts
        else:
            assert (sample.output, sample.score) == without[sample.sample_id]
    assert proxy.again == []


def test_costs_are_recorded_a_sample_and_add_up(undisturbed):
    charges = [charge for sample in undisturbed.samples for charge in sample.charges]
    assert len(charges) == ROWS and all(c.by == "model" and c.cached_input_tokens for c in charges)
    paid = sum(
        (c.input_tokens - c.cached_input_tokens) * 2e-6
        + c.cached_input_tokens * 0.5e-6
        + c.output_tokens * 8e-6
        for c in charges
    )
    assert undisturbed.provenance.cost_usd == pytest.approx(paid) and paid > 0
    assert undisturbed.provenance.prices == {"model": "the test"}


def test_an_altered_charge_is_found(served, tmp_path):
    benchmark = read_own_benchmark(write_benchmark(tmp_path))
    run = run_once(served.url, tmp_path, benchmark)
    folder = tmp_path / "runs" / run.run_id
    (folder / "samples.jsonl").chmod(0o644)
    text = (folder / "samples.jsonl").read_text()
    (folder / "samples.jsonl").write_text(
        text.replace(
            '"output_usd_per_million_tokens": 8.0', '"output_usd_per_million_tokens": 1.0', 1
        )
    )
    failed = [check.name for check in verify(folder).checks if not check.ok]
    assert "total cost_usd" in failed and "samples digest" not in failed


def test_a_cap_leaves_a_partial_run_that_a_higher_cap_finishes(served, undisturbed, tmp_path):
    rows = 30
    benchmark = read_own_benchmark(write_benchmark(tmp_path / "own", rows))
    whole = run_once(served.url, tmp_path / "whole", benchmark)
    with proxying(served.url) as proxy:
        proxy.usd = lambda usage: PRICE.rate(0).usd(
            usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"],
            usage["completion_tokens"],
        )  # fmt: skip
        parts, caps = [], [0.4, 0.7]
        for share in caps:
            cap = share * whole.provenance.cost_usd + 0.0006
            part = run_once(proxy.url, tmp_path / "capped", benchmark, budget=SpendingBudget(cap))
            assert proxy.charged_usd <= cap
            assert part.provenance.cost_usd <= cap
            parts.append(part)
        first, second = parts
        assert 0 < first.estimate.n < second.estimate.n < rows
        assert first.estimate.n + first.unasked_samples == rows
        assert first.provenance.notes[0].startswith(f"PARTIAL: the first {first.estimate.n} of")
        low, high = first.estimate.interval
        assert low <= first.estimate.mean <= high and high - low > 0
        final = run_once(proxy.url, tmp_path / "capped", benchmark, budget=SpendingBudget(1.0))
        assert proxy.again == [] and max(proxy.came.values()) == 1
    assert final.unasked_samples == 0 and outcomes(final) == outcomes(whole)
    # Two addresses, the same answers: all but the server's name agrees.
    assert final.samples_digest == whole.samples_digest
    assert final.provenance.cost_usd == pytest.approx(whole.provenance.cost_usd)


def test_a_cap_below_the_first_request_asks_nothing(served, tmp_path):
    from weighbridge.errors import CapReached

    benchmark = read_own_benchmark(write_benchmark(tmp_path))
    asked = len(served.asked)
    with pytest.raises(CapReached) as reached:
        run_once(served.url, tmp_path, benchmark, budget=SpendingBudget(1e-6))
    assert reached.value.exit_code == 3 and len(served.asked) == asked


def test_letters_run_and_say_how(served, tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "dev/astronomy_dev.csv").write_text("What?,a,b,c,d,B\n")
    (tmp_path / "test/astronomy_test.csv").write_text("Why?,a,b,c,d,B\nHow?,a,b,c,d,C\n" * 3)
    model = open_endpoint(read_address(served.spec), key={}.get, answers=tmp_path / "answers")
    place = RunContext(RunStore(tmp_path / "runs"), 1, "2026-01-01T00:00:00+00:00")
    try:
        run = evaluate(
            model, find_benchmark("mmlu"), place, subset="astronomy", data=tmp_path,
            settings=Settings(protocol="letter"),
        )  # fmt: skip
    finally:
        model.close()
    samples = place.store.read(run.run_id).samples
    assert run.protocol == "letter" and len(samples) == 6
    for sample in samples:
        if isinstance(sample.score, Graded):
            assert len(sample.logprobs) == 4
        else:
            assert sample.score.reason == "unparsed" and not sample.logprobs


def command(*words, folder, env=None):
    return {
        "args": [sys.executable, "-m", "weighbridge", *map(str, words)],
        "cwd": folder, "env": {**os.environ, **(env or {})},
    }  # fmt: skip


@pytest.mark.slow
def test_kill_9_costs_at_most_what_was_in_flight(served, tmp_path):
    rows = 60
    write_benchmark(tmp_path, rows)
    with proxying(served.url) as proxy:
        proxy.schedule = lambda turn, nth: "slow"
        proxy.slow_seconds = 0.05
        words = ("evaluate", f"{proxy.url}#tiny", "-b", "own.toml", "--json")

        def answered():
            files = list((tmp_path / ".weighbridge/answers").glob("*.jsonl"))
            return files[0].read_bytes().count(b'"kept"') if files else 0

        lost = 0
        for _ in range(3):
            before = answered()
            child = subprocess.Popen(
                **command(*words, folder=tmp_path), stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            while answered() < before + 8:
                assert child.poll() is None
                time.sleep(0.005)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            proxy.until_idle()
            lost += proxy.at_once
        assert 0 < answered() < rows
        done = subprocess.run(
            **command(*words, folder=tmp_path), capture_output=True, text=True, check=True
        )
        (run,) = json.loads(done.stdout)["runs"]
        assert run["n"] == rows and not run["unasked"]
        # Every request came once, but for those in flight when the process was killed.
        assert sum(proxy.came.values()) - len(proxy.came) <= lost
    whole = subprocess.run(
        **command("evaluate", served.spec, "-b", "own.toml", "--json", folder=tmp_path),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(whole.stdout)["runs"][0]["samples_digest"] == run["samples_digest"]


def test_a_key_stands_in_no_file_and_no_message(served, tmp_path):
    sentinel = "sk-sentinel-5f2d9c0a77"
    write_benchmark(tmp_path)
    said = ""
    with proxying(served.url) as proxy:
        spec = f"{proxy.url}?api_key_env=TEST_KEY#tiny"
        proxy.schedule = lambda turn, nth: "500" if "row 1" in turn and nth < 2 else ""
        for key, words in (
            (sentinel, ("--dry-run",)), (sentinel, ()), (sentinel, ("--limit", 3, "--json")),
            ("", ()), (sentinel + "-wrong", ("--seed", 1)),
        ):  # fmt: skip
            served.key = "" if "wrong" not in key else "another"
            done = weighbridge(
                "evaluate", spec, "-b", "own.toml", *words, cwd=tmp_path, env={"TEST_KEY": key}
            )
            said += done.stdout + done.stderr
            assert done.returncode == (0 if key == sentinel else 2), done.stderr
            assert "Traceback" not in done.stderr
        assert f"Bearer {sentinel}" in proxy.keys
    served.key = ""
    assert "[key]" in said and "no key for" in said and sentinel not in said
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert all(sentinel.encode() not in path.read_bytes() for path in files)
