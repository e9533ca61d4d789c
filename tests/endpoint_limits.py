"""What servers say where a request asks for too much, as reported in public, with numbers of ours.

Each row: the server, where its words were reported, HTTP status, the error as it comes, which limit
it is, and how long an answer is asked for next where 1,000 tokens were asked for.
"""

# ruff: noqa: E501

from typing import Any, NamedTuple


class Wording(NamedTuple):
    server: str
    source: str
    status: int
    body: Any
    kind: str
    fits: int


def _openai(message: str, code: str | None = None, type_: str | None = None, **more: Any) -> Any:
    return {"error": {"message": message, "type": type_, "param": None, "code": code} | more}


def _flat(message: str) -> Any:
    """As vLLM before 0.10 and SGLang write errors."""
    return {
        "object": "error", "message": message, "type": "BadRequestError", "param": None,
        "code": 400,
    }  # fmt: skip


WORDINGS = (
    # Prompt and answer together are beyond the context.
    Wording("OpenAI", "NextChat #3195", 400, _openai(
        "This model's maximum context length is 8192 tokens. However, you requested 8500 tokens "
        "(7500 in the messages, 1000 in the completion). Please reduce the length of the messages "
        "or completion.", "context_length_exceeded", "invalid_request_error"), "context", 692),
    Wording("OpenAI, older", "stanford_alpaca #47", 400, _openai(
        "This model's maximum context length is 4097 tokens, however you requested 4597 tokens "
        "(3597 in your prompt; 1000 for the completion). Please reduce your prompt; or completion "
        "length."), "context", 500),
    Wording("DeepSeek", "fast-agent #621", 400, _openai(
        "This model's maximum context length is 131072 tokens. However, you requested 131972 tokens "
        "(130972 in the messages, 1000 in the completion). Please reduce the length of the messages "
        "or completion.", "invalid_request_error", "invalid_request_error"), "context", 100),
    Wording("vLLM, to 0.9", "vllm #20409", 400, _flat(
        "This model's maximum context length is 16384 tokens. However, you requested 16584 tokens "
        "(15584 in the messages, 1000 in the completion). Please reduce the length of the messages "
        "or completion. None"), "context", 800),
    Wording("vLLM, 0.10 on", "claude-code-best #272", 400, _openai(
        "'max_tokens' or 'max_completion_tokens' is too large: 1000. This model's maximum context "
        "length is 8192 tokens and your request has 7592 input tokens (1000 > 8192 - 7592). None",
        None, "BadRequestError"), "context", 600),
    # It stops counting where the prompt is too long for the answer: the number is no count.
    Wording("vLLM, 0.15 on", "OpenCowork #82, vllm #42474", 400, _openai(
        "This model's maximum context length is 8192 tokens. However, you requested 1000 output "
        "tokens and your prompt contains at least 7193 input tokens, for a total of at least 8193 "
        "tokens. Please reduce the length of the input prompt or the number of requested output "
        "tokens. (parameter=input_tokens, value=7193)", None, "BadRequestError"), "context", 500),
    Wording("SGLang", "pi's overflow.ts", 400, _flat(
        "Requested token count exceeds the model's maximum context length of 32768 tokens. You "
        "requested a total of 33000 tokens: 32000 tokens from the input messages and 1000 tokens "
        "for the completion. Please reduce the number of tokens in the input messages or the "
        "completion to fit within the limit."), "context", 768),
    Wording("TGI", "chat-ui #1149, llm-vscode #94", 422, {
        "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. "
        "Given: 7300 `inputs` tokens and 1000 `max_new_tokens`",
        "error_type": "validation"}, "context", 892),
    Wording("Together", "tgi-gaudi #146 (the same words)", 422, _openai(
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 7693 "
        "`inputs` tokens and 1000 `max_new_tokens`", None, "invalid_request_error"), "context", 500),
    Wording("OpenRouter", "aider #3721, OpenHands #9937", 400, {"error": {
        "message": "This endpoint's maximum context length is 131072 tokens. However, you requested "
        "about 131572 tokens (130572 of text input, 1000 in the output). Please reduce the length "
        "of either one, or use the \"middle-out\" transform to compress your prompt automatically.",
        "code": 400, "metadata": {"provider_name": "Chutes"}}}, "context", 500),
    Wording("Anthropic", "docker-agent #569, aider #3618", 400, {"type": "error", "error": {
        "type": "invalid_request_error",
        "message": "input length and `max_tokens` exceed context limit: 199300 + 1000 > 200000, "
        "decrease input length or `max_tokens` and try again"}}, "context", 700),
    Wording("LiteLLM before Anthropic", "suna #172", 400, _openai(
        "litellm.BadRequestError: AnthropicException - b'{\"type\":\"error\",\"error\":{\"type\":"
        "\"invalid_request_error\",\"message\":\"input length and `max_tokens` exceed context limit: "
        "199500 + 1000 > 200000, decrease input length or `max_tokens` and try again\"}}'", "400"),
        "context", 500),
    Wording("Cohere", "sandbox-topically #4", 400, {
        "message": "too many tokens: total number of tokens (prompt and prediction) cannot exceed "
        "2048 - received 2548. Try using a shorter prompt or a smaller max_tokens value."},
        "context", 500),
    Wording("Cerebras", "no report found", 400, _openai(
        "Please reduce the length of the messages or completion. Current length is 8592 while limit "
        "is 8192", "context_length_exceeded"), "context", 600),
    Wording("without numbers", "stands for gateways that shorten", 400, _openai(
        "The prompt and the requested completion exceed the context window."), "context", 500),
    # The prompt alone is beyond it: no answer fits, however short.
    Wording("OpenAI", "webtimemachine #579", 400, _openai(
        "This model's maximum context length is 128000 tokens. However, your messages resulted in "
        "204308 tokens. Please reduce the length of the messages.", "context_length_exceeded"),
        "context", 0),
    Wording("llama.cpp's server", "llama.cpp #15780, textgen #7257", 400, {"error": {
        "code": 400, "message": "the request exceeds the available context size. try increasing the "
        "context size or enable context shift", "type": "exceed_context_size_error",
        "n_prompt_tokens": 14429, "n_ctx": 8192}}, "context", 0),
    Wording("llama.cpp's server, as 500", "llama.cpp #15780", 500, {"error": {
        "code": 500, "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error", "n_prompt_tokens": 1407, "n_ctx": 256}}, "context", 0),
    Wording("llama-cpp-python", "logdetective-website #193", 400, _openai(
        "Requested tokens (2285) exceed context window of 2048", "context_length_exceeded"),
        "context", 0),
    Wording("SGLang", "Qwen3 #1321, sglang #8096", 400, _flat(
        "The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
        "context", 0),
    Wording("SGLang", "sglang #4048", 400, _flat(
        "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."),
        "context", 0),
    Wording("TGI", "text-generation-inference #695", 422, {
        "error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168",
        "error_type": "validation"}, "context", 0),
    Wording("LM Studio", "lmstudio-bug-tracker #546", 400, {
        "error": "Trying to keep the first 111490 tokens when context the overflows. However, the "
        "model is loaded with context length of only 32768 tokens, which is not enough. Try to load "
        "the model with a larger context length, or provide a shorter input. Error Data: n/a, "
        "Additional Data: n/a"}, "context", 0),
    Wording("Anthropic", "Devon #88, pi #102", 400, {"type": "error", "error": {
        "type": "invalid_request_error",
        "message": "prompt is too long: 209353 tokens > 199999 maximum"}}, "context", 0),
    Wording("Gemini", "gemini-cli #12214", 400, [{"error": {
        "code": 400, "message": "The input token count (134123) exceeds the maximum number of tokens "
        "allowed (131072).", "errors": [{"domain": "global", "reason": "badRequest"}],
        "status": "INVALID_ARGUMENT"}}], "context", 0),
    Wording("Gemini behind a proxy", "gemini-cli #4231", 400, {"error": {
        "message": '{\n  "error": {\n    "code": 400,\n    "message": "The input token count (3475108) '
        'exceeds the maximum number of tokens allowed (1048576).",\n    "status": '
        '"INVALID_ARGUMENT"\n  }\n}\n', "code": 400, "status": "Bad Request"}}, "context", 0),
    Wording("Mistral", "pi's overflow.ts", 400, {
        "object": "error", "message": "Prompt contains 40000 tokens and 0 draft tokens, too large "
        "for model with 32768 maximum context length", "type": "invalid_request_error",
        "code": "3051"}, "context", 0),
    Wording("xAI", "pi's overflow.ts, of LiteLLM's XaiException", 400, {
        "code": "Client specified an invalid argument",
        "error": "This model's maximum prompt length is 131072 but the request contains 150000 "
        "tokens."}, "context", 0),
    Wording("Fireworks", "no report found", 400, _openai(
        "The prompt is too long: 140000, model maximum context length: 131072",
        "invalid_request_error"), "context", 0),
    Wording("TensorRT-LLM", "tensorrtllm_backend #141", 400, _flat(
        "Cannot process new request: Prompt length (5056) exceeds maximum sequence length (2048)"),
        "context", 0),
    Wording("TensorRT-LLM", "tensorrtllm_backend #565", 500, {
        "detail": "Encountered an error when fetching new request: Prompt length (200) exceeds "
        "maximum input length (100). Set log level to info"}, "context", 0),
    Wording("mlx-serve", "mlx-serve #66", 400, _openai("Prompt exceeds maximum context length"),
        "context", 0),
    Wording("Ollama", "pi's overflow.ts, openclaw's tests", 400, _openai(
        "prompt too long; exceeded max context length by 731 tokens"), "context", 0),
    Wording("Bedrock", "pi's overflow.ts", 400, _openai("Input is too long for requested model."),
        "context", 0),
    Wording("watsonx", "agno's tests", 400, {"errors": [{
        "code": "invalid_input_argument", "message": "Invalid input argument for Model 'm': the "
        "number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model"}]},
        "context", 0),
    Wording("OpenAI, newer", "pi's overflow.ts", 400, _openai(
        "Your input exceeds the context window of this model. Please adjust your input and try "
        "again.", "context_length_exceeded"), "context", 0),
    Wording("vLLM, prompt alone", "pi #5929", 400, _openai(
        "This model's maximum context length is 262144 tokens. However, you requested 1000 output "
        "tokens and your prompt contains at least 262145 input tokens, for a total of at least "
        "263145 tokens. Please reduce the length of the input prompt or the number of requested "
        "output tokens. (parameter=input_tokens, value=262145)"), "context", 0),
    Wording("Poolside", "pi #4943", 400, _openai(
        "Input length 131393 exceeds the maximum allowed input length of 131040 tokens."),
        "context", 0),
    Wording("in brackets", "pi #5677", 400, _openai(
        "Input length (265330) exceeds model's maximum context length (262144)."), "context", 0),
    Wording("GitHub Models", "pi's overflow.ts", 400, _openai(
        "prompt token count of 300000 exceeds the limit of 128000",
        "model_max_prompt_tokens_exceeded"), "context", 0),
    Wording("LM Studio, newer", "lmstudio-bug-tracker #2256", 400, {
        "error": "The number of tokens to keep from the initial prompt is greater than the context "
        "length (n_keep: 9000>= n_ctx: 8192)."}, "context", 0),
    Wording("llama.cpp's server, newer", "pi's overflow.ts", 400, {"error": {
        "code": 400, "message": "request (1407 tokens) exceeds the available context size (256 "
        "tokens), try increasing it", "type": "exceed_context_size_error"}}, "context", 0),
    Wording("MiniMax", "pi's overflow.ts", 400, _openai(
        "invalid params, context window exceeds limit (2013)"), "context", 0),
    Wording("Kimi", "pi's overflow.ts", 400, _openai(
        "Invalid request: Your request exceeded model token limit: 8192 (requested: 8692)",
        "invalid_request_error"), "context", 500),
    Wording("DashScope", "opencode #45834", 400, _openai(
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
        "invalid_parameter_error"), "context", 0),
    Wording("Z.ai", "pi's tests", 400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}},
        "context", 0),
    Wording("Atlas", "inference-atlas #186", 400, _openai(
        "Prompt too long: 5152 tokens exceeds max_seq_len 2048 (leave room for output tokens)"),
        "context", 0),
    Wording("a router", "pi's tests", 400, _openai(
        "Prompt has 300,000 tokens, but the configured context size is 131,072 tokens"), "context", 0),
    # The answer alone is longer than any that the model gives.
    Wording("OpenAI", "optillm #4, NextChat #3195", 400, _openai(
        "max_tokens is too large: 1000. This model supports at most 400 completion tokens, whereas "
        "you provided 1000.", None, "invalid_request_error", param="max_tokens"), "output", 400),
    Wording("Anthropic", "no report found", 400, {"type": "error", "error": {
        "type": "invalid_request_error", "message": "max_tokens: 1000 > 400, which is the maximum "
        "allowed number of output tokens for claude"}}, "output", 400),
    Wording("Groq", "Roo-Code #5136", 400, _openai(
        "`max_tokens` must be less than or equal to `400`, the maximum value for `max_tokens` is "
        "less than the `context_window` for this model", None, "invalid_request_error",
        param="max_tokens"), "output", 400),
    Wording("DeepSeek", "DeepSeek-V3 #69, aider #4125", 400, _openai(
        "Invalid max_tokens value, the valid range of max_tokens is [1, 400]",
        "invalid_request_error"), "output", 400),
    Wording("DashScope", "no report found", 400, _openai(
        "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 400]",
        "invalid_parameter_error"), "output", 400),
    Wording("Volcengine", "openclaude #331", 400, _openai(
        "The parameter `max_completion_tokens` specified in the request are not valid: integer "
        "above maximum value, expected a value <= 400, but got 1000 instead. Request id: 0217",
        "InvalidParameter", "BadRequest", param="max_completion_tokens"), "output", 400),
    Wording("TGI", "transformers #28523", 422, {
        "error": "Input validation error: `max_new_tokens` must be <= 400. Given: 1000",
        "error_type": "validation"}, "output", 400),
    Wording("Bedrock's gateway", "bedrock-access-gateway #41", 400, _openai(
        "An error occurred (ValidationException) when calling the Converse operation: The maximum "
        "tokens you requested exceeds the model limit of 400. Try again with a maximum tokens value "
        "that is lower than 400."), "output", 400),
    # One request alone is beyond what the account may use in a minute.
    Wording("Groq", "code-cli #338, koassistant.koplugin #106", 413, _openai(
        "Request too large for model `m` in organization `org_x` service tier `on_demand` on tokens "
        "per minute (TPM): Limit 8000, Requested 8600, please reduce your message size and try "
        "again. Need more tokens? Upgrade to Dev Tier today at https://console.groq.com",
        "rate_limit_exceeded", "tokens"), "rate", 400),
    Wording("OpenAI", "aider #1880, continue #11717", 429, _openai(
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, "
        "Requested 30601. The input or output tokens must be reduced in order to run successfully. "
        "Visit https://platform.openai.com/account/rate-limits to learn more.",
        "rate_limit_exceeded", "tokens"), "rate", 399),
    Wording("Groq, of a day", "stands for limits of a day", 429, _openai(
        "Request too large for model `m` on tokens per day (TPD): Limit 100000, Used 0, Requested "
        "100900. Please try again in 10m20.6s.", "rate_limit_exceeded", "tokens"), "rate", 100),
)  # fmt: skip

# What looks alike and is something else: here another time, or other words, can help.
OTHERS = (
    "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used "
    "29900, Requested 812. Please try again in 1.424s.",
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-08-01 have "
    "exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 9 seconds.",
    "ThrottlingException: Too many tokens, please wait before trying again.",
    "Too many requests, please slow down.",
    "This request would exceed your organization's rate limit of 20,000 input tokens per minute.",
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead.",
    "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value "
    "is supported.",
    "Unrecognized request argument supplied: seed",
    "logprobs is not supported by this model",
    "top_logprobs must be less than or equal to 5",
    "Invalid value for 'content': expected a string, got null.",
)
