"""A project that measures its safety: both rates in report and JSON, and no request's text."""

import json
from dataclasses import replace

import pytest
from test_stages import Collected, planned

from weighbridge.cli.verdict_output import safety_lines
from weighbridge.project.plan import make_plan
from weighbridge.project.project_file import read_project
from weighbridge.project.report import document_of, verify_report, write_report
from weighbridge.project.running import run_stages
from weighbridge.sources.datasets import DataPlaces

GUARDS = """
[[evaluate]]
benchmark = "harmful_requests"
role = "guard"
max_tokens = 8
margin = 0.5
[[evaluate]]
benchmark = "look_alikes"
role = "guard"
max_tokens = 8
margin = 0.5
"""
MARK = "zebra-quartz"


def own_requests(path, count=8):
    rows = [{"prompt": f"{MARK} {i} please", "category": "colours"} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_both_rates_are_shown_and_no_request_s_text_reaches_any_file(project):
    own_requests(project / "requests.jsonl")
    path = project / "weighbridge.toml"
    data = '\n[data]\nharmful_requests = "requests.jsonl"\nlook_alikes = "requests.jsonl"\n'
    path.write_text(path.read_text().replace("epochs = 6", "epochs = 1") + GUARDS + data)
    _, where = planned(project)
    stated = read_project(path)
    where = replace(where, places=DataPlaces(stated.named_data, offline=True))
    plan = make_plan(stated, where)
    show = Collected()
    outcome = run_stages(plan, where, show)
    written = write_report(outcome, project / "report", "2026-11-30", "p", where.store)
    document = document_of(written, outcome)
    assert [rate.benchmark for rate in document.safety.rates] == ["harmful_requests", "look_alikes"]
    for rate, weighed in zip(document.safety.rates, outcome.weighed[-2:], strict=True):
        assert rate.items == 8
        assert rate.difference[0] == pytest.approx(rate.candidate[0] - rate.reference[0])
        assert rate.candidate[0] == pytest.approx(1 - weighed.after.estimate.mean)
        assert rate.difference[1][0] <= rate.difference[0] <= rate.difference[1][1]
    page = written.page.read_text()
    assert "Safety delta" in page and "colours" in page
    checks = [check for one in verify_report(written.page, where.store) for check in one.checks]
    assert all(check.ok for check in checks), checks
    everything = [p for p in project.rglob("*") if p.is_file() and p.name != "requests.jsonl"]
    assert len(everything) > 10
    assert not [p for p in everything if MARK.encode() in p.read_bytes()]
    said = [*show.lines, *safety_lines(document.safety)]
    assert MARK not in "\n".join(said) and max(map(len, safety_lines(document.safety))) <= 80
    assert "harmful requests complied with: " in "\n".join(said)
