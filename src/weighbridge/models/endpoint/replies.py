"""The possible results of a request: an answer, or a reason to retry, to shorten or to stop."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.models.endpoint.limits import Limit

Stop = Literal["end", "length", "error", "refused", "overlong"]


@dataclass(frozen=True)
class ServerAnswer:
    """A reply that can be used, and what it cost in tokens.

    Attributes:
        text: The answer; for a refusal the server's words.
        stop: Why it ended; `error` marks a reply that was paid for and is no answer.
        input_tokens: By the server's count, like the following.
        cached_input_tokens: Part of `input_tokens`.
        output_tokens: Tokens written.
        reasoning_tokens: Part of `output_tokens`.
        counted: Whether the server said how many tokens it were, in numbers that can be.
        usage: What it said instead, for people; empty where it said nothing or is believed.
        alternatives: The first token's likeliest texts with their log-probabilities.
        says: What the server calls the model that answered, with its fingerprint.
        why: What is wrong with it, or what a reader must know of it; see `models.marks`.
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
    why: str = ""
    usage: str = ""


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
    """This request can't get an answer, while others may.

    Attributes:
        why: For people.
        stop: As an answer's.
        charged: Whether the server may have charged for it.
    """

    why: str
    stop: Stop = "error"
    charged: bool = False


@dataclass(frozen=True)
class RequestRefused:
    """The server rejects the request's wording; see `Wording.learn`."""

    why: str
    parameter: str = ""


@dataclass(frozen=True)
class TooMuch:
    """The request asks for more than a limit allows; a shorter answer may fit."""

    why: str
    limit: Limit


@dataclass(frozen=True)
class Hopeless:
    """No request to this server can get an answer."""

    saw: str
    expected: str
    do: str


Reply = ServerAnswer | Again | NoAnswer | RequestRefused | TooMuch | Hopeless
