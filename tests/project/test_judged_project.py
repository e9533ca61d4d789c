"""A project with a judged benchmark and one benchmark by two protocols, on a tiny model."""

import json

import pytest

from commands import weighbridge
from tiny import build_tiny_model
from weighbridge.errors import InputError, UnknownName
from weighbridge.opening.endpoints import Endpoints
from weighbridge.project.plan import RunEnvironment, make_plan
from weighbridge.project.project_file import read_project
from weighbridge.sources.datasets import DataPlaces

PROJECT = """
[project]
name = "judged"
[model]
base = "model"
[data]
mt_bench = "{data}/mt_bench"
mmlu = "{data}/mmlu"
[judge]
model = "model"
repeats = 2
max_tokens = 4
human = "labels.jsonl"
[tune]
train = "train.jsonl"
learning_rate = 1e-2
epochs = 1
batch_size = 4
rank = 2
[[evaluate]]
benchmark = "mt_bench:math"
limit = 2
max_tokens = 4
margin = 0.5
[[evaluate]]
benchmark = "mmlu:astronomy"
role = "guard"
limit = 8
[[evaluate]]
benchmark = "mmlu:astronomy"
protocol = "generative"
role = "guard"
limit = 8
max_tokens = 4
"""


@pytest.fixture(scope="module")
def folder(real_data, tmp_path_factory):
    home = tmp_path_factory.mktemp("judged")
    build_tiny_model(home / "model", max_position_embeddings=8192)
    turns = [{"role": "user", "content": "say A"}, {"role": "assistant", "content": "A"}]
    (home / "train.jsonl").write_text((json.dumps({"messages": turns}) + "\n") * 4)
    label = {"sample_id": "111/1", "preference": "A"}
    (home / "labels.jsonl").write_text(json.dumps(label) + "\n")
    (home / "weighbridge.toml").write_text(PROJECT.format(data=real_data))
    return home


@pytest.mark.slow
def test_a_judged_project_runs_to_a_report_that_is_verified(folder):
    done = weighbridge("run", "--offline", "--threads", "1", "--json", cwd=folder)
    assert done.returncode == 3, done.stderr
    outcome = json.loads(done.stdout)
    (finding,) = [f for f in outcome["findings"] if f["title"].startswith("mt_bench")]
    # The judge is a random model: none of its judgments holds a rating, so no figure stands.
    assert finding["outcome"] == "insufficient"
    assert finding["sentence"] == (
        "mt_bench:math can't be told: nothing was graded in either run (8 unparsed; 8 unparsed)."
    )
    assert "mt_bench:math base: nothing was graded: 8 unparsed" in done.stderr
    assert outcome["verdict"] == "insufficient evidence"
    page = (folder / outcome["report"]).read_text()
    for said in (
        "Judge audit", "By category (1)", "By turn (2)", "nothing was graded in either run",
        "mmlu:astronomy, loglikelihood", "mmlu:astronomy, generative",
        "margin <span class=\"num\">0.50</span> on the scale from 1 to 10",
    ):  # fmt: skip
        assert said in page, said
    assert "What the protocol is worth" not in page  # one of the two protocols graded nothing
    report = folder / ".weighbridge/reports/judged"
    checked = weighbridge("verify", str(report), cwd=folder)
    assert checked.returncode == 0, checked.stdout
    facts = json.loads((report / "report.json").read_text())
    assert facts["labels"] == [
        {"sample_id": "111/1", "preferred": "A", "model": None, "rating": None, "models": None}
    ]


def plan(folder, tmp_path, *changes):
    text = (folder / "weighbridge.toml").read_text().replace('"model"', f'"{folder}/model"')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    for name in ("train.jsonl", "labels.jsonl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "weighbridge.toml").write_text(text)
    project = read_project(tmp_path / "weighbridge.toml")
    places = DataPlaces(named=project.named_data, root=None, offline=True)
    from weighbridge.evidence import RunStore

    where = RunEnvironment(
        RunStore(tmp_path / "runs"), tmp_path, tmp_path / "cache", places, "cpu", 1, True,
        "2026-01-01T00:00:00+00:00", Endpoints(tmp_path / "answers", key=lambda _: None),
    )  # fmt: skip
    return make_plan(project, where)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (("margin = 0.5", "margin = 9"), InputError, "the scale from 1 to 10.*are 0.18"),
        (("limit = 8\n[[", "limit = 8\nmargin = 1.5\n[["), InputError, "2 points are 0.02"),
        (('protocol = "generative"', 'protocol = "spoken"'), UnknownName, "loglikelihood"),
        (("repeats = 2", "repeat = 2"), UnknownName, "did you mean repeats"),
        (('human = "labels.jsonl"', 'human = "none.jsonl"'), InputError, "no file at"),
        (("[judge]\nmodel", "[other]\nmodel"), UnknownName, "judge"),
        (("limit = 2\n", 'limit = 2\nprotocol = "pairwise"\n'), InputError, "nothing to compare"),
    ],
)
def test_a_wrong_project_is_told_before_anything_is_loaded(folder, tmp_path, change, error, said):
    with pytest.raises(error, match=said):
        plan(folder, tmp_path, change)


def test_a_judged_benchmark_needs_a_judge(folder, tmp_path):
    text = (folder / "weighbridge.toml").read_text()
    table = text[text.index("[judge]") : text.index("[tune]")].replace(
        '"model"', f'"{folder}/model"'
    )
    with pytest.raises(InputError, match=r"mt_bench:math without a judge.*add \[judge\]"):
        plan(folder, tmp_path, (table, ""))
