"""How long every planning command takes from the shell to its answer, against a limit of 2 s.

    python bench/planning_commands.py [--times 5] [--json]

Each runs in fresh processes, on inputs made here: a configuration, a GGUF file with a vocabulary
of 49,152 tokens whose weights are a hole, and runs of known laws. Printed are medians. Resamples
are left out (`--bootstraps 0`): `bench/scaling_fit.py` times them. There is no peer that does this
work; the limit stands in its place. `tests/cli/test_planning_commands.py` runs the same commands
without torch and checks their answers.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 2.0
JOINT = (40.0, -0.19, -0.25, 0.008, 36.0, -0.178, 0.2, -0.009, 1.4)  # in JointMixture's order


def commands(folder: Path) -> dict[str, list[str]]:
    """Make the inputs in a folder and return every planning command's words by its name."""
    config, header, dense, experts = make_inputs(folder)
    answers = {
        "inspect NAME": ["inspect", "llama-3-8b"],
        "inspect config.json": ["inspect", config],
        "inspect GGUF": ["inspect", header],
        "scaling fit": ["scaling", "fit", dense, "--bootstraps", "0"],
        "scaling compare": ["scaling", "compare", dense, "--bootstraps", "0"],
        "scaling mixture": ["scaling", "mixture", experts, "--bootstraps", "0"],
        "scaling laws": ["scaling", "laws"],
        "plan train": ["plan", "train", "--compute", "5.76e23"],
        "plan tune": ["plan", "tune", "llama-3-70b", "--method", "qlora", "--memory", "48GB",
                      "--checkpointing", "--optimizer", "adamw-8bit"],
        "plan serve": ["plan", "serve", "deepseek-v3", "--gpu", "b200", "--gpus", "8",
                       "--precision", "fp4", "--tpot", "0.05"],
        "plan cost": ["plan", "cost", "--self-hosted", "llama-3.3-70b", "--precision", "fp8",
                      "--api", "gpt-5"],
        "gap": ["gap", "--benchmark", "eci"],
        "gap --list": ["gap", "--list"],
        "claims": ["claims", "--as-of", "2026-11-30"],
    }  # fmt: skip
    helps = ["inspect", "scaling", "scaling fit", "scaling compare", "scaling mixture"]
    helps += [
        "scaling laws",
        "plan",
        "plan train",
        "plan tune",
        "plan serve",
        "plan cost",
        "gap",
        "claims",
    ]
    return {
        **{name: [*words, "--json"] for name, words in answers.items()},
        **{f"{name} --help": [*name.split(), "--help"] for name in helps},
    }


def make_inputs(folder: Path) -> tuple[str, str, str, str]:
    """Write a configuration, a GGUF file, dense runs and runs of mixtures; return their paths."""
    from weighbridge.catalog.models import find_model

    config = folder / "config.json"
    config.write_text(json.dumps(find_model("llama-3-8b").config))
    header = folder / "smollm2-135m.gguf"
    write_gguf(header, find_model("smollm2-135m").config)
    dense, experts = folder / "dense.csv", folder / "experts.csv"
    write_csv(dense, ("parameters", "tokens", "loss"), dense_runs())
    write_csv(experts, ("parameters", "tokens", "experts", "loss"), mixture_runs())
    return str(config), str(header), str(dense), str(experts)


def write_gguf(path: Path, config: Any) -> None:
    """Write a Llama's header as llama.cpp does; the weights behind it are a hole in the file."""
    import gguf
    import numpy as np

    hidden, inner, layers = (
        config[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers")
    )
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    narrow = hidden // heads * groups
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(inner)
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_array("tokenizer.ggml.tokens", [f"token {i}" for i in range(config["vocab_size"])])
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (config["vocab_size"], hidden), "output_norm": (hidden,)
    }  # fmt: skip
    block = {
        "attn_norm": (hidden,), "ffn_norm": (hidden,), "attn_q": (hidden, hidden),
        "attn_k": (narrow, hidden), "attn_v": (narrow, hidden), "attn_output": (hidden, hidden),
        "ffn_gate": (inner, hidden), "ffn_up": (inner, hidden), "ffn_down": (hidden, inner),
    }  # fmt: skip
    shapes |= {f"blk.{i}.{name}": shape for i in range(layers) for name, shape in block.items()}
    for name, shape in shapes.items():
        values = 4 * int(np.prod(shape))
        writer.add_tensor_info(f"{name}.weight", shape, np.dtype(np.float32), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    held = 4 * sum(int(np.prod(shape)) + 64 for shape in shapes.values())
    with path.open("rb+") as file:  # reserved, for a file that is a hole is refused
        os.posix_fallocate(file.fileno(), path.stat().st_size, held)


def dense_runs() -> Iterable[tuple[float, ...]]:
    """Return nine budgets of twelve sizes each under L = 1.8 + 480/N^.35 + 2100/D^.37."""
    import numpy as np

    from weighbridge.planning.scaling.forms import Chinchilla

    law = Chinchilla(480.0, 2100.0, 1.8, 0.35, 0.37)
    for flops in np.geomspace(6e18, 3e21, 9):
        for share in np.geomspace(0.15, 6, 12):
            size = float(law.optimal_parameters(flops)) * share
            tokens = flops / 6 / size
            yield size, tokens, float(law.loss(size, tokens))


def mixture_runs() -> Iterable[tuple[float, ...]]:
    """Return runs of 1 to 32 experts under a joint law; its constants are made up."""
    import numpy as np

    from weighbridge.planning.scaling.forms import JointMixture

    law = JointMixture(*JOINT)
    for experts in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        for size in np.geomspace(1e7, 3e9, 6):
            for tokens in np.geomspace(1e9, 1e11, 5):
                yield size, tokens, experts, float(law.loss(size, tokens, experts))


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[float]]) -> None:
    """Write a table with every digit."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *([repr(float(x)) for x in row] for row in rows)])


def seconds_of(words: Sequence[str], times: int) -> float:
    """Return the median wall time of fresh processes, from start to exit."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "weighbridge", *words], check=True, capture_output=True
        )
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Print a line for each command and, last, one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, words in commands(Path(folder)).items():
            found[name] = round(seconds_of(words, arguments.times), 3)
            if not arguments.json:
                over = "" if found[name] < LIMIT_SECONDS else f"  over {LIMIT_SECONDS:g} s"
                print(f"{name:<24} {found[name]:6.2f} s{over}", flush=True)
    slowest = max(found, key=lambda name: found[name])
    if not arguments.json:
        print(f"slowest: {slowest}, {found[slowest]:.2f} s of {LIMIT_SECONDS:g} s")
    result = {
        "seconds": found,
        "limit_seconds": LIMIT_SECONDS,
        "slowest": slowest,
        "within": found[slowest] < LIMIT_SECONDS,
        "times": arguments.times,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
