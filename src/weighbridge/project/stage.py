"""What a stage of a project is, and what stages hand to each other.

Three lines to add one: write `stages/NAME.py`; define `STAGE = Stage(…)` there; run the tests. It
is found by itself, and runs after the stages whose results it needs.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from weighbridge.models.endpoint import Endpoint, EndpointAddress
from weighbridge.models.protocol import Model
from weighbridge.opening.endpoints import Endpoints
from weighbridge.opening.models import open_any
from weighbridge.project.plan import Plan, RunEnvironment
from weighbridge.records import BenchmarkSpec, Contamination, EvalRun, PromptArm
from weighbridge.records.attack import AttackRun
from weighbridge.reports import Forecast, TrainingPoint
from weighbridge.sources.weights import WeightsLocation

if TYPE_CHECKING:
    from weighbridge.comparison.before_after import BenchmarkComparison
    from weighbridge.tuning import TuneResult
    from weighbridge.tuning.merging import Merged

Value = TypeVar("Value")
Brought = TypeVar("Brought", covariant=True)


class StageBar(Protocol):
    """Shows how far a stage has come."""

    def __call__(
        self, done: float, total: float, tokens_per_second: float | None = None, said: str = ""
    ) -> None:
        """Show it; `said` stands beside the bar in place of the speed."""


class Show(Protocol):
    """Receives progress of the stages: the command line prints it, tests collect it."""

    def say(self, line: str) -> None:
        """Tell one line."""

    def bar(self, title: str) -> AbstractContextManager[StageBar]:
        """Open a progress bar."""


@dataclass(frozen=True)
class Result(Generic[Brought]):
    """The name of what a stage brings; the stages after it ask for it by this."""

    name: str


BASE_RUNS: "Result[tuple[EvalRun, ...]]" = Result("runs of the base")
PROMPT_ARMS: "Result[tuple[PromptArm, ...]]" = Result("runs of the prompted base")
TUNED: "Result[TuneResult]" = Result("tuned weights")
MERGED: "Result[Merged]" = Result("merged weights")
CANDIDATE_RUNS: "Result[tuple[EvalRun, ...]]" = Result("runs of the candidate")
BASE_ATTACKS: "Result[tuple[AttackRun, AttackRun]]" = Result("attacks on the base, twice")
CANDIDATE_ATTACKS: "Result[AttackRun]" = Result("attacks on the candidate")
INCUMBENT_RUNS: "Result[tuple[EvalRun, ...]]" = Result("runs of the incumbent")
COMPARISONS: "Result[tuple[BenchmarkComparison, ...]]" = Result("comparisons")


class Results:
    """What the stages have brought so far."""

    def __init__(self) -> None:
        self._found: dict[str, object] = {}

    def __getitem__(self, result: Result[Value]) -> Value:
        return cast(Value, self._found[result.name])

    def get(self, result: Result[Value]) -> Value | None:
        """Return a result; None where no stage of this project brings it."""
        return cast("Value | None", self._found.get(result.name))

    def add(self, result: Result[Value], value: Value) -> None:
        """Note what a stage brought."""
        self._found[result.name] = value


class Models:
    """Opens a project's models: one at a time, and the endpoints that are asked beside it."""

    def __init__(self, where: RunEnvironment) -> None:
        self._where = where
        self._opened: WeightsLocation | EndpointAddress | None = None
        self._model: Model | None = None
        self._exits = ExitStack()
        self._beside: dict[EndpointAddress, Endpoint] = {}

    def open(self, spec: WeightsLocation | EndpointAddress) -> Model:
        """Return a model; the one that was open before is let go of first, if it is another."""
        if self._model is None or spec != self._opened:
            self.let_go()
            where = self._where
            self._model = self._exits.enter_context(
                open_any(spec, where.endpoints, where.cache, where.device, where.threads)
            )
            self._opened = spec
        return self._model

    def open_beside(self, address: EndpointAddress, endpoints: Endpoints) -> Endpoint:
        """Return an endpoint that stays open, whatever other model is opened."""
        if address not in self._beside:
            self._beside[address] = endpoints.open(address)
        return self._beside[address]

    def close(self) -> None:
        """Let go of all that is open."""
        self.let_go()
        while self._beside:
            self._beside.popitem()[1].close()

    def let_go(self) -> None:
        """Close the model that is open, so that its files are read again when it is asked for."""
        self._opened = self._model = None
        self._exits.close()


@dataclass
class Work:
    """What a stage works with: the plan, the machine, and what earlier stages brought."""

    plan: Plan
    where: RunEnvironment
    show: Show
    models: Models
    results: Results = field(default_factory=Results)


@dataclass(frozen=True)
class Measured:
    """One benchmark of a report, by the names of its runs."""

    weigh: BenchmarkSpec
    before: str
    after: str
    contamination: Contamination | None = None


@dataclass(frozen=True)
class Attacked:
    """One campaign of attacks on both models, by the names of its runs.

    Attributes:
        before: On the base.
        again: On the base once more, with another seed: what of a difference is noise.
        after: On the tuned model.
    """

    before: str
    again: str
    after: str


@dataclass(frozen=True)
class StageFacts:
    """What a stage adds to the report: see `ReportFacts`, which has the same names."""

    measured: tuple[Measured, ...] = ()
    tuning_data: str = ""
    training: tuple[TrainingPoint, ...] = ()
    training_facts: tuple[tuple[str, str], ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    prompted: tuple[PromptArm, ...] = ()
    attacked: tuple[Attacked, ...] = ()

    def and_then(self, later: "StageFacts") -> "StageFacts":
        """Return both stages' facts, this one's first."""
        names = [each.name for each in fields(self)]
        return replace(self, **{n: getattr(self, n) + getattr(later, n) for n in names})


@dataclass(frozen=True)
class Stage(Generic[Value]):
    """One stage of a project.

    Attributes:
        brings: What the stages after it can ask for.
        applies: Whether a plan has this stage.
        describe: What it will do, in one sentence for `--dry-run`.
        run: Does it, and returns what it brings. A stage that was stopped finds its own finished
            work and goes on from there.
        needs: Results without which it can't run.
        uses: Results that it takes where the plan has a stage that brings them; it runs after it.
        check: Looks, before the first stage runs, at what would otherwise fail hours later.
        facts: What the report says of its result.
    """

    brings: Result[Value]
    applies: Callable[[Plan], bool]
    describe: Callable[[Plan], str]
    run: Callable[[Work], Value]
    needs: tuple[Result[object], ...] = ()
    uses: tuple[Result[object], ...] = ()
    check: Callable[[Work], None] = lambda work: None
    facts: Callable[[Plan, Results], StageFacts] = lambda plan, results: StageFacts()
