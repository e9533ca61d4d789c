"""A template's date is always the same one: no prompt depends on the day it is written."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from transformers.utils import chat_template_utils
from typer.testing import CliRunner

from tiny import CHAT_TEMPLATE, build_tokenizer
from weighbridge.cli.main import app
from weighbridge.models.prompts import PromptWriter
from weighbridge.models.protocol import Prompt
from weighbridge.models.template_checks import check_prompts
from weighbridge.models.template_clock import WRITTEN, standing_still
from weighbridge.models.thoughts import MARKERS
from weighbridge.records import Message

ASKED = Prompt(messages=(Message("user", "hello"),))
DATED = {
    # As Llama 3.2, gpt-oss (from within a macro), Granite and SmolLM3 ask for it.
    "plain": "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% endif %}",
    "in a macro": "{%- macro m() -%}{{ 'Date: ' + strftime_now(\"%Y-%m-%d\") }}{%- endmacro -%}"
    "{{ m() }}",
    "set": "{%- if not date_string is defined %}\n"
    "  {%- set date_string = strftime_now('%B %d, %Y') %}\n{%- endif %}\n{{- date_string }}",
    "with blanks": "  {% if true %}\n x{{ strftime_now('%-d.%-m. 100 %% %%d') }}{% endif %}\n",
}


@pytest.fixture
def clock(monkeypatch):
    """Set the one clock that transformers reads for templates."""

    def set_to(moment):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return moment

        monkeypatch.setattr(chat_template_utils, "datetime", Clock)

    return set_to


def written(template):
    return PromptWriter(build_tokenizer(template + CHAT_TEMPLATE), "tiny").write(ASKED)


@pytest.mark.parametrize("name", DATED)
def test_a_prompt_is_the_same_on_any_day_and_as_transformers_writes_it_on_the_pinned_one(
    name, clock
):
    template = DATED[name]
    clock(WRITTEN)
    tokenizer = build_tokenizer(template + CHAT_TEMPLATE)
    turns = [{"role": "user", "content": "hello"}]
    theirs = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert "26" in theirs
    for days in (0, 1, 400):
        clock(WRITTEN + timedelta(days=days))
        assert written(template) == theirs


def test_the_clock_of_the_test_is_the_one_that_transformers_reads(clock):
    clock(datetime(2031, 5, 6, tzinfo=UTC))
    turns = [{"role": "user", "content": "hello"}]
    tokenizer = build_tokenizer(DATED["plain"] + CHAT_TEMPLATE)
    assert "06 May 2031" in tokenizer.apply_chat_template(turns, tokenize=False)


def test_the_date_is_told_and_a_template_without_one_is_left_as_it_is():
    def found(template):
        tokenizer = build_tokenizer(template)
        return {
            f.name: f.sentence
            for f in check_prompts(PromptWriter(tokenizer, "m"), [("user",)], MARKERS)
        }

    assert "26 July 2024" in found(DATED["plain"] + CHAT_TEMPLATE)["template_date"]
    assert "template_date" not in found(CHAT_TEMPLATE)
    assert standing_still(CHAT_TEMPLATE) == CHAT_TEMPLATE


def test_an_evaluation_is_the_same_run_tomorrow(tiny_model, tmp_path, clock, monkeypatch):
    """What was asked for yesterday is found, and a fresh run has the same samples."""
    folder = tmp_path / "dated"
    shutil.copytree(tiny_model, folder)
    for name in ("chat_template.jinja", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=name.endswith("jinja"))
    build_tokenizer(DATED["plain"] + CHAT_TEMPLATE).save_pretrained(folder)
    (tmp_path / "rows.jsonl").write_text('{"text": "one", "label": "A"}\n' * 3)
    (tmp_path / "own.toml").write_text('data = "rows.jsonl"\nprompt = "{text}"\ntarget = "label"\n')
    monkeypatch.chdir(tmp_path)

    def evaluate(runs):
        words = ["evaluate", str(folder), "-b", "own.toml", "--runs", runs, "--json"]
        answer = CliRunner().invoke(app, [*words, "--cache", "cache", "--max-tokens", "4"])
        assert answer.exit_code in (0, 3), answer.output + str(answer.exception)
        return json.loads(answer.stdout)["runs"][0]

    clock(WRITTEN)
    today = evaluate("runs")
    clock(WRITTEN + timedelta(days=1))
    tomorrow = evaluate("runs")
    assert tomorrow["run"] == today["run"]
    assert len(list((tmp_path / "runs").iterdir())) == 1
    fresh = evaluate("others")
    assert fresh["run"] == today["run"]
    first, second = (
        json.loads((tmp_path / runs / today["run"] / "run.json").read_text())
        for runs in ("runs", "others")
    )
    assert first["samples_digest"] == second["samples_digest"]
    assert "26 July 2024" in json.dumps(first)
