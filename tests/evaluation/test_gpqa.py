"""GPQA as the harness asks it; its questions stay out of everything that a run leaves behind.

The archives here have the authors' format and questions of our own.
"""

import csv
import io
from dataclasses import replace

import pytest

import commands
from encrypted_zip import write_encrypted_zip
from weighbridge.errors import InputError, MalformedRow, UnknownName, WeighbridgeError
from weighbridge.evaluation.answers import Answers, RecordedAnswers
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.gpqa import ANSWERS, BENCHMARK, COLUMNS, choice_order
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.records import Generation, Graded, Ungraded

GRADING = BENCHMARK.grading

WORDS = ("zyzzogeton", "quokkaland", "marzipanic", "brontoskive")
PASSWORD = "our-own-password"


def table(rows=6, **changed):
    written = io.StringIO()
    writer = csv.DictWriter(written, [*COLUMNS, "Subdomain"])
    writer.writeheader()
    for i in range(rows):
        writer.writerow(
            {
                "Record ID": f"rec{i}", "Question": f"Which {WORDS[0]} is it,\nnumber {i}?",
                "Correct Answer": f" {WORDS[1]}  {i} ", "Incorrect Answer 1": f"{WORDS[2]} {i}",
                "Incorrect Answer 2": f"{WORDS[3]} [title]{i}", "Incorrect Answer 3": "none",
                "Subdomain": "x",
            } | changed
        )  # fmt: skip
    return written.getvalue()


@pytest.fixture
def folder(tmp_path):
    """The Hub's layout."""
    data = tmp_path / "source" / "gpqa"
    data.mkdir(parents=True)
    for subset, rows in (("main", 6), ("extended", 7), ("diamond", 2)):
        (data / f"gpqa_{subset}.csv").write_text(table(rows), newline="")
    return data


@pytest.fixture
def archive(folder, tmp_path):
    """The authors' layout: a folder `dataset` in an encrypted archive."""
    files = {f"dataset/{path.name}": path.read_bytes() for path in sorted(folder.iterdir())}
    (tmp_path / "source/password.txt").write_text(PASSWORD + "\n")
    return write_encrypted_zip(tmp_path / "source/dataset.zip", files, PASSWORD)


def load(data, subset=None, **settings):
    return BENCHMARK.asking.load(LoadRequest(data, subset, Settings(**settings)))


def test_the_prompt_is_the_harness_prompt_byte_for_byte(folder):
    sample = load(folder)[0]
    tidy = {0: "marzipanic 0", 1: "brontoskive. 0", 2: "none", 3: "quokkaland 0"}
    a, b, c, d = (tidy[k] for k in choice_order(0, "rec0"))
    asked = (
        f"What is the correct answer to this question:Which zyzzogeton is it,\nnumber 0?\n"
        f"Choices:\n(A) {a}\n(B) {b}\n(C) {c}\n(D) {d}\n"
    )
    assert BENCHMARK.asking.prompt(sample, Settings()).text == asked + "Answer:"
    by_reasoning = BENCHMARK.asking.prompt(sample, Settings(protocol="generative"))
    assert by_reasoning.text == asked + "Let's think step by step: "
    assert BENCHMARK.asking.continuations(sample, Settings()) == (" (A)", " (B)", " (C)", " (D)")
    shown = dict(zip(("(A)", "(B)", "(C)", "(D)"), sample.choices, strict=True))
    assert shown[sample.target] == "quokkaland 0"


def test_the_order_of_choices_depends_on_seed_and_item_alone(folder):
    alone, among = load(folder, limit=1)[0], load(folder, "extended")[0]
    assert alone == among and alone.metadata["order"] == list(choice_order(0, "rec0"))
    assert load(folder, seed=1) != load(folder)
    firsts = [choice_order(0, f"rec{i}").index(3) for i in range(4000)]
    assert all(900 < firsts.count(place) < 1100 for place in range(4))
    assert len(ANSWERS) == 4 and ANSWERS[3] == "Correct Answer"


def test_archive_and_hub_give_the_same_items(folder, archive, tmp_path):
    assert [len(load(archive, s)) for s in (None, "extended", "diamond")] == [6, 7, 2]
    assert load(archive) == load(folder) == load(archive.parent)
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "hub/gpqa_main").mkdir(parents=True)
    rows = list(csv.DictReader(io.StringIO(table(), newline="")))
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "hub/gpqa_main/train-0.parquet")
    assert load(tmp_path / "hub") == load(folder)


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_the_password_one_line_says_where_it_goes(archive, password):
    sidecar = archive.with_name("password.txt")
    sidecar.unlink() if password is None else sidecar.write_text(password)
    with pytest.raises(InputError, match=r"password\.txt") as told:
        load(archive)
    assert PASSWORD not in str(told.value)


