"""Tuning has to beat prompting: a prompt is chosen on validation rows, three arms are judged."""

import json
from contextlib import closing
from dataclasses import replace

import pytest
from test_stages import Collected, planned

from conftest import write_letters, write_project
from scored_runs import run
from weighbridge.cli.commands.run import _intended as intended
from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.benchmark import LoadRequest
from weighbridge.evaluation.worked_examples import asked_with, settings_with
from weighbridge.project import project_file
from weighbridge.project.project_file import read_project
from weighbridge.project.prompting import best_of
from weighbridge.project.report import document_of, verify_report, write_report
from weighbridge.project.running import run_stages, stages_of
from weighbridge.project.stage import PROMPT_ARMS, Models, Work
from weighbridge.project.stages import measure_prompted
from weighbridge.records import Message, Ungraded
from weighbridge.statistics import estimate

GUARD = '[[evaluate]]\nbenchmark = "mmlu"\nrole = "guard"\n'
PROMPTING = "[prompting]\nshots = [2, 1]\ndraws = 2\nrows = 6\n"


def with_prompts(folder):
    """Give a small project a validation file of its own, and prompts to beat."""
    write_letters(folder / "validation.jsonl", 500, 9)
    path = folder / "weighbridge.toml"
    text = path.read_text().replace('validation = "test.jsonl"', 'validation = "validation.jsonl"')
    path.write_text(text.replace(GUARD, "").replace("[[evaluate]]", PROMPTING + "[[evaluate]]", 1))
    return folder


@pytest.fixture
def three(project):
    return with_prompts(project)


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    """A project of three arms that was run to its report."""
    folder = with_prompts(write_project(tmp_path_factory.mktemp("three"), tiny_model))
    plan, where = planned(folder)
    show = Collected()
    outcome = run_stages(plan, where, show)
    report = folder / ".weighbridge/reports/letters"
    written = write_report(outcome, report, where.started, "", where.store)
    return outcome, written, where.store, show.lines


def test_the_examples_are_training_rows_that_are_not_validated_on(three):
    write_letters(three / "validation.jsonl", 0, 40)  # of the 48 training rows
    (prompts,) = planned(three)[0].prompts
    assert len(prompts.rows) == 6 and len(prompts.pool) == 42
    validated = {sample.question for sample in prompts.rows}
    for shots, draw in prompts.candidates[1:]:
        shown = prompts.examples(shots, draw)
        assert len(shown) == shots
        assert not validated.intersection(row.turns[0].content for row in shown)


def test_rows_of_another_task_are_no_examples(three):
    for name in ("train", "validation", "test"):
        path = three / f"{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row["messages"].insert(0, {"role": "system", "content": "Say the letter."})
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    general = [{"role": "user", "content": "Tell me"}, {"role": "assistant", "content": "a story"}]
    with (three / "train.jsonl").open("a") as file:
        file.write(json.dumps({"messages": general}) + "\n")
    plan, _ = planned(three)
    assert len(plan.files.rows) == 49
    (prompts,) = plan.prompts
    assert len(prompts.pool) == 48 and not any("a story" in str(row) for row in prompts.pool)


def test_a_draw_depends_on_the_seed_and_the_rows_alone(three):
    (prompts,) = planned(three)[0].prompts
    assert prompts.candidates == ((0, 0), (1, 1), (1, 2), (2, 1), (2, 2))
    drawn = [row.name for row in prompts.examples(2, 1)]
    turned = replace(prompts, pool=prompts.pool[::-1])
    assert [row.name for row in turned.examples(2, 1)] == drawn
    assert [row.name for row in prompts.examples(1, 1)] == drawn[:1]
    other = replace(prompts, stated=replace(prompts.stated, seed=1))
    sets = {tuple(r.name for r in p.examples(2, d)) for p in (prompts, other) for d in (1, 2)}
    assert len(sets) == 4


