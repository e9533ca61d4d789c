"""Whatever a server sends is read as something: no exception, and nothing that can't be kept."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endpoint_limits import WORDINGS
from scripted_server import chat
from weighbridge.models.endpoint.bodies import read_body
from weighbridge.models.endpoint.errors import read_error
from weighbridge.models.endpoint.failures import read_failure
from weighbridge.models.endpoint.limits import read_limit
from weighbridge.models.endpoint.replies import NoAnswer, TooMuch
from weighbridge.models.endpoint.shortening import Less, shorter
from weighbridge.models.endpoint.wording import Asked
from weighbridge.models.protocol import Sampling
from weighbridge.records import Message, canonical_json

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NAMES = (
    "choices", "message", "content", "finish_reason", "error", "code", "type", "param", "usage",
    "prompt_tokens", "completion_tokens", "total_tokens", "logprobs", "top_logprobs", "token",
    "logprob", "bytes", "index", "text", "delta", "refusal", "tool_calls", "function",
    "reasoning_content", "reasoning_details", "model", "detail", "errors", "metadata", "raw",
    "headers", "details", "retryDelay", "status", "object", "base_resp", "status_code",
    "prompt_tokens_details", "cached_tokens", "n_ctx", "n_prompt_tokens",
)  # fmt: skip
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["stop", "length", "\ud83d", "400", "rate_limit_exceeded", "0.5s"])
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


def put(inside, path, value):
    """Return a reply with one of its values replaced."""
    if not path:
        return value
    copy = list(inside) if isinstance(inside, list) else dict(inside)
    copy[path[0]] = put(copy[path[0]], path[1:], value)
    return copy


def paths(inside, so_far=()):
    yield so_far
    if isinstance(inside, dict | list):
        named = inside.items() if isinstance(inside, dict) else enumerate(inside)
        for name, value in named:
            yield from paths(value, (*so_far, name))


SHOWN = {
    "content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": -0.1, "bytes": [65]}]}]
}
WHOLE = chat(
    [{"type": "text", "text": "A"}], choice={"logprobs": SHOWN},
    message={"reasoning_details": [{"text": "hm"}], "tool_calls": [{"function": {"name": "f"}}]},
    error=None, system_fingerprint="fp",
)  # fmt: skip


def check(reply):
    """Whatever was read can be kept as evidence: it is JSON, and comes back as it was."""
    told = json.dumps(asdict(reply), allow_nan=False)
    assert json.loads(canonical_json(asdict(reply))) == json.loads(told)


@settings(max_examples=400, deadline=None)
@given(path=st.sampled_from(list(paths(WHOLE))), value=values, letters=st.booleans())
def test_a_reply_with_any_value_in_any_place_is_read(path, value, letters):
    check(read_body(json.dumps(put(WHOLE, path, value)).encode(), NOW, letters=letters))


@settings(max_examples=400, deadline=None)
@given(found=values, status=st.sampled_from([0, 200, 302, 400, 403, 404, 413, 422, 429, 500, 503]))
def test_any_json_is_an_error_of_some_kind(found, status):
    body = json.dumps(found).encode()
    check(read_failure(status, read_error(body), {"retry-after": "soon"}, NOW))
    check(read_body(body, NOW))


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=60))
def test_any_bytes_are_read(body):
    check(read_failure(400, read_error(body), {}, NOW))
    check(read_body(body, NOW))
    check(read_body(b"data: " + body, NOW))


@pytest.mark.parametrize("wording", WORDINGS, ids=lambda w: w.server)
def test_asking_for_less_ends_whatever_a_server_says(wording):
    """Also where it says the same numbers again and again."""
    error = read_error(json.dumps(wording.body).encode())
    limit = read_limit(error.message, error.code, error.fields)
    asked = Asked((Message("user", "?"),), Sampling(max_tokens=100_000))
    less = Less(asked, "")
    for _ in range(20):
        tokens = less.asked.sampling.max_tokens
        less = shorter(less, tokens, TooMuch("no", limit))
        if isinstance(less, NoAnswer):
            return
        assert 0 < less.asked.sampling.max_tokens < tokens
    pytest.fail("it is asked for less for ever")
