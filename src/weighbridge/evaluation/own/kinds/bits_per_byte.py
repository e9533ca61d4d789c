"""What texts of one's own cost a model, in bits per byte: sees what tuning makes a model forget.

A row is a document (`target` alone), a text after a prompt (`prompt` and `target`), or a
conversation (`messages`), of which the last turn is measured. See `evaluation.text_loss`.
"""

from dataclasses import dataclass, replace

from weighbridge.evaluation.benchmark import Asking, Grading, Settings
from weighbridge.evaluation.own.cells import Cells
from weighbridge.evaluation.own.definition import Definition
from weighbridge.evaluation.own.kind import Kind, Solution, target_as_text
from weighbridge.models.protocol import Prompt
from weighbridge.records import Sample
from weighbridge.records.scale import BITS_PER_BYTE


@dataclass(frozen=True)
class Options:
    """It has no keys of its own."""


def _solution(definition: Definition, cells: Cells) -> Solution:
    return Solution(cells.text(definition.target))


def _asking(definition: Definition, asking: Asking) -> Asking:
    documents = not (definition.common.prompt or definition.common.messages)

    def prompt(sample: Sample, settings: Settings) -> Prompt:
        return Prompt(text="") if documents else asking.prompt(sample, settings)

    def continuations(sample: Sample, settings: Settings) -> tuple[str, ...]:
        apart = not documents and settings.chat_template is False
        return (" " * apart + sample.target_text,)

    return replace(
        asking,
        protocols=("bits_per_byte",),
        prompt=prompt,
        continuations=continuations,
        chat_by_default=not documents,
        unit_size=16,
    )


def _grading(definition: Definition) -> Grading:
    return Grading(gold=target_as_text, scale=BITS_PER_BYTE)


KIND = Kind(
    name="bits_per_byte",
    options=Options,
    solution=_solution,
    grading=_grading,
    asking=_asking,
    needs_question=False,
)
