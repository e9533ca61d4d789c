"""116 published tuning runs against the formula: the errors that the documentation states."""

import importlib.util
import json
import subprocess
import sys

import pytest

from conftest import REPOSITORY
from weighbridge.planning.tuning_memory import FRAGMENTATION_SHARE

PATH = REPOSITORY / "bench" / "memory_vs_published.py"


def load_bench():
    spec = importlib.util.spec_from_file_location("memory_vs_published", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


BENCH = load_bench()


@pytest.fixture(scope="module")
def rows(real_data):
    return BENCH.forecast_all(real_data / "tuning_memory")


def test_the_errors(rows):
    found = BENCH.summary(rows)
    assert found["rows"] == 113
    assert found["median_abs_error"] <= 0.01
    assert found["max_abs_error"] <= 0.09
    assert found["fits_wrong"] == 0 and found["out_of_memory"] == 7
    assert found["litgpt"]["max_abs_error"] <= 0.04


def test_a_table_that_was_held_out(rows):
    """LitGPT's of 2023: four models, batches of 1, 2 and 4, three rows out of memory."""
    found = BENCH.summary(rows)["held_out"]
    assert found["rows"] == 20 and found["fits_wrong"] == 0
    assert found["median_abs_error"] <= 0.03 and found["max_abs_error"] <= 0.06


def test_rows_that_contradict_themselves_are_told_apart_and_counted(rows):
    """Their printed peak is below weights, gradients and moments of their printed configuration."""
    found = BENCH.summary(rows)
    assert len(found["impossible_rows"]) == 3
    for row in rows:
        if row.impossible:
            assert row.name.split("/")[1].startswith("full.yaml")
            assert row.published_bytes < row.floor_bytes < row.memory.peak_bytes
    assert found["with_impossible_rows"]["max_abs_error"] > 1


def test_a_method_s_own_rows_have_no_part_in_its_forecast(rows):
    """Were OSF's published peak ten times as high, its forecast would be the same."""
    peft = [row for row in rows if row.table == "peft"]
    osf = next(row for row in peft if row.group == "OSF")
    others = [row for row in peft if row.group != "OSF"]
    share = BENCH.fragmentation_share(others)
    reserved = osf.memory.peak_bytes + share * osf.memory.passing_bytes
    assert osf.forecast_bytes == pytest.approx(reserved)


def test_the_constant_of_the_formula_is_the_one_that_is_fitted(rows):
    peft = [row for row in rows if row.table == "peft"]
    assert pytest.approx(BENCH.fragmentation_share(peft), abs=0.002) == FRAGMENTATION_SHARE


def test_the_last_line_is_json(real_data):
    command = [sys.executable, str(PATH), "--data", str(real_data / "tuning_memory"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *told, last = done.stdout.splitlines()
    assert {"rows", "median_abs_error", "max_abs_error", "fits_wrong"} <= set(json.loads(last))
    assert len(told) == 116 + 20


def test_a_folder_without_the_tables_is_one_line(tmp_path):
    command = [sys.executable, str(PATH), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "--data" in done.stderr
