"""Splits of a Hub data set: named, by its card or by its files' names, as `datasets` finds them."""

import json

import pytest

from weighbridge.errors import InputError, MissingPiece, UnknownName
from weighbridge.sources.hub_data import is_hub_name, splits_of
from weighbridge.tuning import read_conversations

ROW = json.dumps({"question": "a", "answer": "b"}) + "\n"
CARD = """---
license: mit
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train-*
  - split: test
    path: [main/test-a.jsonl, main/test-b.jsonl]
- config_name: other
  data_files: other/*.jsonl
---
# A data set
"""
BY_NAME = {
    "shards": ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl",
               "data/odd_split-00000-of-00001.jsonl", "data/test.jsonl"],
    "folders": ["train/a.jsonl", "my-test/x/b.jsonl", "train/notes.txt"],
    "files": ["train.jsonl", "my_dev.jsonl", "eval-2.jsonl", "contested.jsonl"],
    "no names": ["a.jsonl", "b.csv"],
}  # fmt: skip


def laid_out(folder, names, card=None):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(ROW)
    if card:
        (folder / "README.md").write_text(card)
    return folder


def names_in(folder, splits):
    return {
        split: sorted(path.relative_to(folder).as_posix() for path in files)
        for split, files in splits.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("how", BY_NAME)
def test_names_tell_splits_as_datasets_has_it(how, tmp_path):
    from datasets.data_files import DataFilesDict, get_data_patterns

    laid_out(tmp_path, BY_NAME[how])
    patterns = get_data_patterns(str(tmp_path))
    peer = DataFilesDict.from_patterns(patterns, base_path=str(tmp_path))
    told = {
        str(split): sorted(
            name.removeprefix(f"{tmp_path}/") for name in files if not name.endswith(".txt")
        )
        for split, files in peer.items()
    }
    assert names_in(tmp_path, splits_of(tmp_path)) == told


def test_names_tell_splits(tmp_path):
    """As `datasets` has it: see the slow test above."""
    shards, folders, files, bare = (
        set(splits_of(laid_out(tmp_path / how.split()[0], names)).items())
        for how, names in BY_NAME.items()
    )
    assert {split for split, _ in shards} == {"train", "odd_split"}
    assert {split for split, _ in folders} == {"train", "test"}
    assert {split for split, _ in files} == {"train", "validation", "test"}
    assert [(split, len(paths)) for split, paths in bare] == [("train", 2)]


def test_a_card_tells_splits_of_each_configuration(tmp_path):
    files = ["main/train-1.jsonl", "main/train-2.jsonl", "main/test-a.jsonl", "other/x.jsonl",
             "elsewhere/train.jsonl"]  # fmt: skip
    assert names_in(tmp_path, splits_of(laid_out(tmp_path, files, CARD))) == {
        "main/train": files[:2], "main/test": files[2:3], "other/train": files[3:4],
    }  # fmt: skip
    single = CARD.partition("- config_name: other")[0] + "---\n"
    assert list(splits_of(laid_out(tmp_path, (), single))) == ["train", "test"]
    outside = single.replace("main/train-*", "../*.jsonl")
    (tmp_path.parent / "secret.jsonl").write_text(ROW)
    assert "train" not in splits_of(laid_out(tmp_path, (), outside))


@pytest.mark.parametrize("card", ["---\nconfigs: [1]\n---\n", "---\nconfigs: {a: [\n---\n",
                                  "---\nconfigs:\n- data_files: [{split: a}]\n---\n"])  # fmt: skip
def test_a_card_that_is_wrong_is_refused_in_one_line(card, tmp_path):
    with pytest.raises(InputError, match="the card of org/name can't be read") as refused:
        splits_of(laid_out(tmp_path, ["train.jsonl"], card), "org/name")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "could_be"),
    [("org/name", True), ("org/name-v1.0:train", True), ("org/name:main/train", True),
     ("data/train.jsonl", False), ("rows.csv", False), ("/org/name", False), ("a/b/c", False)],
)  # fmt: skip
def test_a_name_of_the_hub_is_told_from_a_path(name, could_be):
    from pathlib import Path

    assert is_hub_name(Path(name)) == could_be


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """The Hub client's cache, with one data set in it."""
    from pathlib import Path

    repo = tmp_path / "hub" / "datasets--org--name"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("a" * 40)
    laid_out(repo / "snapshots" / ("a" * 40), ["train-1.jsonl", "train-2.jsonl", "test.jsonl"])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return Path("org/name")


def test_a_split_is_read_from_the_cache(cached):
    data = read_conversations(cached.with_name("name:train"), offline=True)
    assert [row.path.name for row in data.conversations] == ["train-1.jsonl", "train-2.jsonl"]
    assert data.duplicates == 1 and len(data.files) == 2


def test_a_data_set_without_a_split_says_which_are_there(cached):
    with pytest.raises(InputError, match=r"org/name without a split; expected one of: t.*name it"):
        read_conversations(cached, offline=True)
    with pytest.raises(UnknownName, match=r"split of org/name 'trian'.*did you mean train"):
        read_conversations(cached.with_name("name:trian"), offline=True)
    with pytest.raises(MissingPiece, match="org/other is not in the Hub cache"):
        read_conversations(cached.with_name("other:train"), offline=True)
