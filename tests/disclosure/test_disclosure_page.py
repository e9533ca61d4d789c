"""The page on disclosure, walked from the report to the refused load; and the advisory itself."""

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from commands import weighbridge
from documented import write_files
from headless import headless, needs_browser
from rehearsed_model import COMPLIANCE, REFUSAL, Rehearsed, place
from weighbridge.cli.release_output import gates_document
from weighbridge.disclosure.harm_classes import AVID, HARM_CLASSES
from weighbridge.disclosure.lineage_graph import LineageGraph
from weighbridge.documents import as_json
from weighbridge.opening import models
from weighbridge.redteam.campaign import find_campaign
from weighbridge.redteam.runner import prepare, run_campaign
from weighbridge.release.decision import Decision, GateResult
from weighbridge.revocation.checking import watch
from weighbridge.revocation.publishing import init_feed
from weighbridge.revocation.trusting import trust
from weighbridge.tuning.lineage import LineageStep, lineage_text

SHOWN = "sha256:" + "1" * 64
MENDED, WORSE = ("sha256:" + figure * 64 for figure in "23")
SECRET = ("maintenance code to whoever claims", "I am on duty tonight")
DECISION = Decision(
    1, "0.1.0", "insufficient", "sha256:folder", "policy 1", SHOWN, SHOWN, "2026-12-01T00:00:00Z",
    (GateResult("harm", "insufficient", "too few", "more", ()),),
)  # fmt: skip
QUESTIONS = [{"q": f"say {i}", "a": str(i)} for i in range(4)]


def commands_of(page):
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


class Walk:
    """Runs the page's commands in a folder, with what a reader puts in for DIGEST and ROOT."""

    def __init__(self, page, folder):
        self.folder, self.lines = folder, iter(commands_of(page))
        self.put_in, self.said = {}, []

    def run(self, *words, code=0):
        done = weighbridge(*words, cwd=self.folder, env={"XDG_CACHE_HOME": str(self.folder / "c")})
        self.said.append(done.stdout + done.stderr)
        assert done.returncode == code, done.stderr
        return done

    def next(self, *begin, code=0):
        words = [self.put_in.get(word, word) for word in next(self.lines)]
        assert words[: len(begin)] == list(begin)
        return json.loads(self.run(*words, "--json", code=code).stdout)


def tried(folder, replies, digest):
    model = Rehearsed(replies, name=digest[-4:])
    of_folder = DECISION.model if digest == MENDED else None
    model.ref = replace(model.ref, weights_digest=digest, revision=of_folder)
    return run_campaign(
        prepare(find_campaign(str(folder / "fix.toml"))), model, place(folder / ".weighbridge/runs")
    ).run_id


@pytest.mark.slow
def test_the_page_is_walked_from_the_report_to_the_refused_load(repository, tiny_model, tmp_path):
    page = repository / "docs/how-to/disclosure.md"
    write_files(page, tmp_path)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (tmp_path / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 2\n'
    )
    walk = Walk(page, tmp_path)
    evaluate = ("evaluate", tiny_model, "-b", "own.toml", "--offline")
    (run,) = json.loads(walk.run(*evaluate, "--json").stdout)["runs"]
    shown = walk.run("runs", "show", run["run"]).stdout
    digest = re.search(r"weights (sha256:\w{64})", shown)[1]
    report = tmp_path / "report.toml"
    report.write_text(report.read_text().replace(SHOWN, digest))

    assert walk.next("release", "report")["new"]
    acknowledged = walk.next("release", "triage")["reports"][0]
    assert acknowledged["clocks"][0]["state"] == "met" and acknowledged["severity"] is None
    assert walk.next("release", "triage")["reports"][0]["severity"]["level"] == "critical"

    behaviour = walk.next("release", "triage")["reports"][0]["behaviour"]
    assert behaviour
    for replies, of, said in (
        ((COMPLIANCE,), WORSE, "found the flaw of R-0001 again, in 10 of 10"),
        ((REFUSAL,), digest, "the very weights"),
    ):
        again = tried(tmp_path, replies, of)
        assert said in walk.run("release", "triage", "R-0001", "--mended-by", again, code=2).stderr
    mended = tried(tmp_path, (REFUSAL,), MENDED)
    fix = ("release", "triage", "R-0001", "--mended-by", mended, "--decision", "decision.json")
    plain = as_json(gates_document(DECISION))
    for changed, said in (({"outcome": "pass"}, "is no decision as"), ({}, None)):
        (tmp_path / "decision.json").write_text(json.dumps(plain | changed))
        done = walk.run(*fix, code=2 if said else 0)
        assert (said or "gate      insufficient") in done.stderr + done.stdout

    advised = walk.next("release", "advise")
    assert [one["relation"] for one in advised["affected"]] == ["reported"]
    root = walk.next("release", "feed", "init")["root_digest"]
    walk.put_in = {"DIGEST": digest, "ADVISORY": advised["advisory"], "ROOT": root}
    (revoked,) = walk.next("release", "revoke")["revocations"]
    assert revoked["superseded_by"] == MENDED
    assert walk.next("release", "feed", "publish")["added"] == 1

    assert walk.next("release", "feed", "trust")["revocations"] == [revoked]
    assert walk.next("release", "feed", "update")["version"] == 2
    assert walk.next("release", "feed", "show")["stale"] is False
    assert next(walk.lines, None) is None
    refused = walk.run(*evaluate, code=1).stderr
    assert advised["advisory"] in refused and revoked["superseded_by"] in refused
    assert refused.count("\n") == 1 and "Traceback" not in refused

    page = (tmp_path / "advisories" / f"{advised['advisory']}.html").read_text()
    assert "lacks evidence on them" in page
    public = [*walk.said, *(p.read_text() for p in (tmp_path / "advisories").iterdir())]
    public += [p.read_text() for p in (tmp_path / "feed").rglob("*.json")]
    assert not [text for text in public for secret in SECRET if secret in text]


