"""Runs on a server whose replies are no answers, or odd ones: evidence and notes say so."""

import json

import pytest

from scripted_server import Out, chat, replying
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.marks import FILED_AS_REASONING, HALF_CHARACTER
from weighbridge.records import ALARM, Graded, Ungraded

ROWS = 6
NO_TOKENS = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}


@pytest.fixture
def run(opened, tmp_path):
    """Returns the sealed run of a benchmark whose answer is always A, and what was asked."""
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"q": f"row {n}", "a": "A"}) + "\n" for n in range(ROWS))
    )

    def run_(script, limit=ROWS, toml='prompt = "{q}"\ntarget = "a"\nmax_tokens = 100\n'):
        (tmp_path / "own.toml").write_text(f'data = "rows.jsonl"\n{toml}')
        store = RunStore(tmp_path / f"runs-{limit}")
        place = RunContext(store, 1, "2026-01-01T00:00:00+00:00")
        with replying(lambda body, nth: script(row_of(body))) as served:
            benchmark = read_own_benchmark(tmp_path / "own.toml")
            made = evaluate(opened(served), benchmark, place, settings=Settings(limit=limit))
        assert verify(store.folder_of(made.run_id)).ok
        return store.read(made.run_id), served.asked

    return run_


def row_of(body):
    return int(body["messages"][-1]["content"].split()[1])


def reasons(made):
    return [getattr(sample.score, "reason", "graded") for sample in made.samples]


def test_what_a_server_does_not_call_an_answer_counts_against_nobody(run):
    odd = {1: chat("A", None), 2: chat("A", "who_knows"), 3: chat("A", "model_length")}
    made, asked = run(lambda row: Out(odd.get(row, chat("A"))))
    assert reasons(made) == ["graded", "infrastructure", "infrastructure", *["graded"] * 3]
    assert len(asked) == ROWS and made.estimate.ungraded["infrastructure"] == 2
    assert [made.samples[n].output for n in (1, 2)] == ["A", "A"]
    assert made.estimate.mean == 1.0
    (lost,) = [note for note in made.provenance.notes if "were lost" in note]
    assert lost.startswith("2 answers were lost") and "finish reason null" in lost
    assert any("more tokens can't help" in note for note in made.provenance.notes)


def test_half_a_character_is_sealed_marked_counted_and_asked_for_once(run):
    made, asked = run(lambda row: Out(chat("A" if row else "A\ud83d")))
    first = made.samples[0]
    assert first.output == "A\ufffd" and HALF_CHARACTER.sign in first.score.why
    assert isinstance(first.score, Graded) and len(asked) == ROWS
    (note,) = [note for note in made.provenance.notes if "U+FFFD" in note]
    assert note.startswith("1 answers held half a character")


def test_answers_filed_as_reasoning_are_counted_in_the_notes(run):
    filed = chat(None, message={"reasoning_content": "A"})
    made, _ = run(lambda row: Out(filed if row % 2 else chat("A")))
    assert reasons(made) == ["graded", "infrastructure"] * 3
    assert [sample.output for sample in made.samples] == ["A"] * ROWS
    assert all(
        FILED_AS_REASONING.sign in sample.score.why
        for sample in made.samples
        if isinstance(sample.score, Ungraded)
    )
    assert any(
        note.startswith("3 answers came filed as reasoning") for note in made.provenance.notes
    )


def test_thoughts_to_the_last_token_are_truncated_and_say_what_to_raise(run):
    thought = chat(None, "length", message={"reasoning": "Let me see"})
    made, _ = run(lambda row: Out(thought))
    assert reasons(made) == ["truncated"] * ROWS
    assert any("raise --max-tokens" in note for note in made.provenance.notes)


def test_no_alarm_gives_advice_that_makes_it_worse(run):
    words = "This model's maximum context length is 50 tokens. Your prompt contains 80 tokens."
    made, _ = run(lambda row: Out({"error": {"message": words}}, 400))
    assert reasons(made) == ["truncated"] * ROWS
    (alarm,) = [note for note in made.provenance.notes if "ALARM" in note]
    assert "more --max-tokens can't help" in alarm and "raise" not in alarm


def test_a_cap_a_minute_is_kept_by_asking_for_less(opened, tmp_path):
    """Groq counts the longest answer in: what is over its limit is refused as a whole (413)."""
    (tmp_path / "rows.jsonl").write_text('{"q": "row 1", "a": "A"}\n{"q": "row 2", "a": "A"}\n')
    (tmp_path / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 512\n'
    )

    def script(body, nth):
        wants = 60 + body["max_tokens"]
        if wants <= 300:
            return Out(chat("A"))
        words = (
            f"Request too large on tokens per minute (TPM): Limit 300, Requested {wants}, reduce"
        )
        return Out({"error": {"message": words, "code": "rate_limit_exceeded"}}, 413)

    with replying(script) as served:
        store = RunStore(tmp_path / "runs")
        benchmark = read_own_benchmark(tmp_path / "own.toml")
        place = RunContext(store, 1, "2026-01-01T00:00:00+00:00")
        made = store.read(evaluate(opened(served), benchmark, place).run_id)
        assert sorted(body["max_tokens"] for body in served.asked) == [240, 240, 512, 512]
    assert reasons(made) == ["graded"] * 2 and made.estimate.mean == 1.0
    (note,) = [note for note in made.provenance.notes if "fewer tokens" in note]
    assert note.startswith("2 answers") and "lower --max-tokens" in note
    assert "Limit 300, Requested 572" in made.samples[0].score.why


def test_tokens_of_one_text_decide_by_their_sum(opened, tmp_path):
    """As reported of vLLM (#44319) and SGLang (#32290): the last of two equal texts is not it."""
    (tmp_path / "rows.csv").write_text(
        "question,first,second,third,fourth,answer\n"
        + "".join(f"Where is {n}?,Oslo,Rome,Bern,Riga,A\n" for n in range(4))
    )
    (tmp_path / "own.toml").write_text(
        'data = "rows.csv"\nprompt = "{question}"\ntarget = "answer"\nprotocol = "letter"\n'
        'choices = ["first", "second", "third", "fourth"]\n'
    )
    listed = [("A", -0.23307), ("B", -1.57682), ("C", -8.38932), ("A", -8.47526), ("D", -9.1)]
    tops = [{"token": token, "logprob": p, "bytes": [ord(token)]} for token, p in listed]
    shown = {"content": [{"token": "A", "logprob": -0.23307, "top_logprobs": tops}]}
    with replying(lambda body, nth: Out(chat("A", "length", choice={"logprobs": shown}))) as served:
        store = RunStore(tmp_path / "runs")
        benchmark = read_own_benchmark(tmp_path / "own.toml")
        place = RunContext(store, 1, "2026-01-01T00:00:00+00:00")
        made = store.read(evaluate(opened(served), benchmark, place).run_id)
    assert made.protocol == "letter" and made.estimate.mean == 1.0
    assert made.samples[0].logprobs[0] == pytest.approx(-0.2328, abs=1e-4)


def test_answers_that_end_before_any_text_are_not_told_to_ask_for_more_tokens(run):
    made, _ = run(lambda row: Out(chat("", "length", usage=NO_TOKENS)))
    assert made.estimate.ungraded["truncated"] == ROWS
    alarms = [note for note in made.provenance.notes if note.startswith(ALARM)]
    assert any("ended before their first token of text" in note for note in alarms)
    assert not any("raise --max-tokens" in note for note in made.provenance.notes)
