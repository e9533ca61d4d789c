"""Turns prompts into text and token ids: the chat template, and special tokens.

Some chat templates refuse a system turn, others leave it out and say nothing. Its text then stands
at the beginning of the user's first turn, as the makers of such models advise, so that no
instruction is lost. What a template does is found by having it write texts that nothing else holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from weighbridge.errors import InputError, boundary
from weighbridge.models.control_tokens import ControlTokens
from weighbridge.models.protocol import Prompt, Shape
from weighbridge.models.template_clock import template_of
from weighbridge.models.thoughts import marker_tokens, own_markers
from weighbridge.records import Message

WhyMoved = Literal["refuses", "leaves out"]

_PLAIN_ALTERNATIVE = "use another model, or --no-chat-template where the benchmark allows it"


TYPED = ("\u27e6", "\u27e7")
"""Marks that `as_read` puts around control tokens that are text."""


@dataclass(frozen=True)
class Written:
    """A prompt as a template wrote it.

    Attributes:
        text: For people, and for evidence.
        hidden: With stand-ins for the control tokens in the turns' own words.
        rendered: Whether a template wrote it.
    """

    text: str
    hidden: str
    rendered: bool

    @property
    def holds_controls(self) -> bool:
        """Whether control tokens stand in the turns' own words."""
        return self.text != self.hidden


