"""QLoRA of a 70B model on one GPU with 48 GB: the peak of real training steps and the forecast.

    python bench/qlora_70b.py [--tokens 1024] [--rank 16] [--steps 4] [--tiny] [--json]

The model has the shape of Llama 3 70B and random weights. Each layer's weights are made on the
device by themselves and put into four bits (NF4, scales quantised), so that neither host nor device
ever holds the whole model in 16 bits. What trains is the loop of `weighbridge tune --method qlora
--checkpointing`. The allocator is held to 48 GB less the driver's share: a step that would take
more ends in an error. Without a GPU the forecast is printed, and that nothing was measured;
`--tiny` runs the same code with a small shape, on whatever device there is.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from weighbridge.catalog.models import find_model
from weighbridge.models import nf4
from weighbridge.opening.models import without_weights
from weighbridge.planning.anatomy import read_architecture
from weighbridge.planning.tuning_memory import (
    CONTEXT_BYTES,
    FRAGMENTATION_SHARE,
    TuningMemory,
    TuningSetup,
    forecast,
)
from weighbridge.tuning.loop import tune
from weighbridge.tuning.rows import Conversation, Turn
from weighbridge.tuning.settings import TuneResult, TuneSettings

MODEL = "llama-3-70b"
LIMIT_BYTES = 48_000_000_000
TINY = {
    "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 49152,
}  # fmt: skip
_SPREAD = 0.02  # of random weights, as Llama's own are begun


def settings_of(asked: argparse.Namespace) -> TuneSettings:
    """Return the run's settings; gradients reach the longest row from the first step on."""
    return TuneSettings(
        method="qlora", rank=asked.rank, batch_size=1, max_steps=asked.steps, packing="off",
        checkpointing=True, self_test=False, checkpoint_steps=asked.steps,
    )  # fmt: skip


def forecast_of(config: dict[str, Any], settings: TuneSettings, tokens: int) -> TuningMemory:
    """Forecast the device's peak, driver and allocator's gaps included."""
    setup = TuningSetup(
        method="qlora", rank=settings.rank, row_tokens=tokens,
        checkpointing=settings.checkpointing, dropout=bool(settings.dropout),
    )  # fmt: skip
    return forecast(
        read_architecture(config, MODEL), setup, fragmentation_share=FRAGMENTATION_SHARE,
        context_bytes=CONTEXT_BYTES,
    )  # fmt: skip


def quantised_model(config: dict[str, Any], device: torch.device) -> Any:
    """Make a model of random weights on a device, one layer after the other in four bits."""
    from transformers import AutoConfig, AutoModelForCausalLM

    made = AutoConfig.for_model(**config)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(made, dtype=torch.bfloat16)
    model.eval()
    linear = set(nf4.plain_weights(model))
    for name, parameter in list(model.named_parameters()):
        if name not in linear:  # embeddings, norms and head stay in bf16
            owner = model.get_submodule(name.rpartition(".")[0])
            setattr(owner, name.rpartition(".")[2], _random(parameter, device))
    rotary = type(model.model.rotary_emb)(config=made)  # its tables are computed, not stored
    model.model.rotary_emb = rotary.to(device)
    model.tie_weights()
    nf4.quantise(
        model, device, torch.bfloat16,
        read=lambda _, layer: setattr(layer, "weight", _random(layer.weight, device)),
    )  # fmt: skip
    return model


def _random(like: Any, device: torch.device) -> Any:
    numbers = torch.empty(like.shape, dtype=torch.bfloat16, device=device)
    if like.dim() == 1:
        return torch.nn.Parameter(numbers.fill_(1.0), requires_grad=False)
    return torch.nn.Parameter(numbers.normal_(std=_SPREAD), requires_grad=False)


