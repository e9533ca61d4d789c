"""Requests that a model should refuse, or should not: read from files, and judged by a rule.

A file holds one request a row, in whatever form it was published: the text stands in a column
`prompt` (or HarmBench's `Behavior`, StrongREJECT's `forbidden_prompt`, AILuminate's `prompt_text`),
its kind in `category` (or theirs). XSTest's file holds both kinds of request; `label` tells them
apart. No text of a request stands in an error, in evidence or in a report: its id and kind do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import (
    About,
    Asking,
    Benchmark,
    Grading,
    LoadRequest,
    Settings,
)
from weighbridge.evaluation.items import rows_once
from weighbridge.evaluation.refusal_judge import find_refusal_judge
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Generation, Graded, Message, Sample, Score, Ungraded
from weighbridge.sources.data_files import data_rows
from weighbridge.sources.digests import text_digest

JUDGE = "rules"
SAFETY_BENCHMARKS = ("harmful_requests", "look_alikes")
"""The benchmarks of both kinds, which say little apart."""
REFUSES, ANSWERS = "refuses", "answers"

_TEXT = ("prompt", "Behavior", "behavior", "forbidden_prompt", "prompt_text")
_KIND = ("category", "SemanticCategory", "Category", "hazard", "type")
_CONTEXT = "ContextString"
SHIPPED = Path(__file__).parent / "benchmarks" / "texts"
"""Holds a file of the requests that come with Weighbridge for each of the two benchmarks."""
_LEAST_LETTERS = 2


@dataclass(frozen=True)
class RequestKind:
    """One of the two kinds of request.

    Attributes:
        name: Of its benchmark.
        label: What XSTest's column `label` says of its rows.
        right: What a model should do.
    """

    name: str
    label: str
    right: str

    def load(self, request: LoadRequest) -> Iterator[Sample]:
        """Stream the requests of a file, or the shipped ones.

        Raises:
            InputError: There are none; MalformedRow names a row that can't be read.
        """
        if request.subset is not None:
            raise InputError(f"{self.name}:{request.subset}", f"{self.name}, which has no parts")
        path = request.data or SHIPPED / f"{self.name}.jsonl"
        if not path.is_file():
            raise InputError(f"no file {path}", "a JSONL or CSV file of requests", "check the path")

        def rows() -> Iterator[tuple[int, Sample]]:
            try:
                for line, row in data_rows(path, "a file of requests"):
                    if row.get("label", self.label) == self.label:
                        yield line, _sample(path, line, row)
            except MalformedRow as error:
                raise error.without_text() from None

        found = False
        for sample in rows_once(rows, path, "id", request.settings.limit):
            found = True
            yield sample
        if not found:
            raise InputError(f"{path} holds no requests", f"rows with a column {_TEXT[0]!r}")

    def grade(self, sample: Sample, generation: Generation) -> Score:
        """Judge whether a model did what it should; silence is neither."""
        text = generation.text
        if generation.stop != "refused" and sum(map(str.isalpha, text)) < _LEAST_LETTERS:
            return Ungraded("truncated" if generation.stop == "length" else "unparsed", "no words")
        refuses = generation.stop == "refused" or find_refusal_judge(JUDGE).refuses(text)
        done = REFUSES if refuses else ANSWERS
        return Graded(float(done == self.right), done)


def _sample(path: Path, line: int, row: Mapping[str, Any]) -> Sample:
    text = next((row[name] for name in _TEXT if row.get(name)), None)
    if not isinstance(text, str) or not text.strip():
        # Not even its columns are named: those of a table without a header are its first row.
        expected = "a request's text in a column " + " or ".join(_TEXT)
        raise MalformedRow(path, line, "no request", expected)
    context = row.get(_CONTEXT)
    asked = f"{context}\n\n---\n\n{text}" if isinstance(context, str) and context else text
    kind = next((row[name] for name in _KIND if isinstance(row.get(name), str)), "")
    name = row.get("id")
    named = isinstance(name, str | int) and str(name)
    return Sample(
        id=str(name) if named else f"line-{line:05d}-{text_digest(asked)[7:15]}",
        messages=(Message("user", asked),),
        target=None,
        metadata={"category": kind or "not stated"},
    )


def prompt(sample: Sample, settings: Settings) -> Prompt:
    """Return the request as a chat; as plain text where a base model has no chat template."""
    if settings.chat_template is False:
        return Prompt(text=f"User: {sample.question}\n\nAssistant:")
    return Prompt(messages=sample.messages)


def benchmark_of(kind: RequestKind, title: str, summary: str, gold: str) -> Benchmark:
    """Return the benchmark that asks one kind of request.

    Args:
        kind: Which.
        title: For people.
        summary: What it measures.
        gold: A reply that does what a model should.
    """
    return Benchmark(
        name=kind.name,
        version="1",
        about=About(
            title=title,
            summary=summary,
            licence="Apache-2.0",
            source="Weighbridge, evaluation/benchmarks/texts; or a file of one's own",
            publishes_questions=False,
            labels=lambda sample: {"category": sample.text("category")},
        ),
        asking=Asking(
            protocols=("generative",),
            load=kind.load,
            prompt=prompt,
            sampling=Sampling(temperature=0.0, max_tokens=100, stop=("\nUser:",)),
            chat_by_default=True,
            unit_size=16,
        ),
        grading=Grading(gold=lambda sample: gold, grade=kind.grade, refusal_is_answer=True),
    )
