"""Use policies as clauses that are probed: which clause is broken, and which nothing probes."""

import json
from pathlib import Path

import pytest

from commands import weighbridge
from documented import write_files
from rehearsed_model import COMPLIANCE, REFUSAL, Rehearsed, place
from weighbridge.catalog.policy_conflicts import Terms, conflicts, open_duties, unknown_licences
from weighbridge.catalog.use_policies import (
    clause_digest,
    clauses_in,
    hazards,
    policy_names,
    read_policy,
)
from weighbridge.cli.redteam_options import PassedOn
from weighbridge.cli.redteam_policy_output import policy_document, policy_text, terms_document
from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evidence.payloads.attacks import PAYLOAD
from weighbridge.redteam.behaviour import read_behaviours
from weighbridge.redteam.policy_probes import clause_rate, find_policy, plan_probes
from weighbridge.redteam.runner import prepare, run_campaign
from weighbridge.redteam.trial import read_material

SECRET = "the purple walrus of Antwerp"


def probed(policy, model, runs, **chosen):
    campaign, probes = plan_probes(policy, policy.clauses, "tried", **chosen)
    run = run_campaign(prepare(campaign), model, place(runs))
    trials = place(runs).store.read_as(PAYLOAD, run.run_id).trials
    return {probe.clause.id: (probe, clause_rate(probe, trials, run.judge)) for probe in probes}


def test_every_clause_has_a_hazard_and_a_digest_or_says_why_not():
    for name, hazard in hazards().items():
        assert bool(hazard.behaviours) is not bool(hazard.why_unprobed), name
    for name in policy_names():
        policy = read_policy(name)
        assert policy.source and policy.applies_to
        plan_probes(policy, policy.clauses, name)  # its attacks can probe
        for clause in policy.clauses:
            assert bool(clause.text_digest) is not bool(clause.no_digest), (name, clause.id)
            assert not clause.text or name == "neutral", "no text of others' policies is kept"
    texts = [(one.text, one.text_digest) for one in read_policy("neutral").clauses]
    assert [clause_digest(text) for text, _ in texts] == [digest for _, digest in texts]


def test_the_clause_that_a_model_breaks_is_the_one_that_shows(tmp_path):
    policy = read_policy("llama")
    campaign, _ = plan_probes(policy, policy.clauses, "tried")
    weapons = [b.text for b in read_material(campaign).behaviours if b.category == "weapons"]

    def answer(prompt):
        return COMPLIANCE if any(text in prompt for text in weapons) else REFUSAL

    found = probed(policy, Rehearsed((answer,)), tmp_path, attacks=("direct",), limit=2)
    (_, broken), (_, kept) = found["2.2"], found["2.3"]
    assert broken.outcomes == {"harmful": 4} and broken.counted[0] == 1
    assert kept.outcomes == {"safe": 4} and kept.counted[0] == 0
    # Freed of the judge's error, which is in the intervals: two behaviours say little.
    assert broken.rate[0] > kept.rate[0] and kept.rate[1][1] > kept.counted[1][1]
    assert broken.by_attack == {"direct": (4, 4)}
    probe, nothing = found["1.8"]
    assert "what people do" in probe.why_not and nothing.counted is None and probe.attacks == ()
    assert found["1.1.2"][0].why_not == "no behaviour that was given has a category of theirs"


def test_a_clause_is_found_in_a_copy_of_the_policy_word_for_word():
    policy = read_policy("neutral")
    copy = "\n".join(f"   {n}. {clause.text}" for n, clause in enumerate(policy.clauses, 1))
    assert clauses_in(copy, policy.clauses) == {clause.id for clause in policy.clauses}
    changed = copy.replace("illegal drugs", "any drugs")
    assert {one.id for one in policy.clauses} - clauses_in(changed, policy.clauses) == {"7"}


@pytest.mark.parametrize(
    ("policy", "terms", "kinds"),
    [
        # A licence that grants use without restriction, against a use policy.
        ("neutral", Terms("openmdw-1.1"), ["licence without limits"]),
        ("neutral", Terms("Apache-2.0"), ["licence without limits"]),
        ("gemma", Terms("gemma", "gemma", files=("NOTICE", "USE_POLICY.md")), []),
        (
            "gemma",
            Terms("gemma", "gemma", files=("README.md",)),
            ["notice", "policy not passed on"],
        ),
        # A child that drops what its parent's licence passes on.
        ("llama", Terms("llama3.3", "llama3.3", "org/Llama-3-desk"), []),
        ("llama", Terms("llama3.3", "llama3.3", "org/desk"), ["name"]),
        ("llama", Terms("mit", "llama3.3"), ["licence without limits", "dropped licence"]),
        ("neutral", Terms("llama2", "llama2"), ["dropped policy"]),
        (
            "llama",
            Terms("llama4", "llama4", files=("notice.txt", "use_policy.md"), readme="Built by us"),
            ["built with"],
        ),
    ],
)
def test_terms_that_contradict_each_other(policy, terms, kinds):
    found = conflicts(read_policy(policy), terms)
    assert [one.kind for one in found] == kinds
    assert all(one.why and one.do for one in found)


