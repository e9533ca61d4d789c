"""What servers reply where they do not reply as documented; each ends as what it is."""

import gzip
import json

import pytest

from scripted_server import QUICK, Out, ask, chat, generate, replying
from weighbridge.errors import EndpointUnusable
from weighbridge.models.endpoint import SpendingBudget
from weighbridge.models.endpoint.asking import BUSY_TRIES
from weighbridge.models.endpoint.text import one_line
from weighbridge.models.endpoint.usage import SIGN
from weighbridge.models.marks import (
    ALL_THOUGHT,
    CONTEXT_ENDED,
    CUT_BY_SERVER,
    FILED_AS_CALL,
    FILED_AS_REASONING,
    HALF_CHARACTER,
)
from weighbridge.records import Rate

# Finish reasons


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("stop", "end"), ("eos", "end"), ("end_turn", "end"), ("stop_sequence", "end"),
        ("STOP", "end"), ("tool_calls", "end"), ("function_call", "end"), ("COMPLETE", "end"),
        ("length", "length"), ("max_tokens", "length"), ("MAX_TOKENS", "length"),
        ("model_length", "length"), ("model_context_window_exceeded", "length"),
        ("content_filter", "refused"), ("content_filter: PROHIBITED_CONTENT", "refused"),
        ("sensitive", "refused"), ("refusal", "refused"), ("guardrail_intervened", "refused"),
    ],
)  # fmt: skip
def test_finish_reasons_that_are_understood(opened, finish, stop):
    made, asked = opened.answer_to(Out(chat("some words", finish)))
    assert (made.stop, made.text, len(asked)) == (stop, "some words", 1)
    own_limit = finish.startswith("model_")
    assert (CONTEXT_ENDED.sign in made.why) == own_limit
    assert (CUT_BY_SERVER.sign in made.why) == (stop == "length" and not own_limit)


@pytest.mark.parametrize("finish", [None, "repetition", "malformed_function_call", "", 7, {"a": 1}])
def test_one_that_is_not_understood_is_no_success_and_asked_once(opened, finish):
    made, asked = opened.answer_to(Out(chat("half of", finish)))
    assert (made.stop, made.text, len(asked)) == ("error", "half of", 1)
    assert json.dumps(finish) in made.why and made.charge.usd > 0


@pytest.mark.parametrize(
    "finish",
    ["error", "network_error", "insufficient_system_resource", "abort", "cancelled", "timeout"],
)
def test_one_that_tells_of_a_failure_is_asked_again(opened, finish):
    made, asked = opened.answer_to(Out(chat("First,", finish)), Out(chat("#### 3")))
    assert (made.stop, made.text, len(asked)) == ("end", "#### 3", 2)
    made, asked = opened.answer_to(Out(chat("First,", finish)), seed=1)
    assert (made.stop, len(asked)) == ("error", QUICK.attempts)
    assert finish in made.why and "First," in made.why


# Errors inside a reply with status 200

LOST = {"code": 502, "message": "Upstream provider disconnected"}


