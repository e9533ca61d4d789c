"""From a prompt to token ids: the chat template, special tokens, and the seam of a continuation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from weighbridge.errors import InputError
from weighbridge.models.engine.tree import TokenIds
from weighbridge.models.protocol import Prompt, ScoreRequest


def render(tokenizer: Any, prompt: Prompt) -> str:
    """Return the text that a prompt becomes.

    Raises:
        InputError: The prompt has turns and the tokenizer has no chat template.
    """
    if prompt.text is not None:
        return prompt.text
    if not tokenizer.chat_template:
        raise InputError(
            "the model's tokenizer has no chat template",
            "one, because the prompt is a conversation",
            "use an instruction-tuned model, or a benchmark of plain text (mmlu, humaneval)",
        )
    turns = [{"role": m.role, "content": m.content} for m in prompt.messages]
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))


def encode(tokenizer: Any, texts: Sequence[str], *, rendered: bool) -> list[list[int]]:
    """Encode texts; where special tokens stand in the text already, none are added.

    A rendered chat template brings its own, and so does a text that begins with the BOS token.
    """
    if not texts:
        return []
    bos = tokenizer.bos_token
    rendered = rendered or bool(bos and all(text.startswith(bos) for text in texts))
    return list(tokenizer(list(texts), add_special_tokens=not rendered)["input_ids"])


def encode_continuations(
    tokenizer: Any, requests: Sequence[ScoreRequest], texts: Sequence[str]
) -> list[list[tuple[TokenIds, TokenIds]]]:
    """Encode each request's context and continuations, as pairs of token ids.

    A context's trailing spaces move to the continuation; context and continuation are encoded
    together and cut at the context's own length: the rule of lm-evaluation-harness (`_encode_pair`
    of its `api/model.py`), so that numbers agree.
    """
    contexts: list[str] = []
    wholes: list[str] = []
    for request, text in zip(requests, texts, strict=True):
        context = text.rstrip()
        moved = text[len(context) :]
        contexts.append(context)
        wholes.extend(context + moved + continuation for continuation in request.continuations)
    chat = [request.prompt.text is None for request in requests]
    if len(set(chat)) > 1:
        raise ValueError("chat and plain prompts can't be scored in one call")
    rendered = bool(chat and chat[0])
    encoded_contexts = encode(tokenizer, contexts, rendered=rendered)
    encoded_wholes = iter(encode(tokenizer, wholes, rendered=rendered))
    pairs = []
    for request, context_ids in zip(requests, encoded_contexts, strict=True):
        cut = len(context_ids)
        pairs.append([
            (np.array(whole[:cut], dtype=np.int64), np.array(whole[cut:], dtype=np.int64))
            for whole in (next(encoded_wholes) for _ in request.continuations)
        ])  # fmt: skip
    return pairs
