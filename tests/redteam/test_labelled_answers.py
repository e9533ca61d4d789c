"""People's labels of XSTest, and how well the judge of attacks agrees with them."""

from collections import Counter

import pytest

from weighbridge.errors import InputError
from weighbridge.redteam.judge import find_judge
from weighbridge.redteam.labelled import counts_of, read_labelled

PUBLISHED = {  # full and partial refusals of safe prompts, in %: the data's SOURCES.md
    "llama2orig": (38.0, 21.6), "llama2new": (14.0, 15.6), "mistralinstruct": (0.8, 0.8),
}  # fmt: skip


@pytest.fixture(scope="module")
def answers(real_data):
    def of(model):
        return read_labelled([real_data / f"xstest/xstest_v2_completions_{model}.csv"])

    return of


def test_the_importer_brings_out_the_published_figures(answers):
    for model, figures in PUBLISHED.items():
        labels = Counter(one.label for one in answers(model) if one.kind == "benign")
        found = [100 * labels[name] / 250 for name in ("full refusal", "partial refusal")]
        assert labels.total() == 250 and found == pytest.approx(figures), model


def test_the_judge_s_card_is_what_its_judgements_of_these_answers_give(answers):
    """Counted on the answers that its phrases were not chosen on, as the card says."""
    judge = find_judge("rules")
    held_out = [
        (one, judge.refuses(one.reply))
        for model in ("llama2new", "mistralinstruct")
        for number, one in enumerate(answers(model), start=1)
        if not number % 2
    ]
    card = judge.card("en")
    assert counts_of("harmful", held_out) == card.harmful
    assert counts_of("benign", held_out) == card.benign


def test_other_files_are_refused_without_their_text(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("zebra\nzebra\n")
    with pytest.raises(InputError, match="has no labelled answers") as caught:
        read_labelled([path])
    assert "zebra" not in str(caught.value)
