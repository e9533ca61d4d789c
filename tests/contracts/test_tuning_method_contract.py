"""What every tuning method and objective does: a new file is tested once it is there.

Every method learns by SFT here, and every other objective with LoRA.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tuning_runs import rows_of, run, run_and_kill, write_pairs, write_rows
from weighbridge.errors import InputError, Interrupted, UnknownName
from weighbridge.models import nf4
from weighbridge.models.adapters import put_on
from weighbridge.models.nf4_record import read_record
from weighbridge.models.reading import read_model
from weighbridge.tuning import Planned, StepDone, TuneSettings
from weighbridge.tuning.registry import (
    find_method,
    find_objective,
    method_names,
    objective_names,
)
from weighbridge.tuning.run_folder import result_weights

# peft asks transformers by a name that transformers has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
METHODS = method_names()
OBJECTIVES = tuple(name for name in objective_names() if name != "sft")
PROBE = torch.arange(5, 60)[None]
QUICKLY = {"epochs": 3, "batch_size": 4, "checkpoint_steps": 2}
_RATE = {"full": 1e-3}


def chosen(name: str) -> dict:
    """Settings of a method, or of an objective with LoRA, that learn something in a few steps."""
    if name in OBJECTIVES:
        return {**chosen("lora"), "objective": name}
    has_rank = "rank" in find_method(name).defaults
    return {
        "method": name,
        **QUICKLY,
        **({"rank": 4} if has_rank else {}),
        "learning_rate": _RATE.get(name, 5e-3),
    }


def settings(name: str, **more) -> TuneSettings:
    return TuneSettings(**{**chosen(name), **more})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The rows that a method, or an objective with LoRA, learns from."""
    folder = tmp_path_factory.mktemp("rows")
    conversations = write_rows(folder / "train.jsonl", 24)
    pairs = write_pairs(folder / "pairs.jsonl", 24)
    return lambda name: pairs if name in OBJECTIVES else conversations


@pytest.fixture(scope="module")
def done(tiny_model, data, tmp_path_factory):
    """A finished run of each method, and of each objective with LoRA.

    Given are its folder, its result and the base that it was lent.
    """
    made = {}

    def of(name: str):
        if name not in made:
            model = read_model(tiny_model, torch.float32, "cpu")
            folder = tmp_path_factory.mktemp(name) / "run"
            made[name] = (
                folder,
                run(model, folder, rows_of(data(name)), settings=settings(name)),
                model,
            )
        return made[name]

    return of


def logits_of(module) -> torch.Tensor:
    module.eval()
    with torch.no_grad():
        return module(input_ids=PROBE, use_cache=False).logits


