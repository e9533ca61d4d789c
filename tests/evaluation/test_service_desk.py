"""The service desk: its generator, the committed data, and the benchmark that reads them."""

import importlib.util
import json
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.service_desk import BENCHMARK, FIELDS
from weighbridge.records import Generation, Graded, Sample, Ungraded
from weighbridge.statistics.text_overlap import overlap

DESK = Path(__file__).parents[2] / "examples" / "service_desk"


@pytest.fixture(scope="module")
def desk():
    sys.path.insert(0, str(DESK))  # as for a script: phrases.py lies beside it
    spec = importlib.util.spec_from_file_location("service_desk_generate", DESK / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(DESK))
    return module


@pytest.fixture(scope="module")
def splits():
    """Rows of each committed file as (message, target)."""
    read = {}
    for split in ("train", "validation", "test"):
        rows = map(json.loads, (DESK / "data" / f"{split}.jsonl").read_text("utf-8").splitlines())
        turns = [row["messages"] for row in rows]
        read[split] = [(t[1]["content"], json.loads(t[2]["content"])) for t in turns]
    return read


def banks(desk):
    for group in (
        desk.FAULTS,
        desk.TASKS,
        desk.ISSUES,
        desk.REQUESTS,
        desk.DECLINED,
        desk.SIDE_ISSUES,
        desk.URGENCY_CUES,
        desk.SENTIMENT_CUES,
    ):
        yield from group.values()
    yield from (desk.DECLINES, desk.SIDES_BEFORE, desk.SIDES_AFTER)
    yield from (desk.CHATTER, desk.OPENERS, desk.SIGNATURES)


# --- Data ---------------------------------------------------------------------------------------


def test_the_generator_writes_the_committed_files(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["generate.py", "--seed", "2026", "--out", str(tmp_path)])
    desk.main()
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(written) == ["test.jsonl", "train.jsonl", "validation.jsonl"]
    assert written == {name: (DESK / "data" / name).read_bytes() for name in written}


@pytest.mark.slow
def test_another_seed_writes_other_messages(desk):
    assert desk.generate(1)["test"][0] != desk.generate(2)["test"][0]


def test_splits_have_the_promised_sizes_and_form(desk, splits):
    assert {split: len(rows) for split, rows in splits.items()} == {
        "train": 320,
        "validation": 100,
        "test": 200,
    }
    allowed = {
        "category": desk.CATEGORIES,
        "urgency": desk.URGENCIES,
        "product": (*desk.PRODUCTS, None),
        "ask": desk.ASKS,
        "sentiment": desk.SENTIMENTS,
    }
    for message, target in (row for rows in splits.values() for row in rows):
        assert tuple(target) == FIELDS
        assert all(target[field] in allowed[field] for field in FIELDS)
        assert "{" not in message
        assert 15 <= len(message.split()) <= 70


def test_no_message_resembles_another(desk, splits):
    messages = [message for rows in splits.values() for message, _ in rows]
    assert len({re.sub(r"[\W\d]+", " ", m.lower()).strip() for m in messages}) == len(messages)
    marks = [desk.trigrams(message) for message in messages]
    closest = max(desk.similarity(a, b) for i, a in enumerate(marks) for b in marks[:i])
    assert closest < 0.5


@pytest.mark.parametrize("split", ["validation", "test"])
def test_no_item_overlaps_with_a_training_row(splits, split):
    """By the rule that a project's own data is searched with."""
    items, rows = ([message for message, _ in splits[name]] for name in (split, "train"))
    assert overlap(items, rows).found == frozenset()
    assert overlap([*items, rows[0]], rows).found == {len(items)}


def test_held_out_phrases_occur_in_test_and_never_in_training(desk, splits):
    text = {split: " ".join(m.lower() for m, _ in rows) for split, rows in splits.items()}
    held_out = [p.lower() for bank in banks(desk) for p in bank[3::4] if "{" not in p]
    held_out = [p for p in held_out if len(p.split()) > 3]
    assert len(held_out) > 40
    assert [p for p in held_out if p in text["train"]] == []
    assert sum(p in text["test"] for p in held_out) > len(held_out) / 2


