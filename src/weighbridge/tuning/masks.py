"""Which tokens are learnt: the assistant's words and the token that ends its turn, nothing else.

The mask is derived from the chat template itself, so that training and serving see the same
tokens, and in two ways wherever both apply:

* prefix: what the template adds to the generation prompt when the assistant's turn is appended;
* tags: what stands between ``{% generation %}`` and ``{% endgeneration %}``.

The two must agree, or the row is refused: a mask that is silently wrong is the commonest way for
a tuned model to be bad. A system turn that the template can't write stands in the user's turn, as
it does when the model is asked.
"""

import functools
import re
from dataclasses import dataclass
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.models.prompts import PromptWriter
from weighbridge.models.protocol import Shape
from weighbridge.models.template_clock import template_of
from weighbridge.records import Message
from weighbridge.tuning.data import Conversation

_GENERATION_TAG = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class MaskedRow:
    """One conversation as the model reads it.

    Attributes:
        id: The conversation's id.
        token_ids: The rendered conversation. (S,)
        trained: Whether each token is a target of the loss. (S,)
    """

    id: str
    token_ids: tuple[int, ...]
    trained: tuple[bool, ...]

    @property
    def trained_tokens(self) -> int:
        """Number of targets."""
        return sum(self.trained)

    def __len__(self) -> int:
        return len(self.token_ids)


def require_chat_template(tokenizer: Any) -> str:
    """Return the tokenizer's chat template.

    Raises:
        InputError: It has none, so there is no telling how turns are to be written.
    """
    if not tokenizer.chat_template:
        raise InputError(
            "the tokenizer has no chat template",
            "an instruction-tuned model",
            "tune the model's -Instruct version, or put a chat_template.jinja beside its weights",
        )
    return template_of(tokenizer)


def mask_conversation(tokenizer: Any, conversation: Conversation) -> MaskedRow:
    """Render a conversation and mark the tokens that are learnt.

    Raises:
        InputError: The tokenizer has no chat template, or it can't write such turns.
        MalformedRow: The template gives no mask for this row that could be trusted.
    """
    template = require_chat_template(tokenizer)
    tagged = _GENERATION_TAG.search(template) is not None
    writer, shape = _writer(tokenizer, template), _asked(conversation)
    turns = writer.placed(conversation.messages, shape) if shape else conversation.messages
    messages = [{"role": m.role, "content": m.content} for m in turns]
    ids = _render(tokenizer, messages)
    if tokenizer.bos_token_id is not None and ids[:2] == [tokenizer.bos_token_id] * 2:
        raise _refusal(
            conversation,
            "the rendered conversation begins with two begin-of-text tokens",
            "a template that writes it once",
        )
    by_prefix = _mask_by_prefix(tokenizer, conversation, messages, ids)
    if not tagged:
        trained = by_prefix
    else:
        trained = _mask_by_tags(tokenizer, messages)
        _require_agreement(tokenizer, conversation, ids, by_prefix, trained)
    _require_plausible(tokenizer, conversation, ids, trained)
    return MaskedRow(conversation.id, tuple(ids), tuple(trained))


def show_mask(tokenizer: Any, row: MaskedRow) -> str:
    """Return the row's decoded text with everything that is learnt between ⟦ and ⟧."""
    parts, start = [], 0
    for end in range(1, len(row) + 1):
        if end == len(row) or row.trained[end] != row.trained[start]:
            text = tokenizer.decode(list(row.token_ids[start:end]), skip_special_tokens=False)
            parts.append(f"⟦{text}⟧" if row.trained[start] else text)
            start = end
    share = row.trained_tokens / len(row)
    header = f"{row.id}: {row.trained_tokens} of {len(row)} tokens are learnt ({share:.0%})"
    return header + "\n" + "".join(parts)


@functools.lru_cache(maxsize=2)
def _writer(tokenizer: Any, template: str) -> PromptWriter:
    """Kept from row to row, because what it finds out about the template holds for all."""
    return PromptWriter(tokenizer, "the model")


def _asked(conversation: Conversation) -> Shape:
    """Return the roles of the turns before the last answer: what serving would ask."""
    roles = tuple(message.role for message in conversation.messages)
    while roles and roles[-1] == "assistant":
        roles = roles[:-1]
    return roles


def _render(tokenizer: Any, messages: list[dict[str, str]], prompt: bool = False) -> list[int]:
    # Ids come straight from the template: tokenising rendered text again would add a second BOS.
    encoded = tokenizer.apply_chat_template(
        messages,
        chat_template=template_of(tokenizer),
        tokenize=True,
        return_dict=True,
        add_generation_prompt=prompt,
    )
    return list(encoded["input_ids"])


