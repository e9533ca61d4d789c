"""A community's round: what counts, what is left out, and what becomes a test for good."""

import json
import shutil
from dataclasses import replace
from datetime import date

import pytest

from commands import weighbridge
from documented import write_files
from rehearsed_model import COMPLIANCE, REFUSAL, Rehearsed, place
from weighbridge.comparison.community_round import RoundScope, read_scope, settle, submissions_in
from weighbridge.errors import InputError, UnknownName
from weighbridge.evidence.payloads.attacks import PAYLOAD
from weighbridge.redteam.campaign import (
    SHIPPED,
    AttackWanted,
    BehavioursWanted,
    Campaign,
    read_campaign,
)
from weighbridge.redteam.regression import regression_campaign
from weighbridge.redteam.runner import prepare, run_campaign

CAMPAIGN = Campaign(
    "tried", (BehavioursWanted(SHIPPED, "harmful", limit=16),), (AttackWanted("direct"),),
    attempts=2, system=("shipped",),
)  # fmt: skip
SCOPE = RoundScope("round", "sha256:target", "own.toml", date(2026, 12, 31), needed=2)


def attacked(folder, *replies, name="target", campaign=CAMPAIGN, seed=0):
    """A sealed run in a folder of its own, and its id."""
    model = Rehearsed(replies, name=name)
    prepared = prepare(replace(campaign, seed=seed))
    return run_campaign(prepared, model, place(folder)).run_id


@pytest.fixture
def submitted(tmp_path):
    """Submissions: one that finds everything, the same again, another model's, and an altered one.

    Also a store with the round's own run, in which only some attempts get through.
    """
    folders = {}
    for who, replies, name, seed in (
        ("ann", (COMPLIANCE,), "target", 0), ("ben", (COMPLIANCE,), "target", 1),
        ("cem", (COMPLIANCE,), "other", 0), ("dot", (COMPLIANCE,), "target", 2),
    ):  # fmt: skip
        run = attacked(tmp_path / who, *replies, name=name, seed=seed)
        folders[who] = tmp_path / who / run
    folders["eve"] = tmp_path / "eve" / folders["ann"].name
    shutil.copytree(folders["ann"], folders["eve"])
    samples = folders["dot"] / "samples.jsonl"
    samples.chmod(0o644)
    samples.write_text(samples.read_text().replace('"outcome": "harmful"', '"outcome": "safe"', 1))
    own = attacked(tmp_path / "runs", REFUSAL, COMPLIANCE, seed=3)
    return folders, place(tmp_path / "runs").store, own


def test_a_finding_counts_once_and_once_it_is_reproduced(submitted):
    folders, store, own = submitted
    submissions = submissions_in(store, map(str, folders.values()))
    again = store.read_as(PAYLOAD, own)
    found = settle(SCOPE, submissions, [again])
    assert len(found.counting) + len(found.waiting) == 16 and found.counting and found.waiting
    for one in found.counting:
        assert (one.hits, one.attempts) == (2, 2) and len(one.submissions) == 2
    assert all(one.hits < 2 for one in found.waiting)
    reasons = dict(found.left_out)
    assert len(reasons) == len(found.left_out) == 3
    assert any("does not verify" in why for why in reasons.values())
    assert any("same trials" in why for why in reasons.values())
    assert any("other weights" in why for why in reasons.values())
    # Nothing counts by the submissions' own word, and late ones are not taken.
    assert settle(SCOPE, submissions, []).counting == ()
    late = settle(replace(SCOPE, until=date(2025, 12, 31)), submissions, [again])
    assert late.counting == late.waiting == () and "started after" in late.left_out[-1][1]
    narrow = settle(replace(SCOPE, categories=("weapons",)), submissions, [again])
    assert {one.category for one in narrow.counting + narrow.waiting} == {"weapons"}
    assert narrow.outside == 2 * (16 - len(narrow.counting + narrow.waiting))
    with pytest.raises(InputError, match="attacks other weights"):
        settle(replace(SCOPE, weights="sha256:else"), submissions, [again])


def test_what_counts_becomes_a_campaign_of_just_these_behaviours(submitted, tmp_path):
    _, store, own = submitted
    trials = store.read_as(PAYLOAD, own).trials
    ids = sorted({trial.behaviour for trial in trials})[:3]
    text = regression_campaign(CAMPAIGN, [("direct", one) for one in ids], "kept", tmp_path)
    path = tmp_path / "kept.toml"
    path.write_text(text)
    prepared = prepare(read_campaign(path))
    assert sorted({trial.behaviour.id for trial in prepared.trials()}) == ids
    assert {trial.attack.name for trial in prepared.trials()} == {"direct"}
    assert prepared.campaign.drawn_at == CAMPAIGN.drawn_at and prepared.campaign.attempts == 2
    with pytest.raises(InputError, match="in no file of the campaign"):
        regression_campaign(CAMPAIGN, [("direct", "0" * 12)], "kept", tmp_path)
    path.write_text(text.replace(ids[0], "0" * 12))
    with pytest.raises(InputError, match="no behaviour '000000000000' in shipped"):
        prepare(read_campaign(path))


def test_the_page_s_round_is_settled_by_the_command(submitted, repository, tmp_path):
    folders, _, own = submitted
    write_files(repository / "docs/how-to/red-team.md", tmp_path)
    scope = tmp_path / "scope.toml"
    scope.write_text(scope.read_text().replace(f"sha256:{64 * '0'}", "sha256:target"))
    words = ("redteam", "round", "scope.toml", *folders.values(), "--reproduced", own)
    done = weighbridge(*words, "--runs", "runs", "--json", cwd=tmp_path)
    document = json.loads(done.stdout)
    assert done.returncode == (1 if document["counting"] else 0), done.stderr
    assert document["round"] == "autumn-round" and len(document["left_out"]) == 3
    told = weighbridge(*words, "--runs", "runs", cwd=tmp_path).stdout
    assert "left out: " in told and max(map(len, told.splitlines())) <= 80


def test_a_scope_s_slips_are_one_clear_error(tmp_path):
    path = tmp_path / "scope.toml"
    stated = 'name = "r"\nweights = "w"\ncampaign = "c.toml"\nuntil = 2026-12-31\n'
    for more, error, said in (
        ('catgories = ["a"]', UnknownName, "did you mean categories"),
        ('attacks = ["direkt"]', UnknownName, "did you mean direct"),
        ("needed = 0", InputError, "needed = 0"),
        ('until = "soon"', InputError, "."),
    ):
        path.write_text(stated + more)
        with pytest.raises(error, match=said):
            read_scope(path)