@pytest.mark.parametrize(
    "body",
    [
        chat("Let me compute", "error", choice={"error": LOST}),
        chat("Let me compute", "stop", choice={"error": LOST}),
        chat("", None, choice={"error": LOST}),
        chat() | {"error": LOST},
        {"error": LOST},
        {"choices": [], "error": LOST},
        {"choices": None, "error": {"type": "overloaded_error", "message": "Upstream busy"}},
        {"object": "error", "message": "Upstream gone", "type": "InternalServerError", "code": 500},
        {"error": "Upstream error: no such host"},
        {"detail": "Upstream error"},
        [{"error": {"code": 503, "message": "Upstream overloaded", "status": "UNAVAILABLE"}}],
        b'event: error\ndata: {"error": {"message": "Upstream gone", "code": 500}}\n\n',
    ],
    ids=range(12),
)
def test_an_error_inside_a_reply_is_asked_again_and_its_words_are_kept(opened, body):
    made, asked = opened.answer_to(Out(body), Out(chat("#### 3")))
    assert (made.stop, made.text, len(asked)) == ("end", "#### 3", 2)
    made, asked = opened.answer_to(Out(body), seed=1)
    busy = b"overloaded" in Out(body).data  # which is no failure of the request
    assert (made.stop, len(asked)) == ("error", QUICK.attempts * (BUSY_TRIES if busy else 1))
    assert "Upstream" in made.why


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"code": 402, "message": "Insufficient credits"}, "no credit left"),
        ({"code": "insufficient_quota", "message": "You exceeded your current quota"}, "no credit"),
        ({"message": "Your credit balance is too low to access the API"}, "no credit left"),
        ({"code": 401, "message": "No auth credentials found"}, "check the key"),
        ({"code": "invalid_api_key", "message": "Incorrect key"}, "check the key"),
        ({"code": 404, "message": "No endpoints found for m"}, "the address and the model"),
        ({"code": "model_not_found", "message": "m is gone"}, "the address and the model"),
    ],
)
def test_what_no_other_request_can_mend_stops_at_once(opened, error, said):
    for out in (Out({"error": error}), Out(chat("x", "error", choice={"error": error}))):
        with replying(lambda body, nth, out=out: out) as served:
            with pytest.raises(EndpointUnusable, match=said) as stopped:
                generate(opened(served), ask())
            assert len(served.asked) == 1 and error["message"] in str(stopped.value)


@pytest.mark.parametrize(
    "out",
    [
        Out({"error": {"code": "content_filter", "message": "filtered: see the content "
                       "management policy"}}, 400),
        Out({"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}, 400),
        Out({"error": {"code": "data_inspection_failed", "message": "Input may be unsafe"}}, 400),
        Out({"error": {"code": 403, "message": "Your input was flagged"}}),
        Out(chat(None, message={"refusal": "I can't."})),
        Out(chat([{"type": "refusal", "refusal": "I can't."}])),
    ],
    ids=range(6),
)  # fmt: skip
def test_a_refusal_is_one_however_it_is_written(opened, out):
    made, asked = opened.answer_to(out)
    assert (made.stop, len(asked)) == ("refused", 1) and (made.why or made.text)


def test_what_can_not_be_read_is_asked_again_and_told(opened):
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
    bodies = {
        b"": "empty reply", b'{"choices": [{"mess': "no JSON", b"[" * 5000: "can't be read",
        b"ok": "no JSON", b'{"choices": []}': "without choices", b"3": "can't be read",
        b'{"choices": [{"index": 0}]}': "can't be read", page: "Sign in", b"null": "can't be read",
    }  # fmt: skip
    for number, (body, said) in enumerate(bodies.items()):
        out = Out(body, headers={"Content-Type": "text/html"})
        made, asked = opened.answer_to(out, seed=number)
        assert (made.stop, len(asked)) == ("error", QUICK.attempts)
        assert said in made.why, body
    made, asked = opened.answer_to(Out(b'data: {"choices": []}\n\ndata: [DONE]\n'))
    assert (made.stop, len(asked)) == ("error", 1) and "stream" in made.why


def test_a_web_page_before_any_answer_is_a_wrong_address(opened):
    page = Out(b"<html><title>Welcome to nginx</title></html>")
    with (
        replying(lambda body, nth: page, greeting=page) as served,
        pytest.raises(EndpointUnusable, match=r"Welcome to nginx.*check the address"),
    ):
        generate(opened(served))


def test_a_run_of_which_nothing_can_be_used_ends_early(opened):
    with replying(lambda body, nth: Out(chat("half", "who_knows"))) as served:
        model = opened(served, most_at_a_time=1)
        with pytest.raises(EndpointUnusable, match=r"none of the first 20 replies.*who_knows"):
            generate(model, *(ask(n) for n in range(100)))
        assert len(served.asked) == 20


# Stop strings, thoughts, and answers that stand elsewhere


def test_stop_strings_are_applied_here_and_to_the_answer_alone(opened):
    thought = "<think>First line.\n\nQ: is it?</think>\n\nIt is 4.\n\nQ: another"
    replies = {0: thought, 1: "It is 4.\n\nQ: another", 2: thought.removeprefix("<think>"),
               3: "<think>never\n\nQ: ends"}  # fmt: skip

    def script(body, nth):
        return Out(chat(replies[int(body["messages"][-1]["content"].split()[1])]))

    with replying(script) as served:
        model = opened(served)
        made = generate(model, *(ask(n, stop=("Q:", "###")) for n in replies))
        assert [one.text for one in made] == [
            thought.rpartition("Q:")[0], "It is 4.\n\n",
            thought.removeprefix("<think>").rpartition("Q:")[0], replies[3],
        ]  # fmt: skip
        assert [one.stop for one in made] == ["stop_string"] * 3 + ["end"]
        assert all("stop" not in body for body in served.asked)
        # The same request under other stop strings is the same request: it is not paid for again.
        generate(model, ask(1), ask(2, stop=("4",)))
        assert len(served.asked) == len(replies)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "parts", "details"])
