"""`compare` of judged runs and of runs by two protocols, as a person meets it."""

import json

import pytest

from commands import weighbridge
from weighbridge.evidence import RunStore


@pytest.fixture(scope="module")
def scored(real_data, tmp_path_factory):
    """GPT-4's published judgments of four models, sealed."""
    folder = tmp_path_factory.mktemp("scored")
    file = real_data / "mt_bench/published/model_judgment/gpt-4_single.jsonl"
    data = f"mt_bench={real_data / 'mt_bench'}"
    done = weighbridge("score", "-b", "mt_bench", file, "--data", data, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, {run["model"]: run for run in json.loads(done.stdout)["runs"]}


def compared(scored, *words):
    folder, runs = scored
    a, b = (runs[f"mistral-orpo-{name}"]["run"] for name in ("trl", "mix"))
    return weighbridge("compare", a, b, *words, cwd=folder)


def test_means_by_category_and_turn_are_given_and_verified(scored):
    folder, runs = scored
    run = runs["mistral-orpo-trl"]
    turns = run["slices"]["turn"]
    assert [turns[t]["n"] for t in "12"] == [80, 80]
    assert (turns["1"]["mean"] + turns["2"]["mean"]) / 2 == pytest.approx(run["mean"])
    categories = run["slices"]["category"]
    assert len(categories) == 8 and {c["n"] for c in categories.values()} == {20}
    assert sum(c["mean"] for c in categories.values()) / 8 == pytest.approx(run["mean"])
    checked = weighbridge("verify", run["run"], cwd=folder)
    assert checked.returncode == 0 and "figure slices" in checked.stdout
    assert run["judge"] == "gpt-4"


def test_a_shifted_slice_is_found_out(scored, tmp_path):
    folder, runs = scored
    source = folder / ".weighbridge/runs" / runs["mistral-orpo-mix"]["run"]
    copy = tmp_path / source.name
    copy.mkdir()
    for path in source.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    document = json.loads((copy / "run.json").read_text())
    document["estimate"]["slices"]["category"]["math"]["mean"] += 1
    (copy / "run.json").write_text(json.dumps(document))
    checked = weighbridge("verify", copy, cwd=tmp_path)
    assert checked.returncode == 1 and "NO  figure slices" in checked.stdout


def test_values_are_printed_on_their_scale_in_80_columns(scored):
    done = compared(scored)
    plain = done.stdout.replace("95% interval", "").replace("(2% of it", "")
    assert done.returncode == 0 and "%" not in plain
    assert "7.166 against 6.003" in done.stdout
    assert "margin of 0.18 on the scale from 1 to 10 (2% of it, the default" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    listed = weighbridge("runs", "list", cwd=scored[0])
    assert "7.166" in listed.stdout and "%" not in listed.stdout


def test_every_rated_item_stands_in_the_page_on_its_scale(scored, tmp_path):
    page = tmp_path / "items.html"
    done = compared(scored, "--html", page)
    assert done.returncode == 0 and f"every item: {page}" in done.stdout
    text = page.read_text(encoding="utf-8")
    assert (
        "+1.16 [" in text and "margin of" in text and "0.18</span> on the scale from 1 to" in text
    )
    assert "The answers were judged by gpt-4." in text and "points" not in text.split("<main>")[0]
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert len(data["items"]) == 160
    assert {data["outcomes"][item[side]] for item in data["items"] for side in (5, 10)} == {
        "graded"
    }
    assert {data["results"][item[2]] for item in data["items"]} == {"lost", "won", "even"}
    gaps = [item[6] - item[11] for item in data["items"] if data["results"][item[2]] == "lost"]
    assert gaps == sorted(gaps) and gaps[0] < -3  # the most lost first
    again = compared(scored, "--html", page)
    assert again.returncode == 2 and "--overwrite" in again.stderr


@pytest.mark.parametrize("margin", ["9", "20", "-1"])
def test_a_margin_off_the_scale_is_one_line(scored, margin):
    done = compared(scored, "--margin", margin)
    assert done.returncode == 2 and "the scale from 1 to 10, from 0 to below 9" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_was_not_measured_of_the_judge_is_named(scored):
    done = compared(scored, "--json")
    audit = json.loads(done.stdout)["judge_audit"]
    assert audit["judge"] == "gpt-4" and audit["repeats"] == [None, None]
    assert len(audit["unknown"]) == 2 and audit["kin"] == []


def test_judgments_of_two_answers_are_no_repeats_of_one(scored):
    """mistral-orpo stands in GPT-4's file twice, with other answers each time."""
    folder, runs = scored
    a, b = runs["mistral-orpo-trl"]["run"], runs["mistral-orpo"]["run"]
    found = json.loads(weighbridge("compare", a, b, "--json", cwd=folder).stdout)
    assert found["judge_audit"]["repeats"] == [None, None] and found["judge_stderr"] == 0


def labelled(scored, path, shift):
    """A person who rates both models' answers to the first turn of 30 questions; A lower by so
    much than the judge does."""
    folder, runs = scored
    rows = []
    for name, less in (("trl", shift), ("mix", 0.0)):
        run = runs[f"mistral-orpo-{name}"]
        for sample in RunStore(folder / ".weighbridge/runs").read(run["run"]).samples[:60:2]:
            rating = max(1.0, min(10.0, sample.score.value - less))
            rows.append({"sample_id": sample.sample_id, "model": run["model"], "rating": rating})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_people_who_see_it_otherwise_correct_the_difference(scored, tmp_path):
    agree = compared(scored, "--human", labelled(scored, tmp_path / "a.jsonl", 0.0), "--json")
    audit = json.loads(agree.stdout)["judge_audit"]
    assert audit["agreement"]["labels"] == 60 and audit["agreement"]["items"] == 30
    assert audit["agreement"]["spearman"]["rate"] == pytest.approx(1.0)
    assert audit["agreement"]["kappa"]["rate"] == pytest.approx(1.0)
    assert audit["corrected"]["labelled"] == 30
    path = labelled(scored, tmp_path / "b.jsonl", 2.0)
    differ = json.loads(compared(scored, "--human", path, "--json").stdout)["judge_audit"]
    assert differ["agreement"]["bias"]["rate"] > 0.5
    assert differ["corrected"]["difference"] < audit["corrected"]["difference"] - 0.5
    (against,) = differ["self_preference"]
    assert against["reader"] == "people" and against["interval"][0] > 0
    said = compared(scored, "--human", path).stdout
    assert "favours the candidate" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"sample_id": "81/1", "rating": 11}', "line 1, column rating: 11"),
        ('{"sample_id": "81/1", "rating": "good"}', "a number on the scale from 1 to 10"),
        ('{"sample_id": 81, "rating": 5}', "column sample_id: 81"),
        ('{"sample_id": "81/1"}', "neither rating nor preference"),
        ('{"sample_id": "81/1", "rating": 5, "preference": "A"}', "rating and preference"),
        ('{"question_id": 81, "turn": 1, "model_a": "x", "model_b": "y", "winner": "z"}', "winner"),
        ("no json", "line 1"),
        ("", "holds no labels"),
    ],
)
def test_a_wrong_label_is_one_line(scored, tmp_path, row, said):
    (tmp_path / "labels.jsonl").write_text(row + "\n")
    done = compared(scored, "--human", tmp_path / "labels.jsonl")
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1


