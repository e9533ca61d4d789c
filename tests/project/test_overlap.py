"""A benchmark of one's own may not stand in the training data; of a public one it is counted."""

import json
from dataclasses import replace

import pytest

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import DataNeed, Settings
from weighbridge.opening.tasks import find_task
from weighbridge.project.overlap import overlaps_of, validation_overlaps
from weighbridge.sources.datasets import DataPlaces

ROWS = [
    "alder birch cedar elm fir hazel",
    "juniper larch maple oak pine rowan willow yew",
    "quince medlar sorb apple pear plum",
    "basil chervil dill fennel lovage mint",
]


def rows_file(path, texts):
    turns = [{"role": "assistant", "content": "A"}]
    rows = [{"messages": [{"role": "user", "content": text}, *turns]} for text in texts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def own(tmp_path):
    rows_file(tmp_path / "test.jsonl", ROWS[1:])
    (tmp_path / "own.toml").write_text('data = "test.jsonl"\nmessages = "messages"\n')
    return find_task(str(tmp_path / "own.toml"), DataPlaces({}), Settings())


def test_items_of_one_s_own_benchmark_are_refused_with_their_number(own, tmp_path):
    train = rows_file(tmp_path / "train.jsonl", [ROWS[0], f"please, {ROWS[1].upper()}!", ROWS[2]])
    with pytest.raises(InputError) as refused:
        overlaps_of([own], [train], allowed=False)
    told = str(refused.value)
    assert told.startswith("2 of 3 items of own") and "overlap with train.jsonl (2 word for" in told
    assert "allow_overlap = true in [tune]" in told and "\n" not in told
    (found,) = overlaps_of([own], [train], allowed=True)
    assert len(found.found) == 2
    (found,) = overlaps_of([own], [rows_file(tmp_path / "other.jsonl", ROWS[:1])], allowed=False)
    assert not found.found


def test_an_item_that_was_reworded_here_and_there_is_refused_as_well(own, tmp_path):
    """Nearly is enough: of its runs of five words most stand in one training row."""
    long = " ".join(ROWS)
    rows_file(tmp_path / "test.jsonl", [long, "oxlip teasel vetch woad yarrow"])
    words = long.split()
    words[9:10] = ["larches,", "tall"]
    train = rows_file(tmp_path / "train.jsonl", [" ".join(words[:-1])])
    with pytest.raises(InputError, match=r"1 of 2 items of own.*\(\d word for word, [01] nearly: "):
        overlaps_of([own], [train], allowed=False)
    (found,) = overlaps_of([own], [train], allowed=True)
    assert len(found.near) == 1


def test_every_file_of_the_training_data_is_searched(own, tmp_path):
    files = [rows_file(tmp_path / f"{n}.jsonl", [text]) for n, text in enumerate(ROWS[:3])]
    (found,) = overlaps_of([own], files, allowed=True)
    assert len(found.found) == 2
    (first,) = overlaps_of([own], files[:1], allowed=True)
    assert not first.found and first.tuning_digest != found.tuning_digest


def test_items_of_a_public_benchmark_are_counted(own, tmp_path):
    asking = replace(own.benchmark.asking, data=DataNeed("own"))
    public = replace(own, benchmark=replace(own.benchmark, asking=asking))
    train = rows_file(tmp_path / "train.jsonl", ROWS[:2])
    (found,) = overlaps_of([public], [train], allowed=False)
    assert len(found.found) == 1


def test_items_in_the_validation_data_are_told(own, tmp_path):
    validation = rows_file(tmp_path / "validation.jsonl", ROWS[:2])
    (told,) = validation_overlaps([own], [validation])
    assert told.startswith("own") and "1 of 3 items overlap with the validation data" in told
    assert validation_overlaps([own], []) == ()
    assert validation_overlaps([own], [rows_file(tmp_path / "v.jsonl", ROWS[:1])]) == ()
