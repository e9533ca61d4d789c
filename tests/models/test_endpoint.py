"""An endpoint over real sockets, with real weights behind them: answers, words, letters, faults."""

import random
import time
from dataclasses import replace

import pytest

from endpoint_server import serving_weights
from fault_proxy import FAULTS, proxying
from weighbridge.errors import CapReached, EndpointUnusable, InputError, MissingPiece
from weighbridge.models.endpoint import Patience, SpendingBudget, open_endpoint, read_address
from weighbridge.models.open_weights import load
from weighbridge.models.protocol import (
    Capability,
    GenerateRequest,
    Prompt,
    Sampling,
    ScoreRequest,
)
from weighbridge.records import Message, Price, Rate
from weighbridge.sources.weights import find_weights

QUICK = Patience(
    request_seconds=5, attempts=4, first_wait_seconds=0.01, longest_wait_seconds=0.05,
    give_up_seconds=2,
)  # fmt: skip
PRICE = Price((Rate(-1, 2.0, 8.0, 0.5),), "the test")


@pytest.fixture(scope="module")
def weights(tiny_model, cache):
    return load(find_weights(str(tiny_model)), cache=cache, threads=1)


@pytest.fixture(scope="module")
def served(weights):
    with serving_weights(weights) as server:
        yield server


@pytest.fixture(autouse=True)
def without_habits(served):
    served.habits, served.key, served.counts = {}, "", True
    served.asked.clear()


@pytest.fixture
def opened(served, tmp_path):
    """Opens endpoints, and closes them."""
    open_ones = []

    def open_(spec=None, budget=None, patience=QUICK, price=None, **more):
        address = replace(read_address(spec or served.spec), price=price)
        more = {"key": {}.get, "answers": tmp_path / "answers"} | more
        endpoint = open_endpoint(address, budget=budget, patience=patience, **more)
        open_ones.append(endpoint)
        return endpoint

    yield open_
    for endpoint in open_ones:
        endpoint.close()


def ask(number, text=None, **sampling):
    prompt = Prompt(messages=(Message("user", text or f"question {number} A B"),))
    sampling = {"max_tokens": 6, "seed": number} | sampling
    return GenerateRequest(f"s{number}", prompt, Sampling(**sampling))


def by_likelihood(weights, prompt):
    """All tokens of letters, the least likely first."""
    vocabulary = [weights.tokenizer.decode([n]) for n in range(3, 300)]
    tokens = tuple(dict.fromkeys(token for token in vocabulary if token and token.isalpha()))
    (here,) = weights.score([ScoreRequest("s", prompt, tokens)])
    return [token for _, token in sorted(zip(here.logprobs, tokens, strict=True))]


def texts(model, requests):
    return [one.generation.text for one in model.generate(requests)]


def test_answers_are_those_of_the_weights_in_the_order_asked(opened, weights):
    requests = [ask(n, max_tokens=3 + n % 4) for n in range(40)]
    got = list(opened().generate(requests))
    assert [one.generation.sample_id for one in got] == [r.sample_id for r in requests]
    here = list(weights.generate(requests))
    assert [one.generation.text for one in got] == [one.generation.text for one in here]
    assert [one.generation.stop for one in got] == [one.generation.stop for one in here]
    assert [one.generation.input_tokens for one in got] == [
        one.generation.input_tokens for one in here
    ]


def test_requests_are_taken_from_their_stream_as_they_are_needed(opened):
    taken = 0

    def stream():
        nonlocal taken
        for number in range(2000):
            taken += 1
            yield ask(number, max_tokens=1)

    answers = opened().generate(stream())
    next(answers)
    assert taken <= 257
    answers.close()


def test_an_answer_is_asked_for_once_whatever_process_asks(opened, served):
    requests = [ask(n) for n in range(5)]
    first = texts(opened(), requests)
    asked = len(served.asked)
    assert texts(opened(), requests) == first
    assert len(served.asked) == asked
    texts(opened(), [ask(0, seed=99), ask(1, max_tokens=7), ask(2, temperature=1.0)])
    assert len(served.asked) == asked + 3


def test_answers_on_disk_are_unreadable_without_the_question(opened, tmp_path):
    (text,) = texts(opened(), [ask(1, "the secret question", max_tokens=12)])
    (kept,) = (tmp_path / "answers").iterdir()
    assert b"secret question" not in kept.read_bytes() and text.encode() not in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0


def test_a_torn_line_costs_its_own_answer_and_no_other(opened, served, tmp_path):
    requests = [ask(n) for n in range(4)]
    whole = texts(opened(), requests)
    (kept,) = (tmp_path / "answers").iterdir()
    kept.write_bytes(kept.read_bytes()[:-20])
    served.asked.clear()
    assert texts(opened(), requests) == whole
    assert len(served.asked) == 1
    served.asked.clear()
    assert texts(opened(), requests) == whole
    assert not served.asked


