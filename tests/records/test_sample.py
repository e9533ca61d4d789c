"""What a benchmark put into an item is read as what it must be, or refused in one line."""

import pytest

from weighbridge.errors import InputError
from weighbridge.records import Message, Sample


def _item(target=None, **metadata) -> Sample:
    return Sample("81/1", (Message("user", "Why?"),), target, metadata=metadata)


def test_texts_lists_and_targets_are_returned_as_they_stand():
    item = _item("B", prefix="Question:", order=[2, 0, 1])
    assert item.text("prefix") == "Question:"
    assert item.listed("order") == [2, 0, 1]
    assert item.target_text == "B"
    assert _item({"team": "billing"}).target_object == {"team": "billing"}


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: _item().text("prefix"), "81/1 has nothing.*a text named prefix"),
        (lambda: _item(prefix=[1]).text("prefix"), r"81/1 has \[1\].*a text named prefix"),
        (lambda: _item(order="2 0 1").listed("order"), "has '2 0 1'.*a list named order"),
        (lambda: _item(["A"]).target_text, r"has \['A'\].*a text as its target"),
        (lambda: _item("A").target_object, "has 'A'.*an object as its target"),
    ],
)
def test_what_a_benchmark_left_out_is_named_with_its_item(read, message):
    with pytest.raises(InputError, match=message):
        read()