def test_an_answer_filed_as_reasoning_is_kept_and_named(opened, field):
    message = {
        "parts": {
            "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "#### 3"}]}]
        },
        "details": {"reasoning_details": [{"type": "reasoning.text", "text": "#### 3"}]},
    }.get(field, {field: "#### 3"})
    content = message.pop("content", None)
    made, asked = opened.answer_to(Out(chat(content, message=message)))
    assert (made.stop, made.text, len(asked)) == ("error", "#### 3", 1)
    assert made.why == FILED_AS_REASONING.sign and made.charge.output_tokens == 5
    made, _ = opened.answer_to(Out(chat(content, "length", message=message)), seed=1)
    assert (made.stop, made.text) == ("length", "<think>\n#### 3") and ALL_THOUGHT.sign in made.why
    if field != "parts":
        made, _ = opened.answer_to(Out(chat("#### 4", message=message)), seed=2)
        assert (made.stop, made.text, made.why) == ("end", "#### 4", "")


def test_an_answer_filed_as_a_call_is_kept_and_named(opened):
    call = {"function": {"name": "answer", "arguments": '{"n": 3}'}}
    for number, message in enumerate(({"tool_calls": [call]}, {"function_call": call["function"]})):
        out = Out(chat(None, "tool_calls", message=message))
        made, _ = opened.answer_to(out, seed=number)
        assert (made.stop, made.text) == ("error", 'answer({"n": 3})')
        assert made.why == FILED_AS_CALL.sign


def test_a_message_in_parts_is_joined(opened):
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "#### "}, "3"]
    made, _ = opened.answer_to(Out(chat(parts)))
    assert (made.stop, made.text) == ("end", "#### 3")


# What is kept, counted and shown


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("thanks \ud83d", "thanks \ufffd"), ("\ude00 thanks", "\ufffd thanks"),
        ("a \ud83d b \ude00", "a \ufffd b \ufffd"), ("whole \ud83d\ude00", "whole \U0001f600"),
    ],
)  # fmt: skip
def test_half_a_character_is_kept_replaced_and_never_paid_for_twice(opened, sent, kept):
    body = json.dumps(chat(sent)).encode("ascii")
    with replying(lambda asked, nth: Out(body)) as served:
        (made,) = generate(opened(served))
        (again,) = generate(opened(served))
        assert (made.stop, made.text) == (again.stop, again.text) == ("end", kept)
        assert (made.why == HALF_CHARACTER.sign) == ("\ufffd" in kept) and made.why == again.why
        assert len(served.asked) == 1


