"""A small project: letters to learn, a guard whose data is not here."""

import json

import pytest

PROJECT = """
[project]
name = "letters"
question = "Does it learn letters?"
[model]
base = "{base}"
[tune]
train = "train.jsonl"
validation = "test.jsonl"
learning_rate = 1e-2
epochs = 6
batch_size = 8
rank = 8
[[evaluate]]
benchmark = "letters.toml"
[[evaluate]]
benchmark = "mmlu"
role = "guard"
"""


@pytest.fixture
def project(tiny_model, tmp_path):
    for name, count, first in (("train", 48, 0), ("test", 24, 1000)):
        with (tmp_path / f"{name}.jsonl").open("w") as file:
            for i in range(first, first + count):
                user, answer = f"say {'ABCD'[i % 4]} number {i}", "ABCD"[i % 4]
                turns = [
                    {"role": "user", "content": user},
                    {"role": "assistant", "content": answer},
                ]
                file.write(json.dumps({"messages": turns}) + "\n")
    (tmp_path / "letters.toml").write_text(
        'data = "test.jsonl"\nmessages = "messages"\nmax_tokens = 4\n'
    )
    (tmp_path / "weighbridge.toml").write_text(PROJECT.format(base=tiny_model))
    return tmp_path