def test_without_a_validation_file_rows_of_the_training_file_are_held_out(three):
    path = three / "weighbridge.toml"
    path.write_text(path.read_text().replace('validation = "validation.jsonl"\n', ""))
    (prompts,) = planned(three)[0].prompts
    assert len(prompts.rows) == 6 and len(prompts.pool) == 42
    assert planned(three)[0].prompts[0].rows == prompts.rows


def test_examples_stand_behind_the_instruction_and_leave_the_item_as_it_is(three):
    task = planned(three)[0].prompts[0].task
    example = (Message("user", "say A"), Message("assistant", "A"))
    shown = asked_with(task.benchmark, [example])
    settings = settings_with(task.settings, [example])
    item = next(iter(shown.asking.load(LoadRequest(None, None, settings))))
    assert item == next(iter(task.items(task.settings)))
    instructed = replace(item, messages=(Message("system", "Say it."), *item.messages))
    asked = shown.asking.prompt(instructed, settings).messages
    assert [m.content for m in asked] == ["Say it.", "say A", "A", item.question]
    assert settings.as_json()["shots"] == 1 and settings.as_json()["examples"].startswith("sha256:")
    assert "examples" not in task.settings.as_json()


def test_the_shorter_of_two_equal_prompts_is_taken():
    def scored(share):
        measured = run("r", [0.0])
        return replace(measured, estimate=replace(measured.estimate, mean=share, mean_graded=share))

    tried = [(0, 0, scored(0.2)), (4, 1, scored(0.5)), (2, 2, scored(0.5)), (2, 1, scored(0.4))]
    assert best_of(tried) == (2, 2)
    silent = run("r", [Ungraded("unparsed")])
    silent = replace(silent, estimate=estimate(silent.samples, "mean"))
    assert best_of([(0, 0, silent), (2, 1, scored(0.0)), (4, 1, scored(0.0))]) == (2, 1)


def test_no_item_that_is_measured_is_read_before_the_prompt_is_chosen(three, monkeypatch):
    plan, where = planned(three)
    (prompts,) = plan.prompts
    happened = []

    def load(request):
        happened.append("items read")
        return prompts.task.benchmark.asking.load(request)

    benchmark = prompts.task.benchmark
    benchmark = replace(benchmark, asking=replace(benchmark.asking, load=load))
    watched = replace(prompts, task=replace(prompts.task, benchmark=benchmark))
    monkeypatch.setattr(
        measure_prompted, "best_of", lambda scored: happened.append("chosen") or best_of(scored)
    )
    with closing(Models(where)) as models:
        work = Work(replace(plan, prompts=(watched,)), where, Collected(), models)
        (arm,) = measure_prompted.STAGE.run(work)
    assert happened[0] == "chosen" and happened[-1] == "items read"
    assert len(arm.tried) == 5 and arm.shots in (1, 2)


def test_three_arms_run_to_a_verdict_and_the_report_verifies(finished):
    outcome, written, store, said = finished
    (weighed,) = outcome.weighed
    assert [run.asked.shots for run in weighed.runs] == [0, 0, weighed.prompted.arm.shots]
    assert written.judged.verdict == "paid", written.judged.headline
    titles = [finding.title for finding in written.judged.findings]
    assert titles == [
        "letters: better than the base as it is",
        "letters: better than the best prompt by more than 2 points",
    ]
    assert any(line.startswith("letters: best on validation is") for line in said)
    checks = {
        check.name: check.ok for one in verify_report(written.page, store) for check in one.checks
    }
    assert all(checks.values()) and "prompt of letters.toml chosen on validation" in checks
    document = document_of(written, outcome)
    (against,) = document.prompting
    assert [each.mean for each in against.tried] == [0.0] * 5 and against.shots == 1
    assert against.tuned.mean == weighed.after.estimate.mean > 0.5 + against.prompted.mean
    assert len(document.runs) == 3 and outcome.results[PROMPT_ARMS][0].run in document.runs
    page = written.page.read_text()
    assert "Tuning against prompting" in page and "What tuning adds" in page
    assert "Base with" in page and "Tuned, without examples" in page


