"""Two campaigns: what is new, mended and accepted; the page's commands and files are run."""

import json
from datetime import date

import pytest

from commands import weighbridge
from documented import write_files
from rehearsed_model import COMPLIANCE, REFUSAL, Rehearsed, place
from weighbridge.comparison.attack_runs import Acceptance, compare_campaigns, read_accepted
from weighbridge.errors import InputError, UnknownName
from weighbridge.evidence.payloads.attacks import PAYLOAD
from weighbridge.redteam.campaign import SHIPPED, AttackWanted, BehavioursWanted, Campaign
from weighbridge.redteam.runner import prepare, run_campaign

TODAY = date(2026, 12, 1)


def run(runs, replies, name, **settings):
    wanted = BehavioursWanted(SHIPPED, "harmful", limit=10)
    campaign = Campaign(
        "tried", (wanted,), (AttackWanted("direct"),), system=("shipped",), **settings
    )
    found = run_campaign(prepare(campaign), Rehearsed(replies, name=name), place(runs))
    return place(runs).store.read_as(PAYLOAD, found.run_id)


@pytest.fixture
def three(tmp_path):
    """A model that refuses, one that complies, and one that does either."""
    return [
        run(tmp_path / "runs", replies, name)
        for replies, name in (
            ((REFUSAL,), "old"), ((COMPLIANCE,), "new"), ((REFUSAL, COMPLIANCE), "mixed")
        )
    ]  # fmt: skip


def test_what_is_new_and_what_is_mended(three):
    old, new, mixed = three
    worse = compare_campaigns(old, new, again=old, today=TODAY)
    assert (len(worse.new), len(worse.mended), len(worse.remaining)) == (10, 0, 0)
    (rate,), (noise,) = worse.rates, worse.noise
    assert rate.difference[0] == 1 and rate.corrected[1][0] > 0
    assert noise.difference[0] == 0 and noise.corrected[1][0] < 0 < noise.corrected[1][1]
    better = compare_campaigns(new, mixed, today=TODAY)
    assert better.new == () and len(better.mended) + len(better.remaining) == 10
    assert 0 < len(better.mended) < 10


def test_an_acceptance_holds_for_its_finding_until_its_day(three):
    old, new, _ = three
    first = compare_campaigns(old, new, today=TODAY).new[0]
    answered = Acceptance("direct", first.behaviour, "A. Person", TODAY)
    held = compare_campaigns(old, new, accepted=[answered], today=TODAY)
    assert held.accepted == (first,) and len(held.new) == 9 and held.expired == ()
    past = compare_campaigns(old, new, accepted=[answered], today=date(2026, 12, 2))
    assert first in past.new and past.expired == (answered,)


def test_campaigns_that_asked_otherwise_are_not_compared(three, tmp_path):
    other = run(tmp_path / "runs", (REFUSAL,), "old", max_tokens=7)
    with pytest.raises(InputError, match=r"max_tokens 128.*and.*7"):
        compare_campaigns(three[0], other, today=TODAY)


@pytest.mark.parametrize(
    ("row", "error", "expected"),
    [
        ('attack = "a"\nbehaviour = "b"\nuntil = 2027-01-01', InputError, "without owner"),
        ('attack = "a"\nbehaviour = "b"\nowner = "c"\nuntil = "soon"', InputError, "without a day"),
        ('attack = "a"\nbehavior = "b"', UnknownName, "did you mean behaviour"),
    ],
)
def test_an_acceptance_without_owner_or_day_is_refused(row, error, expected, tmp_path):
    path = tmp_path / "accepted.toml"
    path.write_text(f"[[accepted]]\n{row}\n")
    with pytest.raises(error, match=expected):
        read_accepted(path)


@pytest.mark.slow
def test_the_page_s_round_runs_on_real_weights(tiny_model, repository, tmp_path):
    """Also: what the command prints is its document, and holds no text of the requests."""
    path, *_ = write_files(repository / "docs/how-to/red-team.md", tmp_path)
    fewer = (
        path.read_text().replace("limit = 4", "limit = 2").replace("attempts = 3", "attempts = 2")
    )
    path.write_text(fewer.replace("max_tokens = 128", "max_tokens = 16"))
    found = []
    for seed in (0, 1):
        done = weighbridge(
            "redteam", "run", tiny_model, "-c", "round.toml", "--seed", seed, "--json", cwd=tmp_path
        )
        assert done.returncode in (0, 3), done.stderr  # a random model may write no words
        found.append(json.loads(done.stdout))
        assert "colleague" not in done.stdout + done.stderr
    rows = [(row["attack"], row["kind"], row["system"]) for row in found[0]["runs"]]
    assert len(rows) == len(set(rows)) == 8 and {row["attempts"] for row in found[0]["runs"]} == {2}
    ids = [one["run"] for one in found]
    assert weighbridge("verify", *ids, cwd=tmp_path).returncode == 0
    done = weighbridge(
        "redteam", "diff", *ids, "--again", ids[1], "--accepted", "accepted.toml",
        "--as-of", "2026-12-01", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert len(json.loads(done.stdout)["rates"]) == len(json.loads(done.stdout)["noise"])
    listed = weighbridge("runs", "list", cwd=tmp_path).stdout
    assert "redteam:first-round" in listed
    dry = weighbridge(
        "redteam", "run", tiny_model, "-c", "round.toml", "--dry-run", "--json", cwd=tmp_path
    )
    assert json.loads(dry.stdout)["trials"] == (2 * 3 + 2) * 2 * 2
    refused = weighbridge("redteam", tiny_model, "-c", "round.toml", "--reveal", cwd=tmp_path)
    assert refused.returncode == 2 and "a person who can be asked" in refused.stderr
    near = weighbridge("redteam", tiny_model, "-c", "quik", cwd=tmp_path)
    assert near.returncode == 2 and "did you mean quick" in near.stderr
