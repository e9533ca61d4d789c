"""Forecasts against 2,061 published measurements of three publishers, left out in turn."""

import importlib.util
import json
import re
from datetime import date

import numpy as np
import pytest

from conftest import REPOSITORY
from weighbridge.planning.serving import calibration
from weighbridge.planning.serving.efficiency import FILE, calibrated, from_json, to_json
from weighbridge.planning.serving.measurements import MLPERF, NVIDIA, read_measurements


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_bench():
    return load(REPOSITORY / "bench" / "serving_forecast.py")


@pytest.fixture(scope="module")
def read(real_data):
    return read_measurements(real_data / "economics")


@pytest.fixture(scope="module")
def measured(real_data):
    return load_bench().measure(real_data / "economics")


def test_rows_are_counted_in_or_out(read):
    """2,579 + 170 + 150 + 375 rows: all are in scope, or out of it by a reason."""
    assert len(read.rows) + sum(read.out_of_scope.values()) == 2579 + 170 + 150 + 375
    assert read.out_of_scope["prefill and decode on separate accelerators"] == 745
    assert sum(n for why, n in read.out_of_scope.items() if why.startswith("no data sheet")) == 26


def test_rows_are_what_the_files_say(read):
    """MLPerf v5.1: H200 4,306 to 4,415 tok/s a GPU; NVIDIA: 70B on two H100 4,205 tok/s."""
    offline = [
        row.tokens_per_second / row.accelerators
        for row in read.rows
        if (row.publisher, row.model, row.accelerator, row.scenario)
        == (MLPERF, "llama-2-70b", "h200-sxm", "offline")
    ]
    assert max(offline) == pytest.approx(4415, abs=1)
    (h100,) = [
        row.tokens_per_second
        for row in read.rows
        if row.publisher == NVIDIA and "v1.0" in row.edition and row.accelerator == "h100-sxm"
        and row.model == "llama-3.3-70b" and (row.input_tokens, row.output_tokens) == (1000, 1000)
    ]  # fmt: skip
    assert h100 == pytest.approx(4205, abs=2)


def test_tensor_and_expert_parallel_are_not_multiplied(read):
    """The file's tp_size of 64 stands for 8 accelerators: a node has no more."""
    assert all(row.accelerators <= 16 for row in read.rows if row.scenario == "concurrency")


@pytest.mark.slow
def test_physics_alone_refuses(read):
    problem = calibration.prepare(read.rows)
    assert set(problem.refused) == {
        "faster than the roofline",
        "weights and one sequence do not fit where they are said to have run",
    }
    assert sum(problem.refused.values()) / len(read.rows) < 0.05


@pytest.mark.slow
def test_published_cells_are_forecast_by_others(measured):
    """At most 20 % off in the median, with models and publishers left out; intervals hold."""
    line = load_bench().summary(measured)
    assert line["leave_one_model_out"]["median_abs_error"] <= 0.20
    assert line["leave_one_source_out"]["median_abs_error"] <= 0.20
    assert line["leave_one_source_out"]["groups"]["MLPerf"]["median_abs_error"] <= 0.20
    assert 0.90 <= line["coverage"] <= 0.99
    assert line["leave_one_model_out"]["coverage"] >= 0.93
    assert line["leave_one_source_out"]["coverage"] >= 0.84
    assert line["refused_share"] <= 0.05
    assert line["median_abs_error_with_refused_as_wrong"] <= 0.20
    assert line["cells"] == len(calibrated().cells)


@pytest.mark.slow
def test_shipped_constants_are_those_of_the_data(measured):
    """The script makes the file again, but for the day."""
    again, shipped = to_json(measured["constants"]), json.loads(FILE.read_text())
    assert again["cells"] == shipped["cells"]
    for name, value in shipped["rates"].items():
        assert again["rates"][name] == pytest.approx(value, rel=0.02), name
    assert again["within_factor"] == pytest.approx(shipped["within_factor"], rel=0.02)


@pytest.mark.slow
def test_the_page_is_what_the_script_writes(measured):
    """Word for word; figures to what another machine's arithmetic leaves of them."""
    made = load(REPOSITORY / "docs" / "make_serving_page.py").page(
        measured, load_bench().summary(measured)
    )
    kept = (REPOSITORY / "docs" / "explanation" / "serving-forecast.md").read_text()

    def figures(text):
        return [float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", text)]

    def words(text):
        return re.sub(r"[\d.,*%]+", "", text)

    assert words(made) == words(kept)
    assert figures(made) == pytest.approx(figures(kept), rel=0.05, abs=2)


def test_the_file_is_facts_with_sources_and_dates():
    held = json.loads(FILE.read_text())
    assert len(held["sources"]) == 4 and all("@" in source for source in held["sources"])
    assert date.fromisoformat(held["newest"]) <= date.fromisoformat(held["made"])
    assert to_json(from_json(held)) == held
    shares = [v for k, v in held["rates"].items() if k in ("reading", "decoding", "prefilling")]
    assert all(0 < share < 1 for share in shares)


def test_a_fit_finds_a_slower_machine_again(read):
    """Rows of one machine at half their rate: its effect falls, others' hardly move."""
    from dataclasses import replace

    some = [row for row in read.rows if row.publisher == MLPERF][:250]
    slower = [
        replace(row, tokens_per_second=row.tokens_per_second / 2)
        if row.accelerator == "mi325x"
        else row
        for row in some
    ]

    def effect(rows, name):
        problem = calibration.prepare(rows)
        design = calibration.design_of(problem)
        _linear, found, _left = calibration.fit(problem, design, rounds=2)
        effects = calibration.effects_of(design, found)["multiplying"]
        return sum(effects[kind][key] for kind in ("accelerator",) for key in (name,))

    assert effect(slower, "mi325x") < effect(some, "mi325x") - 0.1
    assert effect(slower, "b200-sxm") == pytest.approx(effect(some, "b200-sxm"), abs=0.1)
    assert np.isfinite(effect(some, "h200-sxm"))
