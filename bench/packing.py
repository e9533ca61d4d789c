"""Which way of laying rows out wins on which data: padded, packed, or as a prefix tree?

    python bench/packing.py [--data FILE ...] [--layers 4] [--passes 4] [--json]

For each file of tuning data: the tokens that each way computes over the first passes of an epoch,
which no machine changes, and how fast a LoRA learns so: trained tokens per second of one thread's
CPU time, forward and backward, the best of two rounds. The model has random weights in the shape of
SmolLM2-135M, with fewer layers unless told otherwise; `mask` is packing as transformers does it by
a mask over the whole pass, which is what devices without our kernels have. Without files, the data
are the service desk's (one instruction before short requests) and unrelated short rows.
"""

import argparse
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from weighbridge.models.convert import as_safetensors
from weighbridge.sources.weights import default_cache, find_weights
from weighbridge.tuning import MaskedRow, TuneSettings, plan_rows, read_conversations
from weighbridge.tuning.adapters import attached_adapter
from weighbridge.tuning.batches import Batch, collate, epoch_order
from weighbridge.tuning.fused import fused_lora
from weighbridge.tuning.loss import loss_sum

SERVICE_DESK = Path(__file__).parents[1] / "examples" / "service_desk" / "data" / "train.jsonl"
WAYS = ("padded", "packed", "tree", "mask")
COUNTED_PASSES = 60


@dataclass(frozen=True)
class Measured:
    """One way on one file.

    Attributes:
        data: The file.
        way: How rows are laid out.
        tokens: Positions that the counted passes compute.
        padding: Those of them that are padding.
        trained_tokens_per_second: Of CPU time.
    """

    data: str
    way: str
    tokens: int
    padding: int
    trained_tokens_per_second: float


def laid_out(rows: Sequence[MaskedRow], way: str) -> Batch:
    """Lay rows out in one of `WAYS`."""
    if way == "mask":
        return replace(collate(rows, "cpu", "packed"), layout=None)
    return collate(rows, "cpu", way)  # type: ignore[arg-type]


def unrelated(count: int, vocabulary: int) -> list[MaskedRow]:
    """Return short rows of random tokens, of which the second half is learnt."""
    rng = random.Random(0)
    rows = []
    for n in range(count):
        ids = tuple(rng.randrange(vocabulary) for _ in range(rng.randint(16, 96)))
        rows.append(MaskedRow(str(n), ids, tuple(2 * at >= len(ids) for at in range(len(ids)))))
    return rows


def measure(model: Any, name: str, rows: Sequence[MaskedRow], passes: int) -> list[Measured]:
    """Count tokens and time the first passes of an epoch."""
    order = epoch_order([len(row) for row in rows], 8, 0, 0)[:COUNTED_PASSES]
    found = []
    for way in WAYS:
        batches = [laid_out([rows[at] for at in step], way) for step in order]
        tokens = sum(batch.token_ids.numel() for batch in batches)
        padding = max(0, tokens - sum(batch.tokens for batch in batches))
        timed = batches[:passes]
        seconds = min(_round(model, timed) for _ in range(2))
        trained = sum(len(batch.targets) for batch in timed)
        found.append(Measured(name, way, tokens, padding, trained / seconds))
    return found


def _round(model: Any, batches: Sequence[Batch]) -> float:
    began = time.process_time()
    for batch in batches:
        loss_sum(model, batch).backward()
        model.zero_grad()
    return time.process_time() - began


def main() -> None:
    """Measure each file and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    folder, _ = as_safetensors(find_weights("smollm2-135m"), default_cache())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = AutoConfig.from_pretrained(folder)
    config.num_hidden_layers = asked.layers
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(config).eval()
    sets: dict[str, Sequence[MaskedRow]] = {}
    for path in asked.data or [SERVICE_DESK]:
        conversations = read_conversations(path).conversations
        sets[path.stem], _ = plan_rows(tokenizer, conversations, 1024, "drop")
    if not asked.data:
        sets["unrelated"] = unrelated(480, len(tokenizer))
    found: list[Measured] = []
    with attached_adapter(base, TuneSettings(), "base") as model, fused_lora(model):
        for name, rows in sets.items():
            found += measure(model, name, rows, asked.passes)
    if asked.json:
        print(json.dumps([vars(one) for one in found], indent=2))
        return
    print(f"{'data':<20}{'way':<10}{'tokens':>10}{'padding':>10}{'trained tokens/s':>20}")
    for one in found:
        print(
            f"{one.data:<20}{one.way:<10}{one.tokens:>10,}{one.padding:>10,}"
            f"{one.trained_tokens_per_second:>20,.0f}"
        )


if __name__ == "__main__":
    main()
