"""What an error means for a request: ask again, ask for less, ask otherwise, lose it, or stop."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from weighbridge.models.endpoint.errors import ServerError
from weighbridge.models.endpoint.limits import read_limit
from weighbridge.models.endpoint.replies import (
    Again,
    Hopeless,
    NoAnswer,
    Reply,
    RequestRefused,
    ServerAnswer,
    TooMuch,
)
from weighbridge.records import Json

# What a provider will not have asked or answered is the model's refusal as its users meet it.
_POLICY = ("content_filter", "content_policy_violation", "invalid_prompt", "data_inspection_failed")
_POLICY_WORDS = re.compile(
    r"content (management|filter\w*) policy|content exists risk|data_?inspection_?failed"
    r"|responsible ?ai|prohibited_content|violat\w+ .{0,40}(usage )?polic(y|ies)",
    re.IGNORECASE,
)
_MODERATED = re.compile("moderation|flagged", re.IGNORECASE)
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_NO_CREDIT_WORDS = re.compile(
    r"insufficient (balance|credit|funds|quota)|credit balance is too low|requires more credits"
    r"|exceeded your current quota, please check your plan",
    re.IGNORECASE,
)
_KEY_WORDS = re.compile(
    r"api[ _-]?key (is )?(not valid|invalid|expired)|(incorrect|invalid|missing) api[ _-]?key",
    re.IGNORECASE,
)
_MODEL_WORDS = re.compile(
    r"\bmodel\b.{0,120}(does not exist|not found|no longer (available|supported)|decommissioned)"
    r"|invalid model\b|no such model|unknown model|not a valid model",
    re.IGNORECASE,
)
_AGAIN = (408, 409, 425, 429, 498, 499)  # the last two are Groq's: no capacity, cancelled
_TOO_MANY = (408, 429, 498, 503, 504, 529)
_NOT_CHARGED = (429, 498, 503, 529)
_WAIT = re.compile(
    r"(?:try again|retry|wait)\D{0,20}?\b((?:\d+(?:\.\d+)?\s*"
    r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h|days?|d)(?![a-z])\s*,?\s*)+)",
    re.IGNORECASE,
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|s|m|h|d)", re.IGNORECASE)
_SECONDS = {"ms": 1e-3, "milli": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FIRST_MOMENT = 1e12  # September 2001, in milliseconds
_RESET = "x-ratelimit-reset"  # OpenRouter's: a moment, in milliseconds since 1970
_RESETS = ("x-ratelimit-reset-tokens", "x-ratelimit-reset-requests")


def read_failure(
    status: int,
    error: ServerError,
    headers: Mapping[str, str],
    now: datetime,
    *,
    begun: bool = False,
) -> Reply:
    """Read a reply that is an error.

    Args:
        status: Of HTTP; or the one that an error inside a reply stands for, 0 if for none.
        error: What the server says.
        headers: Of the reply.
        now: For dates in them.
        begun: Whether the model had begun to answer, so that it was charged.
    """
    message, code = error.message, error.code
    described = f"{status}: {message}" if message and status else message or f"status {status}"
    if 300 <= status < 400:
        to = headers.get("location", "elsewhere")
        return Hopeless(
            f"sends requests on to {to}", "an answer", "name that address if you trust it"
        )
    if _of_policy(status, error):
        return NoAnswer(message or described, "refused")
    if status == 402 or code in _NO_CREDIT or _NO_CREDIT_WORDS.search(message):
        return Hopeless(
            f"no credit left ({described})",
            "an account that can pay",
            "top it up, or lower --max-tokens",
        )
    if status in (401, 403) or (400 <= status < 500 and _KEY_WORDS.search(message)):
        return Hopeless(
            f"refused with {described}", "a key that may use the model", "check the key"
        )
    if status in (404, 405, 410) or (400 <= status < 500 and _MODEL_WORDS.search(message)):
        return Hopeless(described, "a model that the server has", "check the address and the model")
    if limit := read_limit(message, code, error.fields):
        return TooMuch(described, limit)
    if status in _AGAIN or status >= 500 or not status:
        # A server that failed in its middle may have worked for it; one that is too busy has not.
        return Again(
            described,
            wait_seconds(headers, error, now),
            status in _TOO_MANY,
            charged=begun or status not in _NOT_CHARGED,
        )
    if status == 413:  # of a proxy before the server, which counts bytes
        return NoAnswer(f"{described}; the request is too large for the server: take fewer --shots")
    if "output limit was reached" in message:  # a model that thought until its last token
        return ServerAnswer("", "length", counted=False, why=described)
    return RequestRefused(described, error.param)


def _of_policy(status: int, error: ServerError) -> bool:
    if status == 403 and _MODERATED.search(error.message):
        return True
    asked_wrongly = status in (0, 200, 400, 403, 422, 451)
    return error.code in _POLICY or (asked_wrongly and bool(_POLICY_WORDS.search(error.message)))


def wait_seconds(headers: Mapping[str, str], error: ServerError, now: datetime) -> float | None:
    """Return how long a server asks to wait: by a header, by its words, or not at all.

    >>> now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    >>> wait_seconds({}, ServerError("Rate limit reached. Please try again in 1m7.5s."), now)
    67.5
    >>> wait_seconds({"retry-after-ms": "250", "retry-after": "1"}, ServerError(""), now)
    0.25
    """
    headers = {**_passed_on(error.fields), **headers}
    waits = (
        _scaled(headers.get("retry-after-ms"), 1e-3),
        retry_after(headers.get("retry-after"), now),
        in_words(error.message),
        *(_duration(detail.get("retryDelay")) for detail in _details(error.fields)),
        *(_duration(headers.get(name)) for name in _RESETS if _spent(headers, name)),
        _until(headers.get("x-ratelimit-reset"), now) if _spent(headers, _RESET) else None,
    )
    return next((seconds for seconds in waits if seconds is not None), None)


def _passed_on(fields: Mapping[str, Json]) -> dict[str, str]:
    """Return a provider's headers where a gateway passes them on: OpenRouter, in `metadata`."""
    metadata = fields.get("metadata")
    found = metadata.get("headers") if isinstance(metadata, dict) else None
    return {str(k).lower(): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _until(moment: str | None, now: datetime) -> float | None:
    milliseconds = _scaled(moment, 1.0)
    if milliseconds is None or milliseconds < _FIRST_MOMENT:
        return None
    return max(0.0, milliseconds / 1000 - now.timestamp())


def retry_after(header: str | None, now: datetime) -> float | None:
    """Read `Retry-After`: seconds, or an HTTP date (RFC 9110, 10.2.3).

    >>> now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    >>> retry_after("2.5", now), retry_after("Wed, 25 Nov 2026 12:00:07 GMT", now)
    (2.5, 7.0)
    >>> retry_after("soon", now) is None
    True
    """
    if header is None:
        return None
    if (seconds := _scaled(header, 1.0)) is not None:
        return seconds
    try:
        then = parsedate_to_datetime(header)
        then = then if then.tzinfo else then.replace(tzinfo=UTC)
        return max(0.0, (then - now).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):  # a year beyond any calendar
        return None


def in_words(message: str) -> float | None:
    """Read how long to wait from a server's words.

    >>> in_words("Please try again in 7.66s."), in_words("Please retry after 20 seconds.")
    (7.66, 20.0)
    >>> in_words("try again in 250ms"), in_words("Please try again in 1h2m3s")
    (0.25, 3723.0)
    >>> in_words("please try again later") is None
    True
    """
    found = _WAIT.search(message)
    return _duration(found[1]) if found else None


def _duration(text: Json) -> float | None:
    """Add up hours, minutes, seconds: `6m0s`, `34.07s`, `20 seconds`."""
    if not isinstance(text, str):
        return None
    parts = _DURATION.findall(text)
    return sum(float(n) * _SECONDS[unit.lower()] for n, unit in parts) if parts else None


def _scaled(text: str | None, unit_seconds: float) -> float | None:
    try:
        seconds = float(text or "") * unit_seconds
    except ValueError:
        return None
    return max(0.0, seconds) if seconds == seconds else None


def _spent(headers: Mapping[str, str], name: str) -> bool:
    return headers.get(name.replace("reset", "remaining")) in ("0", "-1")


def _details(fields: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    listed = fields.get("details")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
