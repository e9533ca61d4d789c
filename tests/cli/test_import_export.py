"""Import, export and samples on the command line: JSON, 80 columns, errors of one line."""

import csv
import json

import pytest

from commands import weighbridge

ESCAPE = "To \x1b[31mred\x1b[0m \u202e begin"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with HELM's layout and MMLU's, one subject, and the two models imported from it."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "helm").mkdir()
    (folder / "mmlu" / "test").mkdir(parents=True)
    (folder / "mmlu" / "dev").mkdir()
    from weighbridge.evaluation.benchmarks.mmlu import SUBJECTS

    for subject in SUBJECTS:
        items = [
            [f"Question {n} on {subject}?", "a", "b", "c", "d", "ABCD"[n % 4]] for n in range(3)
        ]
        if subject == "astronomy":
            items = [[f"Star {n}?", "a", "b", "c", "d", "ABCD"[n % 4]] for n in range(60)]
        with (folder / "mmlu" / "test" / f"{subject}_test.csv").open("w", newline="") as file:
            csv.writer(file).writerows(items)
    said = [
        ["ABCD"[n % 4] if n % 5 else ESCAPE, " " + "ABCD"[(n + (n % 3 == 0)) % 4]]
        for n in range(60)
    ]
    with (folder / "helm" / "astronomy.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["question", "choices", "acme_big", "open_small"])
        rows.writerows([f"Star {n}?", "['a', 'b', 'c', 'd']", *said[n]] for n in range(60))
    done = weighbridge("import", "helm", "helm", "--gold", "mmlu", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    runs = {run["model"]: run for run in json.loads(done.stdout)["runs"]}
    return folder, runs


def test_import_prints_what_evaluate_prints_and_where_it_comes_from(work):
    folder, runs = work
    big, small = runs["acme_big"], runs["open_small"]
    assert (big["n"], big["mean"], big["mean_graded"]) == (60, 0.8, 1.0)
    assert big["ungraded"]["unparsed"] == 12 and small["ungraded"]["unparsed"] == 0
    assert big["origin"]["harness"] == "helm"
    assert set(big["origin"]["files"]) == {"astronomy.csv"}
    done = weighbridge("import", "helm", "helm", "--gold", "mmlu", cwd=folder)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "not measured here" in done.stdout and "12 unparsed" in done.stdout


def test_imported_runs_verify_and_compare_like_our_own(work):
    folder, runs = work
    names = [runs[m]["run"] for m in ("open_small", "acme_big")]
    done = weighbridge("verify", *names, cwd=folder)
    assert done.returncode == 0 and "imported from helm" in done.stdout
    done = weighbridge("compare", *names, "--html", "flips.html", "--json", cwd=folder)
    found = json.loads(done.stdout)
    assert found["n"] == 60 and found["html"] == "flips.html"
    assert (folder / "flips.html").read_text().lstrip().startswith("<!doctype html>")
    done = weighbridge("compare", *names, "--html", "flips.html", cwd=folder)
    assert done.returncode == 2 and "--overwrite" in done.stderr


def test_what_compare_refuses_of_our_runs_it_refuses_of_imported_ones(work):
    folder, runs = work
    names = [runs[m]["run"] for m in ("open_small", "acme_big")]
    done = weighbridge("compare", *names, "--groups", cwd=folder)
    assert done.returncode == 2 and "mmlu has 1 group of subjects" in done.stderr
    done = weighbridge("export", "inspect", names[0], "--to", "out/small.json", cwd=folder)
    done = weighbridge("import", "inspect", "out/small.json", "--json", cwd=folder)
    (back,) = json.loads(done.stdout)["runs"]
    assert back["mean"] == runs["open_small"]["mean"]
    done = weighbridge("compare", names[0], back["run"], cwd=folder)
    assert done.returncode == 2 and "benchmark_version" in done.stderr
    for option in (("--other-judge", ",".join(names)), ("--offset", ",".join(names))):
        done = weighbridge("compare", *names, *option, cwd=folder)
        assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_samples_are_filtered_paged_and_harmless_on_a_terminal(work):
    folder, runs = work
    run = runs["acme_big"]["run"]
    done = weighbridge(
        "runs", "show", run, "--samples", "--outcome", "unparsed", "--limit", 5, cwd=folder
    )
    assert "samples 1 to 5 of 12; next: --skip 5" in done.stdout
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert max(map(len, done.stdout.splitlines()[-20:])) <= 80
    words = ("runs", "show", run, "--samples", "--search", "star 59", "--json")
    (sample,) = json.loads(weighbridge(*words, cwd=folder).stdout)["samples"]
    assert sample["sample_id"] == "astronomy/0059"
    whole = weighbridge("runs", "show", run, "--samples", "--json", cwd=folder)
    assert len(json.loads(whole.stdout)["samples"]) == 60
    done = weighbridge("runs", "show", run, "--samples", "--skip", 100, cwd=folder)
    assert "no sample to show; 60 match" in done.stdout


def test_withheld_texts_stay_withheld(work):
    folder, _ = work
    words = ("helm", "helm", "--gold", "mmlu", "--withhold", "--runs", "secret")
    done = weighbridge("import", *words, "--json", cwd=folder)
    run = json.loads(done.stdout)["runs"][0]["run"]
    done = weighbridge("runs", "show", run, "--samples", "--runs", "secret", cwd=folder)
    assert "not published" in done.stdout and "Star" not in done.stdout
    every = "".join(p.read_text() for p in (folder / "secret").rglob("*.jsonl"))
    assert "Star" not in every and "red" not in every.replace("scored", "").replace("sha256", "")


def test_exports_are_written_and_named(work):
    folder, runs = work
    run = runs["acme_big"]["run"]
    for words in (
        ("tables", run, "--to", "out/run.csv"),
        ("inspect", run, "--to", "out/run.eval"),
        ("hugging-face", run, "--to", "out/repo"),
    ):
        done = weighbridge("export", *words, "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert all((folder / path).is_file() for path in json.loads(done.stdout)["files"])
    text = (folder / "out" / "repo" / ".eval_results" / "mmlu.yaml").read_text()
    assert "cais/mmlu" in text and "imported from helm, not measured here" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("import", "helmet", "helm"), "did you mean helm"),
        (("import", "helm", "nowhere"), "nothing at nowhere"),
        (("import", "helm", "helm"), "--gold PATH"),
        (("import", "helm", "helm", "--gold", "nowhere"), "nowhere"),
        (("import", "lm-eval", "helm"), "no results_*.json"),
        (("import", "inspect", "helm"), "no .eval or .json"),
        (("import", "inspect", "helm/astronomy.csv"), "expected JSON"),
        (("import", "helm", "helm", "--gold", "mmlu", "--scale", "1"), "LOW:HIGH"),
        (("export", "excel", "x", "--to", "y"), "unknown format 'excel'"),
        (("export", "tables", "x", "--to", "y.csv"), "unknown run 'x'"),
        (("runs", "show", "mmlu--acme", "--samples", "--outcome", "rite"), "did you mean right"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(work, words, said):
    done = weighbridge(*words, cwd=work[0])
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_harnesss_own_figure_stands_beside_ours(tmp_path):
    """A results file whose mean its samples don't give: said in text, and a number in --json."""
    out = tmp_path / "out"
    out.mkdir()
    rows = [
        {"doc_id": n, "doc": {"question": f"{n}?"}, "target": "1", "filter": "none",
         "arguments": {"gen_args_0": {"arg_0": f"{n}?", "arg_1": {}}}, "resps": [["1"]],
         "filtered_resps": ["1"], "metrics": ["exact_match"], "exact_match": float(n % 2)}
        for n in range(4)
    ]  # fmt: skip
    (out / "samples_toy_2026.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for stated, agrees in ((0.5, True), (0.75, False)):
        results = {
            "results": {"toy": {"exact_match,none": stated, "other,none": float("nan")}},
            "configs": {"toy": {"output_type": "generate_until"}},
            "model_name": "org/model", "lm_eval_version": "0.4.9",
        }  # fmt: skip
        (out / "results_2026.json").write_text(json.dumps(results))
        done = weighbridge("import", "lm-eval", "out", "--json", cwd=tmp_path)
        (run,) = json.loads(done.stdout)["runs"]
        assert (run["mean"], run["stated_mean"]) == (0.5, stated)
        assert run["agrees_with_stated"] is agrees and run["origin"]["headline"] is not None
        text = weighbridge("import", "lm-eval", "out", cwd=tmp_path).stdout
        assert ("lm-eval states exact_match,none 0.75; its samples" in text) is not agrees
