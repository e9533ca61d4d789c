"""Turns as one tokenizer's chat template writes them, as text and as token ids.

What a template refuses is told in its own words; its clock stands still
(`weighbridge.models.template_clock`). What a template adds around an answer is found by having it
write answers that nothing else holds.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from typing import Any

from weighbridge.errors import InputError
from weighbridge.models.control_tokens import ControlTokens
from weighbridge.models.prompts import PromptWriter
from weighbridge.models.template_clock import template_of
from weighbridge.models.thoughts import (
    Markers,
    marker_tokens,
    opened_thought,
    own_markers,
    with_known,
)
from weighbridge.records import Json
from weighbridge.tuning.rows import ToolCall, Turn

# Two answers that share no character with each other: what both renderings share is the template's.
_PROBES = ("0weighbridge", "Zanswer")
_USER = Turn("user", "weighbridge")


class TemplateRefuses(Exception):
    """A chat template can't write some turns; says why in the template's own words."""


class NotLearnable(Exception):
    """No reliable mask can be derived from what the template writes."""

    def __init__(self, saw: str, expected: str) -> None:
        self.saw, self.expected = saw, expected
        super().__init__(saw)


class Renderer:
    """Writes conversations as one model reads them.

    Attributes:
        tokenizer: The model's.
        writer: Writes prompts as they are asked when the model is served.
        markers: What the model may put before and after a thought.
        special: Ids of all special tokens.
        tools: Descriptions of the tools that conversations may call.
    """

    def __init__(self, tokenizer: Any) -> None:
        require_chat_template(tokenizer)
        self.tokenizer = tokenizer
        self.writer = PromptWriter(tokenizer, "the model")
        added = (i for i, token in tokenizer.added_tokens_decoder.items() if token.special)
        self.special = frozenset(tokenizer.all_special_ids) | frozenset(added)
        own = own_markers(tokenizer)
        self.markers: tuple[Markers, ...] = with_known(own)
        # An answer's own thought may be marked by special tokens (Magistral); they mean themselves.
        self._thought = tokenizer.convert_ids_to_tokens(sorted(marker_tokens(tokenizer, own)))
        self._controls = ControlTokens(tokenizer)
        self.tools: tuple[Mapping[str, Json], ...] = ()

    def with_tools(self, tools: Sequence[Mapping[str, Json]]) -> "Renderer":
        """Return a renderer that writes conversations which may call tools."""
        other = copy.copy(self)
        other.tools = tuple(tools)
        other.__dict__.pop("header", None)  # it may depend on the tools
        return other

    def text(self, turns: Sequence[Turn], *, prompt: bool = False) -> str:
        """Return turns as text, with the beginning of an answer after them for a prompt.

        Raises:
            TemplateRefuses: The template can't write them.
        """
        if not turns:
            raise TemplateRefuses("there is no turn before the answer")
        try:
            return str(self._apply(turns, tokenize=False, add_generation_prompt=prompt))
        except Exception as error:  # a template is a program, and may fail in any way
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise TemplateRefuses(said) from error

    def tagged(self, turns: Sequence[Turn]) -> tuple[list[int], list[bool]]:
        """Return turns as token ids, and which stand between the template's generation tags.

        Raises:
            TemplateRefuses: The template can't write them.
            NotLearnable: A turn's words hold a control token.
        """
        for index, turn in enumerate(turns):
            if self.hidden(turn) != turn:
                raise NotLearnable(
                    f"messages[{index}] holds one of the model's control tokens as text",
                    "other words, where the chat template has generation tags",
                )
        try:
            encoded = self._apply(
                turns, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
            )
        except Exception as error:  # as in `text`
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise TemplateRefuses(said) from error
        return list(encoded["input_ids"]), [bool(value) for value in encoded["assistant_masks"]]

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text that the template wrote."""
        return self._controls.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Return token ids as text, special tokens among them."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def hidden(self, turn: Turn) -> Turn:
        """Return a turn with stand-ins for the control tokens in its own words."""
        keep = self._thought if turn.role == "assistant" else ()
        reasoning = turn.reasoning and self._controls.hide(turn.reasoning)
        calls = tuple(
            ToolCall(self._controls.hide(call.name), self._hidden_json(call.arguments), call.id)
            for call in turn.tool_calls
        )
        content = self._controls.hide(turn.content, keep)
        return replace(turn, content=content, reasoning=reasoning, tool_calls=calls)

    def around_answer(self, before: Sequence[Turn], written: str) -> tuple[str, str]:
        """Return what the template writes before an answer's own words, and after them.

        Args:
            before: The turns before the answer.
            written: These and the answer, as the template writes them.
        """
        probed = [self.text([*before, Turn("assistant", probe)]) for probe in _PROBES]
        head = _begin_alike([written, *probed])
        probe = _PROBES[0]
        tail = probed[0][probed[0].rindex(probe) + len(probe) :] if probe in probed[0] else ""
        return head, tail

    def following(self, before: Sequence[Turn]) -> list[int]:
        """Return the tokens up to the special one that begins a user's turn after an answer.

        Args:
            before: The turns before the answer.

        Returns:
            Nothing where words stand before it, where no user can follow, or where that token
            begins an assistant's turn as well: no server ends an answer there.
        """
        try:
            text = self.text([*before, Turn("assistant", _PROBES[0]), _USER])
        except TemplateRefuses:
            return []
        ids = self.encode(text.rpartition(_PROBES[0])[2])
        at = next((at for at, token in enumerate(ids) if token in self.special), None)
        if at is None or self.decode(ids[:at]).strip() or ids[at] in self.encode(self.header):
            return []
        return ids[: at + 1]

    @cached_property
    def header(self) -> str:
        """What a prompt has at its end, after a user's turn."""
        return self.text([_USER], prompt=True).removeprefix(self.text([_USER]))

    def opened_in(self, prompt: str) -> str:
        """Return the thought's beginning that a prompt ends with; "" where it opens none."""
        opened = opened_thought("", prompt, self.markers)
        return prompt[prompt.rindex(opened.opening) :] if opened else ""

    def _apply(self, turns: Sequence[Turn], **options: Any) -> Any:
        # No list at all where there are no tools: Llama's templates write a preface for an empty.
        tools = [self._hidden_json(tool) for tool in self.tools] or None
        return self.tokenizer.apply_chat_template(
            [self.hidden(turn).as_message() for turn in turns],
            tools=tools,
            chat_template=template_of(self.tokenizer, self.tools),
            **options,
        )

    def _hidden_json(self, value: Any) -> Any:
        """Return plain data with stand-ins for the control tokens in its texts."""
        if isinstance(value, str):
            return self._controls.hide(value)
        if isinstance(value, Mapping):
            return {key: self._hidden_json(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._hidden_json(each) for each in value]
        return value


def _begin_alike(texts: Sequence[str]) -> str:
    alike = (letters[0] for letters in takewhile(_same, zip(*texts, strict=False)))
    return "".join(alike)


def _same(letters: Sequence[str]) -> bool:
    return len(set(letters)) == 1


def require_chat_template(tokenizer: Any) -> str:
    """Return the tokenizer's chat template.

    Raises:
        InputError: It has none, or several and none by default, so there is no telling how turns
            are to be written.
    """
    if not tokenizer.chat_template:
        raise InputError(
            "the tokenizer has no chat template",
            "an instruction-tuned model",
            "tune the model's -Instruct version, or put a chat_template.jinja beside its weights",
        )
    try:
        return template_of(tokenizer)
    except ValueError as error:
        raise InputError(
            f"can't choose a chat template: {str(error).splitlines()[0]:.100}",
            "one named default",
            "put a chat_template.jinja beside the model's weights",
        ) from error