def test_half_characters_stand_in_no_other_text(opened):
    half = "\ud83d"
    for number, body in enumerate((
        {"error": {"message": f"no {half}", "code": 402}}, chat(None, message={"refusal": half}),
        chat(half, f"odd{half}"), chat("x", model=f"m{half}"),
        chat(None, message={"reasoning": half}),
    )):  # fmt: skip
        out = Out(json.dumps(body).encode("ascii"))
        with replying(lambda asked, nth, out=out: out) as served:
            try:
                (made,) = generate(opened(served), ask(seed=number))
                told = made.text + made.why
            except EndpointUnusable as stopped:
                told = str(stopped)
            assert told and half not in told


@pytest.mark.parametrize(
    "usage",
    [
        None, {}, [], "many", {"prompt_tokens": None, "completion_tokens": 5},
        {"prompt_tokens": "40", "completion_tokens": "5"}, {"prompt_tokens": 40},
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": 9e15, "completion_tokens": 5},
        {"prompt_tokens": float("nan"), "completion_tokens": 5},
    ],
)  # fmt: skip
def test_counts_that_are_none_are_counted_at_most(opened, usage):
    with replying(lambda body, nth: Out(chat(usage=usage))) as served:
        model = opened(served)
        (made,) = generate(model)
        assert made.output_tokens == 1000 and made.input_tokens > 40
        assert any("token counts" in note for note in model.notes)


def test_an_answer_that_is_as_long_as_it_may_be_was_cut_by_nobody_else(opened):
    usage = {"prompt_tokens": 40, "completion_tokens": 998}
    made, _ = opened.answer_to(Out(chat("long", "length", usage=usage)))
    assert (made.stop, made.why) == ("length", "")


def test_thoughts_that_a_server_leaves_out_of_its_count_are_charged(opened):
    usage = {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 345}
    made, _ = opened.answer_to(Out(chat(usage=usage)))
    assert made.output_tokens == made.charge.output_tokens == 305


def counts(read, written, cached=0, thought=0, **more):
    return {
        "prompt_tokens": read, "completion_tokens": written,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thought},
    } | more  # fmt: skip


@pytest.mark.parametrize(
    "usage",
    [
        counts(40, 5, cached=90), counts(40, 5, thought=50), counts(-40, 5), counts(40, -5),
        counts(40, 5, cached=-40), counts(40, 5, thought=-1), counts(0, 5), counts(40, 0),
        counts(0, 0), counts(10**8, 5), counts(40, 10**8), counts(10**30, 5), counts(40.5, 5),
        counts(40, 0.1), counts(True, 5), counts("40", "5"), counts(40, 5, cached=39.5),
        counts(40, 5, total_tokens=-1), counts(40, 5, total_tokens=10**8), counts([40], {"n": 5}),
    ],
)  # fmt: skip
def test_counts_that_can_not_be_are_charged_at_most_and_said(opened, usage):
    with replying(lambda body, nth: Out(chat(usage=usage))) as served:
        model = opened(served)
        (made,) = generate(model)
        most = model.usd_at_most(ask().prompt, ask().sampling)
        assert made.stop == "end" and made.charge.usd == pytest.approx(most) and most > 0
        assert made.charge.cached_input_tokens == 0
        assert SIGN in made.why
        assert any("token counts that can't be" in note for note in model.notes)


def test_a_server_s_own_prompt_and_thoughts_beyond_the_limit_are_charged_as_it_says(opened):
    made, _ = opened.answer_to(Out(chat(usage=counts(30_000, 50_000, 10_000, 49_000))))
    assert made.charge.input_tokens == 30_000 and made.charge.output_tokens == 50_000
    assert SIGN not in made.why


@pytest.mark.parametrize("usd", [-1.0, float("nan"), float("inf"), 1e300])
def test_what_is_no_price_is_refused(usd):
    for prices in ((usd, 1.0, 1.0), (1.0, usd, 1.0), (1.0, 1.0, usd)):
        with pytest.raises(ValueError, match="no price"):
            Rate(-1, *prices)


