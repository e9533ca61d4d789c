"""Which limit a request exceeded: the model's context, the longest answer, the account's rate.

Servers say so with different statuses and words. What matters is which limit it is and the numbers
in its words: they say how long an answer still fits. `tests/endpoint_limits.py` holds each
server's wording, with where it was reported.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from weighbridge.records import Json

MOST_TOKENS = 10**9  # a server that counts more in one request counts something else
_N = r"(\d[\d,]{0,11})"
_ANSWER = re.compile(
    r"max_?(completion_|new_|output_)?tokens|completion|output|generat|predict|in total", re.I
)
_PER_TIME = re.compile(
    r"(tokens?|requests?) per (min|hour|day|second)|\b(TPM|TPD|RPM|RPD)\b|rate.?limit|throttl"
    r"|too many requests|please wait|slow down",
    re.I,
)
_CONTEXT = re.compile(
    r"context[ _-]?(length|window|size|limit)|(maximum|max) (model|sequence|input|prompt) length"
    r"|max_(seq|model)_len|max_num_tokens|(prompt|input) (is )?too long|prompt length"
    r"|too many (input )?tokens|maximum number of tokens|input token count|total tokens limit"
    r"|tokens`? \+ `?max_new_tokens|inputs`? must have less than|prompt contains \d+ tokens"
    r"|input length|while limit is|token count (exceeds|is above)|n_ctx|when context the overflows"
    r"|prompt token count|model token limit|token_quantity_exceeded|prompt exceeds max"
    r"|more than max tokens allowed|total message size|tokens, but the configured context"
    r"|上下文长度",
    re.I,
)
_KEY = r"max_?(?:completion_|new_|output_)?tokens"
_OUTPUT = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"supports at most {_N} completion tokens",  # OpenAI
        rf"> {_N}, which is the maximum allowed number of output tokens",  # Anthropic
        rf"valid range of {_KEY} is \[\d+, ?{_N}\]",  # DeepSeek
        rf"range of {_KEY} should be \[\d+, ?{_N}\]",  # DashScope
        rf"expected a value <= {_N}",  # Volcengine; OpenAI's own validation
        rf"maximum tokens you requested exceeds the model limit of {_N}",  # Bedrock
        rf"{_KEY}\W+(?:must|should|has to|cannot|can't|may not)\D{{0,40}}?(?:<=|less than or equal"
        rf" to|at most|no more than|exceed|up to|be greater than)\W*{_N}",  # Groq, TGI, and others
        rf"{_KEY}\D{{0,60}}(?:between|in the range)\W*\d+\W*(?:and|to|-|,)\W*{_N}",
        rf"maxOutputTokens value of \d+ but the supported range is from \d+ \(inclusive\) to {_N}",
        rf"{_KEY} (?:is )?limited to {_N}",
        rf"{_KEY} > {_N} must have",  # Fireworks
    )
)
_MOST = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\d \+ \d[\d,]* > {_N}",  # Anthropic: input + max_tokens > limit
        rf"tokens > {_N} maximum",
        rf"must be <= {_N}",
        rf"exceeds (?:the |)limit (?:of )?{_N}",
        rf"token limit: {_N}",
        rf"input length should be \[\d+, ?{_N}\]",
        rf"n_ctx: {_N}",
        rf"must have less than {_N}",
        rf"while limit is {_N}",
        rf"{_N} maximum context length",  # Mistral
        rf"maximum number of tokens allowed\D{{0,3}}{_N}",
        rf"tokens limit\D{{0,3}}{_N}",
        rf"(?:context|sequence|model|input|prompt|allowed)[ _-]?(?:length|window|size|limit)"
        rf"(?: is| of| only|:| with)*\s*\(?`?{_N}",
        rf"(?:cannot|should not) exceed \D{{0,30}}{_N}",
        rf"max_(?:seq|model)_len\D{{0,5}}{_N}",
    )
)
_PROMPT = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"{_N} \+ \d[\d,]* > \d",
        rf"{_N}(?: tokens)? (?:in|of|from) (?:the |your )?(?:messages|prompt|text input|input)",
        rf"{_N} `inputs` tokens",
        rf"(?:prompt|request|input|message)s? (?:has|have|contains?) (?:at least )?{_N}",
        rf"number of input tokens {_N}",
        rf"resulted in (?:over )?{_N} tokens",
        rf"(?:input|prompt|request|inputs)(?: token count| length)? \((?:length )?{_N}",
        rf"prompt length\D{{0,3}}{_N}(?! but)",
        rf"too long\W+{_N}",
        rf"keep the first {_N}",
        rf"n_keep: {_N}",
        rf"(?:input length|token count of|message size) {_N} exceeds",
        rf"requested tokens \({_N}\) exceed",  # llama-cpp-python: of the prompt alone
        rf"{_N} of text input",
    )
)
_TOTAL = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"current length is {_N}",
        rf"received {_N}",
        rf"\(requested: {_N}\)",  # Kimi
        rf"requested (?:a total of |about |over )?{_N} tokens",
    )
)
_RATE = re.compile(rf"limit:? {_N}\D+?(?:used:? {_N}\D+?)?requested:? {_N}", re.I)


@dataclass(frozen=True)
class Limit:
    """A limit that a request exceeded.

    Attributes:
        kind: Of prompt and answer together; of an answer; of the account's tokens in a time.
        most: Tokens that it allows, if it says so.
        prompt: The prompt's tokens, if it says so.
        total: Those of prompt and longest answer together, if it says so.
        of_answer: Whether the server's words speak of the answer's length too.
        at_least: Whether it stopped counting the prompt where it was too long.
    """

    kind: Literal["context", "output", "rate"]
    most: int | None = None
    prompt: int | None = None
    total: int | None = None
    of_answer: bool = True
    at_least: bool = False

    def fits(self, asked_tokens: int) -> int:
        """Return the length of answer to ask for instead; 0 if none fits.

        Args:
            asked_tokens: The length that was too much.
        """
        half = asked_tokens // 2
        if self.most is None:
            return half if self.of_answer else 0
        if self.kind == "output":
            return self.most if 0 < self.most < asked_tokens else half
        prompt = self.prompt
        if prompt is None and self.total is not None:
            prompt = self.total - asked_tokens
        if prompt is not None and prompt >= self.most:
            return 0
        if prompt is None or self.at_least:
            return half if self.of_answer else 0
        fitting = self.most - prompt
        return max(0, fitting if fitting < asked_tokens else half if self.of_answer else 0)


def read_limit(
    message: str, code: str = "", fields: Mapping[str, Json] | None = None
) -> Limit | None:
    """Read which limit a server's message names; None if it names none.

    Args:
        message: The server's message.
        code: Its error code.
        fields: The error's other fields, in which llama.cpp gives its numbers.
    """
    fields = fields or {}
    if _PER_TIME.search(f"{message} {code}"):
        return _read_rate(message)
    together = "inputs` tokens +" in message or "input tokens" in message
    if not together and (most := _first(_OUTPUT, message)) is not None:
        return Limit("output", most)
    context = code in ("context_length_exceeded", "exceed_context_size_error")
    if not context and not _CONTEXT.search(message):
        return None
    most, prompt = _whole(fields.get("n_ctx")), _whole(fields.get("n_prompt_tokens"))
    return Limit(
        "context",
        most if most is not None else _first(_MOST, message),
        prompt if prompt is not None else _first(_PROMPT, message),
        _first(_TOTAL, message),
        of_answer=bool(_ANSWER.search(message)),
        at_least="at least" in message,
    )


def _read_rate(message: str) -> Limit | None:
    """Read a rate limit that a single request exceeds, so that waiting can't help."""
    found = _RATE.search(message)
    if not found or _number(found[3]) <= _number(found[1]):
        return None
    return Limit("rate", _number(found[1]), total=_number(found[3]))


def _first(patterns: tuple[re.Pattern[str], ...], message: str) -> int | None:
    found = (pattern.search(message) for pattern in patterns)
    return next((_number(one[1]) for one in found if one), None)


def _number(digits: str) -> int:
    return int(digits.replace(",", ""))


def _whole(value: Json) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS:
        return value
    return None
