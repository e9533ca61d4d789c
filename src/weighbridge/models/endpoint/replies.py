"""What came back from a server: an answer, a reason to ask again, or a reason to stop."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from weighbridge.records import Json

Stop = Literal["end", "length", "error", "refused", "overlong"]

_STOPS: dict[str, Stop] = {"length": "length", "content_filter": "refused"}
_OVERLONG = re.compile(
    r"context[ _](length|window|size)|maximum context|exceeds? the (available )?context"
    r"|prompt is too long|too many (input )?tokens|input is too long",
    re.IGNORECASE,
)
_MODERATED = re.compile("moderation|flagged", re.IGNORECASE)
_POLICY = ("content_filter", "content_policy_violation", "invalid_prompt")
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_AGAIN = (408, 409, 425, 429)
_TOO_MUCH = (408, 429, 503, 504, 529)


@dataclass(frozen=True)
class Answer:
    """A reply that can be used, and what it cost in tokens.

    Attributes:
        text: The answer; for a refusal the server's words.
        stop: Why it ended.
        input_tokens: As the server counts; likewise below.
        cached_input_tokens: Part of `input_tokens`.
        output_tokens: Tokens written.
        reasoning_tokens: Part of `output_tokens`.
        counted: Whether the server said how many tokens it were.
        alternatives: The first token's likeliest values with their log-probabilities.
        says: What the server calls the model that answered, with its fingerprint.
    """

    text: str
    stop: Stop
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    counted: bool = True
    alternatives: tuple[tuple[str, float], ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Again:
    """No answer this time; another try may help.

    Attributes:
        why: For people.
        wait_seconds: How long the server asks to wait; None where it says nothing.
        too_much: Whether fewer requests at a time would help.
        charged: Whether the server may have charged for it.
        away: Whether the server could not be reached.
    """

    why: str
    wait_seconds: float | None = None
    too_much: bool = False
    charged: bool = False
    away: bool = False


@dataclass(frozen=True)
class NoAnswer:
    """This request will never have an answer: its own result."""

    why: str
    stop: Stop = "error"


@dataclass(frozen=True)
class Refused:
    """The server does not take the request as it is worded; see `Wording.learn`."""

    why: str
    parameter: str = ""


@dataclass(frozen=True)
class Hopeless:
    """No request to this server will have an answer."""

    saw: str
    expected: str
    do: str


Reply = Answer | Again | NoAnswer | Refused | Hopeless


def read_body(body: bytes) -> Answer | Again:
    """Read the body of a reply with status 200."""
    try:
        reply = json.loads(body)
        choices = reply["choices"]
        if not choices:
            return Again("a reply without choices", charged=True)
        choice = choices[0]
        message = choice.get("message") or {}
        text, refusal = message.get("content"), message.get("refusal")
        stop = "refused" if refusal else _STOPS.get(choice.get("finish_reason") or "", "end")
        usage = reply.get("usage") or {}
        return Answer(
            text=_text(refusal or text),
            stop=stop,
            input_tokens=int(usage.get("prompt_tokens") or 0),
            cached_input_tokens=_part(usage, "prompt_tokens_details", "cached_tokens"),
            output_tokens=int(usage.get("completion_tokens") or 0),
            reasoning_tokens=_part(usage, "completion_tokens_details", "reasoning_tokens"),
            counted="prompt_tokens" in usage and "completion_tokens" in usage,
            alternatives=_alternatives(choice.get("logprobs")),
            says=" ".join(filter(None, (reply.get("model"), reply.get("system_fingerprint")))),
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        return Again(f"a reply that can't be read ({type(error).__name__})", charged=True)


def read_refusal(status: int, retry_after: str | None, body: bytes, now: datetime) -> Reply:
    """Read a reply with another status than 200.

    Args:
        status: Of HTTP.
        retry_after: The header, if any: seconds, or an HTTP date.
        body: What came with it.
        now: For the date.
    """
    error = _error(body)
    message, code, parameter = error["message"], error["code"], error["param"]
    told = f"{status}: {message}" if message else f"status {status}"
    if status == 403 and _MODERATED.search(message):
        return NoAnswer(message, "refused")
    if status in (401, 403):
        return Hopeless(f"refused with {told}", "a key that may use the model", "check the key")
    if status == 402 or code in _NO_CREDIT:
        return Hopeless(f"no credit left ({told})", "an account that can pay", "top it up")
    if status == 404:
        return Hopeless(told, "a model that the server has", "check the address and the model")
    if status in _AGAIN or status >= 500:
        wait = wait_seconds(retry_after, now) if retry_after else None
        # A server that failed in its middle may have worked for it; one that is too busy has not.
        return Again(told, wait, status in _TOO_MUCH, charged=status not in (429, 503, 529))
    if code in _POLICY:
        return NoAnswer(message or told, "refused")
    if code == "context_length_exceeded" or status == 413 or _OVERLONG.search(message):
        return NoAnswer(told, "overlong")
    if "output limit was reached" in message:  # a model that thought until its last token
        return Answer("", "length", counted=False)
    return Refused(told, parameter)


def wait_seconds(header: str, now: datetime) -> float | None:
    """Read `Retry-After`: seconds, or an HTTP date (RFC 9110, 10.2.3).

    >>> now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    >>> wait_seconds("2.5", now), wait_seconds("Wed, 25 Nov 2026 12:00:07 GMT", now)
    (2.5, 7.0)
    >>> wait_seconds("soon", now) is None
    True
    """
    try:
        seconds = float(header)
    except ValueError:
        try:
            then = parsedate_to_datetime(header)
        except ValueError:
            return None
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        seconds = (then - now).total_seconds()
    return max(0.0, seconds) if seconds == seconds else None


def one_line(text: str, secret: str = "", most: int = 200) -> str:
    """Return a server's words as one line, without the key that some of them repeat."""
    if secret:
        text = text.replace(secret, "[key]")
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _text(content: Json) -> str:
    """Join a content that comes in parts."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text") or "" for part in content)


def _part(usage: dict[str, Json], details: str, name: str) -> int:
    return int((usage.get(details) or {}).get(name) or 0)


def _alternatives(logprobs: Json) -> tuple[tuple[str, float], ...]:
    content = (logprobs or {}).get("content") or []
    listed = content[0].get("top_logprobs") or [] if content else []
    return tuple((str(one["token"]), float(one["logprob"])) for one in listed)


def _error(body: bytes) -> dict[str, str]:
    """Find message, code and parameter, wherever a server puts them."""
    try:
        found = json.loads(body)
    except ValueError:
        found = body.decode("utf-8", "replace")
    if isinstance(found, dict):
        found = found.get("error", found)
    if not isinstance(found, dict):
        return {"message": str(found)[:1000], "code": "", "param": ""}
    message = found.get("message") or found.get("detail") or found.get("error") or ""
    return {
        "message": message if isinstance(message, str) else json.dumps(message),
        "code": str(found.get("code") or found.get("type") or ""),
        "param": str(found.get("param") or ""),
    }