def other_judge(scored, real_data, tmp_path, change, name="gpt-3.5"):
    """The same answers, by another judge who rates as stated."""
    folder, _ = scored
    source = real_data / "mt_bench/published/model_judgment/gpt-4_single.jsonl"
    rows = []
    for line in source.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["model"] in ("mistral-orpo-trl", "mistral-orpo-mix"):
            rating = max(1.0, min(10.0, row["score"] + change(row["model"])))
            row |= {"judge": [name, row["judge"][1]], "judgment": f"[[{rating}]]"}
            rows.append(json.dumps(row))
    file = tmp_path / "other.jsonl"
    file.write_text("\n".join(rows))
    data = f"mt_bench={real_data / 'mt_bench'}"
    done = weighbridge("score", "-b", "mt_bench", file, "--data", data, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return [run["run"] for run in json.loads(done.stdout)["runs"]]


def test_another_judge_of_the_same_answers_shows_who_favours_whom(scored, real_data, tmp_path):
    runs = other_judge(
        scored, real_data, tmp_path, lambda model: -1.5 if model.endswith("trl") else 0
    )
    pair = ",".join(sorted(runs, reverse=True))  # trl, mix
    done = compared(scored, "--other-judge", pair, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["judge_audit"]["self_preference"]
    assert found["reader"] == "gpt-3.5" and 1 < found["excess"] <= 1.5 and found["n"] == 160
    said = " ".join(compared(scored, "--other-judge", pair).stdout.split())
    assert "gpt-4 favours the candidate by" in said
    assert "can't tell which of the two judges is right" in said
    swapped = compared(scored, "--other-judge", ",".join(sorted(runs)))
    assert swapped.returncode == 2 and "in the order compared" in swapped.stderr
    crossed = compared(scored, "--other-judge", "one")
    assert crossed.returncode == 2 and "two runs" in crossed.stderr
    needless = compared(scored, "--offset", pair)
    assert needless.returncode == 2 and "two runs by one protocol" in needless.stderr


@pytest.fixture(scope="module")
def by_protocol(tiny_model, real_data, tmp_path_factory):
    """A tiny model on MMLU by likelihood and by a written line; a second one by a line alone."""
    folder = tmp_path_factory.mktemp("protocols")
    from tiny import build_tiny_model

    second = build_tiny_model(folder / "second", initializer_range=0.2)
    found = {}
    for model, protocol in (
        (tiny_model, "loglikelihood"), (tiny_model, "letter"), (second, "letter"),
    ):  # fmt: skip
        done = weighbridge(
            "evaluate", model, "-b", "mmlu:astronomy", "--protocol", protocol, "--limit", 24,
            "--data", f"mmlu={real_data / 'mmlu'}", "--json", cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (run,) = json.loads(done.stdout)["runs"]
        found[model.name, protocol] = run["run"]
    return folder, found


def test_a_gap_between_protocols_is_never_a_gap_between_models(by_protocol, tmp_path):
    folder, runs = by_protocol
    a, b = runs["tiny-llama", "loglikelihood"], runs["second", "letter"]
    alone = tmp_path / "alone"
    for name in (a, b):
        (alone / name).mkdir(parents=True)
        for path in (folder / ".weighbridge/runs" / name).iterdir():
            (alone / name / path.name).write_bytes(path.read_bytes())
    done = weighbridge("compare", a, b, "--runs", alone, cwd=folder)
    assert done.returncode == 3, done.stderr
    said = " ".join(done.stdout.split())
    assert "inconclusive: how much of this gap is the protocol's is unknown" in said
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_offset_is_found_where_one_model_was_measured_both_ways(by_protocol):
    folder, runs = by_protocol
    a, b = runs["tiny-llama", "loglikelihood"], runs["second", "letter"]
    both = f"{a},{runs['tiny-llama', 'letter']}"
    found = weighbridge("compare", a, b, "--json", cwd=folder)
    named = weighbridge("compare", a, b, "--offset", both, "--json", cwd=folder)
    assert found.stdout == named.stdout and found.returncode == named.returncode
    document = json.loads(found.stdout)
    across = document["across_protocols"]
    assert across["offset"]["protocol_a"] == "loglikelihood" and not across["carried"]
    direct = weighbridge("compare", runs["tiny-llama", "letter"], b, "--json", cwd=folder)
    assert document["interval"] == pytest.approx(json.loads(direct.stdout)["interval"])
    assert document["difference"] == pytest.approx(
        across["raw"]["difference"] - across["offset"]["offset"]
    )
    said = weighbridge("compare", a, b, cwd=folder).stdout
    assert "without it:" in said and max(map(len, said.splitlines())) <= 80


def test_items_of_two_protocols_stand_as_they_were_answered(by_protocol, tmp_path):
    """The headline has the offset taken out; the items still say who answered what."""
    folder, runs = by_protocol
    a, b = runs["tiny-llama", "loglikelihood"], runs["second", "letter"]
    page = tmp_path / "items.html"
    found = weighbridge("compare", a, b, "--html", page, "--json", cwd=folder)
    document = json.loads(found.stdout)
    assert document["html"] == str(page) and document["flips"] == []
    raw = document["across_protocols"]["raw"]
    text = page.read_text(encoding="utf-8")
    assert "by different protocols, loglikelihood and letter" in text
    assert "as measured on tiny-llama" in text
    results = {"lost": -1, "won": 1}
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    gaps = [results.get(data["results"][item[2]], 0) for item in data["items"]]
    assert any(gaps) and sum(gaps) / raw["n"] == pytest.approx(raw["difference"])


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        ("{b},{b}", "one run by loglikelihood and one by letter"),
        ("{a},{b}", "of two models"),
        ("nowhere,{b}", "unknown run"),
    ],
)
def test_a_wrong_offset_is_one_line(by_protocol, offset, said):
    folder, runs = by_protocol
    a, b = runs["tiny-llama", "loglikelihood"], runs["second", "letter"]
    done = weighbridge("compare", a, b, "--offset", offset.format(a=a, b=b), cwd=folder)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
