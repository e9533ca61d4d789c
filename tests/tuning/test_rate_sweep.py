"""`tune --find-lr`: what it recommends and why, when it tells nothing, and that nothing stays."""

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from tuning_runs import rows_of, write_rows
from weighbridge.cli.main import app
from weighbridge.cli.rate_output import sparkline, sweep_text
from weighbridge.models.reading import read_model
from weighbridge.tuning import TuneSettings
from weighbridge.tuning.rate_sweep import RateSweep, Tried, paired, sweep_rates

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows") / "t.jsonl", 60)


def sweep(tiny_model, train, folder, validation=(), **settings):
    model = read_model(tiny_model, torch.float32, "cpu")
    before = {name: tensor.clone() for name, tensor in model[0].state_dict().items()}
    steps = []
    found = sweep_rates(
        *model, rows_of(train), validation,
        TuneSettings(**{"rank": 4, "batch_size": 4, "max_steps": 4, **settings}), folder,
        lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    after = model[0].state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert steps and steps[-1][0] <= steps[-1][1]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full", "pissa"])
def test_it_recommends_a_rate_that_learns(method, tiny_model, train, tmp_path):
    more = {"rank": None} if method == "full" else {}
    found = sweep(tiny_model, train, tmp_path, method=method, **more)
    rates = [one.learning_rate for one in found.tried]
    assert rates == sorted(rates) and len(rates) >= 5 and found.unseen
    assert found.tells and found.recommended in rates
    taken = next(one for one in found.tried if one.learning_rate == found.recommended)
    assert taken.change < -2 * taken.standard_error
    lowest = min(one.loss for one in found.tried if one.loss is not None)
    assert taken.loss <= lowest + 0.1 * (found.loss_start - lowest)


@pytest.mark.slow
def test_the_same_sweep_gives_the_same_figures(tiny_model, train, tmp_path):
    one, other = (sweep(tiny_model, train, tmp_path, max_steps=1) for _ in range(2))
    assert replace(one, seconds=0) == replace(other, seconds=0)


def test_where_nothing_is_learnt_it_says_so_and_keeps_the_rate(tiny_model, train, tmp_path):
    found = sweep(tiny_model, train, tmp_path, learning_rate=1e-9, max_steps=1)
    assert not found.tells and found.recommended == 1e-9
    assert "tells nothing" in found.why


@pytest.mark.slow
def test_rates_that_diverge_are_named_and_none_above_is_tried(tiny_model, train, tmp_path):
    found = sweep(tiny_model, train, tmp_path, learning_rate=1e19, clip_norm=0.0)
    gone = [one for one in found.tried if one.diverged_at]
    assert gone and gone[0].loss is None
    assert max(one.learning_rate for one in found.tried) == gone[-1].learning_rate
    assert "diverged at step" in sweep_text(found)


def test_a_difference_of_paired_losses_has_the_error_of_its_rows():
    change, error = paired([2.0, 4.0, 9.0], [3.0, 5.0, 10.0], [1, 1, 1])
    assert change == -1.0 and error == 0.0
    change, error = paired([1.0, 3.0], [0.0, 0.0], [1, 1])
    assert change == 2.0 and error == pytest.approx(1.0)  # sd of 1 and 3 is 1.41, over root 2


def test_a_table_of_80_columns_and_a_curve():
    tried = tuple(
        Tried(rate, loss, loss - 2, 0.01) for rate, loss in ((1e-5, 1.9), (1e-4, 1.2), (1e-3, 1.5))
    )
    shown = sweep_text(
        RateSweep(
            16, 8, 32, True, 2.0, (*tried, Tried(1e-2, None, None, None, 3)), 1e-4, 5e-4, True,
            "the lowest loss of 4 rates", 9.0,
        )
    )  # fmt: skip
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "▁  <- recommended" in shown and "diverged at step 3" in shown
    assert sparkline([1.0, 2.0, None, 1.5]) == ["▁", "█", "", "▅"]
    assert sparkline([None]) == [""]


@pytest.mark.slow
def test_the_command_draws_the_curve_and_leaves_nothing_else(tiny_model, train, tmp_path):
    words = [
        "tune", str(tiny_model), "--train", str(train), "--max-steps", "2", "--find-lr",
        "--threads", "1", "--cache", str(tmp_path / "cache"),
        "--runs", str(tmp_path / "w" / "runs"),
    ]  # fmt: skip
    picture = tmp_path / "rates.svg"
    said = CliRunner().invoke(app, [*words, "--chart", str(picture), "--json"])
    assert said.exit_code == 0, said.output
    document = json.loads(said.stdout)
    assert document["chart"] == str(picture) and "<svg" in picture.read_text()
    assert document["recommended"] > 0 and len(document["tried"]) >= 5
    assert list((tmp_path / "w" / "tuning").iterdir()) == []
    wrong = CliRunner().invoke(app, [*words, "--chart", str(tmp_path / "rates.pdf")])
    assert "a name that ends in .svg or .png" in str(wrong.exception)
