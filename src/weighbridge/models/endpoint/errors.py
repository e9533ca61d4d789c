"""An error as servers write it, wherever they put its message, its code and its status."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from weighbridge.models.endpoint.text import one_line
from weighbridge.records import Json

LONGEST = 8000  # characters of a message that are looked at

# Codes and types of errors with the HTTP status that they stand for, as OpenAI, Anthropic, Google,
# OpenRouter, Groq and DeepSeek document them; inside a reply with status 200 nothing else tells.
_STATUS = {
    400: ("invalid_request_error", "badrequesterror", "invalid_argument", "context_length_exceeded",
          "exceed_context_size_error", "validation", "failed_precondition"),
    401: ("invalid_api_key", "authentication_error", "unauthenticated", "unauthorized"),
    402: ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active",
          "insufficient_balance", "payment_required"),
    403: ("permission_error", "permission_denied", "forbidden"),
    404: ("model_not_found", "not_found_error", "notfounderror", "not_found"),
    413: ("request_too_large",),
    429: ("rate_limit_exceeded", "rate_limit_error", "rate_limit", "tokens", "requests",
          "resource_exhausted", "too_many_requests"),
    500: ("server_error", "api_error", "internal_server_error", "internal", "internal_error",
          "upstream_error", "bad_gateway", "provider_error"),
    503: ("overloaded_error", "overloaded", "service_unavailable", "unavailable",
          "engine_overloaded", "no_available_server", "capacity_exceeded"),
    504: ("timeout", "timeout_error", "deadline_exceeded", "gateway_timeout"),
}  # fmt: skip
_STATUS_OF = {word: status for status, words in _STATUS.items() for word in words}
_NUMBER = re.compile("[45][0-9][0-9]")
_HTML = re.compile(r"^\s*<(!doctype|html|head|body)", re.IGNORECASE)
_TITLE, _TITLE_END = (re.compile(tag, re.IGNORECASE) for tag in ("<title", "</title"))
_UNSEEN = re.compile("<(script|style)", re.IGNORECASE)
MOST_DEPTH = 64  # of JSON; the deepest reply that any server documents has about ten
MOST_BRACKETS = 200_000  # of JSON: each may be a list or an object, of 60 bytes or more


@dataclass(frozen=True)
class ServerError:
    """What a server says went wrong.

    Attributes:
        message: Its words; never the key.
        code: The most telling of its codes and types.
        param: The parameter that it names.
        status: The HTTP status that the code stands for; 0 where it stands for none.
        fields: All that stands beside the message.
    """

    message: str
    code: str = ""
    param: str = ""
    status: int = 0
    fields: Mapping[str, Json] = field(default_factory=dict)


def parse(body: bytes) -> Json:
    """Read JSON in any of Unicode's encodings, with or without a byte order mark.

    Raises:
        ValueError: Not JSON, or nested deeper or with more parts than any real reply.
    """
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS:
        raise ValueError(f"JSON of more than {MOST_BRACKETS:,} lists and objects")
    try:
        found: Json = json.loads(body)
    except RecursionError as error:
        raise ValueError("JSON nested too deep") from error
    if _deeper_than(MOST_DEPTH, found):
        raise ValueError(f"JSON nested deeper than {MOST_DEPTH}")
    return found


def as_object(part: Json) -> dict[str, Json]:
    """Return a part of a reply that must be an object.

    Raises:
        AttributeError: It is something else. What is said of the reply names this kind of error.
    """
    if not isinstance(part, dict):
        raise AttributeError(f"{type(part).__name__} instead of an object")
    return part


def as_list(part: Json) -> list[Json]:
    """Return a part of a reply that must be a list.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(part, list):
        raise TypeError(f"{type(part).__name__} instead of a list")
    return part


def _deeper_than(most: int, found: Json) -> bool:
    """Whether lists and objects stand inside one another more than so often; one pass."""
    level = [found]
    for _ in range(most + 1):
        inside: list[Json] = []
        for one in level:
            if isinstance(one, dict):
                inside += one.values()
            elif isinstance(one, list):
                inside += one
        level = [one for one in inside if isinstance(one, (dict, list))]
        if not level:
            return False
    return True