@pytest.mark.parametrize(
    ("parameter", "words", "left_out"),
    [
        ("max_tokens", "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
         "'max_completion_tokens' instead.", ""),
        ("temperature", "Unsupported value: 'temperature' does not support 0.0 with this model. "
         "Only the default (1) value is supported.", "temperature"),
        ("seed", "Unrecognized request argument supplied: seed", "seed"),
    ],
)  # fmt: skip
def test_a_parameter_that_a_server_refuses_is_learnt_once(
    opened, served, parameter, words, left_out
):
    served.habits = {parameter: words}
    model = opened()
    list(model.generate([ask(n) for n in range(3)]))
    refused = [body for body in served.asked if parameter in body]
    assert len(refused) == 1 and len(served.asked) == 5
    assert any(left_out in note for note in model.notes)
    assert ("max_completion_tokens" in served.asked[-1]) == (parameter == "max_tokens")


def test_letters_have_the_probabilities_of_the_weights(opened, weights):
    prompt = Prompt(messages=(Message("user", "the answer is A B C D"),))
    model = opened()
    assert Capability.LETTER_LOGPROBS in model.capabilities
    *_, third, second, first = by_likelihood(weights, prompt)
    request = ScoreRequest("s", prompt, (second, first, third))
    (result,), (here,) = model.score([request]), weights.score([request])
    # The template's last newline is scored with each letter here, and stands in the prompt there.
    gaps, here_gaps = ([x - one.logprobs[0] for x in one.logprobs] for one in (result, here))
    assert gaps == pytest.approx(here_gaps, abs=1e-3)


def test_a_letter_that_is_not_shown_is_below_those_that_are(opened, weights, served):
    prompt = Prompt(messages=(Message("user", "the answer is A B C D"),))
    model = opened()
    _ = model.capabilities
    unlikely, next_unlikely, *_, likely = by_likelihood(weights, prompt)
    (result,) = model.score([ScoreRequest("s", prompt, (unlikely, likely))])
    assert result.ungraded is None and result.logprobs[0] < result.logprobs[1]
    assert any("not among the likeliest" in note for note in model.notes)
    (none,) = model.score([ScoreRequest("t", prompt, (unlikely, next_unlikely))])
    assert none.ungraded is not None and none.ungraded.reason == "unparsed"


def test_a_server_without_log_probabilities_has_no_letters(opened, served):
    served.habits = {"logprobs": "logprobs is not supported by this model"}
    assert Capability.LETTER_LOGPROBS not in opened().capabilities


def test_a_prompt_beyond_the_context_is_that_sample_s_own_result(opened):
    long = ask(1, "question " * 600)
    first, second = opened().generate([long, ask(2)])
    assert first.generation.stop == "overlong" and "context" in first.generation.why
    assert second.generation.stop in ("end", "length")


@pytest.mark.parametrize("fault", FAULTS)
def test_what_another_try_can_mend_is_tried_again(opened, served, weights, fault):
    with proxying(served.url) as proxy:
        # Only what is meant to be late may be late, however slow the machine is.
        patient = 3.0 if fault == "slow" else 300.0
        proxy.slow_seconds, proxy.wait_seconds = 4.0, 1 if "429" in fault else 0
        proxy.schedule = lambda turn, nth: fault if nth == 0 and "question" in turn else ""
        model = opened(
            f"{proxy.url}#tiny",
            patience=replace(QUICK, request_seconds=patient, give_up_seconds=300),
        )
        requests = [ask(n) for n in range(3)]
        began = time.monotonic()
        assert texts(model, requests) == [one.generation.text for one in weights.generate(requests)]
        assert proxy.again == []
        if fault == "429":
            assert time.monotonic() - began >= 1


def test_a_refusal_is_not_asked_again(opened, served):
    with proxying(served.url) as proxy:
        proxy.schedule = lambda turn, nth: "refusal" if "question 1" in turn else ""
        got = list(opened(f"{proxy.url}#tiny").generate([ask(0), ask(1), ask(2)]))
        assert [one.generation.stop == "refused" for one in got] == [False, True, False]
        assert got[1].generation.text == "I can't help."
        assert max(proxy.came.values()) == 1


def test_one_request_that_always_fails_is_lost_and_the_others_are_not(opened, served):
    with proxying(served.url) as proxy:
        proxy.schedule = lambda turn, nth: "500" if "question 1 " in turn else ""
        got = list(opened(f"{proxy.url}#tiny").generate([ask(n) for n in range(4)]))
        assert [one.generation.stop for one in got].count("error") == 1
        assert got[1].generation.stop == "error" and "500" in got[1].generation.why
        (most,) = [n for body, n in proxy.came.items() if "question 1 " in body]
        assert most == QUICK.attempts