def test_every_bank_has_a_held_out_phrase_and_every_bank_is_used(desk):
    assert all(len(bank) >= 4 and len(set(bank)) == len(bank) for bank in banks(desk))
    assert {scenario.issues for scenario in desk.SCENARIOS} == set(desk.ISSUES)
    assert {scenario.requests for scenario in desk.SCENARIOS} == set(desk.REQUESTS)
    assert set(desk.FAULTS) == set(desk.TASKS) == set(desk.PRODUCTS.values())


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_label_occurs_and_none_dominates(desk, splits, split):
    targets = [target for _, target in splits[split]]
    for field, labels in {
        "category": desk.CATEGORIES,
        "urgency": desk.URGENCIES,
        "product": (*desk.PRODUCTS, None),
        "ask": desk.ASKS,
        "sentiment": desk.SENTIMENTS,
    }.items():
        counts = Counter(target[field] for target in targets)
        assert set(counts) == set(labels)
        assert max(counts.values()) <= 0.6 * len(targets)


def test_a_named_product_is_named_in_the_message(splits):
    for message, target in (row for rows in splits.values() for row in rows):
        if target["product"] is not None:
            assert target["product"].lower() in message.lower()


KEYWORDS = {
    "category": {
        "billing": "invoice bill billed charged debited fee card payment",
        "delivery": "parcel courier delivery shipped box tracking order",
        "account": "password profile app login e-mail sign",
        "cancellation": "plan cancel renewal membership don't",
        "how_to": "how manual booklet",
        "defect": "",
    },
    "urgency": {
        "high": "urgent today tomorrow immediately hours can't",
        "low": "hurry whenever wait rush",
        "normal": "",
    },
    "ask": {
        "refund": "refund money reimbursed return back",
        "replacement": "new replace replacement another",
        "repair": "repair fix mend workshop technician",
        "callback": "call phone ring",
        "track_order": "where track status trace",
        "cancel": "cancel end stop",
        "update_details": "change update correct records",
        "information": "",
    },
    "sentiment": {
        "negative": "disappointed fed joke worse never patience",
        "positive": "happy great pleased lovely wonderful joy",
        "neutral": "",
    },
}


def test_looking_up_keywords_is_not_enough(desk, splits):
    def answer(message):
        words = re.findall(r"[a-z'-]+", message.lower())
        named = [product for product in desk.PRODUCTS if product.lower() in words]
        found = {
            field: next(
                label for label, cues in labels.items() if not cues or set(cues.split()) & {*words}
            )
            for field, labels in KEYWORDS.items()
        }
        return found | {"product": named[0] if named else None}

    right = [answer(message) == target for message, target in splits["test"]]
    assert sum(right) / len(right) < 0.4


# --- Benchmark ----------------------------------------------------------------------------------


def request(data: Path | None = None, subset: str | None = None, **settings) -> LoadRequest:
    return LoadRequest(data, subset, Settings(**settings))


def items(*arguments, **settings) -> list[Sample]:
    return list(BENCHMARK.asking.load(request(*arguments, **settings)))


def generation(text: str, stop: str = "end") -> Generation:
    return Generation("s", 0, text, stop, 1, 1, 0)


def test_the_shipped_data_is_found_and_limited():
    assert len(items()) == 200
    assert items() == items(subset="test")
    assert len(items(subset="validation")) == 100
    assert items(limit=3) == items()[:3]


def test_a_folder_or_a_file_can_stand_in_for_it(tmp_path):
    lines = (DESK / "data" / "test.jsonl").read_text("utf-8").splitlines()
    file = tmp_path / "validation.jsonl"
    file.write_text("\n".join(lines[:2]) + "\n\n", "utf-8")
    assert len(items(tmp_path, "validation")) == 2
    assert len(items(file)) == 2


