"""From a prompt to text and token ids: the chat template, and special tokens."""

from typing import Any

from weighbridge.errors import InputError
from weighbridge.models.protocol import Prompt


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


def adds_special_tokens(tokenizer: Any, text: str, *, rendered: bool) -> bool:
    """Whether a text gets the special tokens that its tokenizer adds by itself.

    A rendered chat template brings its own, and so does a text that begins with the BOS token.
    """
    bos = tokenizer.bos_token
    return not (rendered or (bos and text.startswith(bos)))


def encode(tokenizer: Any, text: str, *, rendered: bool) -> list[int]:
    """Encode one text; where special tokens stand in it already, none are added."""
    adds = adds_special_tokens(tokenizer, text, rendered=rendered)
    return list(tokenizer(text, add_special_tokens=adds)["input_ids"])
