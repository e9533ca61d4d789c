"""Servers that mean harm, over real sockets: each costs its own answer, one line, and no more.

Time and memory are bounded by what is read: servers here send for ever, and count what was taken.
"""

import time
import tracemalloc
from dataclasses import replace

import pytest

from hostile_attacks import CASES, NOWHERE, RIGHT, SHORT, Case, reply
from hostile_server import attacking
from scripted_server import PRICE, Out, ask, chat, generate, replying
from weighbridge.errors import EndpointUnusable, InputError
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.endpoint import Patience, SpendingBudget, asking, transport
from weighbridge.models.endpoint.errors import read_error, web_page
from weighbridge.models.endpoint.sending import send
from weighbridge.records import Graded, Ungraded

PATIENCE = Patience(
    request_seconds=60, attempts=2, first_wait_seconds=0.001, longest_wait_seconds=0.002,
    give_up_seconds=60,
)  # fmt: skip
MOST = 2**20  # of a body, in these tests
HELD_BY_THE_KERNEL = 8 * 2**20  # bytes that a server gets rid of though nobody reads them


@pytest.fixture
def small(monkeypatch):
    """Makes the bounds small, so that they are soon met."""
    monkeypatch.setattr(transport, "MOST_BODY_BYTES", MOST)
    monkeypatch.setattr(transport, "MOST_PIECES", 5000)
    monkeypatch.setattr(transport, "MOST_OTHER_BYTES", MOST // 2)


@pytest.fixture
def weigh(opened, tmp_path, small, monkeypatch):
    """Measures two answers, the first of them attacked; returns the run and what was spent."""
    (tmp_path / "rows.jsonl").write_text('{"q": "row 0", "a": "A"}\n{"q": "row 1", "a": "A"}\n')
    (tmp_path / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 100\n'
    )

    def weigh_(served, seconds=60.0, runs="runs", **patience):
        async def impatient(client, body, usual, **more):
            attacked = body["messages"][-1]["content"].startswith("row 0")
            return await send(client, body, seconds if attacked else usual, **more)

        # Only what is attacked may be given up, however slow the machine is.
        monkeypatch.setattr(asking, "send", impatient)
        store, budget = RunStore(tmp_path / runs), SpendingBudget()
        model = opened(
            served, f"{served.url}?api_key_env=KEY#m", "sk-sentinel", budget=budget,
            patience=replace(PATIENCE, **patience), most_at_a_time=1,
        )  # fmt: skip
        benchmark = read_own_benchmark(tmp_path / "own.toml")
        place = RunContext(store, 1, "2026-01-01T00:00:00+00:00", already_paid=budget.already_paid)
        run = evaluate(model, benchmark, place, settings=Settings())
        assert verify(store.folder_of(run.run_id)).ok
        return store.read(run.run_id), budget

    return weigh_


def is_one_plain_line(text: str) -> bool:
    return text.isprintable() and len(text) < 1000 and "sk-sentinel" not in text


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_server_costs_its_own_answer_and_no_more(weigh, case):
    expected = CASES[case]
    with attacking(expected.attack) as served:
        if expected.stops:
            with pytest.raises(EndpointUnusable) as stopped:
                weigh(served)
            assert expected.says in str(stopped.value) and is_one_plain_line(str(stopped.value))
            assert served.asked == {"row 0": 1}
            return
        run, budget = weigh(served, expected.seconds)
        assert served.asked == {"row 0": expected.times, "row 1": 1}
        # What a server may charge for is counted, whatever it sent.
        assert budget.spent_usd + budget.uncertain_usd >= PRICE.rate(0).usd(40, 0, 5)
        attacked, honest = run.samples
        assert isinstance(honest.score, Graded) and honest.score.value == 1.0
        if expected.says:
            assert isinstance(attacked.score, Ungraded), attacked.score
            assert attacked.score.reason == "infrastructure"
            why = attacked.score.why
            assert expected.says in why and is_one_plain_line(why), why
        else:
            assert isinstance(attacked.score, Graded) and attacked.score.value == 1.0
        assert served.sent <= expected.times * (MOST + HELD_BY_THE_KERNEL)
        assert not is_endless(expected) or not served.ended
        if expected.seconds > SHORT:
            weigh(served, runs="again")
        assert served.asked["row 1"] == 1  # an answer that came is paid for once


@pytest.mark.parametrize(
    "case",
    ["a body without an end", "a gzip bomb", "brackets 100,000 deep", "choices that are numbers"],
)
def test_one_that_is_hostile_from_the_first_letter_stops_the_run_with_one_line(weigh, case):
    with attacking(CASES[case].attack, greets=False) as served:
        with pytest.raises(EndpointUnusable) as stopped:
            weigh(served, give_up_seconds=0.2)
        assert CASES[case].says in str(stopped.value) and is_one_plain_line(str(stopped.value))
        assert served.asked == {}


def test_whether_a_server_is_alive_is_asked_at_a_price_too(opened):
    budget = SpendingBudget()
    waits = {"first_wait_seconds": 0.2, "longest_wait_seconds": 0.2, "give_up_seconds": 1.5}
    with attacking(CASES["choices that are numbers"].attack, greets=False) as served:
        model = opened(served, budget=budget, patience=replace(PATIENCE, **waits))
        with pytest.raises(EndpointUnusable):
            _ = model.capabilities
        most_each = PRICE.rate(0).usd(100, 0, 16)
    assert budget.uncertain_usd >= len(served.heads) * most_each > most_each


def is_endless(case: Case) -> bool:
    return case.attack.__qualname__.startswith(("endless", "trickle"))


@pytest.fixture
def proxy(monkeypatch):
    for name in ("http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return lambda url: monkeypatch.setenv("HTTP_PROXY", url)


def test_a_server_here_is_asked_directly_whatever_proxy_the_environment_names(weigh, proxy):
    proxy(NOWHERE)
    with attacking(reply(RIGHT)) as served:
        run, _ = weigh(served)
        assert served.asked == {"row 0": 1, "row 1": 1} and run.estimate.mean == 1.0


def test_one_elsewhere_is_asked_through_that_proxy(opened, proxy):
    with attacking(reply(RIGHT)) as served:
        proxy(served.url.removesuffix("/v1"))
        (made,) = generate(opened(served, "http://llm.example.com/v1#m"))
        assert made.text == "A"
        assert served.heads[-1].startswith("POST http://llm.example.com/v1/chat/completions ")


def test_a_proxy_that_can_not_be_used_is_one_line(opened, proxy):
    proxy("gopher://x")
    with pytest.raises(InputError, match="a proxy from the environment"):
        opened(None, "http://llm.example.com/v1#m")


def test_a_thousand_names_of_one_model_are_a_short_note(opened):
    with replying(lambda body, nth: Out(chat("A", model=f"m{nth}"))) as served:
        model = opened(served)
        assert len(generate(model, *(ask(n) for n in range(60)))) == 60
        (note,) = [one for one in model.notes if "answered as" in one]
        assert "answered as 61 models" in note and len(note) < 300


def test_each_of_them_stands_in_the_table(repository):
    table = (repository / "docs/threat-model.md").read_text()
    assert [case for case in CASES if f"\n| {case} | " not in table] == []


@pytest.mark.parametrize(
    "page",
    [
        b"<html>" + b"<title" * 10**5,
        b"<html>" + b"<title>" * 10**5,
        b"<html>" + b"<script <" * 10**5,
        b"<html>" + b"<style>" * 10**5,
        b"<html>" + b"<" * 10**5 + b">" * 10**5,
        b"<html>" + b"<a>" * 10**5,
    ],
    ids=range(6),
)
def test_web_pages_are_read_once_from_their_beginning(page):
    """What grows with the square of the length would take minutes here, and not a second."""
    began = time.process_time()
    read_error(page)
    web_page(page)
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "case",
    [
        "a body without an end", "chunks without an end", "a gzip bomb", "a gzip bomb in chunks",
        "an error that is a gzip bomb", "an error whose charset unpacks it", "events for ever",
        "an error without an end", "an event's line for ever", "a quarter of a million lists",
    ],
)  # fmt: skip
def test_what_it_sends_never_stands_in_memory(opened, small, case):
    with attacking(CASES[case].attack, victim="question") as served:
        model = opened(served)
        _ = model.capabilities  # greeted, and all is imported
        tracemalloc.start()
        try:
            (made,) = generate(model)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert made.stop == "error" and peak_bytes < 16 * MOST, made
