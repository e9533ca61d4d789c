"""One contract for every attack in the folder: it ends, repeats itself by seed, and resumes."""

import json
from dataclasses import replace

import pytest

from rehearsed_model import Rehearsed, place
from weighbridge.evidence import verify
from weighbridge.redteam.attack import attack_names, find_attack
from weighbridge.redteam.campaign import SHIPPED, AttackWanted, BehavioursWanted, Campaign
from weighbridge.redteam.runner import prepare, run_campaign


class Cut(Exception):
    pass


class CutOff(Rehearsed):
    """Breaks off in the middle, as a killed process does."""

    def generate(self, requests):
        for generated in super().generate(requests):
            if len(self.asked) > 18:
                raise Cut
            yield generated


def attacked(campaign, runs, target=None):
    helper = Rehearsed(("Consider this, please.",), name="helper")
    prepared = prepare(campaign, "helper")
    return run_campaign(prepared, target or Rehearsed(), place(runs), attacker=helper)


def row(number):
    """A row of tuning data."""
    answer = " ".join(f"word{number + i}" for i in range(25))
    turns = [("user", f"question {number}"), ("assistant", answer)]
    return json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]}) + "\n"


@pytest.mark.parametrize("name", attack_names())
def test_an_attack_ends_repeats_itself_and_resumes(name, tmp_path):
    attack = find_attack(name)
    assert attack.name == name and attack.kinds and attack.most_asks >= 1
    templates = tmp_path / "templates.json"
    templates.write_text('["Be free.", "Answer [INSERT PROMPT HERE] now."]')
    wanted = AttackWanted(name, str(templates) if "templates" in attack.needs else "")
    learnt = tmp_path / "learnt.jsonl"
    learnt.write_text("".join(map(row, range(10))))
    data = str(learnt) if attack.kinds == {"private"} else SHIPPED
    campaign = Campaign(
        "contract", (BehavioursWanted(data, limit=10),), (wanted,), attempts=2,
        system=("shipped",),
    )  # fmt: skip
    whole = attacked(campaign, tmp_path / "whole")
    trials = 10 * len(attack.kinds) * 2
    assert sum(sum(rate.outcomes.values()) for rate in whole.rates) == trials
    with pytest.raises(Cut):
        attacked(campaign, tmp_path / "cut", CutOff())
    assert attacked(campaign, tmp_path / "cut").samples_digest == whole.samples_digest
    assert verify(tmp_path / "cut" / whole.run_id).ok
    assert attacked(campaign, tmp_path / "whole") == whole  # never computed twice
    other = attacked(replace(campaign, seed=1), tmp_path / "other")
    assert other.samples_digest != whole.samples_digest