def read_error(body: bytes, secret: str = "") -> ServerError:
    """Find what went wrong in the body of a reply with an error's status."""
    try:
        found = parse(body)
    except ValueError:
        text = body.decode("utf-8", "replace").lstrip("\ufeff")
        return ServerError(one_line(_plain(text), secret, LONGEST))
    if isinstance(found, list) and found:  # Gemini's compatible API
        found = found[0]
    return error_in(found, secret)


def error_in(found: Json, secret: str = "") -> ServerError:
    """Read an error from parsed JSON: an object, a text, or what wraps one of them."""
    outer = found if isinstance(found, dict) else {}
    inner: Json = found
    for name in ("error", "errors", "detail"):
        if isinstance(inner, dict) and _holds(inner, name):
            inner = inner[name]
        if isinstance(inner, list) and inner:
            inner = inner[0]
    if not isinstance(inner, dict):
        words, inner = str(inner or ""), outer
    else:
        words = _words(inner)
    message = one_line(words, secret, LONGEST)
    more = _upstream(inner, message, secret)
    codes = [inner.get(k) for k in ("code", "type", "status")] + [outer.get("type")]
    named = [one_line(str(code), secret, 100) for code in codes if code not in (None, "")]
    return ServerError(
        message=f"{message} ({more})" if more else message,
        code=_telling(named),
        param=one_line(str(inner.get("param") or ""), secret, 100),
        status=next((status for code in named if (status := _status(code))), 0),
        fields=inner,
    )


def _holds(found: Mapping[str, Json], name: str) -> bool:
    """Whether what went wrong stands further inside, under this name."""
    inside = found.get(name)
    return bool(inside) and (isinstance(inside, dict) or not isinstance(found.get("message"), str))


def _words(error: Mapping[str, Json]) -> str:
    told = next((error[n] for n in ("message", "msg", "detail", "error") if error.get(n)), None)
    return told if isinstance(told, str) else json.dumps(told or error)


def web_page(body: bytes) -> str:
    """Return the title of a web page, where a body is one; else nothing."""
    text = body[:LONGEST].decode("utf-8", "replace").lstrip("\ufeff")
    if not _HTML.match(text):
        return ""
    return one_line(_plain(text), most=120) or "without a title"


def _upstream(inner: Mapping[str, Json], message: str, secret: str) -> str:
    """Return the words of the provider behind a gateway: OpenRouter passes them on as `raw`."""
    metadata = inner.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not raw:
        return ""
    if isinstance(raw, str):
        try:
            inside = parse(raw.encode("utf-8", "surrogatepass"))
        except ValueError:
            return one_line(raw, secret, LONGEST) if raw not in message else ""
    else:
        inside = raw
    said = error_in(inside, secret).message
    return "" if said in message else said


def _telling(codes: list[str]) -> str:
    """Return the code that says most: words rather than a number."""
    words = [code for code in codes if not code.isdigit() and code != "error"]
    return (words or codes or [""])[0]


def _status(code: str) -> int:
    if _NUMBER.fullmatch(code):
        return int(code)
    return _STATUS_OF.get(code.lower(), 0)


def _plain(text: str) -> str:
    """Return what a web page says in one line: its title, else its text; any other text whole.

    Every step goes on from where the last one ended, so that time grows with the length alone.
    """
    if not _HTML.match(text):
        return text
    if (tag := _TITLE.search(text)) and (begin := text.find(">", tag.end())) >= 0:
        end = _TITLE_END.search(text, begin)
        if end is not None:
            return text[begin + 1 : end.start()]
    return _untagged(text)


def _untagged(text: str) -> str:
    """Leave tags out, and what scripts and styles hold."""
    kept, at = [], 0
    while (begin := text.find("<", at)) >= 0:
        kept.append(text[at:begin])
        if unseen := _UNSEEN.match(text, begin):
            close = re.compile(f"</{unseen[1]}", re.IGNORECASE).search(text, unseen.end())
            begin = len(text) if close is None else close.start()
        end = text.find(">", begin)
        at = len(text) if end < 0 else end + 1
    return " ".join([*kept, text[at:]])
