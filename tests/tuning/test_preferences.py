"""DPO and ORPO: the formulas, the reference, the masks, and which pairs are refused."""

import json
import math
from dataclasses import replace

import pytest
import torch

from tiny import CHAT_TEMPLATE, build_tokenizer
from tuning_runs import rows_of, run, write_pairs, write_rows
from weighbridge.errors import InputError, Interrupted, MalformedRow
from weighbridge.models.reading import read_model
from weighbridge.project.overlap import repeated_in
from weighbridge.tuning import Referenced, Rewards, StepDone, TuneSettings, Validated
from weighbridge.tuning.adapters import attached_adapter
from weighbridge.tuning.fused import cross_entropies
from weighbridge.tuning.method import ARRANGEMENTS
from weighbridge.tuning.objectives import orpo
from weighbridge.tuning.paired_rows import plan_pairs
from weighbridge.tuning.preferences import answer_log_probs, pair_batch
from weighbridge.tuning.registry import find_objective

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
QUICKLY = {"rank": 2, "batch_size": 3, "epochs": 2, "learning_rate": 5e-3}


@pytest.fixture
def model(tiny_model):
    return read_model(tiny_model, torch.float32, "cpu")


def pairs_in(tmp_path, *rows, count=0, name="pairs.jsonl"):
    path = tmp_path / name
    if count:
        return rows_of(write_pairs(path, count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows_of(path)


def log_prob(module, row) -> float:
    """What an answer's log-probability is, by the shortest way there is."""
    ids = torch.tensor([row.token_ids])
    with torch.no_grad():
        scores = module(input_ids=ids, use_cache=False).logits.log_softmax(-1)
    places = [at for at in range(1, len(row)) if row.trained[at]]
    return float(sum(scores[0, at - 1, row.token_ids[at]] for at in places))


# --- Rows -----------------------------------------------------------------------------------------


def test_the_answers_and_their_ends_count_and_the_prompt_does_not(tmp_path):
    turns = [("user", "first"), ("assistant", "an answer in the prompt"), ("user", "second")]
    prompt = [{"role": role, "content": text} for role, text in turns]
    data = pairs_in(tmp_path, {"prompt": prompt, "chosen": "yes", "rejected": "no"})
    tokenizer = build_tokenizer()
    ((pair,), report) = plan_pairs(tokenizer, data, 512, "refuse")
    for row, answer in ((pair.chosen, "yes"), (pair.rejected, "no")):
        learnt = [i for i, t in zip(row.token_ids, row.trained, strict=True) if t]
        assert tokenizer.decode(learnt) == f"{answer}<|end|>"
    assert report.rows == 1 and report.read_only == 1
    assert report.trained_tokens == pair.chosen.trained_tokens + pair.rejected.trained_tokens


def test_a_pair_that_is_too_long_stays_whole_or_goes_whole(tmp_path):
    data = pairs_in(tmp_path, count=4)
    tokenizer = build_tokenizer()
    pairs, whole = plan_pairs(tokenizer, data, 512, "refuse")
    limit = whole.longest_tokens - 5
    with pytest.raises(MalformedRow, match=r"line \d, column rejected: .* drop or truncate"):
        plan_pairs(tokenizer, data, limit, "refuse")
    kept, report = plan_pairs(tokenizer, data, limit, "drop")
    assert report.dropped == 1 and report.rows == len(kept) == 3
    cut, report = plan_pairs(tokenizer, data, limit, "truncate_left")
    assert report.truncated == 1
    (index,) = (at for at, pair in enumerate(pairs) if len(pair) != len(cut[at]))
    assert [len(before) - len(after) for before, after in zip(pairs[index].parts, cut[index].parts,
            strict=True)] == [5, 5]  # fmt: skip
    assert max(map(len, cut[index].parts)) == limit
    with pytest.raises(MalformedRow, match="would cut an answer"):
        plan_pairs(tokenizer, data, 4, "truncate_left")


def test_an_answer_of_several_turns_needs_a_template_that_writes_it_in_one_row(tmp_path):
    turns = [("assistant", "alpha"), ("user", "so?"), ("assistant", "omega")]
    chosen = [{"role": role, "content": text} for role, text in turns]
    data = pairs_in(tmp_path, {"prompt": "q", "chosen": chosen, "rejected": "no"})
    tokenizer = build_tokenizer()
    ((pair,), _) = plan_pairs(tokenizer, data, 512, "refuse")
    learnt = [i for i, t in zip(pair.chosen.token_ids, pair.chosen.trained, strict=True) if t]
    assert tokenizer.decode(learnt) == "alpha<|end|>omega<|end|>"
    otherwise = "{{ '' if loop.last or message['role'] == 'user' else 'before: ' }}"
    writes_otherwise = CHAT_TEMPLATE.replace(
        "{{ message['content'] }}", otherwise + "{{ message['content'] }}"
    )
    with pytest.raises(MalformedRow, match=r"line 1, column chosen: an answer of several turns"):
        plan_pairs(build_tokenizer(writes_otherwise), data, 512, "refuse")


def test_answers_that_the_template_writes_alike_are_refused(tmp_path):
    trims = CHAT_TEMPLATE.replace("message['content']", "message['content'].strip()")
    data = pairs_in(tmp_path, {"prompt": "q", "chosen": "yes", "rejected": "yes "})
    with pytest.raises(MalformedRow, match=r"line 1, column rejected: two answers that .* alike"):
        plan_pairs(build_tokenizer(trims), data, 512, "refuse")


def test_what_cannot_be_rendered_names_the_answer_it_stands_in(tmp_path):
    cuts = CHAT_TEMPLATE.replace("message['content']", "message['content'].replace('er', '')")
    data = pairs_in(tmp_path, {"prompt": "q", "chosen": "yes", "rejected": "no, never"})
    with pytest.raises(MalformedRow, match=r"line 1, column rejected: the learnt tokens lack"):
        plan_pairs(build_tokenizer(cuts), data, 512, "refuse")


@pytest.mark.parametrize(("objective", "other"), [("dpo", "sft"), ("orpo", "sft"), ("sft", "dpo")])
def test_rows_of_the_other_kind_are_refused(objective, other, tmp_path, model):
    write = write_rows if objective != "sft" else write_pairs
    data = rows_of(write(tmp_path / "rows.jsonl", 2))
    with pytest.raises(InputError, match=f"2 .* objective .*{other}") as error:
        run(model, tmp_path / "run", data, settings=TuneSettings(objective=objective))
    assert "\n" not in str(error.value)


def test_pairs_that_stand_in_both_sets_are_counted(tmp_path):
    both = pairs_in(tmp_path, count=3), pairs_in(tmp_path, count=2, name="held_out.jsonl")
    assert "of 2 validation rows 2 repeat" in repeated_in(*both)
    other = pairs_in(tmp_path, {"prompt": "else?", "chosen": "a", "rejected": "b"}, name="o.jsonl")
    assert repeated_in(both[0], other) == ""


# --- Losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_log_probabilities_are_those_of_the_model(arrangement, tmp_path, model):
    module, tokenizer = model
    pairs, _ = plan_pairs(tokenizer, pairs_in(tmp_path, count=3), 512, "refuse")
    with torch.no_grad():
        found = answer_log_probs(module, pair_batch(pairs, "cpu", arrangement))
    for place, part in enumerate(("chosen", "rejected")):
        expected = [log_prob(module, getattr(pair, part)) for pair in pairs]
        assert found[place].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("trains_head", [False, True])
def test_losses_of_tokens_have_the_gradient_that_torch_gives_them(trains_head):
    torch.manual_seed(1)
    head = torch.nn.Linear(8, 11, bias=False).requires_grad_(trains_head)
    hidden = torch.randn(300, 8, requires_grad=True)  # more than one chunk
    targets, weights = torch.randint(0, 11, (300,)), torch.randn(300)
    wanted = [hidden, *([head.weight] if trains_head else [])]
    plain = torch.nn.functional.cross_entropy(head(hidden), targets, reduction="none")
    ours = cross_entropies(hidden, head, targets)
    assert torch.allclose(ours, plain, atol=1e-6)
    for one, other in zip(
        torch.autograd.grad((ours * weights).sum(), wanted),
        torch.autograd.grad((plain * weights).sum(), wanted),
        strict=True,
    ):
        assert torch.allclose(one, other, atol=1e-5)


def test_odds_stay_finite_for_answers_that_are_certain_or_impossible():
    log_probs = torch.tensor([0.0, -1e-9, -1e-4, -0.6931, -0.7, -30.0, -2000.0]).requires_grad_()
    odds = orpo._log_odds(log_probs)
    (gradient,) = torch.autograd.grad(odds.sum(), log_probs)
    assert odds.isfinite().all() and gradient.isfinite().all()
    p = math.exp(-0.7)
    assert float(odds.detach()[4]) == pytest.approx(math.log(p / (1 - p)), rel=1e-5)
    assert odds.tolist() == sorted(odds.tolist(), reverse=True)


# --- The reference --------------------------------------------------------------------------------


def test_the_reference_is_the_model_with_its_adapter_off(tmp_path, model):
    module, tokenizer = model
    data = pairs_in(tmp_path, count=4)
    settings = TuneSettings(objective="dpo", **QUICKLY)
    seen = []
    result = run(model, tmp_path / "run", data, data[:2], settings, seen.append)
    first = result.metrics[0]
    assert first.validation_loss == pytest.approx(math.log(2), abs=1e-5)
    assert first.validation_rewards.margin == pytest.approx(0, abs=1e-5)
    assert first.validation_rewards.accuracy == 0
    assert result.validation_rewards[1].margin > 0.1 and result.validation_rewards[1].accuracy == 1
    assert [e.pairs for e in seen if isinstance(e, Referenced)] == [3, 6]
    assert [e.rewards for e in seen if isinstance(e, StepDone)] == [
        m.rewards for m in result.metrics if m.loss is not None
    ]
    assert next(e.rewards for e in seen if isinstance(e, Validated)) == first.validation_rewards
    kept = torch.tensor(_kept(tmp_path / "run"))
    pairs, _ = plan_pairs(tokenizer, data, 512, "refuse")
    with attached_adapter(module, settings, "tiny") as adapted:
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                torch.nn.init.normal_(parameter)
        with adapted.disable_adapter():
            expected = [[log_prob(adapted, part) for part in pair.parts] for pair in pairs]
    expected += expected[:2]  # the validation pairs
    assert torch.allclose(kept, torch.tensor(expected), rtol=1e-5)


def _kept(folder):
    from weighbridge.tuning.tensors import read_tensors

    return read_tensors(folder / "reference" / "reference.safetensors")["log_probs"].tolist()


@pytest.mark.parametrize("method", ["full", "pissa"])
def test_methods_that_change_the_base_start_from_it_all_the_same(method, tmp_path, model):
    """Switching an adapter off gives another model there, or can't be done."""
    few = {"full": {}, "pissa": {"rank": 2}}[method]
    data = pairs_in(tmp_path, count=2)
    settings = TuneSettings(method=method, objective="dpo", max_steps=1, **few)
    result = run(model, tmp_path / "run", data, data, settings)
    assert result.loss_first == pytest.approx(math.log(2), abs=1e-4)
    assert result.validation_loss_first == pytest.approx(math.log(2), abs=1e-4)


def test_it_is_computed_once_for_the_pairs_that_are_learnt(tmp_path, model):
    data = pairs_in(tmp_path, count=9)
    settings = TuneSettings(objective="dpo", **{**QUICKLY, "max_steps": 1})
    seen = []
    result = run(model, tmp_path / "run", data, settings=settings, on_event=seen.append)
    told = [e for e in seen if isinstance(e, Referenced)]
    # Three are learnt in the one step; time and memory are measured on the three longest.
    assert 3 <= told[-1].total_pairs <= 6 and told[-1].pairs == told[-1].total_pairs
    kept = tmp_path / "run" / "reference"
    again = []
    for change in (lambda: None, (kept / "reference.safetensors").unlink):
        change()
        for made in ("result.json", "checkpoints"):
            (tmp_path / "run" / made).rename(tmp_path / f"{made}-{len(again)}")
        again.append([])
        repeated = run(model, tmp_path / "run", data, settings=settings, on_event=again[-1].append)
        assert repeated.artefact_digest == result.artefact_digest
    assert [any(isinstance(e, Referenced) for e in each) for each in again] == [False, True]


def test_a_reference_that_was_damaged_is_computed_again(tmp_path, model):
    data = pairs_in(tmp_path, count=3)
    settings = TuneSettings(objective="dpo", **QUICKLY)

    def stop(event):
        if isinstance(event, StepDone):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        run(model, tmp_path / "run", data, settings=settings, on_event=stop)
    file = tmp_path / "run" / "reference" / "reference.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    run(model, tmp_path / "run", data, settings=settings)
    assert file.read_bytes() == whole


def test_ctrl_c_is_heard_while_the_reference_is_computed(tmp_path, model):
    import os
    import signal

    data = pairs_in(tmp_path, count=6)
    settings = TuneSettings(objective="dpo", **{**QUICKLY, "batch_size": 1})
    seen = []

    def interrupt(event):
        seen.append(event)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="before its first step"):
        run(model, tmp_path / "run", data, settings=settings, on_event=interrupt)
    assert len(seen) == 1


# --- Settings -------------------------------------------------------------------------------------


def test_beta_and_the_rate_are_the_objectives():
    assert TuneSettings(objective="dpo").learning_rate == 1e-5
    assert TuneSettings(objective="dpo", method="full").learning_rate == 1e-6
    assert TuneSettings(objective="orpo").learning_rate == 5e-5
    assert TuneSettings(objective="orpo", method="full").learning_rate == 5e-6
    assert TuneSettings(objective="orpo", learning_rate=1e-3).learning_rate == 1e-3
    assert TuneSettings(objective="dpo", beta=0.3).identity()["beta"] == 0.3
    assert "beta" not in TuneSettings().identity()
    with pytest.raises(InputError, match=r"beta = 0.2 with objective sft; .* dpo or orpo only"):
        TuneSettings(beta=0.2)
    with pytest.raises(InputError, match=r"beta = 0; expected above 0"):
        TuneSettings(objective="dpo", beta=0)


@pytest.mark.parametrize("name", ["dpo", "orpo"])
def test_a_higher_beta_weighs_more(name, tmp_path, model):
    module, tokenizer = model
    pairs, _ = plan_pairs(tokenizer, pairs_in(tmp_path, count=1), 512, "refuse")
    (pair,) = pairs
    batch = pair_batch([replace(pair, reference=(-90.0, -10.0))], "cpu", "padded")
    seen: list[list[tuple[float, float]]] = [[], []]
    for beta, rewards in zip((0.1, 0.2), seen, strict=True):
        bound = find_objective(name).bound(TuneSettings(objective=name, beta=beta))
        bound.loss(module, batch, rewards)
    assert seen[1][0] == pytest.approx([2 * reward for reward in seen[0][0]], rel=1e-4)


def test_rewards_are_summed_up():
    assert Rewards.of([]) is None
    assert Rewards.of([(1.0, 0.5), (0.0, 1.0)]) == Rewards(0.5, 0.75, 0.5, -0.25)
    assert (
        Rewards.of([(2e-6, -1e-6)]).accuracy == 0
    )  # the rounding of a model that is its reference
    assert (
        str(Rewards(0.5, 0.75, 0.5, -0.25)) == "preferred answers ahead in 50% of pairs, by -0.250"
    )


@pytest.mark.parametrize("name", ["dpo", "orpo"])
def test_the_self_test_passes_on_pairs_and_leaves_one_reference(name, tmp_path, model):
    data = pairs_in(tmp_path, count=6)
    settings = TuneSettings(objective=name, self_test=True, **{**QUICKLY, "max_steps": 1})
    seen = []
    result = run(model, tmp_path / "run", data, data[:2], settings, seen.append)
    assert result.self_test is not None and result.steps == 1
    told = [event for event in seen if isinstance(event, Referenced)]
    assert len(told) == len({event.pairs for event in told})  # computed by the self-test alone
