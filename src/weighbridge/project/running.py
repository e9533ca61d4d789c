"""What `run` and `demo` do: they walk a list of stages, each after those whose results it needs.

Stopped anywhere, the same call goes on from there: each stage finds its own finished work.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.folder_registry import defined_in, names_in
from weighbridge.project.plan import Plan, RunEnvironment
from weighbridge.project.stage import (
    BASE_RUNS,
    COMPARISONS,
    TUNED,
    Models,
    Results,
    Show,
    Stage,
    StageFacts,
    Work,
)
from weighbridge.records import EvalRun

if TYPE_CHECKING:
    from weighbridge.comparison.before_after import BenchmarkComparison
    from weighbridge.tuning import TuneResult

_FOLDER = Path(__file__).parent / "stages"


@dataclass(frozen=True)
class ProjectOutcome:
    """What the stages of a project brought."""

    plan: Plan
    results: Results

    @property
    def weighed(self) -> "tuple[BenchmarkComparison, ...]":
        """Each benchmark's comparison; empty where one model was measured alone."""
        return self.results.get(COMPARISONS) or ()

    @property
    def tuned(self) -> "TuneResult | None":
        """The tuning run, where the project has one."""
        return self.results.get(TUNED)

    @property
    def single(self) -> tuple[EvalRun, ...]:
        """The runs of a project that neither tunes nor compares."""
        return () if self.weighed else self.results.get(BASE_RUNS) or ()

    def facts(self) -> StageFacts:
        """Gather what the stages say in the report."""
        facts = StageFacts()
        for stage in stages_of(self.plan):
            facts = facts.and_then(stage.facts(self.plan, self.results))
        return facts


def stages_of(plan: Plan) -> tuple[Stage[Any], ...]:
    """Return the stages of a plan in the order in which they run."""
    every = [
        defined_in(f"weighbridge.project.stages.{name}", "STAGE", Stage)
        for name in names_in(_FOLDER)
    ]
    return in_order([stage for stage in every if stage.applies(plan)])


def in_order(stages: Sequence[Stage[Any]]) -> tuple[Stage[Any], ...]:
    """Order stages so that each comes after those whose results it needs or uses."""
    brought = {stage.brings for stage in stages}
    for stage in stages:
        missing = [result.name for result in stage.needs if result not in brought]
        assert not missing, f"no stage brings {missing[0]}, which {stage.brings.name} needs"
    waiting, ordered = list(stages), []
    while waiting:
        still_to_come = {stage.brings for stage in waiting}
        ready = [s for s in waiting if not still_to_come.intersection((*s.needs, *s.uses))]
        assert ready, f"stages wait for each other: {[s.brings.name for s in waiting]}"
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return tuple(ordered)


def run_stages(plan: Plan, where: RunEnvironment, show: Show) -> ProjectOutcome:
    """Do the work of a plan."""
    for left in plan.left:
        show.say(f"skipped {left.weigh.benchmark}: {left.why}")
        if left.get_it:
            show.say(f"        {left.get_it}")
    stages = stages_of(plan)
    with closing(Models(where)) as models:
        work = Work(plan, where, show, models)
        for stage in stages:
            stage.check(work)
        for stage in stages:
            work.results.add(stage.brings, stage.run(work))
    return ProjectOutcome(plan, work.results)
