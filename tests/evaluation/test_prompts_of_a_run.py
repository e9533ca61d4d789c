"""A run looks at its prompts before it spends, and what it found stands in its notes."""

import pytest

from scripted import scripted_model, tokenizer_with
from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import About, Asking, Benchmark, Grading, Settings
from weighbridge.evaluation.benchmarks.mt_bench import BENCHMARK as MT_BENCH
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.prompt_shapes import check_prompts
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evaluation.scorers.exact import score_exact
from weighbridge.evidence import RunStore, verify
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.models.thoughts import MARKERS
from weighbridge.records import Message, Sample

REFUSES = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
)
SYSTEM = Message("system", "Say seven.")
ITEMS = [Sample(f"q{i}", (Message("user", "a question"),), "seven") for i in range(3)]


def benchmark(items=ITEMS, prompt=lambda sample, _: Prompt(messages=(SYSTEM, *sample.messages))):
    return Benchmark(
        "seven", "1", About(),
        Asking(
            ("generative",), load=lambda _: items, prompt=prompt,
            sampling=Sampling(max_tokens=60, stop=("\n",)),
        ),
        Grading(
            gold=lambda _: "seven",
            grade=lambda sample, generation: score_exact(generation, sample.target),
        ),
    )  # fmt: skip


def length(tokenizer, text):
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def run(model, tmp_path, asked=None, **more):
    place = RunContext(RunStore(tmp_path), threads=1, started="2026-01-01T00:00:00+00:00")
    return evaluate(model, asked or benchmark(), place, **more)


@pytest.mark.parametrize("pair", MARKERS)
def test_a_thinking_model_is_graded_by_its_answer_alone(pair, tmp_path):
    """Its markers are special tokens, and its thought is full of the benchmark's stop string."""
    special = ("<|channel|>", "<|message|>") if "<|message|>" in pair.opening else tuple(pair)
    tokenizer = tokenizer_with(special)
    model = scripted_model(tokenizer, {})
    asked = model.prompts.write(benchmark().asking.prompt(ITEMS[0], Settings()))
    says = f"{pair.opening}\nsix?\neight?\n{pair.closing}\n\nSeven.\nYes"
    model = scripted_model(tokenizer, {length(tokenizer, asked): says})
    done = run(model, tmp_path)
    assert done.estimate.mean == 1.0 and done.provenance.notes == ()
    (sample, *_) = RunStore(tmp_path).read(done.run_id).samples
    assert sample.output == says.removesuffix("\nYes") and sample.score.answer == "Seven."
    assert verify(RunStore(tmp_path).folder_of(done.run_id)).ok
    again = run(scripted_model(tokenizer, {length(tokenizer, asked): says}), tmp_path / "again")
    assert again.samples_digest == done.samples_digest and again.identity == done.identity


def test_a_system_turn_is_moved_noted_and_makes_another_run(tmp_path):
    tokenizer = tokenizer_with(template=REFUSES)
    asked = "user: Say seven.\n\na question\nassistant:"
    model = scripted_model(tokenizer, {length(tokenizer, asked): "Seven"})
    done = run(model, tmp_path)
    assert done.estimate.mean == 1.0
    assert "refuses a system turn" in done.provenance.notes[0]
    # The same model and items with the same words in the user's own turn: the benchmark's doing.
    words = Message("user", "Say seven.\n\na question")
    own = benchmark(prompt=lambda sample, _: Prompt(messages=(words,)))
    other = run(model, tmp_path, own)
    assert other.identity != done.identity and other.provenance.notes == ()
    read = {r.run_id: RunStore(tmp_path).read(r.run_id).samples for r in (done, other)}
    digests = [{s.prompt_digest for s in samples} for samples in read.values()]
    assert digests[0] == digests[1]


def test_any_prompt_of_a_run_counts_not_only_the_first(tmp_path):
    tokenizer = tokenizer_with(template=REFUSES)
    last = benchmark(
        prompt=lambda sample, _: Prompt(
            messages=(SYSTEM, *sample.messages) if sample.id == "q2" else sample.messages
        )
    )
    notes = run(scripted_model(tokenizer, {}), tmp_path, last).provenance.notes
    assert sum("refuses a system turn" in note for note in notes) == 1
    mixed = benchmark(
        prompt=lambda sample, _: (
            Prompt(messages=sample.messages) if sample.id == "q2" else Prompt("plain text")
        )
    )
    model = scripted_model(tokenizer_with(template=None), {})
    with pytest.raises(InputError, match="seven: scripted has no chat template"):
        run(model, tmp_path / "none", mixed)
    assert model.computed_tokens == 0 and not list(tmp_path.glob("none/*"))


def test_a_second_turn_that_a_template_leaves_out_is_found_before_the_first(real_data, tmp_path):
    last_turn_only = "{{ messages[-1].content }}"
    model = scripted_model(tokenizer_with(template=last_turn_only), {})
    data = real_data / "mt_bench"
    with pytest.raises(InputError, match=r"mt_bench: .* leaves out turn 1 \(user\)"):
        run(model, tmp_path, MT_BENCH, data=data, judge=Judge(model), settings=Settings(limit=1))
    assert model.computed_tokens == 0


def test_a_judge_keeps_its_instructions(real_data, tmp_path):
    """MT-Bench's second turn is judged by instructions that stand in the system message."""
    model = scripted_model(tokenizer_with(), {})
    judge = scripted_model(tokenizer_with(template=REFUSES), {})
    items = MT_BENCH.asking.load(_request(real_data))
    settings = Settings(protocol="generative", limit=1)
    check = check_prompts(model, MT_BENCH, settings, items, Judge(judge))
    assert check.asked == () and [f.name for f in check.judged] == ["system_in_user_turn"]
    assert check.changes == {"judge_prompt_changes": ["system_in_user_turn"]}
    assert check_prompts(model, MT_BENCH, settings, items, Judge(model)).changes == {}


def _request(real_data):
    from weighbridge.evaluation.benchmark import LoadRequest

    return LoadRequest(real_data / "mt_bench", "math", Settings(limit=1))
