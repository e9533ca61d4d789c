"""The base with worked examples in its prompt: which prompts were tried, and which was taken."""

from dataclasses import dataclass

from weighbridge.records.benchmark_spec import BenchmarkSpec


@dataclass(frozen=True)
class PromptTried:
    """A prompt that was tried on validation rows.

    Attributes:
        shots: Worked examples in it; 0 is the base as it is.
        draw: Which of the draws they come from, counted from 1; 0 without examples.
        run: Id of the run over the validation rows.
    """

    shots: int
    draw: int
    run: str


@dataclass(frozen=True)
class PromptArm:
    """The base with worked examples on one benchmark, as a report keeps it.

    Attributes:
        weigh: The benchmark, as the project asks of it.
        run: Id of the run over the benchmark's items, with the examples that were taken.
        shots: Their number.
        draw: The draw that they come from.
        rows: The training rows that they are, in the order shown.
        digest: Of their turns, as the run's settings state it.
        tried: Every prompt tried, and the base as it is among them.
    """

    weigh: BenchmarkSpec
    run: str
    shots: int
    draw: int
    rows: tuple[str, ...]
    digest: str
    tried: tuple[PromptTried, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """Ids of all its runs."""
        return (self.run, *(one.run for one in self.tried))
