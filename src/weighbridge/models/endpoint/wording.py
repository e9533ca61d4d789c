"""Words requests as a server accepts them; what it refuses is learnt once and reported.

Servers that speak the same protocol differ in what they take: one wants `max_completion_tokens` for
`max_tokens`, another has a fixed temperature, a third no seed. Stop strings are never sent: a
server would look for them in the reasoning, too; they are applied here (`models.stopping`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from weighbridge.models.protocol import Sampling
from weighbridge.records import Json, Message

TOP_LOGPROBS = (20, 5)  # asked for in this order; servers have different limits

_REFUSES = re.compile(
    r"support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|extra|invalid|unused"
    r"|must be|less than|at most|deprecated|only the default|does not|cannot be",
    re.IGNORECASE,
)
_OPTIONAL = ("top_logprobs", "logprobs", "temperature", "top_p", "seed")


@dataclass(frozen=True)
class Asked:
    """What a server is asked for.

    Attributes:
        messages: The conversation.
        sampling: How the answer is sampled.
        letters: Whether the first token's alternatives are wanted rather than the text.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    letters: bool = False


@dataclass
class Wording:
    """What is known of the wording that a server accepts.

    Attributes:
        limit_key: Its name for the token limit.
        top_logprobs: Number of alternatives to ask for; 0 if it gives none.
        refused: Parameters that it refuses.
        most_tokens: The longest answer that it allows; None if unknown.
    """

    limit_key: str = "max_tokens"
    top_logprobs: int = TOP_LOGPROBS[0]
    refused: set[str] = field(default_factory=set)
    most_tokens: int | None = None

    def body(self, model: str, asked: Asked) -> dict[str, Json]:
        """Return the request's body."""
        sampling = asked.sampling
        body: dict[str, Json] = {
            "model": model,
            "messages": [{"role": m.role, "content": m.content} for m in asked.messages],
            self.limit_key: self.tokens(asked),
            "temperature": sampling.temperature,
            "seed": sampling.seed % 2**31,
        }
        if sampling.top_p != 1:
            body["top_p"] = sampling.top_p
        if asked.letters and self.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        return {key: value for key, value in body.items() if key not in self.refused}

    def tokens(self, asked: Asked) -> int:
        """Return the longest answer that a request allows."""
        most = asked.sampling.max_tokens
        return most if self.most_tokens is None else min(most, self.most_tokens)

    def learn(self, body: dict[str, Json], message: str, parameter: str = "") -> bool:
        """Change the wording by what a server said of a request.

        Args:
            body: The request that it refused.
            message: Its words.
            parameter: The parameter that it names, where it does.

        Returns:
            Whether asking again, in other words, can help.
        """
        named = parameter if parameter in body else self._named(body, message)
        if named == "max_tokens" and self._wants_the_other(message, parameter):
            self.limit_key = "max_completion_tokens"
        elif named in ("logprobs", "top_logprobs"):
            asked = body.get("top_logprobs", 0)
            fewer = [n for n in TOP_LOGPROBS if isinstance(asked, int) and n < asked]
            self.top_logprobs = fewer[0] if fewer and named == "top_logprobs" else 0
        elif named in _OPTIONAL:
            self.refused.add(named)
        else:
            return False
        return True

    def notes(self, who: str) -> tuple[str, ...]:
        """Say what a reader must know: parameters that had to be left out change the answers."""
        said = []
        if self.refused:
            said.append(f"{who} takes no {', '.join(sorted(self.refused))}: asked without.")
        if self.most_tokens is not None:
            said.append(
                f"{who} writes at most {self.most_tokens:,} tokens an answer, its server says."
            )
        return tuple(said)

    def _named(self, body: dict[str, Json], message: str) -> str:
        """Find the parameter that a message refuses."""
        if not _REFUSES.search(message):
            return ""
        names: Sequence[str] = (self.limit_key, *_OPTIONAL)
        found = (n for n in names if n in body and re.search(rf"\b{n}\b", message))
        return next(found, "")

    def _wants_the_other(self, message: str, parameter: str) -> bool:
        # "max_tokens is too large" names it too, and no other word for it helps there.
        return "max_completion_tokens" in message or (
            parameter == "max_tokens" and "support" in message.lower()
        )
