"""A small, fixed slice of what `make fuzz` tries: nothing but a WeighbridgeError may come out."""

import pytest

from fuzz.parsers import parsers
from fuzz.run import fuzz
from weighbridge.errors import WeighbridgeError

INPUTS = 60


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return parsers(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.slow
def test_seeds_are_read_and_changed_ones_raise_nothing_unforeseen(every):
    assert len(every) >= 35 and len({parser.name for parser in every}) == len(every)
    failed = []
    for parser in every:
        done = fuzz(parser, INPUTS, 0, derandomized=True)
        assert done["inputs"] >= INPUTS / 2, parser.name
        failed += [f"{parser.name}: {shown}" for _, shown in done["found"].values()]
    assert not failed, "\n".join(failed)


def test_every_seed_is_valid(every):
    """A seed that is refused would hide everything behind its refusal."""
    refused = {}
    for parser in every:
        for seed in parser.seeds:
            try:
                parser.read(seed)
            except WeighbridgeError as error:
                refused[parser.name] = str(error)
    assert refused == {}