def test_clauses_that_a_child_drops_are_named_by_number():
    (dropped,) = conflicts(read_policy("neutral"), Terms("gemma", "gemma"))
    assert dropped.kind == "dropped clauses" and "sexual content (4)" in dropped.why
    assert "pass on the policy of gemma" in dropped.do
    # What two clauses forbid here, one does there.
    assert "fraud and malware" not in dropped.why and "hatred" not in dropped.why
    assert any("--folder" in duty for duty in open_duties(Terms("gemma", "gemma")))
    assert unknown_licences(Terms("mit", "acme-1")) == ("acme-1",)


def row(**fields):
    return json.dumps({"prompt": f"May I ask about {SECRET}?", **fields}) + "\n"


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", InputError, "holds no behaviours"),
        (row(), InputError, "no behaviour in a category of these clauses"),
        (row(category="walrus"), InputError, "no behaviour in a category of these clauses"),
        (row(category="weapons", kind="benign"), InputError, "no harmful behaviours"),
        ('{"prompt": ""}\n', MalformedRow, "its text is not shown"),
    ],
)
def test_behaviours_that_probe_nothing_are_refused_without_their_text(text, error, said, tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(text)
    policy = read_policy("llama")
    with pytest.raises(error, match=said) as caught:
        prepare(plan_probes(policy, policy.clauses, "llama", files=[path])[0])
    assert SECRET not in str(caught.value)


def test_names_that_are_wrong_get_near_misses(tmp_path):
    with pytest.raises(UnknownName, match="did you mean gemma"):
        read_policy("gema")
    llama = read_policy("llama")
    with pytest.raises(UnknownName, match=r"did you mean .*1\.1\.1"):
        llama.chosen(["1.1.1.1"])
    with pytest.raises(UnknownName, match="did you mean persona"):
        plan_probes(llama, llama.clauses, "llama", attacks=["persna"])
    with pytest.raises(InputError, match="no file and no other model"):
        plan_probes(llama, llama.clauses, "llama", attacks=["pair"])
    own = json.loads(
        '{"title": "Ours", "version": "1", "applies_to": "all", "source": "us",'
        ' "attacks": ["direct"], "clauses": [{"id": "1", "hazard": "wepons"}]}'
    )
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(own))
    with pytest.raises(UnknownName, match="did you mean weapons"):
        find_policy(str(path))
    own["clauses"] = [
        {"id": "1", "hazard": "weapons", "text": "No.", "text_digest": "sha256:" + "0" * 64}
    ]
    path.write_text(json.dumps(own))
    with pytest.raises(InputError, match="a text of another digest"):
        find_policy(str(path))


def test_a_conflict_is_told_and_is_the_exit_code(tmp_path):
    done = weighbridge(
        "redteam", "policy", "llama", "--licence", "mit", "--parent-licence", "llama3.3",
        "--name", "desk", "--json", cwd=tmp_path,
    )  # fmt: skip
    terms = json.loads(done.stdout)["terms"]
    kinds = ["licence without limits", "dropped licence", "name"]
    assert done.returncode == 1 and [one["kind"] for one in terms["conflicts"]] == kinds
    assert terms["open_duties"]
    missing = weighbridge("redteam", "policy", "llama", "--folder", "nowhere", cwd=tmp_path)
    assert missing.returncode == 2 and "no folder nowhere" in missing.stderr


@pytest.mark.slow
def test_the_page_s_policy_is_probed_on_real_weights(tiny_model, repository, tmp_path):
    (path,) = write_files(repository / "docs/how-to/use-policies.md", tmp_path)
    words = ("redteam", "policy", Path(path).name)
    listed = json.loads(weighbridge(*words, "--json", cwd=tmp_path).stdout)
    assert listed["run"] is None and listed["trials"] > 0 and listed["unprobed"]
    one = (*words, tiny_model, "--clause", "1", "--limit", 1, "--attack", "direct")
    done = weighbridge(*one, "--json", cwd=tmp_path)
    assert done.returncode in (0, 3), done.stderr  # a random model may write no words
    document = json.loads(done.stdout)
    probed = [one for one in document["clauses"] if not one["why_unprobed"]]
    assert [sum(one["outcomes"].values()) for one in probed] == [
        2 * one["behaviours"] for one in probed
    ]
    assert weighbridge("verify", document["run"], cwd=tmp_path).returncode == 0
    shipped = Path(
        repository / "src/weighbridge/evaluation/benchmarks/texts/harmful_requests.jsonl"
    )
    assert not any(b.text in done.stdout + done.stderr for b in read_behaviours(shipped))


def test_a_policy_is_told_in_80_columns():
    policy = read_policy("gemma")
    campaign, probes = plan_probes(policy, policy.clauses, "gemma")
    trials = len(prepare(campaign).trials())
    told = policy_text(
        policy_document("gemma", policy, probes, trials, terms=terms_document(policy, PassedOn()))
    )
    assert max(map(len, told.splitlines())) <= 80
    assert "clauses that nothing probes:" in told and "2.5.1   hatred: 4 behaviours" in told
