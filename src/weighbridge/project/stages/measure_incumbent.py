"""Measure the incumbent: the model behind an endpoint that is paid for today."""

from dataclasses import replace

from weighbridge.models.endpoint import Endpoint, EndpointAddress
from weighbridge.project.measuring import measure_all
from weighbridge.project.plan import Plan
from weighbridge.project.stage import CANDIDATE_RUNS, INCUMBENT_RUNS, Stage, Work
from weighbridge.records import EvalRun


def _address(plan: Plan) -> EndpointAddress:
    assert plan.incumbent is not None
    return plan.incumbent


def _open(work: Work) -> Endpoint:
    stated, endpoints = work.plan.project.incumbent, work.where.endpoints
    assert stated is not None
    patience = replace(endpoints.patience, request_seconds=stated.request_seconds)
    asking = replace(endpoints, patience=patience, most_at_a_time=stated.max_at_a_time)
    return work.models.open_beside(_address(work.plan), asking)


def _check(work: Work) -> None:
    """Ask the server what it can do: a wrong key or model costs seconds, not the tuning run."""
    _ = _open(work).capabilities


def _run(work: Work) -> tuple[EvalRun, ...]:
    return measure_all(_open(work), work, "incumbent")


STAGE = Stage(
    brings=INCUMBENT_RUNS,
    applies=lambda plan: plan.incumbent is not None,
    describe=lambda plan: f"measure {_address(plan).model} at {_address(plan).host}, which is paid",
    run=_run,
    uses=(CANDIDATE_RUNS,),  # a candidate that fails costs no money
    check=_check,
)
