"""A project's comparators that are not measured: found by its names, or named in `[economics]`."""

from datetime import date

import pytest

from weighbridge.errors import InputError
from weighbridge.project.offers import offers_of
from weighbridge.project.project_file import read_project

DAY = date(2026, 11, 30)
PROJECT = """
[project]
name = "p"
question = "?"
[model]
base = "meta-llama/Llama-3.3-70B-Instruct"
[incumbent]
endpoint = "openai"
model = "gpt-4o-2024-08-06"
[economics]
machine_usd_per_hour = 2.6
{more}
[[evaluate]]
benchmark = "mmlu"
"""


def project(folder, more=""):
    path = folder / "weighbridge.toml"
    path.write_text(PROJECT.format(more=more))
    return read_project(path)


def test_both_are_found_by_the_names_of_incumbent_and_base(tmp_path):
    sibling, hosted = offers_of(project(tmp_path), DAY)
    assert sibling.name == "openai/gpt-4o-mini" and sibling.day <= "2026-11-30"
    assert sibling.price.rate(10).output_usd_per_million_tokens == 0.6
    assert "llama-3.3-70b" in hosted.name.lower() and "median of" in hosted.why


def test_those_that_are_named_are_taken_and_a_wrong_name_is_told_before_anything_runs(tmp_path):
    named = project(
        tmp_path, 'small_sibling = "gpt-5-nano"\nhosted = "aws/meta.llama3-3-70b-instruct-v1:0"'
    )
    sibling, hosted = offers_of(named, DAY)
    assert sibling.name == "openai/gpt-5-nano"
    assert hosted.price.rate(10).input_usd_per_million_tokens == 0.72
    with pytest.raises(InputError, match="did you mean gpt-5-nano"):
        offers_of(project(tmp_path, 'small_sibling = "gpt-5-nanno"'), DAY)


@pytest.mark.parametrize("wrong", ["months_in_use = 0", "spent_once_usd = -1"])
def test_figures_out_of_their_range_are_refused(tmp_path, wrong):
    with pytest.raises(InputError, match=wrong.split()[0]):
        project(tmp_path, wrong)