class PromptWriter:
    """Writes prompts as one model reads them.

    Attributes:
        tokenizer: The model's.
        name: What to call the model in errors.
    """

    def __init__(self, tokenizer: Any, name: str) -> None:
        self.tokenizer, self.name = tokenizer, name
        self._why_moved: dict[Shape, WhyMoved | None] = {}

    def write(self, prompt: Prompt) -> str:
        """Return the text that a prompt becomes.

        Raises:
            InputError: The prompt has turns that the model's chat template can't write, or the
                model has no template.
        """
        return self.written(prompt).text

    def written(self, prompt: Prompt) -> Written:
        """Return a prompt as the template writes it, control tokens in its own words hidden.

        Plain text has no words of its own: it is tokenised whole, as lm-evaluation-harness does.

        Raises:
            InputError: As `write`.
        """
        if prompt.text is not None:
            return Written(prompt.text, prompt.text, rendered=False)
        turns = self.placed(self._hidden(prompt.messages), prompt.shape)
        hidden = self._rendered(turns)
        return Written(self.controls.shown(hidden), hidden, rendered=True)

    def encode(self, written: Written) -> list[int]:
        """Return a prompt's token ids; control tokens in a chat's own words are plain letters."""
        if written.holds_controls:
            return self.controls.encode(written.hidden)
        return encode(self.tokenizer, written.text, rendered=written.rendered)

    @cached_property
    def controls(self) -> ControlTokens:
        """The tokenizer's control tokens."""
        return ControlTokens(self.tokenizer)

    @cached_property
    def _thought(self) -> frozenset[str]:
        """Control tokens that mark a thought; in an answer they mean themselves."""
        numbers = marker_tokens(self.tokenizer, own_markers(self.tokenizer))
        return frozenset(self.tokenizer.convert_ids_to_tokens(sorted(numbers)))

    def _hidden(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        return tuple(
            replace(
                turn,
                content=self.controls.hide(
                    turn.content, self._thought if turn.role == "assistant" else ()
                ),
            )
            if self.controls.found(turn.content)
            else turn
            for turn in messages
        )

    def _rendered(self, turns: Sequence[Message]) -> str:
        try:
            return self._apply(turns)
        except Exception as error:  # a template is a program, and may fail in any way
            # What it says may quote the prompt, which is not always published.
            raise InputError(
                f"{self.name}'s chat template fails on a prompt ({type(error).__name__})",
                "one that writes any text",
                _PLAIN_ALTERNATIVE,
            ) from error

    def placed(self, messages: Sequence[Message], shape: Shape) -> tuple[Message, ...]:
        """Return turns that begin with a prompt of a shape as the template can write them."""
        moves = self.why_system_moves(shape) is not None
        return _system_in_user_turn(messages) if moves else tuple(messages)

    def why_system_moves(self, shape: Shape) -> WhyMoved | None:
        """Say why system turns stand in the user's turn; None where the template writes them.

        Args:
            shape: The roles of a prompt's turns.

        Raises:
            InputError: Nothing makes the template write all turns, or there is no template.
        """
        if shape not in self._why_moved:
            self._why_moved[shape] = self._look(shape)
        return self._why_moved[shape]

    def probe(self, shape: Shape) -> str:
        """Write a prompt of a shape, with texts of our own."""
        return self.write(Prompt(messages=_probe_turns(shape)))

    def as_read(self, prompt: Prompt) -> str:
        """Return a prompt's text with the special tokens that the tokenizer adds around it.

        Control tokens that are text, because they stand in a turn's own words, are put in ⟦ ⟧.
        """
        written = self.written(prompt)
        if written.holds_controls:
            return self.controls.shown(written.hidden, TYPED)
        text = written.text
        if not adds_special_tokens(self.tokenizer, text, rendered=prompt.text is None):
            return text
        around = special_tokens_around(self.tokenizer, text)
        before, after = (self.tokenizer.convert_ids_to_tokens(ids) for ids in around or ([], []))
        return "".join([*before, text, *after])

    def _look(self, shape: Shape) -> WhyMoved | None:
        if not self.tokenizer.chat_template:
            raise InputError(
                f"{self.name} has no chat template",
                "one, because the prompt is a conversation",
                "use an instruction-tuned model, or --no-chat-template where the benchmark "
                "allows it",
            )
        turns = _probe_turns(shape)
        why, left_out = self._try(turns)
        if not why and not left_out:
            return None
        if "system" in shape and "user" in shape:
            moved = _system_in_user_turn(turns)
            if len(moved) < len(turns) and self._try(moved) == ("", ()):
                return "refuses" if why else "leaves out"
        roles = ", ".join(shape)
        if why:
            raise InputError(
                f"{self.name}'s chat template refuses the turns {roles} ({why})",
                "a template that writes them",
                _PLAIN_ALTERNATIVE,
            )
        lost = " and ".join(f"turn {n} ({shape[n - 1]})" for n in left_out)
        raise InputError(
            f"{self.name}'s chat template leaves out {lost} of the turns {roles}",
            "a template that writes all of them",
            _PLAIN_ALTERNATIVE,
        )

    def _try(self, turns: Sequence[Message]) -> tuple[str, tuple[int, ...]]:
        """Return how the template fails on turns, and which of them it leaves out, from 1."""
        try:
            text = self._apply(turns)
        except Exception as error:  # a template is a program, and may fail in any way
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            return said, ()
        missing = [
            number
            for number, turn in enumerate(turns, start=1)
            if not all(word in text for word in turn.content.split())
        ]
        return "", tuple(missing)

    def _apply(self, messages: Sequence[Message]) -> str:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        return str(
            self.tokenizer.apply_chat_template(
                turns,
                chat_template=template_of(self.tokenizer),
                tokenize=False,
                add_generation_prompt=True,
            )
        )


def adds_special_tokens(tokenizer: Any, text: str, *, rendered: bool) -> bool:
    """Whether a text gets the special tokens that its tokenizer adds by itself.

    A rendered chat template brings its own, and so does a text that begins with the BOS token.
    """
    bos = tokenizer.bos_token
    return not (rendered or (bos and text.startswith(bos)))


@boundary("tokenising")
def encode(tokenizer: Any, text: str, *, rendered: bool) -> list[int]:
    """Encode one text; where special tokens stand in it already, none are added."""
    adds = adds_special_tokens(tokenizer, text, rendered=rendered)
    return list(tokenizer(text, add_special_tokens=adds)["input_ids"])


@boundary("tokenising")
def special_tokens_around(tokenizer: Any, text: str) -> tuple[list[int], list[int]] | None:
    """Tokens that a tokenizer adds before and after a text; None if it adds some inside."""
    plain = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    added = list(tokenizer(text, add_special_tokens=True)["input_ids"])
    for at in range(len(added) - len(plain) + 1):
        if added[at : at + len(plain)] == plain:
            return added[:at], added[at + len(plain) :]
    return None


def _probe_turns(shape: Shape) -> tuple[Message, ...]:
    """Turns with texts that no template holds; each is one word, so that none changes it."""
    return tuple(Message(role, f"weighbridge{n}probe") for n, role in enumerate(shape, start=1))


def _system_in_user_turn(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Put the text of the system turns at the beginning where the user's first turn begins.

    Turns that don't begin so are returned as they are.
    """
    leading = 0
    while leading < len(messages) and messages[leading].role == "system":
        leading += 1
    if not leading or leading == len(messages) or messages[leading].role != "user":
        return tuple(messages)
    joined = "\n\n".join(message.content for message in messages[: leading + 1])
    return (Message("user", joined), *messages[leading + 1 :])
