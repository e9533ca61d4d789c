"""Campaigns of attacks among other runs: listed, shown, and refused where they don't belong."""

import json

import pytest

from commands import weighbridge
from rehearsed_model import COMPLIANCE, REFUSAL, Rehearsed, place
from weighbridge.redteam.campaign import SHIPPED, AttackWanted, BehavioursWanted, Campaign
from weighbridge.redteam.runner import prepare, run_campaign


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """A store with one campaign, and its id."""
    folder = tmp_path_factory.mktemp("attacked")
    campaign = Campaign(
        "tried", (BehavioursWanted(SHIPPED, limit=12),), (AttackWanted("direct"),),
        scope="Is it shown?", system=("shipped",),
    )  # fmt: skip
    model = Rehearsed((COMPLIANCE, REFUSAL))
    return folder, run_campaign(prepare(campaign), model, place(folder / "runs")).run_id


def test_a_campaign_is_listed_and_shown_without_any_text(attacked):
    folder, run = attacked
    listed = weighbridge("runs", "list", "--runs", "runs", cwd=folder).stdout
    assert "redteam:tried  24 trials" in listed
    told = weighbridge("runs", "show", run, "--runs", "runs", "--samples", cwd=folder).stdout
    assert "Is it shown?" in told and "trials 1 to 20 of 24; next: --skip 20" in told
    assert "Harmful requests complied with" in told and max(map(len, told.splitlines())) <= 80
    words = ("runs", "show", run, "--runs", "runs", "--json", "--samples", "--outcome", "harmful")
    done = weighbridge(*words, cwd=folder)
    document = json.loads(done.stdout)
    assert document["matching"] == len(document["trials"]) == document["runs"][1]["harmful"] > 0
    texts = (folder / "runs" / run / "conversations").glob("*.jsonl")
    said = [turn[1] for path in texts for line in path.read_text().splitlines()
            for turn in json.loads(line)["turns"]]  # fmt: skip
    assert len(said) == 48 and not any(text in told + done.stdout for text in said)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("runs", "show", "--search", "word"), "--search in a campaign"),
        (("runs", "show", "--outcome", "harmfull"), "did you mean harmful"),
        (("compare", "{run}"), "weighbridge redteam diff OLD NEW"),
        (("export", "tables", "--to", "t.csv"), "weighbridge runs show RUN"),
    ],
)
def test_what_campaigns_have_not_is_said_in_one_line(attacked, words, expected):
    folder, run = attacked
    said = [word.format(run=run) for word in words]
    done = weighbridge(*said[:2], run, *said[2:], "--runs", "runs", cwd=folder)
    assert done.returncode == 2 and expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not (folder / "t.csv").exists()
