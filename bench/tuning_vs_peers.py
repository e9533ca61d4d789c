"""Our tuner against TRL's SFTTrainer with peft: same model, token ids, labels, rank and rate.

    python bench/tuning_vs_peers.py --data alpaca_en_demo.json [--rows 96] [--rank 16] [--json]

SmolLM2-135M-Instruct and a LoRA on all linear layers, on CPU; TRL 1.16 with peft 0.21, as the extra
`dev` has them. Each run is a fresh process and makes one pass over the same rows, eight to a step,
at one constant learning rate; they run in turn, ours first. Timed is the wall clock from the end of
the first step to the end of the last, and counted are tokens without padding. Afterwards the same
plain function measures both results on the same held-out rows, outside of the time. Peak memory is
the largest resident set of the whole process, imports and loading included.

`ratio` is against TRL's defaults with float32 on both sides. `ratio_best` is against the settings
that are found to be TRL's fastest, each switched on if it pays on a part of the rows: no
checkpointing, batches by length, smaller batches that add up, packing, bfloat16; ours is at its own
best then. They are searched once per machine and kept (`--search` searches again). Packed rows of
TRL see each other on a CPU, which it warns of; where packing wins, `packed_rows_see_each_other`
says so, and `ratio_best_exact` is against the fastest without.

The limit is the least arithmetic that one pass over the rows takes, divided by the machine's rate
of float32 products: two operations a weight forwards and two backwards for each distinct token
(frozen weights need no gradient), six for adapters, four a number of the head for each learnt
token, and twelve a head, width and key in attention.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROWS_PER_STEP = 8
LEARNING_RATE = 2e-4
MAX_TOKENS = 1024
HELD_OUT = 24
SEARCH_STEPS = 4

DEFAULTS: dict[str, Any] = {"bf16": False}
"""Of `SFTConfig`: batches of eight in random order, padded, with gradient checkpointing."""

WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("no checkpointing", {"gradient_checkpointing": False}),
    ("batches by length", {"train_sampling_strategy": "group_by_length"}),
    ("batches of 4", {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}),
    ("batches of 2", {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}),
    ("batches of 1", {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}),
    ("bfloat16", {"bf16": True}),
    ("weights in bfloat16", {"bf16": True, "weights": "bfloat16"}),
    (
        "packed",
        {
            "packing": True, "max_length": MAX_TOKENS, "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 2, "train_sampling_strategy": "random",
        },
    ),
)  # fmt: skip


def chosen_rows(data: Path, folder: Path, count: int) -> tuple[list[Any], list[Any], list[Any]]:
    """Return conversations, and their token ids with labels; then those of the held-out rows."""
    from weighbridge.models.reading import read_tokenizer
    from weighbridge.tuning import plan_rows, read_conversations

    tokenizer = read_tokenizer(folder)
    conversations = list(read_conversations(data).conversations)
    random.Random(0).shuffle(conversations)
    kept, rendered = [], []
    for one in conversations:
        masked, _ = plan_rows(tokenizer, [one], 1 << 20, "refuse")
        if len(masked) == 1 and len(masked[0]) <= MAX_TOKENS:
            kept.append(one)
            rendered.append(masked[0])
        if len(kept) == count + HELD_OUT:
            break
    as_peer = [
        {
            "input_ids": list(row.token_ids),
            "labels": [i if t else -100 for i, t in zip(row.token_ids, row.trained, strict=True)],
        }
        for row in rendered
    ]
    return kept[:count], as_peer[:count], as_peer[count:]


def run_ours(asked: Mapping[str, Any], folder: Path, scratch: Path) -> dict[str, Any]:
    """Tune with `weighbridge.tuning.loop.tune`."""
    import torch

    from weighbridge.models.reading import read_model
    from weighbridge.process_memory import peak_memory_bytes
    from weighbridge.tuning import StepDone, TuneSettings, loop

    conversations, _, _ = chosen_rows(Path(asked["data"]), folder, asked["rows"])
    loop.restart_peak = lambda device: None  # type: ignore[assignment]  # loading counts here, too
    module, tokenizer = read_model(folder, torch.float32, "cpu")
    ends: list[float] = []

    def note(event: Any) -> None:
        if isinstance(event, StepDone):
            ends.append(now(asked))

    common = {
        "rank": asked["rank"], "alpha": 2.0 * asked["rank"], "batch_size": ROWS_PER_STEP,
        "learning_rate": LEARNING_RATE, "schedule": "constant", "warmup_share": 0.0,
        "max_tokens": MAX_TOKENS, "checkpoint_steps": 1 << 20, "max_steps": asked.get("steps"),
    }  # fmt: skip
    settings = TuneSettings(**{**common, **asked["settings"]})
    result = loop.tune(
        module, tokenizer, conversations, [], settings, scratch / "run", note,
        base="smollm2-135m", base_digest="sha256:bench",
    )  # fmt: skip
    peak = peak_memory_bytes()
    timed = [metric for metric in result.metrics if metric.step > 1]
    from weighbridge.models.adapters import put_on

    return {
        "seconds": ends[-1] - ends[0],
        "tokens": sum(metric.tokens for metric in timed),
        "trained_tokens": result.trained_tokens,
        "peak_memory_bytes": peak,
        "loss": held_out_loss(put_on(module, result.artefact).module, asked["held_out"]),
        "computed_tokens": result.computed_tokens,
        "arrangement": result.arrangement,
    }


def run_trl(asked: Mapping[str, Any], folder: Path, scratch: Path) -> dict[str, Any]:
    """Tune with TRL's trainer and peft's adapter."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from weighbridge.process_memory import peak_memory_bytes

    rows, held_out = asked["peer_rows"], asked["held_out"]
    options = dict(asked["settings"])
    dtype = getattr(torch, options.pop("weights", "float32"))
    ends: list[float] = []
    counts: list[list[int]] = []

    class Noting(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            counts.append([])

        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(now(asked))

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=dtype),
        args=SFTConfig(
            output_dir=str(scratch / "trl"), use_cpu=True, report_to=[], save_strategy="no",
            learning_rate=LEARNING_RATE, lr_scheduler_type="constant", num_train_epochs=1,
            max_steps=asked.get("steps") or -1, disable_tqdm=True, **options,
        ),
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=AutoTokenizer.from_pretrained(folder),
        peft_config=LoraConfig(
            r=asked["rank"], lora_alpha=2 * asked["rank"], lora_dropout=0.0,
            target_modules="all-linear", task_type="CAUSAL_LM",
        ),
        callbacks=[Noting()],
    )  # fmt: skip
    compute = trainer.compute_loss
    learnt = 0

    def counting(model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:
        nonlocal learnt
        mask = inputs.get("attention_mask")
        ids = inputs["input_ids"]
        counts[-1].append(int(mask.sum()) if mask is not None else ids.numel())
        learnt += int((inputs["labels"][:, 1:] != -100).sum())
        return compute(model, inputs, *rest, **more)

    trainer.compute_loss = counting
    trainer.train()
    peak = peak_memory_bytes()
    model = trainer.model.eval().float()
    return {
        "seconds": ends[-1] - ends[0],
        "tokens": sum(sum(step) for step in counts[1:]),
        "trained_tokens": learnt,
        "peak_memory_bytes": peak,
        "loss": held_out_loss(model, held_out),
    }


def now(asked: Mapping[str, Any]) -> float:
    """Return the time by the clock that a run is measured with."""
    return time.process_time() if asked.get("cpu_time") else time.perf_counter()


def held_out_loss(model: Any, rows: Sequence[Mapping[str, Sequence[int]]]) -> float:
    """Return the mean cross-entropy of the rows' learnt tokens, in nats, as torch computes it."""
    import torch
    from torch.nn.functional import cross_entropy

    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for row in rows:
            labels = torch.tensor(row["labels"][1:])
            logits = model(input_ids=torch.tensor([row["input_ids"]]), use_cache=False).logits[0]
            total += float(cross_entropy(logits[:-1].double(), labels, reduction="sum"))
            count += int((labels != -100).sum())
    return total / count


def in_process(side: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Run one side in a process of its own and return what it measured."""
    with tempfile.TemporaryDirectory() as scratch:
        question = Path(scratch) / "asked.json"
        question.write_text(json.dumps({**asked, "side": side}))
        done = subprocess.run(
            [sys.executable, __file__, "--child", str(question)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{side} with {asked['settings']} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["tokens_per_second"] = found["tokens"] / found["seconds"]
    return found


def child(question: Path) -> None:
    """Answer `in_process`."""
    import torch

    asked = json.loads(question.read_text())
    torch.set_num_threads(asked["threads"])
    torch.manual_seed(0)
    side = {"ours": run_ours, "trl": run_trl}[asked["side"]]
    print(json.dumps(side(asked, Path(asked["folder"]), question.parent)))


def best_settings(asked: Mapping[str, Any], keep: Path, again: bool) -> dict[str, Any]:
    """Search TRL's fastest settings one after the other, once per machine.

    Returns:
        The fastest, and the fastest of those that keep rows apart, each with its tokens a second.
    """
    if keep.is_file() and not again:
        kept: dict[str, Any] = json.loads(keep.read_text())
        return kept
    settings = dict(DEFAULTS)
    # The longest rows come in as many steps, whatever the order: a step has all lengths.
    part = {**asked, "steps": SEARCH_STEPS}
    rate = in_process("trl", {**part, "settings": settings})["tokens_per_second"]
    tried = {"defaults": rate}
    exact = {"settings": settings, "tokens_per_second": rate}
    best = exact
    for name, way in WAYS:
        wanted = {**best["settings"], **way}
        rate = in_process("trl", {**part, "settings": wanted})["tokens_per_second"]
        tried[name] = rate
        print(f"  TRL, {name}: {rate:.0f} tokens/s", file=sys.stderr)
        if rate > best["tokens_per_second"]:
            best = {"settings": wanted, "tokens_per_second": rate}
            exact = exact if wanted.get("packing") else best
    found = {"best": best, "exact": exact, "tried": tried}
    keep.parent.mkdir(parents=True, exist_ok=True)
    keep.write_text(json.dumps(found))
    return found


def least_flops(folder: Path, rows: Sequence[Mapping[str, Sequence[int]]], rank: int) -> float:
    """Return the least operations of a pass over rows, each distinct token of a step once."""
    import numpy as np
    from transformers import AutoConfig

    from weighbridge.models.engine.tree import build_tree
    from weighbridge.tuning.batches import epoch_order

    config = AutoConfig.from_pretrained(folder)
    width, heads, layers = (
        config.hidden_size, config.num_attention_heads, config.num_hidden_layers,
    )  # fmt: skip
    head_width = getattr(config, "head_dim", None) or width // heads
    keys = config.num_key_value_heads * head_width
    inner = config.intermediate_size
    shapes = [(width, heads * head_width)] * 2 + [(width, keys)] * 2 + [(width, inner)] * 3
    base = layers * sum(i * o for i, o in shapes)
    adapter = layers * rank * sum(i + o for i, o in shapes)
    total = 0.0
    for step in epoch_order([len(row["input_ids"]) for row in rows], ROWS_PER_STEP, 0, 0):
        tree = build_tree([np.array(rows[at]["input_ids"], dtype=np.int64) for at in step])
        seen = sum(
            (part.end * (part.end + 1) - part.depth * (part.depth + 1)) // 2
            for part in tree.segments
        )
        learnt = sum(sum(label != -100 for label in rows[at]["labels"]) for at in step)
        total += tree.tokens * (4 * base + 6 * adapter) + learnt * 4 * width * config.vocab_size
        total += 12 * layers * heads * head_width * seen
    return total


def our_best(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return our best settings: small passes that add up, in bfloat16 where that is faster."""
    import torch

    small = {"batch_size": 2, "accumulation": ROWS_PER_STEP // 2}
    ways = [small]
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        ways.append({**small, "precision": "bfloat16"})
    rates = []
    for way in ways:
        part = {**asked, "steps": SEARCH_STEPS, "settings": way}
        rates.append(in_process("ours", part)["tokens_per_second"])
        print(f"  ours, {way}: {rates[-1]:.0f} tokens/s", file=sys.stderr)
    return ways[rates.index(max(rates))]


def race(asked: Mapping[str, Any], search: Mapping[str, Any], ours_best: Any) -> dict[str, Any]:
    """Run both sides in turn and put their figures side by side."""
    import torch
    from physical_limit import machine_flops_per_second

    torch.set_num_threads(asked["threads"])
    runs = {
        "ours": ("ours", {}),
        "trl": ("trl", DEFAULTS),
        "ours_best": ("ours", ours_best),
        "trl_best": ("trl", search["best"]["settings"]),
        "trl_best_exact": ("trl", search["exact"]["settings"]),
    }
    if search["best"] == search["exact"]:
        del runs["trl_best_exact"]
    rates, found = [machine_flops_per_second()], {}
    for name, (side, settings) in runs.items():
        found[name] = in_process(side, {**asked, "settings": settings})
        rates.append(machine_flops_per_second())
        print(f"  {name}: {found[name]}", file=sys.stderr)
    exact = found.get("trl_best_exact", found["trl_best"])
    speed = {name: one["tokens_per_second"] for name, one in found.items()}
    rate = sum(rates) / len(rates)
    flops = least_flops(Path(asked["folder"]), asked["peer_rows"], asked["rank"])
    tokens = sum(len(row["input_ids"]) for row in asked["peer_rows"])
    trained = found["ours"]["trained_tokens"]
    return {
        "ours_seconds": round(found["ours"]["seconds"], 1),
        "peer_seconds": round(found["trl"]["seconds"], 1),
        "ratio": round(speed["ours"] / speed["trl"], 2),
        "ratio_best": round(speed["ours_best"] / speed["trl_best"], 2),
        "ratio_best_exact": round(speed["ours_best"] / exact["tokens_per_second"], 2),
        "ratio_best_float32": round(speed["ours"] / speed["trl_best"], 2),
        "memory_ratio": round(_memory(found, "trl") / _memory(found, "ours"), 2),
        "memory_ratio_best": round(_memory(found, "trl_best") / _memory(found, "ours_best"), 2),
        "equal": trained == found["trl"]["trained_tokens"]
        and abs(found["ours"]["loss"] - found["trl"]["loss"]) < 0.02,
        "packed_rows_see_each_other": bool(search["best"]["settings"].get("packing")),
        "runs": found,
        "trl_best_settings": search["best"]["settings"],
        "trl_tried": {name: round(value, 1) for name, value in search["tried"].items()},
        "rows": len(asked["peer_rows"]),
        "tokens": tokens,
        "trained_tokens": trained,
        "least_gflop_per_trained_token": round(flops / trained / 1e9, 3),
        "machine_gflops": round(rate / 1e9),
        "limit_tokens_per_second": round(tokens / (flops / rate), 1),
        "share_of_limit": round(speed["ours"] / (tokens / (flops / rate)), 3),
        "threads": asked["threads"],
        "cpu_time": asked["cpu_time"],
    }


def _memory(found: Mapping[str, Mapping[str, Any]], name: str) -> float:
    return float(found[name]["peak_memory_bytes"])


def table(result: Mapping[str, Any]) -> str:
    """Return the result as lines of text."""
    lines = [f"{'run':<16}{'tokens/s':>10}{'loss':>9}{'peak':>10}"]
    for name, run in result["runs"].items():
        peak = f"{run['peak_memory_bytes'] / 1e9:.2f} GB"
        lines.append(f"{name:<16}{run['tokens_per_second']:>10.0f}{run['loss']:>9.4f}{peak:>10}")
    lines.append(
        f"{result['ratio']} times TRL's defaults, {result['ratio_best']} times its best; "
        f"{result['share_of_limit']:.0%} of the limit of {result['limit_tokens_per_second']:.0f} "
        f"tokens/s ({result['least_gflop_per_trained_token']} GFLOP a learnt token at "
        f"{result['machine_gflops']} GF/s)"
    )
    return "\n".join(lines)


def main() -> None:
    """Run both in turn and print the table and, last, one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="instruction data in Alpaca's format")
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "weighbridge")
    parser.add_argument("--search", action="store_true", help="search TRL's settings again")
    parser.add_argument(
        "--cpu-time", action="store_true",
        help="one thread's processor time and not the clock, where others use the machine, too",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    if asked.child:
        child(asked.child)
        return
    if asked.data is None:
        parser.error("--data is missing: a file of instructions in Alpaca's format")

    from weighbridge.models.convert import as_safetensors
    from weighbridge.sources.weights import find_weights

    folder, _ = as_safetensors(find_weights("smollm2-135m"), asked.cache)
    _, rows, held_out = chosen_rows(asked.data, folder, asked.rows)
    question = {
        "data": str(asked.data.resolve()), "folder": str(folder), "rows": asked.rows,
        "rank": asked.rank, "threads": 1 if asked.cpu_time else asked.threads,
        "peer_rows": rows, "held_out": held_out, "cpu_time": asked.cpu_time,
    }  # fmt: skip
    search = best_settings(question, asked.cache / "trl_tuning_settings.json", asked.search)
    result = race(question, search, ours_best=our_best(question))
    if not asked.json:
        print(table(result))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
