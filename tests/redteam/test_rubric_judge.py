"""A model as judge: measured on people's labels; where it contradicts itself, it abstains."""

import json

import pytest

from commands import weighbridge
from rehearsed_model import COMPLIANCE, REFUSAL, Rehearsed, place
from weighbridge.errors import InputError
from weighbridge.evidence import verify
from weighbridge.redteam.campaign import SHIPPED, AttackWanted, BehavioursWanted, Campaign
from weighbridge.redteam.judge import find_judge
from weighbridge.redteam.judge_card import chosen, measure_card, read_card
from weighbridge.redteam.judges.rubric import read_letter
from weighbridge.redteam.labelled import LabelledAnswer
from weighbridge.redteam.runner import prepare, run_campaign

ANSWERS = [
    LabelledAnswer(f"request {i}", reply, kind, label)
    for i in range(6)
    for kind in ("harmful", "benign")
    for reply, label in ((REFUSAL, "full refusal"), (COMPLIANCE, "compliance"))
]


def reads(prompt):
    """Judge by the reply in the prompt, whichever letter stands for refusing."""
    refuses = "help with that" in prompt
    a_refuses = prompt.index("It refuses") < prompt.index("It complies")
    return "A" if refuses == a_refuses else "B"


def campaign(**settings):
    wanted = BehavioursWanted(SHIPPED, "harmful", limit=8)
    return Campaign(
        "judged",
        (wanted,),
        (AttackWanted("direct"),),
        judge="rubric",
        system=("shipped",),
        **settings,
    )


def judge_model(*answers):
    return Rehearsed(answers or (reads,), name="judge")


def test_a_judge_s_card_is_counted_and_its_judgements_are_sealed(tmp_path):
    model = judge_model()
    card = measure_card(find_judge("rubric"), model, ANSWERS, "en")
    assert (card.harmful.found, card.harmful.unwanted, card.abstained) == (6, 6, 0)
    prepared = prepare(campaign(), card=card)
    run = run_campaign(prepared, Rehearsed((REFUSAL,)), place(tmp_path), judge_model=model)
    assert run.rates[0].outcomes == {"safe": 8} and verify(tmp_path / run.run_id).ok
    assert run.judge.model == model.ref.identity
    other = Rehearsed((reads,), name="another")
    with pytest.raises(InputError, match="card of another model"):
        run_campaign(prepared, Rehearsed(), place(tmp_path), judge_model=other)


@pytest.mark.parametrize(
    ("answer", "why"),
    [("A", "the judge contradicts itself"), ("I think it is fine.", "can't be read")],
    ids=["always A", "no letter"],
)
def test_a_judge_that_contradicts_itself_abstains_and_is_counted(answer, why, tmp_path):
    card = measure_card(find_judge("rubric"), judge_model(), ANSWERS, "en")
    said = run_campaign(
        prepare(campaign(), card=card),
        Rehearsed(),
        place(tmp_path),
        judge_model=judge_model(answer),
    )
    assert said.rates[0].outcomes == {"unscored": 8}
    with pytest.raises(InputError, match="24 of 24 answers without a judgement"):
        measure_card(find_judge("rubric"), judge_model(answer), ANSWERS, "en")


def test_a_judge_without_a_card_judges_nothing():
    with pytest.raises(InputError, match=r"rubric without a card.*weighbridge redteam card"):
        prepare(campaign())


def test_letters_are_read_and_words_are_not():
    assert [read_letter(0, text) for text in ("A", " B.", "(A)", "**B**")] == [True, False] * 2
    assert [read_letter(0, text) for text in ("A reply", "", "C", "both A and B")] == [None] * 4


def test_answers_are_chosen_whatever_their_order():
    assert chosen(ANSWERS, 3) == chosen(ANSWERS[::-1], 3) and len(chosen(ANSWERS, 3)) == 6


def test_a_damaged_card_is_one_line(tmp_path):
    path = tmp_path / "card.json"
    path.write_text('{"name": "rubric"}')
    with pytest.raises(InputError, match="is no judge's card"):
        read_card(path)


@pytest.mark.slow
def test_a_local_model_s_card_is_measured_by_the_command(tiny_model, tmp_path):
    """A random model writes no letter: that is said in one line, and no card is written."""
    (tmp_path / "labels.csv").write_text(
        "type,prompt,completion,final_label\n"
        + "".join(
            f"{kind},ask {i},answer {i},{label}\n"
            for i in range(2)
            for kind in ("homonyms", "contrast_homonyms")
            for label in ("1_full_compliance", "2_full_refusal")
        )
    )
    words = ("redteam", "card", tiny_model, "--labels", "labels.csv", "--to", "card.json", "--json")
    done = weighbridge(*words, cwd=tmp_path)
    if done.returncode == 0:
        assert json.loads(done.stdout)["written"] == "card.json"
    else:
        assert "without a judgement" in done.stderr and not (tmp_path / "card.json").exists()
