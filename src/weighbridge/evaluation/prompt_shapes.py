"""Which prompts a run will ask, and what its models make of them: looked at before it spends.

Of a prompt only its shape is kept, the roles of its turns, and whether it holds control tokens, so
that a run of any length is looked at in the reading that names it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.conversations import with_answers
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.typed_controls import TypedControls, finder_of
from weighbridge.models.protocol import Capability, PromptFinding, Shape
from weighbridge.records import Json, Sample


@dataclass(frozen=True)
class PromptCheck:
    """What was found about the prompts of the model measured, and about those of the judge."""

    asked: tuple[PromptFinding, ...] = ()
    judged: tuple[PromptFinding, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of the run must know."""
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
        """Say what is peculiar about prompts of these shapes."""


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
