"""Opening the judge that a person named, and the baseline that it judges against."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.answers import read_answers
from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.judging import Judge
from weighbridge.evidence import RunStore
from weighbridge.opening.endpoints import Endpoints
from weighbridge.opening.models import open_any


@dataclass(frozen=True)
class JudgeChoice:
    """The judge that a person chose.

    Attributes:
        model: As a model is named anywhere; "" for none.
        repeats: Judgements of each answer.
        max_tokens: Longest judgement; None takes the method's own.
        baseline: A run, or a JSONL file of answers; "" for none.
    """

    model: str = ""
    repeats: int = 1
    max_tokens: int | None = None
    baseline: str = ""

    def check(self, tasks: Iterable[tuple[Benchmark, Settings]]) -> None:
        """Refuse what can't be judged, before any weights are read.

        Raises:
            InputError: A benchmark needs a judge or a baseline, and none is named.
            UnknownName: A benchmark has no such protocol.
        """
        for benchmark, settings in tasks:
            protocol = benchmark.protocol_for(settings)
            known = benchmark.asking.protocols
            if protocol not in known:
                raise UnknownName(f"protocol of {benchmark.name}", protocol, known)
            method = benchmark.judge_for(settings)
            if method is not None and not self.model:
                raise InputError(
                    f"{benchmark.name} without a judge",
                    "a model that judges the answers",
                    "add --judge MODEL",
                )
            if method is not None and method.needs_baseline and not self.baseline:
                raise InputError(
                    f"{benchmark.name} with protocol {protocol} and nothing to compare with",
                    "another model's answers",
                    "add --baseline RUN_OR_FILE",
                )


@contextmanager
def open_judge(
    choice: JudgeChoice,
    store: RunStore,
    endpoints: Endpoints,
    cache: Path,
    device: str,
    threads: int,
    memory_bytes: int | None = None,
) -> Iterator[Judge | None]:
    """Load the judge and let go of it afterwards; None where none was named."""
    if not choice.model:
        yield None
        return
    name, baseline = read_baseline(choice.baseline, store) if choice.baseline else ("", {})
    with open_any(
        choice.model, endpoints, cache, device, threads, memory_bytes, by="judge"
    ) as model:
        yield Judge(model, choice.repeats, choice.max_tokens, baseline, name)


def read_baseline(named: str, store: RunStore) -> tuple[str, dict[str, str]]:
    """Return a baseline's name, and its first answer to each sample.

    Args:
        named: A sealed run (id, beginning or folder), or a JSONL file of answers.
        store: Where runs are.

    Raises:
        InputError: The run holds judgments without the answers.
    """
    if Path(named).is_file():
        answers = read_answers(Path(named))
        return answers.name, {sample_id: texts[0] for sample_id, texts in answers.by_sample.items()}
    run = store.read(named)
    if any(sample.stop == "judged" for sample in run.samples):
        raise InputError(
            f"{run.run_id} holds judgments made elsewhere, not the answers themselves",
            "a run that asked a model, or a file of answers",
        )
    first: dict[str, str] = {}
    for sample in run.samples:
        first.setdefault(sample.sample_id, sample.output)
    return run.model.name, first
