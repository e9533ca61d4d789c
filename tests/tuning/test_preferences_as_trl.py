"""The losses and gradients of DPO and ORPO are those of TRL's own trainers.

Both are given the same rows and the same weights; what TRL computes is its own code, from batch to
loss. Checked with TRL 1.16.
"""

import copy

import pytest
import torch

from tuning_runs import rows_of, write_pairs
from weighbridge.models.reading import read_model
from weighbridge.tuning import Rewards, TuneSettings
from weighbridge.tuning.method import ARRANGEMENTS
from weighbridge.tuning.paired_rows import plan_pairs
from weighbridge.tuning.preferences import pair_batch, with_reference
from weighbridge.tuning.registry import find_objective

trl = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")
pytestmark = [
    pytest.mark.slow,  # what trl imports takes ten seconds
    pytest.mark.filterwarnings("ignore"),
]
BETA = 0.3
SAME = 1e-5


@pytest.fixture
def model(tiny_model, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # it pings at each start
    return read_model(tiny_model, torch.float32, "cpu")


@pytest.fixture
def pairs(model, tmp_path):
    data = rows_of(write_pairs(tmp_path / "pairs.jsonl", 5))
    return plan_pairs(model[1], data, 512, "refuse")[0]


def padded(rows, value):
    return torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in rows], batch_first=True, padding_value=value
    )


def trainer_of(kind, config, model, tmp_path, **more):
    """Make TRL's trainer; the rows it is given here are replaced by ours afterwards."""
    rows = [{"prompt": "a", "chosen": " b", "rejected": " c"}] * 2
    module, tokenizer = model
    return kind(
        model=module,
        args=config(
            output_dir=str(tmp_path / "trl"), use_cpu=True, bf16=False, report_to=[], beta=BETA,
            gradient_checkpointing=False,
        ),
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
        **more,
    )  # fmt: skip


def require_equal(ours, theirs, module):
    wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    assert len(wanted) > 10
    assert float(ours) == pytest.approx(float(theirs), rel=SAME)
    gradients = [torch.autograd.grad(loss, wanted) for loss in (ours, theirs)]
    for one, other in zip(*gradients, strict=True):
        assert float((one - other).norm()) <= SAME * float(other.norm()) + 1e-9
    assert any(float(one.norm()) > 1e-3 for one in gradients[0])


@pytest.mark.parametrize("arrangement", ARRANGEMENTS)
def test_dpo_with_an_adapter(arrangement, model, pairs, tmp_path):
    """TRL takes its reference in each step, from the model with its adapter off."""
    peft = pytest.importorskip("peft")
    adapter = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = trainer_of(trl.DPOTrainer, trl.DPOConfig, model, tmp_path, peft_config=adapter)
    adapted = trainer.model.eval()
    done, _ = with_reference(
        adapted, pairs, (), range(len(pairs)), 2, arrangement, tmp_path, lambda *_: None
    )
    torch.manual_seed(2)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    parts = [*map_of(pairs, "chosen"), *map_of(pairs, "rejected")]
    theirs = trainer.compute_loss(
        adapted,
        {
            "input_ids": padded([part.token_ids for part in parts], 0),
            "attention_mask": padded([[1] * len(part) for part in parts], 0),
            "completion_mask": padded([list(map(int, part.trained)) for part in parts], 0),
        },
    )
    seen: list[tuple[float, float]] = []
    objective = find_objective("dpo").bound(TuneSettings(objective="dpo", beta=BETA))
    ours = objective.loss(adapted, pair_batch(done, "cpu", arrangement), seen) / len(pairs)
    require_equal(ours, theirs, adapted)
    told = {name: values[-1] for name, values in trainer._metrics["eval"].items()}
    rewards = Rewards.of(seen)
    assert rewards.chosen == pytest.approx(float(told["rewards/chosen"]), rel=1e-4)
    assert rewards.rejected == pytest.approx(float(told["rewards/rejected"]), rel=1e-4)
    assert rewards.margin == pytest.approx(float(told["rewards/margins"]), rel=1e-4)
    assert rewards.accuracy == pytest.approx(float(told["rewards/accuracies"]))


def map_of(pairs, which):
    return [getattr(pair, which) for pair in pairs]


def test_orpo_with_every_parameter(model, pairs, tmp_path):
    """TRL's, but for the prompt, which it learns too: its likelihood term is taken of answers."""
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    module, tokenizer = model
    trainer = trainer_of(ORPOTrainer, ORPOConfig, (copy.deepcopy(module), tokenizer), tmp_path)
    inputs = {}
    for which in ("chosen", "rejected"):
        parts = map_of(pairs, which)
        labels = [
            [i if t else -100 for i, t in zip(part.token_ids, part.trained, strict=True)]
            for part in parts
        ]
        inputs[f"{which}_input_ids"] = padded([part.token_ids for part in parts], 0)
        inputs[f"{which}_attention_mask"] = padded([[1] * len(part) for part in parts], 0)
        inputs[f"{which}_labels"] = padded(labels, -100)
    whole = trainer.concatenated_forward

    def answers_alone(model, batch):
        chosen, rejected, *logits, _ = whole(model, batch)
        return (chosen, rejected, *logits, -chosen.mean())

    trainer.concatenated_forward = answers_alone
    trainer.model.eval()
    theirs = trainer.compute_loss(trainer.model, inputs)
    objective = find_objective("orpo").bound(TuneSettings(objective="orpo", beta=BETA))
    ours = objective.loss(trainer.model, pair_batch(pairs, "cpu", "padded")) / len(pairs)
    require_equal(ours, theirs, trainer.model)
