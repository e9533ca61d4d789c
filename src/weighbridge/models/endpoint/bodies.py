"""Reads a reply with status 200, which may hold an answer or only look like one.

The status is sent before the model has written anything, so later failures are in the body: an
error instead of choices, an error inside a choice, a finish reason that means failure.
"""

import json
import re
from dataclasses import replace
from datetime import datetime

from weighbridge.models.endpoint.alternatives import NotProbabilities, read_alternatives
from weighbridge.models.endpoint.errors import as_object, error_in, parse, web_page
from weighbridge.models.endpoint.failures import read_failure
from weighbridge.models.endpoint.finish import model_s_own_limit, read_finish
from weighbridge.models.endpoint.messages import Said, read_message
from weighbridge.models.endpoint.replies import Again, NoAnswer, Reply, ServerAnswer
from weighbridge.models.endpoint.text import one_line, whole_characters
from weighbridge.models.endpoint.usage import read_usage
from weighbridge.models.marks import (
    ALL_THOUGHT,
    CONTEXT_ENDED,
    FILED_AS_CALL,
    FILED_AS_REASONING,
    HALF_CHARACTER,
)
from weighbridge.records import Json

_OF_A_STREAM = ("data:", "event:", "id:", "retry:", ":")
MOST_LINES = 4000
"""Of a stream, about three an event: an error stands in one of the first, if at all."""
_THOUGHT = "<think>\n"  # before what a server files as reasoning, so that it reads as a thought


def read_body(body: bytes, now: datetime, *, letters: bool = False, secret: str = "") -> Reply:
    """Read the body of a reply with status 200.

    Args:
        body: As it came, decompressed.
        now: For the waiting time of an error inside it.
        letters: Whether the first token's alternatives were asked for.
        secret: The key, which is kept out of every message.
    """
    try:
        reply = parse(body)
    except ValueError:
        return _no_json(body, now, secret)
    if isinstance(reply, list) and len(reply) == 1:
        reply = reply[0]
    if not isinstance(reply, dict):
        return Again(f"a reply that can't be read ({_begin(body, secret)})", charged=True)
    choices = reply.get("choices")
    status = reply.get("base_resp")  # MiniMax's
    if isinstance(status, dict) and status.get("status_code"):
        reply = {"error": {"message": status.get("status_msg"), "code": status["status_code"]}}
    if reply.get("error") or (not choices and _is_error(reply)):
        return _failed(reply, now, secret, begun=bool(choices))
    if not isinstance(choices, list) or not choices:
        return Again(f"a reply without choices ({_begin(body, secret)})", charged=True)
    try:
        return _read_choice(reply, _first(choices), now, letters, secret)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        why = f"a reply that can't be read ({type(error).__name__}: {_begin(body, secret)})"
        return Again(why, charged=True)


def _read_choice(
    reply: dict[str, Json], choice: dict[str, Json], now: datetime, letters: bool, secret: str
) -> Reply:
    said, finish = read_message(choice), choice.get("finish_reason")
    ending = read_finish(finish)
    if choice.get("error") and not said.refusal and ending != "refused":
        return _failed(choice, now, secret, begun=True)
    if ending == "failed":
        words = f" after {_quoted(said.answer, secret)}" if said.answer else ""
        return Again(f"the reply ended with finish reason {finish!r}{words}", charged=True)
    answer = _counted(reply, ServerAnswer("", "end"))
    if said.refusal or ending == "refused":
        text = whole_characters(said.refusal or said.answer)
        return replace(answer, text=text or f"finish reason {finish!r}", stop="refused")
    if letters:
        return _with_letters(answer, choice)
    answer = replace(answer, text=said.answer, stop="length" if ending == "length" else "end")
    if ending == "unknown":
        word = one_line(json.dumps(finish), secret, 80)
        why = f"finish reason {word} is not understood"
        return _marked(replace(answer, stop="error", why=why))
    if model_s_own_limit(finish):
        answer = replace(answer, why=f"{CONTEXT_ENDED.sign} (finish reason {finish!r})")
    return _marked(_filed_elsewhere(answer, said))