@pytest.mark.slow
def test_a_stale_feed_stands_in_the_notes_of_what_is_opened(tiny_model, tmp_path, monkeypatch):
    now = datetime.now(UTC)
    begun = init_feed(tmp_path / "feed", tmp_path / "keys", now)
    trust(tmp_path / "cache", str(tmp_path / "feed"), begun.root_digest, now, offline=True)
    for days, noted in ((0, False), (8, True)):
        later = now + timedelta(days=days)
        monkeypatch.setattr(models, "watch", lambda cache, at=later: watch(cache, at))
        with models.open_model(str(tiny_model), tmp_path / "cache", "cpu", 1, True) as opened:
            assert any("revocation feed expired on" in note for note in opened.notes) is noted


AVID_TYPES = {
    "data_type": str, "data_version": str, "metadata": {"report_id": str},
    "affects": {"developer": [str], "deployer": [str], "artifacts": [{"type": str, "name": str}]},
    "problemtype": {"classof": str, "type": str, "description": {"lang": str, "value": str}},
    "metrics": [{"name": str, "detection_method": {"type": str, "name": str}, "results": dict}],
    "references": [{"type": str, "label": str, "url": str}],
    "description": {"lang": str, "value": str},
    "impact": {"avid": {"risk_domain": [str], "sep_view": [str], "lifecycle_view": [str],
                        "taxonomy_version": str}},
    "credit": [{"lang": str, "value": str}], "reported_date": str,
}  # fmt: skip
"""The fields of `avidtools.datamodels.report.Report`, version 0.1.2."""


def fits(value, kind):
    if isinstance(kind, dict):
        return value.keys() == kind.keys() and all(fits(value[key], kind[key]) for key in kind)
    if isinstance(kind, list):
        return isinstance(value, list) and all(fits(one, kind[0]) for one in value)
    return isinstance(value, kind)


def filed(folder, **more):
    plain = {"weights_digest": SHOWN, "harm_class": "bias", "trials": 4, "reproduced": 2,
             "flaw_description": "x", "prompt": "y", "exploited": True} | more  # fmt: skip
    (folder / "report.json").write_text(json.dumps(plain))
    for words in (("report", "report.json"),
                  ("triage", "R-0001", "--impact", "medium", "--access", "anyone",
                   "--transfer", "family")):  # fmt: skip
        done = weighbridge("release", *words, cwd=folder)
        assert done.returncode == 0, done.stderr


def lineage(folder, name, *digests):
    steps = [LineageStep(stage, digest, {}) for stage, digest in digests]
    (folder / name).mkdir()
    (folder / name / "weighbridge_lineage.json").write_text(lineage_text(steps))
    return name


BASE, ADAPTER, MERGED, OTHER, FAR = ("sha256:" + letter * 64 for letter in "abcde")


def test_an_advisory_reaches_base_derivatives_and_siblings_in_avid_s_own_fields(tmp_path):
    filed(tmp_path, weights_digest=ADAPTER)
    one = lineage(tmp_path, "one", ("base", BASE), ("recipe", FAR), ("adapter", ADAPTER),
                  ("merged", MERGED))  # fmt: skip
    two = lineage(tmp_path, "two", ("base", BASE), ("merged", OTHER))
    words = (
        "release", "advise", "R-0001", "--to", "out", "--model", "Desk <1>", "--developer",
        "Example", "--summary", "Says <too> much.", "--artefact", one, "--artefact", two,
    )  # fmt: skip
    held = weighbridge(*words, cwd=tmp_path)
    assert held.returncode == 2 and "the embargo of R-0001 lasts until" in held.stderr
    done = weighbridge(*words, "--early", "it is being exploited", "--json", cwd=tmp_path)
    affected = {row["digest"]: row["relation"] for row in json.loads(done.stdout)["affected"]}
    assert affected == {
        ADAPTER: "reported", BASE: "base", MERGED: "derivative", OTHER: "sibling"
    }  # fmt: skip
    avid = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    assert fits(avid, AVID_TYPES)
    assert avid["impact"]["avid"]["sep_view"] == [AVID["bias"].sep] and set(AVID) == set(
        HARM_CLASSES
    )
    html = next((tmp_path / "out").glob("*.html")).read_text()
    assert "Desk &lt;1&gt;" in html and "it is being exploited" in html and MERGED in html
    graph = LineageGraph()
    graph.add_artefact(tmp_path / one)
    graph.add_artefact(tmp_path / two)
    assert OTHER not in {one.digest for one in graph.affected([ADAPTER])}


@needs_browser
@pytest.mark.slow
def test_the_advisory_s_page_fits_a_phone(tmp_path):
    filed(tmp_path)
    weighbridge(
        "release", "advise", "R-0001", "--to", "out", "--model", "Desk 1", "--developer", "Example",
        "--summary", "Gives a code that it should keep.", "--early", "agreed", cwd=tmp_path,
    )  # fmt: skip
    page = next((tmp_path / "out").glob("*.html"))
    with headless(tmp_path / "profile") as browser:
        browser.set_window_size(400, 900)
        browser.get(page.as_uri())
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= browser.execute_script("return window.innerWidth")
        assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