def test_a_server_that_is_away_is_waited_for_and_then_the_run_stops(opened, served):
    with proxying(served.url) as proxy:
        model = opened(f"{proxy.url}#tiny", patience=replace(QUICK, give_up_seconds=300))
        answers = model.generate(ask(n) for n in range(3))
        next(answers)
        # Away for less than the patience lasts: nothing is lost.
        proxy.schedule = lambda turn, nth: "503" if nth < QUICK.attempts - 1 else ""
        assert [one.generation.stop == "error" for one in answers] == [False, False]
        proxy.schedule = lambda turn, nth: "503"
        with pytest.raises(EndpointUnusable, match="run again later"):
            list(opened(f"{proxy.url}#tiny").generate([ask(9)]))


def test_nobody_at_the_address_is_said_at_once(opened):
    began = time.monotonic()
    with pytest.raises(EndpointUnusable, match="start the server"):
        list(opened("http://127.0.0.1:9/v1#tiny", patience=Patience()).generate([ask(1)]))
    assert time.monotonic() - began < Patience().give_up_seconds


def test_a_wrong_key_or_model_is_one_line_without_the_key(opened, served):
    served.key = "right"
    sentinel = "sk-sentinel-0123456789"
    wrong = opened(
        f"{served.url}?api_key_env=THE_KEY#tiny", key={"THE_KEY": sentinel}.get
    )  # fmt: skip
    with pytest.raises(EndpointUnusable, match="401") as refused:
        list(wrong.generate([ask(1)]))
    assert sentinel not in str(refused.value) and "[key]" in str(refused.value)
    assert len(served.asked) == 1
    served.key = ""
    with pytest.raises(EndpointUnusable, match="404"):
        list(opened(f"{served.url}#another").generate([ask(1)]))
    with pytest.raises(MissingPiece, match="export THE_KEY"):
        opened(f"{served.url}?api_key_env=THE_KEY#tiny")


def test_fewer_at_a_time_where_it_is_too_much_and_more_where_it_is_not(opened, served):
    with proxying(served.url) as proxy:
        proxy.schedule = lambda turn, nth: "503" if proxy.working > 3 else ""
        model = opened(f"{proxy.url}#tiny", most_at_a_time=32)
        got = list(model.generate([ask(n, max_tokens=1) for n in range(120)]))
        assert all(one.generation.stop != "error" for one in got)
        assert model._asker._concurrency.limit < 16
    with proxying(served.url) as proxy:
        model = opened(f"{proxy.url}#tiny", most_at_a_time=12)
        list(model.generate([ask(n, max_tokens=1) for n in range(120)]))
        assert 4 < proxy.at_once <= 12


def test_certificates_that_cannot_be_read_are_one_clear_error(opened, monkeypatch, tmp_path):
    for made in (tmp_path / "none.pem", tmp_path / "text.pem"):
        (tmp_path / "text.pem").write_text("not a certificate")
        monkeypatch.setenv("SSL_CERT_FILE", str(made))
        with pytest.raises(InputError, match=f"certificates that can't be read .*{made.name}"):
            opened("https://localhost:1/v1#m")


def test_offline_reaches_this_machine_alone(opened):
    with pytest.raises(InputError, match="offline"):
        opened("openai:gpt-4o", offline=True, key={"OPENAI_API_KEY": "x"}.get)
    assert texts(opened(offline=True), [ask(1)])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("http://user:hush@localhost/v1#m", "name or password"),
        ("https://host/v1", "no model named"),
        ("https://host/v1?key=abc#m", "did you mean|one of"),
        ("https://host/v1?api_key_env=sk-proj-123#m", "not the name of an environment variable"),
        ("openai:", "no model named"),
        ("http://localhost/v1?input_usd_per_million_tokens=3#m", "price .* is not whole"),
    ],
)
def test_a_wrong_address_is_one_clear_error(spec, said):
    with pytest.raises(InputError, match=said) as refused:
        read_address(spec)
    assert "hush" not in str(refused.value) and "sk-proj" not in str(refused.value)


@pytest.mark.slow
def test_a_cap_is_not_exceeded_by_what_is_in_flight(opened, served):
    with proxying(served.url) as proxy:
        proxy.usd = lambda usage: PRICE.rate(0).usd(
            usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"],
            usage["completion_tokens"],
        )  # fmt: skip
        rng = random.Random(3)
        proxy.schedule = lambda turn, nth: rng.choice(["", "", "", "cut", "slow", "500"])
        proxy.slow_seconds = 1.5
        budget = SpendingBudget(0.02)
        patience = replace(QUICK, request_seconds=1.0, attempts=200, give_up_seconds=600)
        model = opened(f"{proxy.url}#tiny", budget=budget, price=PRICE, patience=patience)
        answered = []
        with pytest.raises(CapReached, match="--max-usd"):
            for one in model.generate(ask(n) for n in range(300)):
                answered.append(one)
        proxy.until_idle()
        assert 0 < proxy.charged_usd <= budget.cap_usd
        assert answered and budget.held_usd == pytest.approx(0)
        assert proxy.charged_usd <= budget.spent_usd + budget.uncertain_usd + 1e-12


def test_a_cap_without_a_price_is_refused(opened):
    with pytest.raises(InputError, match="price is not known"):
        opened(budget=SpendingBudget(1.0))
