"""Sends one request once and reads the reply; the only file that knows the `openai` client."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from weighbridge.models.endpoint.bodies import read_body
from weighbridge.models.endpoint.errors import read_error
from weighbridge.models.endpoint.failures import read_failure
from weighbridge.models.endpoint.replies import Again, Hopeless, NoAnswer, Reply, TooMuch
from weighbridge.models.endpoint.text import one_line
from weighbridge.records import Json


async def send(
    client: Any, body: dict[str, Json], seconds: float, *, letters: bool, secret: str
) -> Reply:
    """Send a request once and read what comes back.

    Args:
        client: As `transport.connect` makes it.
        body: The request.
        seconds: How long it may take, from its first byte to the last of its reply.
        letters: Whether the first token's alternatives are asked for.
        secret: The key, which is kept out of every message.
    """
    import httpx
    import openai

    from weighbridge.models.endpoint.transport import BodyRefused

    try:
        async with asyncio.timeout(seconds):
            raw = await client.chat.completions.with_raw_response.create(**body)
            content, now = raw.http_response.content, datetime.now(UTC)
            reply = read_body(content, now, letters=letters, secret=secret)
    except openai.APIStatusError as error:
        response, now = error.response, datetime.now(UTC)
        told = read_error(response.content, secret)
        reply = read_failure(response.status_code, told, response.headers, now)
    except (TimeoutError, openai.APITimeoutError):
        return Again(f"no answer within {seconds:g} s", too_much=True, charged=True)
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        if isinstance(cause, BodyRefused):
            return NoAnswer(one_line(str(cause), secret), charged=True)
        refused = "connect" in type(cause).__name__.lower()
        why = one_line(f"{type(cause).__name__}: {cause}", secret)
        return Again(f"the connection failed ({why})", charged=not refused, away=refused)
    except (openai.OpenAIError, httpx.HTTPError) as error:
        why = one_line(str(error), secret)
        return Again(f"a reply that can't be read ({why})", charged=True)
    return _shown(reply, secret)


def _shown(reply: Reply, secret: str) -> Reply:
    """Shorten a server's message to one readable line, without the key."""
    match reply:
        case Again(why=why) | NoAnswer(why=why) | TooMuch(why=why):
            return replace(reply, why=one_line(why, secret))
        case Hopeless():
            return replace(reply, saw=one_line(reply.saw, secret))
        case _:
            return reply
