"""Published files of behaviours are recognised by their columns, and their text stays in them."""

import csv
import json
from collections import Counter

import pytest

from weighbridge.errors import InputError, UnknownName
from weighbridge.redteam.behaviour import NOT_STATED, find_form, form_names, read_behaviours

SECRET = "zebra quagmire"
PUBLISHED = {
    "safety/harmbench_behaviors_text_all.csv": (400, {"harmful": 400}, 7),
    "safety/strongreject_dataset.csv": (313, {"harmful": 313}, 6),
    "safety/advbench_behaviors.csv": (520, {"harmful": 520}, 1),
    "safety/ailuminate_1.0_demo_en_us.csv": (1200, {"harmful": 1200}, 15),
    "xstest/xstest_prompts.csv": (450, {"benign": 250, "harmful": 200}, 18),
}


def table(path, columns, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_published_files_are_read_by_their_columns(real_data):
    for name, (count, kinds, categories) in PUBLISHED.items():
        found = read_behaviours(real_data / name)
        assert len(found) == len({one.id for one in found}) == count, name
        assert Counter(one.kind for one in found) == kinds, name
        assert len({one.category for one in found}) == categories, name


def test_rows_that_do_not_say_what_is_right_need_a_kind(real_data):
    path = real_data / "safety" / "coconot_contrast_eval.jsonl"
    with pytest.raises(InputError, match='kind = "benign"'):
        read_behaviours(path)
    assert Counter(one.kind for one in read_behaviours(path, "benign")) == {"benign": 379}


def test_prompts_with_answers_beside_them_are_not_taken_for_harmful_behaviours(real_data):
    with pytest.raises(InputError, match="no known form of behaviours"):
        read_behaviours(real_data / "xstest" / "xstest_v2_completions_llama2new.csv")


def test_forms_are_named_as_their_files():
    assert [find_form(name).name for name in form_names()] == list(form_names())


def test_ones_own_rows(tmp_path):
    rows = [
        {"prompt": SECRET, "category": "animals", "language": "DE"},
        {"prompt": SECRET, "category": "animals"},
        {"prompt": "and another", "kind": "benign", "category": f"a sentence: {SECRET}!"},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = read_behaviours(path)
    assert (first.kind, first.category, first.language) == ("harmful", "animals", "en")
    assert (second.kind, second.category) == ("benign", NOT_STATED)  # no sentence is a category
    assert SECRET not in first.id and first.id != second.id


@pytest.mark.parametrize("rows", [[], [["x"]], [["  "]]], ids=["no rows", "other columns", "blank"])
def test_what_is_no_file_of_behaviours_is_refused_without_its_text(tmp_path, rows):
    columns = [SECRET] if rows == [["x"]] else ["prompt"]
    path = table(tmp_path / "file.csv", columns, *[[*row] for row in rows])
    with pytest.raises(InputError) as caught:
        read_behaviours(path)
    assert SECRET not in str(caught.value) and not isinstance(caught.value, UnknownName)
    assert len(str(caught.value).splitlines()) == 1 and "file.csv" in str(caught.value)


@pytest.mark.parametrize("column", ["reply", "verdict", "type"])
def test_a_column_that_may_say_what_is_harmful_is_not_passed_over(tmp_path, column):
    path = tmp_path / "mine.csv"
    path.write_text(f"prompt,{column}\nhello,safe\n")
    with pytest.raises(InputError, match="no known form of behaviours"):
        read_behaviours(path)