def test_of_several_choices_the_first_by_number_is_taken(opened):
    def choice(index, text):
        return {"index": index, "message": {"content": text}, "finish_reason": "stop"}

    for number, (listed, text) in enumerate((
        ([choice(1, "b"), choice(0, "a")], "a"), ([choice(0, "a"), choice(0, "b")], "a"),
        ([choice(None, "a"), choice(None, "b")], "a"), ([choice(3, "a")], "a"),
    )):  # fmt: skip
        made, _ = opened.answer_to(Out(chat() | {"choices": listed}), seed=number)
        assert (made.stop, made.text) == ("end", text)


def test_bytes_as_they_come(opened):
    plain = json.dumps(chat("naïve 😀")).encode()
    outs = (
        Out(b"\xef\xbb\xbf" + plain), Out(b"\n \n" + plain, headers={"Content-Type": "text/html"}),
        Out(gzip.compress(plain), headers={"Content-Encoding": "gzip"}),
        Out(json.dumps(chat("naïve 😀"), ensure_ascii=False).encode("utf-16")),
    )  # fmt: skip
    for number, out in enumerate(outs):
        made, asked = opened.answer_to(out, seed=number)
        assert (made.stop, made.text, len(asked)) == ("end", "naïve 😀", 1)
    made, asked = opened.answer_to(Out(plain, headers={"Content-Encoding": "gzip"}))
    assert (made.stop, len(asked)) == ("error", QUICK.attempts)


def test_another_model_than_the_one_asked_for_is_told(opened):
    with replying(lambda body, nth: Out(chat(model="m-2026-01-01"))) as served:
        model = opened(served)
        generate(model)
        assert any("answered as 2 models" in note for note in model.notes)
    other = Out(chat("A", model="gemma"))
    with replying(lambda body, nth: other, greeting=other) as served:
        model = opened(served)
        generate(model)
        assert "Asked for m, the server says that gemma answered." in model.notes


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_request_is_sent_on_to_nobody(opened, status):
    with replying(lambda body, nth: Out(chat())) as other:
        away = Out(b"", status, {"Location": f"{other.url}/chat/completions"})
        with replying(lambda body, nth: away) as served:
            with pytest.raises(EndpointUnusable, match="sends requests on to http://127"):
                generate(opened(served))
            assert len(served.asked) == 1
        assert not other.asked


def test_what_is_no_answer_is_paid_for_and_not_kept(opened):
    """Once a server is mended, a reply that could not be used stands in nobody's way."""
    with replying(lambda body, nth: Out(chat("x", None if nth == 0 else "stop"))) as served:
        budget = SpendingBudget(1.0)
        (made,) = generate(opened(served, budget=budget))
        assert made.stop == "error" and budget.spent_usd >= made.charge.usd > 0
        (made,) = generate(opened(served, budget=(later := SpendingBudget(1.0))))
        assert (made.stop, len(served.asked)) == ("end", 2)
        assert later.uncertain_usd > 0  # its cost is not forgotten


def test_the_end_of_a_long_reason_is_shown_and_the_key_is_not(opened):
    words = f"Request refused. {'Something about the organisation. ' * 40}Limit 300, Requested 412."
    for number, out in enumerate((
        Out({"error": {"message": f"{words} Key sk-secret."}}, 400),
        Out({"error": {"message": words + " Key sk-secret.", "code": 400}}),
        Out({"detail": [{"msg": words + " Key sk-secret.", "input": "x" * 9000}]}, 422),
        Out((words + " Key sk-secret.").encode(), 400),
    )):  # fmt: skip
        with replying(lambda body, nth, out=out: out) as served:
            spec = served.spec.replace("#", "?api_key_env=KEY#")
            (made,) = generate(opened(served, spec=spec, key="sk-secret"), ask(seed=number))
        assert "Request refused" in made.why and made.why.endswith("Requested 412. Key [key].")
        assert len(made.why) <= 400


def test_a_line_is_cut_in_its_middle():
    assert one_line("a\n b\x1b[31m\tc") == "a b [31m c"
    line = one_line("begin " + "x" * 500 + " end 42", most=60)
    assert len(line) == 60 and line.startswith("begin x") and line.endswith("x end 42")