def test_gold_silence_and_what_names_no_choice(folder):
    for sample in load(folder):
        gold = GRADING.grade(sample, Generation("x", 0, GRADING.gold(sample), "end", 0, 0, 0))
        assert isinstance(gold, Graded) and gold.value == 1
        assert set(gold.parts.values()) == {1}
        for text in ("", "I am not sure.", "Perhaps (E)?"):
            score = GRADING.grade(sample, Generation("x", 0, text, "end", 0, 0, 0))
            assert isinstance(score, Ungraded) and score.reason == "unparsed"
        cut = GRADING.grade(sample, Generation("x", 0, "First (A) says", "length", 0, 0, 0))
        assert cut.reason == "truncated"


def test_the_last_choice_counts_unless_an_answer_is_stated(folder):
    sample = replace(load(folder)[0], target="(B)")

    def read(text):
        return GRADING.grade(sample, Generation("x", 0, text, "end", 0, 0, 0))

    assert read("Not (A), so (B)").answer == "(B)"
    assert read("The answer is (B). I doubted (C).").parts == {
        "strict_match": 1, "flexible_extract": 0,
    }  # fmt: skip


def test_a_run_leaves_no_question_behind(archive, tiny_model, tmp_path):
    """Searches every file that commands write, and all that they say, also after errors."""
    home = tmp_path / "home"
    home.mkdir()
    around = {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    broken = tmp_path / "source/broken"
    broken.mkdir()
    (broken / "gpqa_main.csv").write_text(table().replace("Incorrect Answer 2", "Something"))

    def weighbridge(*words):
        return commands.weighbridge(*words, cwd=home, env=around)

    asked = ["evaluate", tiny_model, "-b", "gpqa", "--limit", 2, "--threads", 1]
    said = ""
    for words, code in (
        ([f"--data=gpqa={archive}"], 0),
        ([f"--data=gpqa={archive}", "--protocol", "generative", "--max-tokens", 4], 3),
        ([f"--data=gpqa={archive}", "--show-prompt"], 0),
        ([f"--data=gpqa={broken}", "--json"], 2),
    ):
        done = weighbridge(*asked, *words)
        assert done.returncode == code, done.stderr
        said += done.stdout + done.stderr
    assert_withheld(said, home)


def assert_withheld(said, folder):
    for word in WORDS:
        assert word not in said
        for path in folder.rglob("*"):
            assert not path.is_file() or word.encode() not in path.read_bytes(), path


def test_a_model_that_quotes_the_question_leaves_none_behind_either(folder, tmp_path):
    samples = load(folder)
    quotes = {s.id: [f"{s.question} {s.choices}: the answer is {s.target}"] for s in samples}
    answers = tmp_path / "answers.jsonl"
    answers.write_text("")
    store = RunStore(tmp_path / "runs")
    place = RunContext(store, 1, "2026-01-01T00:00:00+00:00")
    settings = Settings(protocol="generative")

    def measure(benchmark):
        model = RecordedAnswers(Answers(answers, quotes), partial=False)
        return evaluate(model, benchmark, place, settings=settings, data=folder)

    def fail(sample, generation):
        raise ValueError(f"can't read {sample.question}")

    run = measure(BENCHMARK)
    assert run.estimate.mean == 1 and verify(store.folder_of(run.run_id)).ok
    for sample in store.read(run.run_id).samples:
        assert sample.question is None and sample.target is None
        order = " ".join(map(str, choice_order(0, sample.sample_id)))
        assert f"choices in order {order}" in sample.score.why
    failed = measure(replace(BENCHMARK, grading=replace(GRADING, grade=fail), version="fails"))
    assert failed.estimate.ungraded["infrastructure"] == 6
    assert_withheld("", tmp_path / "runs")


def test_faults_in_the_data_are_named_without_quoting_it(folder, tmp_path):
    path = folder / "gpqa_main.csv"
    for data in (
        table().replace("Question", "Frage").encode(),
        table().encode() + b"rec9,zyzzogeton \xff",
        b"zyzzogeton",
    ):
        path.write_bytes(data)
        with pytest.raises(WeighbridgeError) as told:
            list(load(folder)) or pytest.fail("no row was read")
        assert WORDS[0] not in str(told.value)
    assert issubclass(MalformedRow, WeighbridgeError)
    with pytest.raises(UnknownName, match="did you mean diamond"):
        load(folder, "diamnd")
    with pytest.raises(InputError, match="without examples"):
        load(folder, shots=2)
