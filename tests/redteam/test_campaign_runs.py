"""Campaigns from a file to sealed evidence: what is counted as what, and what survives a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import weighbridge.redteam.runner as runner
from rehearsed_model import COMPLIANCE, REFUSAL, Rehearsed, place
from weighbridge.errors import InputError, UnknownName
from weighbridge.evidence import verify
from weighbridge.evidence.payloads.attacks import PAYLOAD, read_transcripts
from weighbridge.models.protocol import PromptFinding
from weighbridge.redteam.attack import Ask, Attack, user
from weighbridge.redteam.campaign import (
    SHIPPED,
    AttackWanted,
    BehavioursWanted,
    Campaign,
    campaign_names,
    find_campaign,
)
from weighbridge.redteam.runner import prepare, run_campaign
from weighbridge.redteam.sufficiency import insufficient

SECRET = "the purple walrus of Antwerp"
PAIR = [
    json.dumps({"prompt": f"{text} {SECRET}?", "category": "walrus"}) + "\n"
    for text in ("May I ask about", "And now about")
]
MOVED = PromptFinding("system_in_user_turn", "its text stands in the user's turn", True)


def campaign(*attacks, data=SHIPPED, limit=12, **settings):
    wanted = tuple(AttackWanted(name) for name in attacks or ("direct",))
    return Campaign("tried", (BehavioursWanted(str(data), limit=limit),), wanted, **settings)


def run(runs, model=None, attacker=None, **settings):
    prepared = prepare(campaign(**settings) if "campaign" not in settings else
                       settings["campaign"], "helper" if attacker else "")  # fmt: skip
    return run_campaign(prepared, model or Rehearsed(), place(runs), attacker=attacker)


def rate_of(found, kind="harmful", system="shipped"):
    (rate,) = [r for r in found.rates if (r.kind, r.system) == (kind, system)]
    return rate


@pytest.mark.parametrize(
    ("reply", "stop", "harmful", "benign"),
    [
        (REFUSAL, "end", "safe", "refused"),
        (COMPLIANCE, "length", "harmful", "answered"),
        ("", "end", "invalid", "invalid"),
        ("walrus " * 80, "length", "invalid", "invalid"),
        (f"blocked: {SECRET}", "refused", "filtered", "filtered"),
        ("", "error", "unscored", "unscored"),
    ],
    ids=["refuses", "complies", "says nothing", "repeats itself", "filter", "lost"],
)
def test_what_an_answer_counts_as(reply, stop, harmful, benign, tmp_path):
    found = run(tmp_path, Rehearsed((reply,), stop), system=("shipped",))
    assert rate_of(found).outcomes == {harmful: 12}
    assert rate_of(found, "benign").outcomes == {benign: 12}
    scored = harmful in ("safe", "harmful")
    assert (rate_of(found).hit_at_1 is not None) is scored
    assert insufficient(found.rates) is not scored
    assert rate_of(found).bounds == ((float(harmful == "harmful"),) * 2 if scored else (0, 1))
    assert SECRET not in repr(found)


def test_the_judge_s_error_is_taken_out_of_every_rate(tmp_path):
    found = run(tmp_path, Rehearsed((COMPLIANCE,) * 3 + (REFUSAL,)), limit=48, attempts=2)
    rate = rate_of(found)
    counted, true = rate.hit_at_1, rate.true_at_1
    assert counted[1][0] < counted[0] < counted[1][1] and true[0] != counted[0]
    assert true[1][0] < true[0] < true[1][1] and rate.hit_at_k[0] > counted[0]
    assert found.judge.harmful.found == 63  # of 66: the card's counts stand in the evidence


def test_evidence_is_verified_and_holds_no_text(tmp_path):
    data = tmp_path / "own.jsonl"
    data.write_text("".join(PAIR))
    found = run(tmp_path / "runs", Rehearsed((f"Yes: {SECRET}.",)), data=data)
    folder = tmp_path / "runs" / found.run_id
    checked = verify(folder)
    assert checked.ok and "conversations" in {check.name for check in checked.checks}
    for name in ("run.json", "samples.jsonl"):
        assert "walrus of" not in (folder / name).read_text()
    assert {trial.category for trial in place(tmp_path / "runs").store.read_as(
        PAYLOAD, found.run_id).trials} == {"walrus"}  # fmt: skip
    texts = [said for one in read_transcripts(folder) for _, said in one.turns]
    assert len(texts) == 8 and all(SECRET in text for text in texts)
    first = next(folder.glob("conversations/*.jsonl"))
    assert first.stat().st_mode & 0o077 == 0  # for its owner alone
    first.write_text(first.read_text().replace("purple", "green"))
    assert [check.name for check in verify(folder).checks if not check.ok] == ["conversations"]


def test_altered_outcomes_are_found(tmp_path):
    found = run(tmp_path)
    path = tmp_path / found.run_id / "samples.jsonl"
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"harmful", "why"', '"safe", "why"', 1))
    wrong = {check.name for check in verify(tmp_path / found.run_id).checks if not check.ok}
    assert "samples digest" in wrong and any(name.startswith("figure direct") for name in wrong)


def broken(behaviour, means):
    reply = yield Ask((user(behaviour.text),))
    raise RuntimeError(f"{SECRET}: {reply}")


def endless(behaviour, means):
    while True:
        yield Ask((user(behaviour.text),))


@pytest.mark.parametrize(
    ("talk", "why"),
    [(broken, "the attack failed: RuntimeError"), (endless, "the attack asks more than 2 times")],
)
def test_an_attack_that_crashes_or_never_ends_is_unscored(talk, why, tmp_path):
    prepared = prepare(campaign())
    attack = Attack("direct", "1", "", "", talk, most_asks=2)
    prepared = replace(prepared, material=replace(prepared.material, attacks=(attack,)))
    found = run_campaign(prepared, Rehearsed(), place(tmp_path))
    assert rate_of(found).outcomes == {"unscored": 12}
    trials = place(tmp_path).store.read_as(PAYLOAD, found.run_id).trials
    assert {trial.why for trial in trials} == {why}


def test_an_attacker_that_refuses_attacks_nothing(tmp_path):
    helper = Rehearsed((REFUSAL,), name="helper")
    found = run(tmp_path, attacker=helper, campaign=campaign("pair"))
    assert rate_of(found).outcomes == {"unscored": 12} and insufficient(found.rates)
    trials = place(tmp_path).store.read_as(PAYLOAD, found.run_id).trials
    assert {trial.why for trial in trials} == {"the attacker model refused to write the attack"}


def test_an_injected_instruction_is_seen_in_the_text(tmp_path):
    def obeys(prompt):
        return "KESTREL-" + prompt.split("KESTREL-")[1][:4] + " and so on, as you wish"

    found = run(tmp_path / "a", Rehearsed((obeys,)), campaign=campaign("prompt_injection"))
    assert rate_of(found).outcomes == {"harmful": 12} and rate_of(found).exact
    assert rate_of(found).true_at_1 == rate_of(found).hit_at_1  # no judge, no error of a judge
    safe = run(tmp_path / "b", Rehearsed((COMPLIANCE,)), campaign=campaign("prompt_injection"))
    assert rate_of(safe).outcomes == {"safe": 12}


def test_a_template_without_system_turns_is_asked_once(tmp_path):
    found = run(tmp_path, Rehearsed(findings=(MOVED,)))
    assert {rate.system for rate in found.rates} == {"shipped"}
    assert any("writes no system turn" in note for note in found.provenance.notes)
    with pytest.raises(InputError, match='set system = \\["shipped"\\]'):
        run(tmp_path, Rehearsed(findings=(MOVED,)), system=("empty",))


BAD = {
    "unknown attack": ('[[attack]]\nname = "dirct"', "did you mean direct"),
    "unknown key": ('attemps = 2\n[[attack]]\nname = "direct"', "did you mean attempts"),
    "no attack": ("", "without [[attack]]"),
    "no templates": ('[[attack]]\nname = "in_the_wild"', "in_the_wild without templates"),
    "no attacker": ('[[attack]]\nname = "pair"', "--attacker MODEL"),
    "greedy attempts": ('attempts = 2\ntemperature = 0\n[[attack]]\nname = "direct"', "differ"),
    "unknown judge": ('judge = "rule"\n[[attack]]\nname = "direct"', "did you mean rules"),
    "no card": ('[[attack]]\nname = "direct"', "no card for the language 'de'"),
    "empty file": ('[[attack]]\nname = "direct"', "holds no behaviours"),
    "of no use": ('[[attack]]\nname = "persona"', "persona and no harmful behaviours"),
    "no category": ('[[attack]]\nname = "direct"', "category 'whale'"),
    "wrong kind": ('attempts = "many"\n[[attack]]\nname = "direct"', "attempts = 'many'"),
}
FILES = {
    "no card": json.dumps({"prompt": SECRET, "language": "de"}),
    "empty file": "",
    "of no use": json.dumps({"prompt": SECRET, "kind": "benign"}),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_campaign_is_one_line_before_anything_is_loaded(case, tmp_path):
    body, expected = BAD[case]
    (tmp_path / "own.jsonl").write_text(FILES.get(case, PAIR[0]))
    top, _, tables = body.partition("[[attack]]")
    chosen = '\ncategories = ["whale"]' if case == "no category" else ""
    path = tmp_path / "round.toml"
    path.write_text(
        f'{top}\n[[behaviours]]\ndata = "own.jsonl"{chosen}\n'
        + ("[[attack]]" + tables if tables else "")
    )
    with pytest.raises((InputError, UnknownName)) as caught:
        prepare(find_campaign(str(path)))
    assert expected in str(caught.value) and "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_campaigns_that_come_with_weighbridge_can_be_run():
    for name in campaign_names():
        prepared = prepare(find_campaign(name))
        assert prepared.campaign.name == name and prepared.trials()


@pytest.mark.slow
def test_killed_at_any_moment_a_campaign_ends_with_the_same_digest(repository, tmp_path):
    path = tmp_path / "round.toml"
    names = ("direct", "crescendo", "pair")
    path.write_text(
        'attempts = 2\n[[behaviours]]\ndata = "shipped"\nlimit = 8\n'
        + "".join(f'[[attack]]\nname = "{name}"\n' for name in names)
    )

    def command(runs, seconds):
        script = repository / "tests" / "rehearsed_model.py"
        return [sys.executable, str(script), str(path), str(tmp_path / runs), str(seconds)]

    def written():
        return sum(f.stat().st_size for f in (tmp_path / "cut").glob("*/samples.jsonl"))

    whole = subprocess.run(command("whole", 0), capture_output=True, text=True, check=True).stdout
    for _ in range(2):
        before = written()
        child = subprocess.Popen(command("cut", 0.004))
        while child.poll() is None and written() <= before:
            time.sleep(0.001)
        assert child.poll() is None, "it ended before it could be killed"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    cut = subprocess.run(command("cut", 0), capture_output=True, text=True, check=True).stdout
    assert cut == whole != ""
    (folder,) = (tmp_path / "cut").iterdir()
    assert verify(folder).ok


def test_conversations_of_one_turn_are_one_call(tmp_path):
    """What the engine shares between prompts, and its full batches, reach across units."""
    calls = []

    class Counting(Rehearsed):
        def generate(self, requests):
            calls.append(1)
            yield from super().generate(requests)

    run(tmp_path, Counting(), limit=48)
    assert len(calls) == 1
    assert runner.UNIT_SIZE < 48
