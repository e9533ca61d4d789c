"""Curves for viewers that a person has: written on this machine, or refused in one line."""

import sys
from types import ModuleType

import pytest

from weighbridge.errors import InputError, MissingPiece, UnknownName
from weighbridge.tuning import StepDone, Validated
from weighbridge.tuning.curve import CurveWriter, curve_names, curves_written, find_curves

EVENTS = (
    StepDone(1, 2, 3.0, 900.0, 1.0, None, 120.0, 1e-3, 10),
    StepDone(2, 2, 2.0, 900.0, 0.0, None, 130.0, 5e-4, 20),
    Validated(2, 2.5),
)


@pytest.fixture
def installed(monkeypatch):
    """Both packages, as modules that keep what they are told."""
    told = []
    trackio = ModuleType("trackio")
    trackio.init = lambda **asked: told.append(("init", asked))
    trackio.log = lambda figures, step: told.append((step, figures))
    trackio.finish = lambda: told.append("finish")
    board = ModuleType("torch.utils.tensorboard")

    class SummaryWriter:
        def __init__(self, folder):
            told.append(("init", folder))

        def add_scalar(self, name, value, step):
            told.append((step, {name: value}))

        def close(self):
            told.append("finish")

    board.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL", "TRACKIO_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRACKIO_DIR", "set back after the test")
    return told


@pytest.mark.parametrize("name", curve_names())
def test_every_figure_is_written_at_its_step_and_the_writer_is_closed(name, installed, tmp_path):
    with curves_written(name, tmp_path / "tuning" / "abc") as listen:
        for event in EVENTS:
            listen(event)
    begun, *figures, ended = installed
    assert begun[0] == "init" and "abc" in str(begun[1]) and ended == "finish"
    merged = {}
    for step, some in figures:
        merged.setdefault(step, {}).update(some)
    assert merged[1]["loss"] == 3.0 and merged[2]["learning_rate"] == 5e-4
    assert merged[2]["validation_loss"] == 2.5 and merged[2]["trained_tokens_per_second"] == 130.0


@pytest.mark.parametrize("name", curve_names())
def test_a_file_of_the_folder_is_a_writer_and_needs_its_package(name, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPiece, match=f"{name}.*pip install {name}"):
        find_curves(name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    found = find_curves(name)
    assert isinstance(found, CurveWriter) and found.name == name


@pytest.mark.parametrize("variable", ["TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"])
def test_nothing_is_sent_anywhere(variable, installed, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, "someone/space")
    with (
        pytest.raises(InputError, match=f"{variable} is set.*sends nothing"),
        curves_written("trackio", tmp_path / "run"),
    ):
        pass
    assert installed == []


def test_a_misspelt_name_gets_the_near_miss(tmp_path):
    with pytest.raises(UnknownName, match="did you mean tensorboard"):
        find_curves("tensorbord")
    with curves_written("", tmp_path) as listen:
        listen(EVENTS[0])