def plain(folder: Path, base: Path):
    """Load a result as anybody would who has never heard of this package."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    if not (folder / "adapter_config.json").is_file():
        return AutoModelForCausalLM.from_pretrained(folder)
    record, more = read_record(folder), {}
    if record is not None:
        from transformers import BitsAndBytesConfig

        more = {"quantization_config": BitsAndBytesConfig(**record.quantization_config)}
    module = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **more)
    nf4.keep_scales(module)  # bitsandbytes would compute in bf16 on some CPUs
    return PeftModel.from_pretrained(module, folder)


def ours(folder: Path, base: Path):
    if (folder / "adapter_config.json").is_file():
        return put_on(read_model(base, torch.float32, "cpu")[0], folder).module
    return read_model(folder, torch.float32, "cpu")[0]


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_falls_and_the_base_is_given_back_as_it_was(name, done, tiny_model):
    folder, result, (module, _) = done(name)
    assert result.loss_last < 0.8 * result.loss_first
    assert result.method == name and result.trainable_parameters > 0
    untouched = read_model(tiny_model, torch.float32, "cpu")[0]
    before, after = untouched.state_dict(), module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    flags = [[p.requires_grad for p in m.parameters()] for m in (untouched, module)]
    assert flags[0] == flags[1]
    assert not any(p.grad is not None for p in module.parameters())
    assert not list(folder.glob(".*.part"))


@pytest.mark.parametrize("name", METHODS)
def test_training_starts_from_the_base(name, tiny_model, tmp_path):
    module, _ = read_model(tiny_model, torch.float32, "cpu")
    method, held = find_method(name), read_model(tiny_model, torch.float32, "cpu")[0]
    if not method.keeps_base:
        nf4.round_weights(held)
    base = logits_of(held)
    with method.prepared(module, settings(name), "tiny", tmp_path, []) as model:
        method.require_unchanged(model, PROBE)
        gap = float((logits_of(model) - base).abs().max())
    assert gap <= 1e-4 * float(base.abs().max())


@pytest.mark.parametrize("name", [*METHODS, *OBJECTIVES])
def test_cut_short_it_ends_with_the_same_bits(name, done, data, tiny_model, tmp_path):
    """Cut in one process; the test below kills one."""
    whole_folder, whole, _ = done(name)

    def stop(event):
        if isinstance(event, StepDone) and event.step == 5:
            raise KeyboardInterrupt

    model, folder = read_model(tiny_model, torch.float32, "cpu"), tmp_path / "cut"
    with pytest.raises(Interrupted, match="goes on from step 4"):
        run(model, folder, rows_of(data(name)), settings=settings(name), on_event=stop)
    planned = []
    again = run(
        model, folder, rows_of(data(name)), settings=settings(name),
        on_event=lambda event: planned.append(event) if isinstance(event, Planned) else None,
    )  # fmt: skip
    assert planned[0].resumed_step == 4
    assert [(m.loss, m.rewards) for m in again.metrics] == [
        (m.loss, m.rewards) for m in whole.metrics
    ]
    same_files(whole_folder / whole.output, folder / again.output)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "full" else pytest.mark.slow)
        for name in (*METHODS, *OBJECTIVES)
    ],
)
def test_killed_it_ends_with_the_same_bits(name, done, data, tiny_model, tmp_path):
    whole_folder, whole, _ = done(name)
    saved = run_and_kill(tiny_model, tmp_path / "killed", data(name), chosen(name), range(1, 6))
    assert saved in (2, 4, 6) and not (tmp_path / "killed" / "result.json").exists()
    model = read_model(tiny_model, torch.float32, "cpu")
    again = run(model, tmp_path / "killed", rows_of(data(name)), settings=settings(name))
    same_files(whole_folder / whole.output, tmp_path / "killed" / again.output)
    assert not list((tmp_path / "killed").glob(".*.part"))


def same_files(one: Path, other: Path) -> None:
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("name", METHODS)
def test_plain_transformers_and_peft_load_the_result_with_our_logits(name, done, tiny_model):
    folder, result, _ = done(name)
    theirs = logits_of(plain(folder / result.output, tiny_model))
    assert torch.equal(theirs, logits_of(ours(folder / result.output, tiny_model)))
    base = logits_of(read_model(tiny_model, torch.float32, "cpu")[0])
    assert float((theirs - base).abs().max()) > 1e-2


@pytest.mark.parametrize("name", METHODS)
def test_it_merges_or_there_is_nothing_to_merge(name, done, tiny_model, tmp_path):
    _, result, _ = done(name)
    module, tokenizer = read_model(tiny_model, torch.float32, "cpu")
    merged = find_method(name).merge(module, tokenizer, result.artefact, tmp_path / "merged", PROBE)
    assert merged.copied == (result.output == "model")
    if merged.copied:
        assert result_weights(merged.path).read_bytes() == (
            result_weights(result.artefact).read_bytes()
        )
    expected = logits_of(ours(result.artefact, tiny_model))
    gap = (logits_of(plain(merged.path, tiny_model)) - expected).abs().max()
    assert float(gap) < 1e-4 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("name", METHODS)
def test_merged_for_a_moment_it_has_the_same_logits_and_is_as_before_to_the_bit(
    name, tiny_model, tmp_path
):
    module, _ = read_model(tiny_model, torch.float32, "cpu")
    method = find_method(name)
    with method.prepared(module, settings(name), "tiny", tmp_path, []) as model:
        torch.manual_seed(1)
        for parameter in method.trained(model).values():
            parameter.data += 0.02 * torch.randn_like(parameter)
        expected, before = logits_of(model), {k: t.clone() for k, t in model.state_dict().items()}
        with method.merged_in_place(model):
            merged = logits_of(model)
        assert all(torch.equal(t, before[k]) for k, t in model.state_dict().items())
        assert torch.equal(logits_of(model), expected)
    assert float((merged - expected).abs().max()) < 1e-4 * float(expected.abs().max())
    assert method.output == "model" or not torch.equal(merged, expected)  # it took another way


@pytest.mark.parametrize("name", METHODS)
def test_a_result_is_lent_on_its_base_which_stays_as_it_was(name, done, tiny_model):
    _, result, _ = done(name)
    module, _ = read_model(tiny_model, torch.float32, "cpu")
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    with find_method(name).loaded(module, result.artefact) as model:
        assert torch.equal(logits_of(model), logits_of(ours(result.artefact, tiny_model)))
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_memory_is_forecast_from_a_first_pass_as_it_turns_out(name, done):
    _, result, _ = done(name)
    assert result.predicted_memory_bytes == pytest.approx(result.peak_memory_bytes, rel=0.05)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_said_of_it_fits_a_line(name):
    method = find_method(name)
    assert method.name == name
    for text in (method.summary, method.describe(settings(name))):
        assert text and "\n" not in text and len(text) < 100
    assert method.source and method.defaults["learning_rate"] > 0


@pytest.mark.parametrize("name", METHODS)
def test_bad_settings_are_one_line(name):
    method = find_method(name)
    wrong = {"learning_rate": 0.0, "epochs": 0, "dropout": 1.0, "rank": 0, "alpha": -1.0}
    for setting, value in wrong.items():
        with pytest.raises(InputError) as error:
            TuneSettings(method=name, **{setting: value})
        assert setting in str(error.value) and "\n" not in str(error.value)
        if setting in ("rank", "alpha", "dropout") and setting not in method.defaults:
            assert f"with method {name}" in str(error.value)
    with pytest.raises(UnknownName, match=f"did you mean .*{name}"):
        TuneSettings(method=name + "x")


@pytest.mark.parametrize("name", METHODS)
def test_its_settings_are_its_defaults_and_part_of_the_identity(name):
    made, defaults = TuneSettings(method=name), find_method(name).defaults
    assert {key: getattr(made, key) for key in defaults} == dict(defaults)
    # Experts came later: while they are off, runs from before keep their identity.
    assert defaults.items() - {("experts", False)} <= made.identity().items()
    others = [TuneSettings(method=other).identity() for other in METHODS if other != name]
    assert made.identity() not in others
    json.dumps(made.identity(), allow_nan=False)


@pytest.mark.parametrize("name", objective_names())
def test_an_objective_gives_rows_a_batch_and_a_loss(name, data, tiny_model):
    objective = find_objective(name)
    module, tokenizer = read_model(tiny_model, torch.float32, "cpu")
    rows, lengths = objective.rows(tokenizer, rows_of(data(name)), 512, "refuse")
    assert lengths.rows == len(rows) == 24
    if objective.needs_reference:
        rows = tuple(replace(row, reference=(-30.0 - at, -40.0)) for at, row in enumerate(rows))
    whole = objective.batch(rows[:4], "cpu", "padded")
    halves = [objective.batch(rows[at : at + 2], "cpu", "padded") for at in (0, 2)]
    assert objective.targets(whole) == sum(map(objective.targets, halves)) > 0
    as_tree = objective.batch(rows[:4], "cpu", "tree")
    assert as_tree.token_ids.numel() < whole.token_ids.numel()
    with torch.no_grad():
        loss = float(objective.loss(module, whole))
        assert loss == pytest.approx(sum(float(objective.loss(module, h)) for h in halves), 1e-5)
        assert loss == pytest.approx(float(objective.loss(module, as_tree)), 1e-5)


@pytest.mark.parametrize("name", objective_names())
def test_an_objective_says_what_it_is_and_where_its_defaults_come_from(name):
    objective = find_objective(name)
    made = TuneSettings(objective=name)
    assert objective.name == name and objective.source
    for text in (objective.summary, objective.bound(made).describe()):
        assert text and "\n" not in text and len(text) < 100
    assert {key: getattr(made, key) for key in objective.defaults} == dict(objective.defaults)
    assert objective.defaults.items() <= made.identity().items()
    rates = [TuneSettings(objective=each).learning_rate for each in (name, "sft")]
    assert rates[0] == rates[1] / objective.slower
    with pytest.raises(UnknownName, match=f"did you mean .*{name}"):
        TuneSettings(objective=name + "x")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_on_pairs_comes_to_prefer_the_better_answer(name, done, tiny_model):
    _, result, (module, _) = done(name)
    assert result.objective == name and result.loss_last < result.loss_first
    first, last = result.rewards
    assert last.accuracy == 1 and last.margin > first.margin
    untouched = read_model(tiny_model, torch.float32, "cpu")[0].state_dict()
    assert all(torch.equal(tensor, untouched[key]) for key, tensor in module.state_dict().items())