def rows_of(tokenizer: Any, tokens: int, count: int) -> list[Conversation]:
    """Return rows that have this many tokens, half of them learnt."""

    def row(number: int, words: int) -> Conversation:
        asked = " ".join([f"{number:03d}", *["table"] * (words // 2)])
        answer = " ".join(["chair"] * (words - words // 2))
        turns = (Turn("user", asked), Turn("assistant", answer))
        return Conversation(f"row {number}", turns, Path("rows"), number + 1)

    def length(words: int) -> int:
        turns = [turn.as_message() for turn in row(0, words).messages]
        return len(tokenizer.apply_chat_template(turns, return_dict=False))

    words = max(2, tokens - length(2))
    while length(words) > tokens:
        words -= 1
    return [row(number, words) for number in range(count)]


def trained(model: Any, settings: TuneSettings, tokens: int) -> TuneResult:
    """Make the run, by the loop that every run goes through."""
    tokenizer = without_weights("smollm2-135m", True).prompts.tokenizer
    record = nf4.record_of(model)
    assert record is not None
    rows = rows_of(tokenizer, tokens, settings.max_steps or 1)
    with tempfile.TemporaryDirectory() as folder:
        return tune(
            model, tokenizer, rows, (), settings, Path(folder), lambda event: None,
            base=MODEL, base_digest=record.digest,
        )  # fmt: skip


def measured(config: dict[str, Any], settings: TuneSettings, tokens: int) -> dict[str, Any]:
    """Make the run on the device at hand, and return what it took."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        whole = torch.cuda.mem_get_info(device)[1]
        allowed = min(1.0, (LIMIT_BYTES - CONTEXT_BYTES) / whole)
        torch.cuda.set_per_process_memory_fraction(allowed, device)
    began = time.perf_counter()
    model = quantised_model(config, device)
    made = time.perf_counter()
    result = trained(model, settings, tokens)
    found = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "quantising_seconds": round(made - began, 1),
        "training_seconds": round(result.seconds, 1),
        "tokens_per_second": round(result.tokens_per_second, 1),
        "loss_first": result.loss_first,
        "loss_last": result.loss_last,
        "probe_bytes": result.predicted_memory_bytes,
        "peak_bytes": result.peak_memory_bytes,
    }
    if device.type == "cuda":  # the allocator's own peak leaves the driver out
        found["allocated_bytes"] = torch.cuda.max_memory_allocated(device)
        found["probe_bytes"] += CONTEXT_BYTES
        found["peak_bytes"] += CONTEXT_BYTES
    return found


def main() -> None:
    """Print forecast and, with a device, the measured peak beside it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=1024, help="tokens of each row")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--tiny", action="store_true", help="a small shape, to see that it runs")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    config = {**find_model(MODEL).config, **(TINY if asked.tiny else {})}
    settings = settings_of(asked)
    memory = forecast_of(config, settings, asked.tokens)
    told: dict[str, Any] = {
        "model": MODEL + " (tiny)" * asked.tiny,
        "settings": settings.identity(),
        "row_tokens": asked.tokens,
        "limit_bytes": LIMIT_BYTES,
        "forecast_bytes": memory.peak_bytes,
        "forecast": asdict(memory),
        "measured": None,
    }
    if torch.cuda.is_available() or asked.tiny:
        told["measured"] = measured(config, settings, asked.tokens)
    show(told)
    if asked.json:
        print(json.dumps(told))


def show(told: dict[str, Any]) -> None:
    """Print it as text."""
    print(f"{told['model']}, {told['row_tokens']:,} tokens a row")
    print("settings: " + ", ".join(f"{n} {v}" for n, v in told["settings"].items()))
    for name, size in told["forecast"].items():
        if name.endswith("_bytes") and size:
            print(f"  {name.removesuffix('_bytes'):<16}{size / 1e9:>8.2f} GB")
    peak, moment = told["forecast_bytes"], told["forecast"]["moment"]
    print(f"forecast peak     {peak / 1e9:>8.2f} GB, at the {moment}")
    found = told["measured"]
    if found is None:
        print("no GPU here: nothing was measured")
        return
    print(f"measured peak     {found['peak_bytes'] / 1e9:>8.2f} GB on {found['device']}")
    print(f"after the probe   {found['probe_bytes'] / 1e9:>8.2f} GB were forecast")
    if found["device"] == "cpu":
        print("on a CPU the peak is the whole process's, which the forecast isn't of")


if __name__ == "__main__":
    main()
