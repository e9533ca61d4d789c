"""The known finish reasons of all servers, and what they mean.

An answer with an unknown reason is not graded, and the reason is reported.
"""

from typing import Literal

Ending = Literal["end", "length", "refused", "failed", "unknown"]

# OpenAI's API reference: stop, length, content_filter, tool_calls, function_call. The others are
# what compatible servers and gateways let through of what their models' makers say.
_ENDED = (
    "stop", "tool_calls", "function_call",  # OpenAI
    "eos", "eos_token", "stop_token",  # Together, TGI
    "end_turn", "stop_sequence", "tool_use",  # Anthropic, Bedrock, xAI
    "complete", "completed",  # Cohere
)  # fmt: skip
_CUT = (
    "length",
    "max_tokens",  # Anthropic, Gemini, Cohere, watsonx
    "max_output_tokens",  # OpenAI's Responses, behind some gateways
    "max_length", "token_limit",  # AI21, watsonx
)  # fmt: skip
_CONTEXT_ENDED = (  # a longer answer would not have fitted, however many tokens were allowed
    "model_length",  # Mistral's OpenAPI file
    "model_context_window_exceeded",  # Anthropic, Bedrock, Z.ai
    "error_limit",  # Cohere
)
_REFUSED = (
    "content_filter", "content_filtered", "guardrail_intervened",  # OpenAI, Bedrock
    "refusal",  # Anthropic
    "safety", "recitation", "blocklist", "prohibited_content", "spii", "image_safety",  # Gemini
    "model_armor",  # Vertex
    "sensitive",  # Z.ai
    "error_toxic",  # Cohere
)  # fmt: skip
_FAILED = (
    "error",  # Mistral's OpenAPI file; OpenRouter and other gateways that lost their upstream
    "network_error",  # Z.ai
    "insufficient_system_resource",  # DeepSeek
    "abort", "aborted", "cancelled", "canceled",  # vLLM, SGLang, watsonx
    "timeout", "time_limit",  # watsonx
    "failed", "server_error", "upstream_error", "overloaded",  # gateways
)  # fmt: skip

_TABLE: dict[str, Ending] = {
    **dict.fromkeys(_ENDED, "end"),
    **dict.fromkeys((*_CUT, *_CONTEXT_ENDED), "length"),
    **dict.fromkeys(_REFUSED, "refused"),
    **dict.fromkeys(_FAILED, "failed"),
}


def read_finish(reason: object) -> Ending:
    """Return what a finish reason means; `failed` is worth another try, `unknown` is not.

    >>> read_finish("stop"), read_finish("MAX_TOKENS"), read_finish("content_filter: SAFETY")
    ('end', 'length', 'refused')
    >>> read_finish("network_error"), read_finish(None), read_finish("repetition")
    ('failed', 'unknown', 'unknown')
    """
    word = _word(reason)
    # Gemini's compatible API says which of its filters it was, after a colon.
    return _TABLE.get(word) or _TABLE.get(word.partition(":")[0], "unknown")


def model_s_own_limit(reason: object) -> bool:
    """Whether an answer ended where the model's context did."""
    return _word(reason) in _CONTEXT_ENDED


def _word(reason: object) -> str:
    word = reason.strip().lower() if isinstance(reason, str) else ""
    return word.replace("-", "_").replace(" ", "_").removeprefix("finish_reason_")