def test_the_prompt_holds_instruction_and_message_without_the_answer():
    sample = items()[0]
    prompt = BENCHMARK.asking.prompt(sample, Settings())
    assert [message.role for message in prompt.messages] == ["system", "user"]
    plain = BENCHMARK.asking.prompt(sample, Settings(chat_template=False))
    assert plain.text.startswith(prompt.messages[0].content)
    assert sample.question in plain.text
    assert BENCHMARK.grading.gold(sample) not in plain.text


def test_gold_earns_full_marks_and_silence_none():
    for sample in items():
        assert (
            BENCHMARK.grading.grade(sample, generation(BENCHMARK.grading.gold(sample))).value == 1.0
        )
    assert isinstance(BENCHMARK.grading.grade(sample, generation("")), Ungraded)


def test_one_wrong_field_fails_the_whole_and_is_named():
    sample = items()[0]
    wrong = replace(sample, target=sample.target | {"ask": "a song"})
    result = BENCHMARK.grading.grade(sample, generation(BENCHMARK.grading.gold(wrong)))
    assert isinstance(result, Graded)
    assert result.value == 0.0
    assert result.parts == dict.fromkeys(FIELDS, 1.0) | {"ask": 0.0}
    assert result.why == f"ask: a song, expected {sample.target['ask']}"


def row(**changes) -> dict:
    answer = dict.fromkeys(FIELDS, "x")
    turns = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": json.dumps(answer)},
    ]
    return {"id": "a", "messages": turns} | changes


ROWS = {
    "broken json": ('{"id": "a", ', 13),
    "no object": ("[1]", None),
    "no id": (json.dumps(row(id=None)), "id"),
    "no messages": (json.dumps(row(messages="Hello")), "messages"),
    "unknown role": (json.dumps(row(messages=[{"role": "bot", "content": "x"}])), "messages"),
    "no answer": (json.dumps(row(messages=[{"role": "user", "content": "x"}])), "messages"),
    "answer not json": (
        json.dumps(row(messages=[*row()["messages"][:1], {"role": "assistant", "content": "x"}])),
        "messages",
    ),
    "answer lacks keys": (
        json.dumps(row(messages=[*row()["messages"][:1], {"role": "assistant", "content": "{}"}])),
        "messages",
    ),
    "id again": (json.dumps(row(id="first")), "id"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_malformed_row_is_named_by_file_line_and_column(tmp_path, name):
    line, column = ROWS[name]
    file = tmp_path / "test.jsonl"
    file.write_text(json.dumps(row(id="first")) + "\n\n" + line + "\n", "utf-8")
    with pytest.raises(MalformedRow) as caught:
        items(file)
    assert (caught.value.path, caught.value.line, caught.value.column) == (file, 3, column)


def test_bytes_that_are_not_utf8_are_a_malformed_row(tmp_path):
    file = tmp_path / "test.jsonl"
    file.write_bytes(b'{"id": "\xff"}\n')
    with pytest.raises(MalformedRow, match="line 1, column 9"):
        items(file)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_is_refused(tmp_path, content):
    (tmp_path / "test.jsonl").write_text(content)
    with pytest.raises(InputError, match="no rows"):
        items(tmp_path)


def test_worked_examples_stand_between_the_instruction_and_the_message():
    plain, shown = items()[0], items(shots=2)[0]
    roles = [message.role for message in shown.messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert (shown.messages[0], shown.messages[-1]) == plain.messages
    asked = {item.question for item in items()}
    assert not asked & {message.content for message in shown.messages[1:-1]}
    with pytest.raises(InputError, match=r"--shots 5000.*at most as many as .*train.jsonl"):
        items(shots=5000)


def test_a_missing_file_an_unknown_subset_and_shots_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        items(tmp_path)
    with pytest.raises(UnknownName, match="validation"):
        items(subset="validatoin")
    rows = (DESK / "data" / "test.jsonl").read_text()
    (tmp_path / "test.jsonl").write_text(rows)
    with pytest.raises(InputError, match=r"--shots 5, and no .*train.jsonl"):
        items(tmp_path, shots=5)