def _filed_elsewhere(answer: ServerAnswer, said: Said) -> ServerAnswer:
    """Recognise an answer in the wrong field; it is kept and not graded."""
    if answer.text.strip():
        return answer
    if said.calls:
        return replace(answer, text=said.calls, stop="error", why=FILED_AS_CALL.sign)
    if said.reasoning.strip():
        text = f"{_THOUGHT}{said.reasoning}"
        if answer.stop == "length":
            return replace(answer, text=text, why=ALL_THOUGHT.sign)
        return replace(answer, text=said.reasoning, stop="error", why=FILED_AS_REASONING.sign)
    return answer


def _marked(answer: ServerAnswer) -> ServerAnswer:
    whole = whole_characters(answer.text)
    if whole.count("\ufffd") == answer.text.count("\ufffd"):
        return replace(answer, text=whole)
    why = "; ".join(filter(None, (answer.why, HALF_CHARACTER.sign)))
    return replace(answer, text=whole, why=why)


def _with_letters(answer: ServerAnswer, choice: dict[str, Json]) -> ServerAnswer:
    try:
        shown = read_alternatives(choice.get("logprobs"))
    except NotProbabilities as error:
        return replace(answer, stop="error", why=f"the server shows {error}")
    return replace(answer, alternatives=shown)


def _counted(reply: dict[str, Json], answer: ServerAnswer) -> ServerAnswer:
    """Add the server's token counts, and the model name that it reports."""
    says = (reply.get("model"), reply.get("system_fingerprint"))
    named = one_line(" ".join(str(one) for one in says if one))
    return replace(read_usage(reply.get("usage"), answer), says=named)


def _first(choices: list[Json]) -> dict[str, Json]:
    """Return the choice that was asked for; some servers send several, or order them oddly."""
    objects = [as_object(one) for one in choices]
    numbers = [one.get("index") for one in objects]
    order = [n if isinstance(n, int) else place for place, n in enumerate(numbers)]
    return objects[order.index(min(order))]


def _is_error(reply: dict[str, Json]) -> bool:
    """Whether a reply without choices is an error without a wrapper, as vLLM and SGLang send it."""
    named = str(reply.get("object") or reply.get("type") or "") == "error"
    return named or any(reply.get(name) for name in ("message", "detail", "errors"))


def _failed(where: dict[str, Json], now: datetime, secret: str, *, begun: bool) -> Reply:
    """Read an error inside a reply as the status that it stands for."""
    error = error_in(where, secret)
    found = read_failure(error.status, error, {}, now, begun=begun)
    if isinstance(found, Again) and not error.status:
        return replace(found, why=f"an error inside a reply ({error.message or 'without words'})")
    return found


def _no_json(body: bytes, now: datetime, secret: str) -> Reply:
    if not body.strip():
        return Again("an empty reply", charged=True)
    if title := web_page(body):
        return Again(f"a web page came instead of an answer ({title})", charged=True, away=True)
    if (events := _events(body)) is not None:
        for event in events:
            if isinstance(event, dict) and event.get("error"):
                return _failed(event, now, secret, begun=True)
        return NoAnswer("a stream of events came, which was not asked for", charged=True)
    return Again(f"a reply that can't be read (no JSON: {_begin(body, secret)})", charged=True)


def _events(body: bytes) -> list[Json] | None:
    """Read a body of server-sent events; None for another body.

    Their lines end at CR, LF or both, and nowhere else: JSON may hold other separators of lines.
    """
    text = body.decode("utf-8", "replace").lstrip("\ufeff").lstrip()
    if not text.startswith(_OF_A_STREAM):
        return None
    events: list[Json] = []
    for line in re.split("\r\n|\n|\r", text, maxsplit=MOST_LINES)[:MOST_LINES]:
        if line.startswith("data:"):
            try:
                events.append(parse(line.removeprefix("data:").strip().encode()))
            except ValueError:
                continue
    return events


def _begin(body: bytes, secret: str) -> str:
    return _quoted(body[:2000].decode("utf-8", "replace"), secret)


def _quoted(text: str, secret: str) -> str:
    return repr(one_line(text, secret, 120))
