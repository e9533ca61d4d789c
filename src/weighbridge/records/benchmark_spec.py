"""What a project asks of a benchmark, and the benchmarks that were skipped."""

from dataclasses import dataclass
from typing import Literal

BenchmarkRole = Literal["target", "guard"]


@dataclass(frozen=True)
class BenchmarkSpec:
    """`[[evaluate]]`: one benchmark, before and after.

    Attributes:
        benchmark: NAME, NAME:SUBSET, or a .toml beside the project file.
        role: `target` should improve; `guard` must not get worse.
        margin: How much worse still counts as no worse, in the units of the benchmark's scale; None
            takes 2 % of it.
        protocol: How answers are obtained; "" takes the benchmark's own, and where there is an
            incumbent the one that endpoints can do.
        required: A guard that is skipped or can't decide then leaves the verdict open.
    """

    benchmark: str
    role: BenchmarkRole = "target"
    margin: float | None = None
    required: bool = False
    protocol: str = ""
    shots: int | None = None
    limit: int | None = None
    repeats: int = 1
    seed: int = 0
    temperature: float | None = None
    max_tokens: int | None = None
    chat_template: bool | None = None


@dataclass(frozen=True)
class SkippedBenchmark:
    """A benchmark that was not run: which, why, and the command that makes it run."""

    weigh: BenchmarkSpec
    why: str
    get_it: str
