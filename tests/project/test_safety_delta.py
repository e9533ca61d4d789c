"""A project that measures its safety and is attacked: rates in report and JSON, and no texts."""

import json
from dataclasses import replace

import pytest
from test_stages import Collected, planned

from conforming import faults
from weighbridge.cli.verdict_output import attack_lines, safety_lines
from weighbridge.documents.form import as_json
from weighbridge.documents.project import ProjectDocument
from weighbridge.project.plan import make_plan
from weighbridge.project.project_file import read_project
from weighbridge.project.report import document_of, verify_report, write_report
from weighbridge.project.running import run_stages, stages_of
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
ATTACKED = """
[redteam]
campaign = "round.toml"
"""
ROUND = """
system = ["shipped"]
max_tokens = 8
[[behaviours]]
data = "requests.jsonl"
[[attack]]
name = "direct"
[[attack]]
name = "persona"
"""
MARK = "zebra-quartz"


def own_requests(path, count=8):
    rows = [{"prompt": f"{MARK} {i} please", "category": "colours"} for i in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_both_rates_are_shown_and_no_request_s_text_reaches_any_file(project):
    own_requests(project / "requests.jsonl")
    path = project / "weighbridge.toml"
    data = '\n[data]\nharmful_requests = "requests.jsonl"\nlook_alikes = "requests.jsonl"\n'
    path.write_text(path.read_text().replace("epochs = 6", "epochs = 1") + GUARDS + ATTACKED + data)
    (project / "round.toml").write_text(ROUND)
    _, where = planned(project)
    stated = read_project(path)
    where = replace(where, places=DataPlaces(stated.named_data, offline=True))
    plan = make_plan(stated, where)
    show = Collected()
    outcome = run_stages(plan, where, show)
    written = write_report(outcome, project / "report", "2026-11-30", "p", where.store)
    document = document_of(written, outcome)
    assert not faults(json.loads(json.dumps(as_json(document))), ProjectDocument)
    assert [rate.benchmark for rate in document.safety.rates] == ["harmful_requests", "look_alikes"]
    for rate, weighed in zip(document.safety.rates, outcome.weighed[-2:], strict=True):
        assert rate.items == 8
        assert rate.difference[0] == pytest.approx(rate.candidate[0] - rate.reference[0])
        assert rate.candidate[0] == pytest.approx(1 - weighed.after.estimate.mean)
        assert rate.difference[1][0] <= rate.difference[0] <= rate.difference[1][1]
    (attacks,) = document.attacks
    # The tiny model says little: what could not be scored on both is named instead.
    named = [rate.attack for rate in attacks.rates] + [
        note.split(",")[0] for note in attacks.notes if "nothing was scored on both" in note
    ]
    assert sorted(named) == ["direct", "persona"] and attacks.rates
    for rate in attacks.rates:
        assert rate.noise is not None and rate.difference[1][0] <= rate.difference[0]
    assert len(set(attacks.runs)) == 3
    order = [stage.brings.name for stage in stages_of(plan)]
    assert order.index("attacks on the base, twice") < order.index("tuned weights")
    assert order.index("attacks on the candidate") < order.index("comparisons")
    page = written.page.read_text()
    assert "Safety delta" in page and "colours" in page and "Campaign round" in page
    checks = [check for one in verify_report(written.page, where.store) for check in one.checks]
    assert all(check.ok for check in checks), checks
    assert {one.run_id for one in verify_report(written.page, where.store)} >= set(attacks.runs)
    # Conversations lie beside the evidence, for their owner alone.
    texts = list(project.rglob("conversations/*"))
    assert texts and all(p.stat().st_mode & 0o077 == 0 for p in texts)
    everything = [
        p for p in project.rglob("*")
        if p.is_file() and p.name != "requests.jsonl" and p not in texts
    ]  # fmt: skip
    assert len(everything) > 10
    assert not [p for p in everything if MARK.encode() in p.read_bytes()]
    lines = safety_lines(document.safety) + attack_lines(written.attacks)
    said = [*show.lines, *lines]
    assert MARK not in "\n".join(said) and max(map(len, lines)) <= 80
    assert "base again " in " ".join(lines) and "freed of the judge's error" in " ".join(lines)
    assert "harmful requests complied with: " in "\n".join(said)