def _text(tokenizer: Any, messages: list[dict[str, str]], prompt: bool = False) -> str:
    return str(
        tokenizer.apply_chat_template(
            messages,
            chat_template=template_of(tokenizer),
            tokenize=False,
            add_generation_prompt=prompt,
        )
    )


def _mask_by_tags(tokenizer: Any, messages: list[dict[str, str]]) -> list[bool]:
    encoded = tokenizer.apply_chat_template(
        messages,
        chat_template=template_of(tokenizer),
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    return [bool(value) for value in encoded["assistant_masks"]]


def _mask_by_prefix(
    tokenizer: Any, conversation: Conversation, messages: list[dict[str, str]], ids: list[int]
) -> list[bool]:
    trained = [False] * len(ids)
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = _render(tokenizer, messages[:index], prompt=True)
        upto = _render(tokenizer, messages[: index + 1])
        if upto[: len(before)] == before and ids[: len(upto)] == upto:
            start, end = len(before), len(upto)
        else:
            start, end = _span_by_offsets(tokenizer, conversation, messages, index, ids)
        end = _end_of_turn(tokenizer, conversation, ids, start, end)
        trained[start:end] = [True] * (end - start)
    return trained


def _span_by_offsets(
    tokenizer: Any,
    conversation: Conversation,
    messages: list[dict[str, str]],
    index: int,
    ids: list[int],
) -> tuple[int, int]:
    """Find the turn's tokens by characters, where ids of the parts aren't parts of the ids."""
    before = _text(tokenizer, messages[:index], prompt=True)
    upto = _text(tokenizer, messages[: index + 1])
    whole = _text(tokenizer, messages)
    if not upto.startswith(before) or not whole.startswith(upto):
        raise _refusal(
            conversation,
            f"the chat template writes messages[{index}] differently once later turns follow, "
            "or not after its own generation prompt",
            "a template whose generation prompt is the beginning of the answer's turn",
        )
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    spans: list[tuple[int, int]] = encoded["offset_mapping"]
    inside = [
        position
        for position, (low, high) in enumerate(spans)
        if low >= len(before) and high <= len(upto)
    ]
    straddles = any(low < len(before) < high for low, high in spans)
    if list(encoded["input_ids"]) != ids or straddles or not inside:
        raise _refusal(
            conversation,
            f"a token of messages[{index}] reaches across the turn's beginning",
            "an answer that begins with a token of its own",
        )
    return inside[0], inside[-1] + 1


def _end_of_turn(
    tokenizer: Any, conversation: Conversation, ids: list[int], start: int, end: int
) -> int:
    """Return where the turn ends, just past its last special token."""
    special = _special_ids(tokenizer)
    stop = next((p for p in range(end - 1, start, -1) if ids[p] in special), None)
    if stop is None or tokenizer.decode(ids[stop + 1 : end]).strip():
        raise _refusal(
            conversation,
            "the chat template ends the assistant's turn without a special token",
            "an end-of-turn token: without one the tuned model never stops",
        )
    return stop + 1


def _special_ids(tokenizer: Any) -> frozenset[int]:
    added = (i for i, token in tokenizer.added_tokens_decoder.items() if token.special)
    return frozenset(tokenizer.all_special_ids) | frozenset(added)


def _require_agreement(
    tokenizer: Any,
    conversation: Conversation,
    ids: list[int],
    by_prefix: list[bool],
    by_tags: list[bool],
) -> None:
    for position, (prefix, tags) in enumerate(zip(by_prefix, by_tags, strict=True)):
        if prefix != tags:
            token = tokenizer.decode([ids[position]])
            raise _refusal(
                conversation,
                f"token {position} ({token!r}) is {'learnt' if tags else 'not learnt'} by the "
                f"template's generation tags, {'learnt' if prefix else 'not learnt'} by its prompt",
                "generation tags around the answer and its end-of-turn token",
            )


def _require_plausible(
    tokenizer: Any, conversation: Conversation, ids: list[int], trained: list[bool]
) -> None:
    learnt = sum(trained)
    if not learnt:
        raise _refusal(conversation, "no token would be learnt", "an answer")
    if learnt == len(ids):
        raise _refusal(conversation, "every token would be learnt", "a prompt before the answer")
    text = tokenizer.decode([token for token, t in zip(ids, trained, strict=True) if t])
    for message in conversation.messages:
        # Templates may strip an answer's outer blanks; none may lose its words.
        if message.role == "assistant" and not _contains(text, message):
            raise _refusal(
                conversation,
                f"the learnt tokens lack the answer {message.content!r:.60}",
                "a template that writes answers out whole",
            )


def _contains(text: str, message: Message) -> bool:
    return "".join(message.content.split()) in "".join(text.split())


def _refusal(conversation: Conversation, saw: str, expected: str) -> MalformedRow:
    return MalformedRow(conversation.path, conversation.line, saw, expected, "messages")
