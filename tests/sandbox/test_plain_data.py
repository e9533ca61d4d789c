"""What crosses the pipe: the same value comes out, of exact builtin types, or nothing does."""

import enum
import json
import math
import os
from collections import Counter, OrderedDict, defaultdict, namedtuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.sandbox.inside.plain import (
    MAX_DEPTH,
    MAX_FRAME_BYTES,
    NotPlain,
    TooLarge,
    carry_back,
    decode,
    encode,
    receive,
    send,
)

text = st.text(st.characters(exclude_categories=()))
atoms = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | text
    | st.binary()
)  # fmt: skip
keys = st.recursive(atoms, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
plain = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.sets(keys)
        | st.frozensets(keys)
        | st.dictionaries(keys, inner)
    ),
)


@settings(max_examples=60, deadline=None)
@given(plain)
def test_every_plain_value_comes_out_as_it_went_in(value):
    sent = json.loads(json.dumps(encode(value), allow_nan=False))
    # repr tells -0.0 from 0.0, nan from nothing, and exact types from others; sets have no order
    if "{" in repr(value) or "frozenset" in repr(value):
        assert "nan" in repr(value) or decode(sent) == value
    else:
        assert repr(decode(sent)) == repr(value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda x: (
    st.lists(x) | st.dictionaries(st.sampled_from(
        ["int", "float", "complex", "bytes", "str", "tuple", "set", "frozenset", "dict", "x"]), x)
)))  # fmt: skip
def test_a_hostile_message_is_plain_data_or_refused(message):
    exact = (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict, type(None))

    def check(value):
        assert type(value) in exact
        if type(value) is dict:
            check(list(value.items()))
        elif isinstance(value, (list, tuple, set, frozenset)):
            for item in value:
                check(item)

    try:
        value = decode(message)
    except NotPlain:
        return
    check(value)


def test_surrogates_that_would_join_stay_apart():
    for value in ("\ud83d\ude00", "\ud83d", "a\udfff", "\U0001f600"):
        assert decode(json.loads(json.dumps(encode(value)))) == value
    assert decode(encode(-0.0)) == 0 and math.copysign(1, decode(encode(-0.0))) == -1


def test_subclasses_are_reduced_to_what_they_hold_past_their_methods():
    class Liar(int):
        __eq__ = __int__ = __index__ = lambda *_: 42
        __hash__ = None

    class LyingList(list):
        __iter__ = lambda self: iter([42])  # noqa: E731

    Point = namedtuple("Point", "x y")
    colour = enum.IntEnum("Colour", "RED")
    cases = [
        (Liar(1), 1), (LyingList([7]), [7]), (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(list, {1: [2]}), {1: [2]}), (OrderedDict(a=1), {"a": 1}),
        (Point(1, 2), (1, 2)), (colour.RED, 1),
    ]  # fmt: skip
    for value, reduced in cases:
        out = decode(encode(value))
        assert out == reduced and type(out) is type(reduced)


@pytest.mark.parametrize(
    "value", [object(), range(3), iter([1]), len, int, bytearray(b"x"), {1: len}]
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(NotPlain):
        encode(value)


def test_depth_and_length_are_bounded():
    deep = []
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    with pytest.raises(TooLarge):
        encode(deep)
    with pytest.raises(TooLarge):
        decode(deep)
    reading, writing = os.pipe()
    with pytest.raises(TooLarge):
        send(writing, "x" * MAX_FRAME_BYTES)
    os.write(writing, b"\xff\xff\xff\xff")
    with pytest.raises(TooLarge):
        receive(reading)
    for junk in (b"{", b"[" * 90_000, b"9" * 60_000, b"\xff"):
        os.set_blocking(writing, False)
        data = junk[:60_000]
        os.write(writing, len(data).to_bytes(4, "big") + data)
        with pytest.raises(NotPlain):
            receive(reading)
    os.close(writing)
    with pytest.raises(EOFError):
        receive(reading)
    os.close(reading)


def test_changes_are_made_in_place_and_keep_identity():
    inner = [1]
    old = [inner, {"a": inner}, {1}]
    assert carry_back(old, [[1, 2], {"b": 3}, {4}, "new"]) is old
    assert old == [[1, 2], {"b": 3}, {4}, "new"] and old[0] is inner
    assert carry_back([1], (1,)) == (1,)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(plain, max_size=3), st.lists(plain, max_size=3))
def test_carried_back_is_what_the_call_left(old, new):
    left = encode(new)
    assert encode(carry_back(old, new)) == left or "set" in repr(left)
