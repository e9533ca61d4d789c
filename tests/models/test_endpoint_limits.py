"""What a request asked too much of, in each server's words: less is asked for, or it is waited."""

import time
from datetime import UTC, datetime

import pytest

from endpoint_limits import OTHERS, WORDINGS
from scripted_server import Out, ask, chat, generate, replying
from weighbridge.errors import EndpointUnusable
from weighbridge.models.endpoint.errors import ServerError
from weighbridge.models.endpoint.failures import wait_seconds
from weighbridge.models.endpoint.limits import read_limit
from weighbridge.models.marks import (
    ASKED_FOR_LESS,
    CUT_BY_US,
)


@pytest.mark.parametrize("wording", WORDINGS, ids=lambda w: f"{w.server}, {w.kind}, {w.fits}")
def test_a_limit_in_each_server_s_words(opened, wording):
    """A shorter answer is asked for where one fits; no retry is charged, none changes the words."""
    refused = Out(wording.body, wording.status)
    with replying(
        lambda body, nth: refused if body["max_tokens"] > wording.fits else Out(chat())
    ) as (served):
        made, after = generate(opened(served, most_at_a_time=1), ask(0), ask(1, max_tokens=5))
        asked = [body["max_tokens"] for body in served.asked]
    if not wording.fits:
        assert asked == [1000, 5] and made.stop == after.stop == "overlong"
        assert made.why.startswith(str(wording.status)) and made.charge is None
        return
    assert asked == [1000, wording.fits, 5]
    assert (made.stop, made.text, made.output_tokens) == ("end", "fine", 5)
    own_limit = wording.kind == "output"
    assert (ASKED_FOR_LESS.sign in made.why) == (not own_limit)
    assert str(wording.fits) in made.why or own_limit
    assert not after.why


@pytest.mark.slow
def test_an_error_with_status_200_is_the_same_error(opened):
    for number, wording in enumerate(WORDINGS):
        body = wording.body[0] if isinstance(wording.body, list) else wording.body
        if "error_type" in body or "error" not in body:  # bare ones tell by their status alone
            continue
        with replying(
            lambda asked, nth, w=wording: (
                Out(w.body) if asked["max_tokens"] > w.fits else Out(chat())
            )
        ) as served:
            (made,) = generate(opened(served), ask(seed=number))
            assert made.stop == ("end" if wording.fits else "overlong"), wording.server


@pytest.mark.parametrize("words", OTHERS)
def test_what_sounds_like_a_limit_and_is_none(words):
    assert read_limit(words) is None


def test_an_answer_cut_by_our_own_limit_is_not_the_model_s(opened):
    """Neither the account's cap nor a server's short context is a fault of who answers."""
    for wording in (w for w in WORDINGS if w.fits and w.kind != "output"):
        with replying(
            lambda body, nth, w=wording: (
                Out(w.body, w.status)
                if body["max_tokens"] > w.fits
                else Out(chat("3 plus", "length"))
            )
        ) as served:
            (made,) = generate(opened(served), ask(max_tokens=1000))
            assert (made.stop, made.text) == ("error", "3 plus")
            assert CUT_BY_US.sign in made.why and made.charge.output_tokens == 5


def test_the_longest_answer_of_a_model_is_learnt_once_and_is_the_model_s_own(opened):
    words = "max_tokens is too large: 1000. This model supports at most 400 completion tokens."

    def script(body, nth):
        if body["max_tokens"] > 400:
            return Out({"error": {"message": words, "param": "max_tokens"}}, 400)
        return Out(chat("cut", "length"))

    with replying(script) as served:
        model = opened(served, most_at_a_time=4)
        made = generate(model, *(ask(n) for n in range(12)))
        assert {(one.stop, one.text) for one in made} == {("length", "cut")}
        assert len(served.asked) <= 12 + 4
        assert {body["max_tokens"] for body in served.asked} == {1000, 400}
        assert any("at most 400 tokens" in note for note in model.notes)


def test_a_prompt_alone_beyond_the_account_s_rate_is_lost_with_what_to_do(opened):
    words = "Request too large on tokens per minute (TPM): Limit 300, Requested 1400, reduce it"
    body = {"error": {"message": words, "code": "rate_limit_exceeded", "type": "tokens"}}
    made, asked = opened.answer_to(Out(body, 413))
    assert (made.stop, len(asked)) == ("error", 1)
    assert "Limit 300, Requested 1400" in made.why and "fewer --shots" in made.why
    made, asked = opened.answer_to(Out(b"<html><title>413 Request Entity Too Large</title>", 413))
    assert (made.stop, len(asked)) == ("error", 1) and "fewer --shots" in made.why


@pytest.mark.parametrize(
    ("out", "seconds"),
    [
        (Out({"error": {"message": "Rate limit reached: Limit 9, Used 8, Requested 2. Please try "
                        "again in 310ms."}}, 429), 0.3),
        (Out({"error": {"message": "busy. Please retry after 1 seconds."}}, 429), 1),
        (Out({"error": {"message": "busy"}}, 429, {"retry-after-ms": "400"}), 0.4),
        (Out([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED",
                         "details": [{"retryDelay": "0.5s"}]}}], 429), 0.5),
        (Out({"error": {"message": "busy"}}, 429, {"x-ratelimit-remaining-tokens": "0",
             "x-ratelimit-reset-tokens": "0.35s"}), 0.35),
        (Out({"error": {"code": 429, "message": "upstream: try again in 0.45s"}}), 0.45),
        (Out({"error": {"code": 429, "message": "upstream is busy", "metadata": {
            "headers": {"Retry-After": "1"}}}}), 1),
    ],
    ids=range(7),
)  # fmt: skip
def test_a_server_is_left_alone_for_as_long_as_it_asks(opened, out, seconds):
    began = time.monotonic()
    made, asked = opened.answer_to(out, Out(chat()))
    assert (made.stop, len(asked)) == ("end", 2)
    assert time.monotonic() - began >= seconds


def test_a_wait_beyond_patience_stops_with_the_server_s_words(opened):
    words = "Rate limit of your current pricing tier. Please retry after 86400 seconds."
    with (
        replying(lambda body, nth: Out({"error": {"message": words}}, 429)) as served,
        pytest.raises(EndpointUnusable, match=r"86,400 s .*pricing tier"),
    ):
        generate(opened(served))


def test_a_moment_that_a_gateway_passes_on_is_waited_for():
    now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    moment = str(int((now.timestamp() + 30) * 1000))
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": moment}
    error = ServerError("busy", fields={"metadata": {"headers": headers}})
    assert wait_seconds({}, error, now) == pytest.approx(30)
    assert wait_seconds({"x-ratelimit-reset": moment}, ServerError("busy"), now) is None
