"""Checks a run's prompts, and how its models render them, before anything is spent.

Of a prompt only its shape is kept, the roles of its turns, and whether it holds control tokens, so
that a run of any length is looked at in the reading that names it.

In a chat, control tokens of the measured model that stand in a row's text stay text
(`models.control_tokens`). In plain text they are tokens, because there lm-evaluation-harness
tokenises the whole string, and numbers are to agree with it. What an endpoint makes of them is its
own affair, and unknown here.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.conversations import with_answers
from weighbridge.evaluation.judging import Judge
from weighbridge.models.protocol import Capability, Prompt, PromptFinding, Shape
from weighbridge.records import Json, Message, Sample

NAMED = 5  # rows, and tokens, that a sentence lists

_LIKELY = re.compile(
    r"<\|[\w-]{1,40}\|>|<\uff5c[^<>\n]{1,40}\uff5c>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>"
    r"|<(?:bos|eos|eot)>"
)


@dataclass(frozen=True)
class PromptCheck:
    """What was found about the prompts of the model measured, and about those of the judge."""

    asked: tuple[PromptFinding, ...] = ()
    judged: tuple[PromptFinding, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for readers of the run."""
        return tuple(dict.fromkeys(finding.sentence for finding in (*self.asked, *self.judged)))

    @property
    def changes(self) -> dict[str, Json]:
        """What makes this another run than one whose prompts stand as the benchmark wrote them."""
        kinds = {"prompt_changes": self.asked, "judge_prompt_changes": self.judged}
        named = {key: sorted({f.name for f in kinds[key] if f.changes_prompt}) for key in kinds}
        return {key: names for key, names in named.items() if names}


class Asked(Protocol):
    """A model, loaded or not, that says what it makes of prompts: see `Model`."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do, as far as that is known."""

    def check_prompts(self, shapes: Collection[Shape]) -> tuple[PromptFinding, ...]:
        """Return findings about prompts of these shapes."""


class PromptShapes:
    """Shapes of the prompts that a run asks.

    Args:
        benchmark: What is asked.
        settings: Complete ones.
        model: Who is asked: its control tokens are looked for in the rows.
    """

    def __init__(self, benchmark: Benchmark, settings: Settings, model: object = None) -> None:
        self._benchmark, self._settings = benchmark, settings
        self._typed = TypedControls(finder_of(model))
        self._method = benchmark.judge_for(settings)
        self._asked, self._judged = set[Shape](), set[Shape]()

    def noting(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Pass on items, and note the shapes of all prompts that they will bring."""
        for sample in samples:
            for number, turn in enumerate(self._benchmark.asking.turns_of(sample)):
                self._note(sample.id, turn, number)
            yield sample

    def check(self, model: Asked, judge: Judge | None = None) -> PromptCheck:
        """Have the model, and the judge, say what they make of the prompts noted.

        Raises:
            InputError: One of them can't be asked so.
        """
        try:
            asked = model.check_prompts(self._asked)
            judged = judge.model.check_prompts(self._judged) if judge and self._judged else ()
        except InputError as error:
            name = self._benchmark.name
            raise InputError(f"benchmark {name}: {error.saw}", error.expected, error.do) from error
        return PromptCheck((*asked, *self._typed.findings), judged)

    def _note(self, row: str, asked: Sample, number: int) -> None:
        unknown = ("",) * number
        prompted = with_answers(asked, unknown) if number else asked
        prompt = self._benchmark.asking.prompt(prompted, self._settings)
        self._asked.add(prompt.shape)
        self._typed.note(row, prompt)
        if self._method is not None:
            answers = (*unknown, "")
            prompts = self._method.prompts(asked, answers, answers)
            self._judged.update(prompt.shape for prompt in prompts)


def check_prompts(
    model: Asked,
    benchmark: Benchmark,
    settings: Settings,
    samples: Iterable[Sample],
    judge: Judge | None = None,
) -> PromptCheck:
    """Look at all prompts that these items will bring."""
    shapes = PromptShapes(benchmark, settings, model)
    for _ in shapes.noting(samples):
        pass
    return shapes.check(model, judge)


class Finds(Protocol):
    """Finds control tokens in a text."""

    def found(self, text: str) -> list[str]:
        """Return the control tokens that a text contains."""


class Likely:
    """Finds control tokens of common models, for endpoints whose own are not known."""

    def found(self, text: str) -> list[str]:
        """Return the control tokens that a text contains."""
        return list(dict.fromkeys(_LIKELY.findall(text)))


def finder_of(model: object) -> Finds | None:
    """Return the finder of a model's control tokens; None where no model is asked."""
    own: Finds | None = getattr(model, "controls", None)
    if own is not None:
        return own
    capabilities: Collection[Capability] = getattr(model, "capabilities", ())
    return Likely() if Capability.ONLY_CHAT in capabilities else None


class TypedControls:
    """Collects rows that contain control tokens.

    Args:
        finder: Of the model; None notes nothing.
    """

    def __init__(self, finder: Finds | None) -> None:
        self._finder = finder
        self._rows: dict[bool, dict[str, None]] = {True: {}, False: {}}
        self._tokens: dict[str, None] = {}

    def note(self, row: str, prompt: Prompt) -> None:
        """Look at a row's prompt."""
        if self._finder is None:
            return
        texts = [prompt.text] if prompt.text is not None else _contents(prompt.messages)
        tokens = [token for text in texts for token in self._finder.found(text)]
        if tokens:
            self._rows[prompt.text is None][row] = None
            self._tokens |= dict.fromkeys(tokens)

    @property
    def findings(self) -> tuple[PromptFinding, ...]:
        """What a reader of the run must know."""
        found = []
        for in_chat, rows in self._rows.items():
            if rows:
                held = "holds" if len(rows) == 1 else "hold"
                count = f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
                what = f"{count} ({_listed(rows)}) {held} {_listed(self._tokens)}"
                found.append(self._told(what, in_chat))
        return tuple(found)

    def _told(self, what: str, in_chat: bool) -> PromptFinding:
        if isinstance(self._finder, Likely):
            return PromptFinding(
                "control_tokens_at_endpoint",
                f"{what}, control tokens of common models: whether the server reads them as text "
                "is not known.",
            )
        if in_chat:
            return PromptFinding(
                "control_tokens_as_text",
                f"{what}, control tokens of this model: it was given them as text.",
                changes_prompt=True,
            )
        return PromptFinding(
            "control_tokens_let_through",
            f"{what}, control tokens of this model: in plain text they are read as such, as "
            "lm-evaluation-harness does.",
        )


def _contents(messages: Iterable[Message]) -> list[str]:
    return [message.content for message in messages]


def _listed(names: dict[str, None]) -> str:
    shown = ", ".join(list(names)[:NAMED])
    return shown + (", …" if len(names) > NAMED else "")
