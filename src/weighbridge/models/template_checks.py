"""Checks of a model's prompts before a run: what the chat template drops, moves or adds.

Each finding is a fact about this tokenizer and this template: they are made to write prompts of the
run's own shapes, with texts of ours in them, and what comes out is looked at.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from weighbridge.models.control_tokens import ControlTokens
from weighbridge.models.prompts import PromptWriter, encode, special_tokens_around
from weighbridge.models.protocol import Capability, Prompt, PromptFinding, Shape
from weighbridge.models.template_clock import WRITTEN, reads_clock
from weighbridge.models.thoughts import Markers, opened_thought, own_markers, with_known

_PROBE = "weighbridge"


def check_prompts(
    writer: PromptWriter, shapes: Collection[Shape], markers: Sequence[Markers]
) -> tuple[PromptFinding, ...]:
    """Look at how a model's prompts come to be.

    Args:
        writer: Of the model.
        shapes: Those of the prompts that will be asked.
        markers: What the model may put before and after a thought.

    Returns:
        What a reader of the run must know.

    Raises:
        InputError: The model has no chat template and a prompt has turns, or its template can't
            write them.
    """
    chats = sorted(shape for shape in shapes if shape)
    found = [
        *(_system_turn(writer, shape) for shape in chats),
        _bos_of_plain_text(writer) if () in shapes else None,
        *(_bos_of_chats(writer, writer.probe(shape)) for shape in chats),
        *(_thought(writer.name, writer.probe(shape), markers) for shape in chats),
        _date(writer) if chats else None,
    ]
    return tuple(dict.fromkeys(finding for finding in found if finding is not None))


def _system_turn(writer: PromptWriter, shape: Shape) -> PromptFinding | None:
    why = writer.why_system_moves(shape)
    if why is None:
        return None
    return PromptFinding(
        "system_in_user_turn",
        f"{writer.name}'s chat template {why} a system turn: its text stands at the beginning of "
        "the user's first turn.",
        changes_prompt=True,
    )


def _bos_of_plain_text(writer: PromptWriter) -> PromptFinding | None:
    before, _ = special_tokens_around(writer.tokenizer, _PROBE) or ([], [])
    if before.count(writer.tokenizer.bos_token_id) < 2:
        return None
    return PromptFinding(
        "bos_twice",
        f"{writer.name}'s tokenizer begins a text with more than one BOS token "
        f"({writer.tokenizer.bos_token}): models were trained with one.",
    )


def _bos_of_chats(writer: PromptWriter, text: str) -> PromptFinding | None:
    bos, tokenizer = writer.tokenizer.bos_token_id, writer.tokenizer
    if bos is None:
        return None
    ids = encode(tokenizer, text, rendered=True)
    if ids[:2] == [bos, bos]:
        return PromptFinding(
            "bos_twice",
            f"{writer.name}'s chat template begins with more than one BOS token "
            f"({tokenizer.bos_token}): models were trained with one.",
        )
    before, _ = special_tokens_around(tokenizer, _PROBE) or ([], [])
    if bos in before and ids[:1] != [bos]:
        return PromptFinding(
            "bos_missing",
            f"{writer.name}'s chat template writes no BOS token ({tokenizer.bos_token}), with "
            "which its tokenizer begins plain text: none was added here; some tools add it.",
        )
    return None


def _thought(name: str, text: str, markers: Sequence[Markers]) -> PromptFinding | None:
    opened = opened_thought("", text, markers)
    if opened is None:
        return None
    return PromptFinding(
        "thought_opened",
        f"{name}'s chat template opens a thought ({opened.opening}) at the end of the prompt: "
        "replies begin inside it, and likelihoods are those of a thought's first words.",
    )


def _date(writer: PromptWriter) -> PromptFinding | None:
    if not reads_clock(str(writer.tokenizer.get_chat_template())):
        return None
    return PromptFinding(
        "template_date",
        f"{writer.name}'s chat template writes the date: {WRITTEN:%d %B %Y} stands there whatever "
        "the day, so that a run is the same tomorrow.",
    )


@dataclass(frozen=True)
class UnloadedModel:
    """A model of which the tokenizer alone is read, which is enough to look at its prompts."""

    prompts: PromptWriter
    capabilities: frozenset[Capability] = frozenset()

    def check_prompts(self, shapes: Collection[Shape]) -> tuple[PromptFinding, ...]:
        """Look at what the tokenizer and the chat template make of prompts of these shapes."""
        markers = with_known(own_markers(self.prompts.tokenizer))
        return check_prompts(self.prompts, shapes, markers)

    @property
    def controls(self) -> ControlTokens:
        """Its control tokens."""
        return self.prompts.controls

    def as_read(self, prompt: Prompt) -> str:
        """Return a prompt as the model reads it."""
        return self.prompts.as_read(prompt)
