"""`plan tune`: memory item by item, what must be true for it to fit, the nearest run that does."""

import json
from dataclasses import replace

import pytest

from commands import weighbridge as run
from weighbridge.catalog.models import find_model
from weighbridge.planning.anatomy import read_architecture
from weighbridge.planning.tuning_memory import STACKS, MemoryBudget, TuningSetup

SEVENTY = ["llama-3-70b", "--method", "qlora", "--optimizer", "adamw-8bit"]


def plan(*words):
    done = run("plan", "tune", *words, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found["fits"] is False else 0), done.stderr
    return found


def test_the_keys_that_scripts_rely_on():
    found = plan("llama-3-8b", "--memory", "48GB", "--sequence-length", "1024", "--rank", "8")
    assert found["peak_memory_bytes"] == sum(found["breakdown_bytes"].values())
    assert found["fits"] is True and found["memory_bytes"] == 48 * 10**9
    assert found["trainable_parameters"] == 20_971_520
    assert found["settings"]["row_tokens"] == 1024


def test_seventy_billion_on_48_gb_and_what_must_be_true():
    found = plan(*SEVENTY, "--checkpointing", "--memory", "48GB")
    assert found["fits"] is True
    needed = {one["name"] for one in found["must_be_true"]}
    assert {
        "gradient checkpointing", "an 8-bit optimizer", "embeddings in bf16", "a loss in chunks",
        "quantised scales", "weights of 4 bits",
    } <= needed  # fmt: skip
    assert all(one["otherwise_bytes"] > 48e9 for one in found["must_be_true"])
    assert 2048 <= found["most"]["row_tokens"] < 4096


def test_where_it_does_not_fit_the_nearest_that_does_is_named_and_fits():
    found = plan(*SEVENTY, "--max-tokens", "8192", "--memory", "48GB")
    assert found["fits"] is False and found["nearest_peak_bytes"] <= 48e9
    assert found["nearest_changes"] == ["2,048 tokens a row", "--checkpointing"]
    near = found["nearest"]
    again = plan(
        *SEVENTY, "--checkpointing", "--max-tokens", str(near["row_tokens"]),
        "--rank", str(near["rank"]), "--memory", "48GB",
    )  # fmt: skip
    assert again["fits"] is True
    assert again["peak_memory_bytes"] == found["nearest_peak_bytes"]


def test_where_one_device_is_enough_it_says_so():
    several = plan("llama-3.2-3b", "--devices", "8", "--gpu", "l40s")
    assert several["one_is_enough"] is True
    assert (
        "one such device is enough"
        in run("plan", "tune", "llama-3.2-3b", "--devices", "8", "--gpu", "l40s").stdout
    )
    needed = plan("llama-3-70b", "--devices", "8", "--checkpointing", "--gpu", "a100-sxm")
    assert needed["fits"] is True and needed["one_is_enough"] is False


def test_without_a_device_it_names_those_that_have_enough():
    found = plan("llama-3-8b")
    assert found["fits"] is None
    suited = found["suited_accelerators"]
    assert suited[0] == "l40s" and "l4" not in suited and len(suited) == len(set(suited))


def test_the_text_stays_within_80_columns_and_says_how_sure_it_is():
    done = run("plan", "tune", *SEVENTY, "--checkpointing", "--memory", "48GB")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "what must be true" in done.stdout and "off by at most 9%" in done.stdout
    paged = run("plan", "tune", "llama-3-8b", "--method", "full", "--gpu", "l40s")
    assert "--optimizer adamw-paged" in paged.stdout and "host's memory" in paged.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no-such-model"], "unknown model"),
        (["llama-3-8b", "--method", "magic"], "full or lora or qlora"),
        (["llama-3-8b", "--rank", "0"], "--rank"),
        (["llama-3-8b", "--batch-size", "-3"], "--batch-size"),
        (["llama-3-8b", "--memory", "lots"], "a size such as"),
        (["llama-3-8b", "--memory", "48"], "which is 48 bytes"),
        (["llama-3-8b", "--gpu", "h201-sxm"], "did you mean"),
        (["llama-3-8b", "--gpu", "l4", "--memory", "3GB"], "one of them"),
        (["llama-3-8b", "--targets", "q_prj"], "did you mean q_proj"),
        (["llama-3-8b", "--targets", ","], "all-linear"),
        (["llama-3-8b", "--optimizer", "sgd"], "adamw-8bit"),
        (["llama-3-8b", "--loss", "none"], "chunked or whole"),
        (["llama-3-8b", "--stack", "unsloth"], "litgpt"),
        (["llama-3-8b", "--dtype", "fp8"], "bf16"),
        (["llama-3-8b", "--max-tokens", "9" * 20], "row_tokens"),
    ],
)
def test_bad_input_is_one_line(words, said):
    done = run("plan", "tune", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr


def test_what_is_taken_for_granted_of_a_mixture_is_said():
    words = ("mixtral-8x7b", "--method", "qlora", "--gpu", "l40s")
    found, every = plan(*words), plan(*words, "--experts")
    assert any("routed experts get no adapter" in note for note in found["notes"])
    assert not any("routed experts" in note for note in every["notes"])
    assert found["trainable_parameters"] < every["trainable_parameters"]
    by_peft = plan(*words, "--stack", "peft")
    assert any("bitsandbytes" in note for note in by_peft["notes"])
    refused = run("plan", "tune", *words, "--stack", "peft", "--experts")
    assert refused.returncode == 2 and "--stack weighbridge" in refused.stderr
    assert plan("llama-3-8b", "--method", "qlora", "--gpu", "l40s")["notes"] == []


class TestMemoryBudget:
    """The search behind the command."""

    budget = MemoryBudget(
        read_architecture(find_model("llama-3-8b").config, "m"), STACKS["weighbridge"], int(24e9)
    )

    def test_the_most_is_the_last_that_fits(self):
        setup = TuningSetup(method="qlora", row_tokens=512)
        for name in ("row_tokens", "batch_size", "rank"):
            most = self.budget.most(setup, name)
            assert self.budget.fits(replace(setup, **{name: most}))
            assert not self.budget.fits(replace(setup, **{name: most + 1})) or name == "rank"

    @pytest.mark.parametrize("method", ["full", "lora", "qlora"])
    @pytest.mark.parametrize("tokens", [512, 8192, 131072])
    @pytest.mark.parametrize("batch", [1, 16])
    def test_the_nearest_fits_and_changes_nothing_that_it_need_not(self, method, tokens, batch):
        setup = TuningSetup(method=method, row_tokens=tokens, batch_size=batch, loss="whole")
        if self.budget.fits(setup):
            return
        near = self.budget.nearest(setup)
        assert near is not None and self.budget.fits(near)
        assert near.batch_size * near.accumulation == batch
        for change in (
            {"checkpointing": setup.checkpointing}, {"loss": setup.loss},
            {"optimizer": setup.optimizer}, {"method": setup.method},
        ):  # fmt: skip
            back = replace(near, **change)
            assert back == near or not self.budget.fits(back)

    def test_without_a_size_everything_fits(self):
        budget = replace(self.budget, memory_bytes=None)
        assert budget.fits(TuningSetup(method="full", row_tokens=10**6))

    def test_the_fewest_devices_that_hold_a_sharded_run(self):
        setup = TuningSetup(method="full", row_tokens=512, checkpointing=True)
        count = self.budget.devices(setup)
        assert count is not None and count > 1
        assert self.budget.fits(replace(setup, devices=count))
        assert not self.budget.fits(replace(setup, devices=count // 2))
