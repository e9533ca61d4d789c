"""Compare the candidate with the base, or with the incumbent, item by item."""

from weighbridge.comparison.before_after import BenchmarkComparison, compare_runs
from weighbridge.evaluation.task import Task
from weighbridge.project.plan import Plan
from weighbridge.project.stage import (
    BASE_RUNS,
    CANDIDATE_ATTACKS,
    CANDIDATE_RUNS,
    COMPARISONS,
    INCUMBENT_RUNS,
    PROMPT_ARMS,
    Measured,
    Results,
    Stage,
    StageFacts,
    Work,
)
from weighbridge.records import Contamination, EvalRun, Json


def _describe(plan: Plan) -> str:
    other = "the base" if plan.incumbent is None else "the incumbent"
    return f"compare it with {other} item by item, and write the report"


def _run(work: Work) -> tuple[BenchmarkComparison, ...]:
    plan, results = work.plan, work.results
    before = results[BASE_RUNS if plan.incumbent is None else INCUMBENT_RUNS]
    arms = {arm.weigh: arm for arm in results.get(PROMPT_ARMS) or ()}
    return tuple(
        compare_runs(
            wanted,
            work.where.store,
            old.run_id,
            new.run_id,
            plan.labels,
            _overlap(task, work),
            arms.get(wanted),
        )
        for (wanted, task), old, new in zip(
            plan.tasks, before, results[CANDIDATE_RUNS], strict=True
        )
    )


def _overlap(task: Task, work: Work) -> Contamination | None:
    """Tell which of a benchmark's items stand in the tuning data."""
    found = work.plan.overlap_of(task)
    if found is not None and found.found:
        work.show.say(
            f"{task.title}: {len(found.found)} of {found.items} items overlap with the tuning data"
        )
    return found


def _facts(plan: Plan, results: Results) -> StageFacts:
    compared = results[COMPARISONS]
    return StageFacts(
        measured=tuple(
            Measured(w.weigh, w.before.run_id, w.after.run_id, w.contamination) for w in compared
        ),
        provenance=tuple(_provenance(plan, compared).items()),
    )


def _provenance(plan: Plan, compared: tuple[BenchmarkComparison, ...]) -> dict[str, str]:
    runs = [run for w in compared for run in (w.before, w.after)]
    if not runs:
        return {}
    before, after = runs[0], runs[1]
    if plan.incumbent is not None:
        return _replacement_provenance(before, after, runs)
    facts: dict[str, Json] = {
        "Base": f"{before.model.name} ({before.model.source})",
        "Base weights": before.model.weights_digest,
        "Adapter weights": after.model.adapter_digest,
        **_whole_weights(before, after),
        **_computed_by(before),
        "Peak memory": f"{max(r.provenance.peak_memory_bytes or 0 for r in runs) / 1e9:.2f} GB",
        "Time in evaluation": f"{sum(r.provenance.wall_seconds for r in runs):,.0f} s",
    }
    facts |= {f"Samples of {run.run_id}": run.samples_digest for run in runs}
    return {key: str(value) for key, value in facts.items() if value is not None}


def _whole_weights(before: EvalRun, after: EvalRun) -> dict[str, Json]:
    """Return the tuned model's own weights, where it is no adapter on the base's."""
    digest = after.model.weights_digest
    same = after.model.adapter_digest or digest == before.model.weights_digest
    return {} if same else {"Tuned weights": digest}


def _replacement_provenance(
    incumbent: EvalRun, candidate: EvalRun, runs: list[EvalRun]
) -> dict[str, str]:
    price = incumbent.provenance.prices.get("model")
    facts: dict[str, Json] = {
        "Incumbent": f"{incumbent.model.name} ({incumbent.model.source})",
        "Incumbent, as it names itself": incumbent.model.revision,
        "Incumbent's price": price,
        "Charged": _charged(runs),
        "Candidate": f"{candidate.model.name} ({candidate.model.source})",
        "Candidate's weights": candidate.model.weights_digest,
        "Adapter weights": candidate.model.adapter_digest,
        **_computed_by(candidate),
        "Time in evaluation": f"{sum(r.provenance.wall_seconds for r in runs):,.0f} s",
    }
    facts |= {f"Samples of {run.run_id}": run.samples_digest for run in runs}
    return {key: str(value) for key, value in facts.items() if value is not None}


def _charged(runs: list[EvalRun]) -> str:
    """Say what both models charged, and apart from it what their judge did."""
    models = sum(run.provenance.model_cost_usd for run in runs)
    judge = sum(run.provenance.judge_cost_usd or 0.0 for run in runs)
    return f"{models:.6f} USD" + (f", and {judge:.6f} USD by the judge" if judge else "")


def _computed_by(run: EvalRun) -> dict[str, Json]:
    """What computed a run of open weights."""
    model, where = run.model, run.provenance
    return {
        "Tokenizer": model.tokenizer_digest,
        "Chat template": model.chat_template_digest,
        "Stored as": model.quantization,
        "Computed in": model.dtype,
        "Machine": where.platform,
        "Device": f"{where.device}, {where.threads} threads",
        "Python": where.python,
        "Packages": ", ".join(f"{k} {v}" for k, v in where.packages.items()),
    }


STAGE = Stage(
    brings=COMPARISONS,
    applies=lambda plan: plan.files is not None or plan.incumbent is not None,
    describe=_describe,
    run=_run,
    needs=(CANDIDATE_RUNS,),
    uses=(BASE_RUNS, INCUMBENT_RUNS, PROMPT_ARMS, CANDIDATE_ATTACKS),
    facts=_facts,
)
