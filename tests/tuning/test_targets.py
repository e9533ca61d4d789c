"""`target` names layers that are there, and what an adapter leaves out is said."""

import pytest
import torch

from architectures import build
from tuning_runs import rows_of, run, write_rows
from weighbridge.errors import InputError
from weighbridge.models.reading import read_model
from weighbridge.tuning import TuneSettings
from weighbridge.tuning.adapters import attached_adapter


def notes(module, target):
    said: list[str] = []
    with attached_adapter(module, TuneSettings(rank=2, target=target), "base", said):
        pass
    return said


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (("q_prj",), r"target q_prj of LlamaForCausalLM: no layer .*did you mean q_proj"),
        (("q_proj", "v_prj"), r"target v_prj .*has: down_proj, .*did you mean v_proj"),
        (("mlp.up_prj",), "did you mean up_proj"),
        (("zebra",), "target zebra .*no layer has that name.*correct target"),
    ],
)
def test_a_name_that_matches_nothing_is_refused_though_others_match(target, told):
    with pytest.raises(InputError, match=told) as refused:
        notes(build("llama"), target)
    assert "\n" not in str(refused.value)
    assert notes(build("llama"), ("q_proj", "mlp.up_proj")) == []


def test_names_that_stand_in_some_layers_alone_are_told_with_the_layers():
    """A hybrid of Mamba and attention has queries in the layers of attention alone."""
    said = notes(build("granite-mamba"), ("q_proj",))
    assert said == [
        "target q_proj is in 1 of 2 layers alone: 1", "no adapter in 1 of 2 layers: 0",
    ]  # fmt: skip
    said = notes(build("llama"), ("layers.1.self_attn.q_proj",))
    assert said == [
        "target layers.1.self_attn.q_proj is in 1 of 2 layers alone: 1",
        "no adapter in 1 of 2 layers: 0",
    ]


class Packed(torch.nn.Module):
    """A layer that somebody has quantised in a way of their own."""

    def __init__(self, layer):
        super().__init__()
        weight = layer.weight.detach()
        self.scale = float(weight.abs().max()) / 127
        self.register_buffer("qweight", (weight / self.scale).round().char())

    def forward(self, x):
        return torch.nn.functional.linear(x, self.qweight.float() * self.scale)


def test_layers_quantised_in_a_way_that_gets_no_adapter_are_refused_or_told():
    module = build("llama")
    for layer in module.model.layers:
        for name in ("up_proj", "down_proj"):
            setattr(layer.mlp, name, Packed(getattr(layer.mlp, name)))
    (said,) = notes(module, "all-linear")
    assert said.startswith("no adapter on 4 layers that are quantised in a way")
    assert said.endswith("down_proj, up_proj")
    with pytest.raises(InputError, match=r"can't attach an adapter to \('up_proj',\)"):
        notes(module, ("up_proj",))


def test_a_result_tells_it_in_its_own_words(tiny_model, tmp_path):
    model = read_model(tiny_model, torch.float32, "cpu")
    settings = TuneSettings(rank=2, target=("layers.1.mlp.up_proj",), max_steps=1)
    result = run(
        model, tmp_path / "run", rows_of(write_rows(tmp_path / "t.jsonl", 4)), settings=settings
    )
    assert "no adapter in 1 of 2 layers: 0" in result.told()
