"""Keys of multiple-choice rows are read alike in the whole column, or the column is refused."""

import json

import pytest

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.own import read_own_benchmark

CHOICES = ("cherry", "grass", "sky", "coal")


def targets(folder, rows, told="", choices='["a", "b", "c", "d"]'):
    (folder / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "key"\n'
        f"choices = {choices}\n" + (f'answer_is = "{told}"\n' if told else "")
    )
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = read_own_benchmark(folder / "own.toml")
    samples = benchmark.asking.load(LoadRequest(None, None, Settings()))
    return "".join(sample.target for sample in samples)


def rows(keys, choices=CHOICES):
    return [{"q": "?", **dict(zip("abcde", choices, strict=False)), "key": key} for key in keys]


@pytest.mark.parametrize(
    ("keys", "letters"),
    [
        ("AB123", "ABABC"), ("A1234", "AABCD"), ("1234", "ABCD"), ("0123", "ABCD"),
        ("01", "AB"), ("A0", "AA"), ("abcd", "ABCD"), ([1, 2, 3, 4], "ABCD"), ([0, 3], "AD"),
        (["1.", "A."], "AA"), (["(B)", "c)"], "BC"), (["sky", "coal"], "CD"),
        (["A", "sky"], "AC"), ([1.0, 4.0], "AD"),
    ],
)  # fmt: skip
def test_a_column_s_keys_are_read_alike(tmp_path, keys, letters):
    assert targets(tmp_path, rows(keys)) == letters


@pytest.mark.parametrize("keys", ["123", "1", ["1", "sky"], [1, 2]])
def test_numbers_that_could_count_from_0_or_from_1_are_refused(tmp_path, keys):
    with pytest.raises(MalformedRow) as refused:
        targets(tmp_path, rows(keys))
    said = str(refused.value)
    assert "indices from 0 or numbers from 1" in said
    assert 'answer_is = "index" or answer_is = "number" in own.toml' in said
    if keys != ["1", "sky"]:
        assert targets(tmp_path, rows(keys), "number")[0] == "A"
        assert targets(tmp_path, rows(keys), "index")[0] == "B"


def test_letters_and_texts_that_part_are_refused(tmp_path):
    swapped = ("B", "A", "C", "D")
    with pytest.raises(MalformedRow, match="could hold letters or texts"):
        targets(tmp_path, rows("AB", swapped))
    assert targets(tmp_path, rows("AB", swapped), "text") == "BA"
    assert targets(tmp_path, [*rows("A", swapped), *rows("D", ("x", "y", "z", "w"))]) == "AD"


def test_numerals_as_choices_are_texts_where_nothing_else_fits(tmp_path):
    assert targets(tmp_path, rows(["4", "6"], ("3", "4", "5", "6"))) == "BD"
    with pytest.raises(InputError, match="neither all indices from 0"):
        targets(tmp_path, rows(["0", "4"]))


def test_a_fifth_choice_that_only_some_rows_have(tmp_path):
    five, columns = (*CHOICES, "snow"), '["a", "b", "c", "d", "e"]'
    mixed = [*rows("E", five), *rows("D", (*CHOICES, ""))]
    assert targets(tmp_path, mixed, choices=columns) == "ED"
    with pytest.raises(MalformedRow, match="'E'; expected"):
        targets(tmp_path, rows("E", (*CHOICES, "")), choices=columns)
    with pytest.raises(MalformedRow, match="column c: nothing there"):
        targets(tmp_path, rows("A", ("x", "y", "", "z")))


def test_a_row_s_own_labels_decide(tmp_path):
    listed = [
        {"q": "?", "options": {"text": list(CHOICES), "label": list(labels)}, "key": key}
        for labels, key in (("ABCD", "C"), ("1234", "1"), ("0123", "1"))
    ]
    assert targets(tmp_path, listed, choices='"options"') == "CAB"
    listed[1]["key"] = "5"
    with pytest.raises(MalformedRow, match="the label of one of 1 cherry"):
        targets(tmp_path, listed, choices='"options"')


def test_rows_beyond_a_limit_decide_too(tmp_path):
    targets(tmp_path, rows("1234"))
    benchmark = read_own_benchmark(tmp_path / "own.toml")
    (first,) = benchmark.asking.load(LoadRequest(None, None, Settings(limit=1)))
    assert first.target == "A"