def test_a_request_costs_what_its_examples_take(finished):
    weighed = finished[0].weighed[0]
    costs, arm = weighed.prompted.costs, weighed.prompted.arm
    assert costs.as_it_is.prompt_tokens == costs.tuned.prompt_tokens
    assert costs.prompted.prompt_tokens > (1 + 0.5 * arm.shots) * costs.tuned.prompt_tokens
    told = finished[1].judged.findings[1].sentence
    assert (
        f"{costs.prompted.prompt_tokens:,.0f} + {costs.prompted.output_tokens:,.0f} tokens" in told
    )


def test_the_comparison_states_in_what_its_arms_differ_and_nothing_else_may(finished):
    from weighbridge.comparison.prompted import compare_prompted

    outcome, _, store, _ = finished
    (weighed,) = outcome.weighed
    stated = {one.what for one in weighed.prompted.comparison.differences if one.confounds}
    assert stated == {"shots", "examples"}
    base, tuned = (store.read(run.run_id) for run in (weighed.before, weighed.after))
    hotter = replace(tuned, settings=tuned.settings | {"temperature": 1.0})
    with pytest.raises(InputError, match="temperature"):
        compare_prompted(weighed.weigh, store, weighed.prompted.arm, base, hotter)


def test_dry_run_tells_the_answers_that_the_choice_takes(three):
    plan, _ = planned(three)
    document, text = intended(plan.project.model.base, plan)
    asked = "ask the base with 0 or 1 or 2 worked examples on 6 validation rows (30 short answers)"
    assert document.stages[1].startswith(asked) and asked in text
    assert "letters: 24 items, three times" in text


def test_the_order_of_the_stages_leaves_the_base_open_until_it_is_tuned(three):
    assert [each.brings.name for each in stages_of(planned(three)[0])] == [
        "runs of the base", "runs of the prompted base", "tuned weights",
        "runs of the candidate", "comparisons",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (("draws", "draw"), UnknownName, "did you mean draws"),
        (("[prompting]", "[promting]"), UnknownName, "did you mean prompting"),
        (("[2, 1]", "[2, 2]"), InputError, r"weighbridge.toml: shots = \[2, 2\]"),
        (("[2, 1]", "[0]"), InputError, "each 1 or more"),
        (("[2, 1]", '"two"'), InputError, "prompting.shots"),
        (("draws = 2", "draws = 0"), InputError, "draws = 0"),
    ],
)
def test_a_wrong_prompting_table_is_one_clear_error(three, change, error, said):
    path = three / "weighbridge.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(error, match=said):
        read_project(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("validation.jsonl", "test.jsonl"),
            "would choose on 6 of 6 rows that letters is measured",
        ),
        (("[2, 1]", "[2, 64]"), "shots = 64 of 48 training rows"),
        (
            ("rows = 6", 'rows = 6\nvalidation = "none.jsonl"'),
            "reads .*none.jsonl as items of lett",
        ),
        (('"letters.toml"', '"letters.toml"\nchat_template = false'), "in plain text"),
    ],
)
def test_prompts_that_can_not_be_chosen_are_refused_before_anything_runs(three, change, said):
    path = three / "weighbridge.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(InputError, match=said):
        planned(three)


def test_prompting_without_tuning_is_refused(three):
    path = three / "weighbridge.toml"
    text = path.read_text()
    path.write_text(text[: text.index("[tune]")] + text[text.index("[prompting]") :])
    with pytest.raises(InputError, match=r"\[prompting\] without \[tune\]"):
        planned(three)


def test_every_key_of_a_project_file_stands_in_the_reference(repository):
    page = (repository / "docs/reference/project-file.md").read_text()
    for table in ("project", "model", "prompting", "evaluate", "incumbent", "economics", "judge"):
        for key in project_file._keys_of(table):
            assert f"| `{key}` |" in page.partition(f"[{table}]")[2], (table, key)
