"""Digests are RFC 8785's, however they are computed."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from weighbridge.records.digest import ListDigest, canonical_digest, canonical_json

NUMBERS = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-3, 3),
    st.integers(-40, 40).map(lambda e: 10.0**e),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXTS, inner)),
    max_leaves=20,
)


@given(VALUES)
@example([-0.0, 0.0, 1.0, -1.0, 1e-4, 9.9e-5, 1e-6, 1e-7, 1e15, 1e16, 1e20, 1e21, 2.0**53, 5e-324])
@example({"\U0001f600": 1, "\ue000": 2, "a": 3, "A": 4, "": 5})
@example('\x00\x1f\x7f\x80\u2028\\/"\b\f\n\r\t')
def test_canonical_json_is_rfc_8785_to_the_byte(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800"])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ValueError):
        canonical_json({"a": [value]})


def test_records_and_enumerations_are_their_plain_data():
    class Level(IntEnum):
        HIGH = 3

    class Name(StrEnum):
        FIRST = "first"

    @dataclass(frozen=True)
    class Record:
        b: float
        a: tuple[str, ...]

    value = {"r": Record(2.0, ("x",)), "level": Level.HIGH, "name": Name.FIRST, 7: None}
    plain = {"r": {"a": ["x"], "b": 2}, "level": 3, "name": "first", "7": None}
    assert canonical_json(value) == rfc8785.dumps(plain)


@given(st.lists(VALUES, max_size=6))
def test_a_list_digested_element_by_element_has_the_digest_of_the_whole(values):
    streamed = ListDigest()
    for count, value in enumerate(values):
        assert streamed.so_far() == canonical_digest(values[:count])
        streamed.add(value)
    assert streamed.so_far() == canonical_digest(values)


def test_the_digest_is_sha_256():
    expected = hashlib.sha256(b'{"a":[1,0.5]}').hexdigest()
    assert canonical_digest({"a": [1.0, 0.5]}) == f"sha256:{expected}"
