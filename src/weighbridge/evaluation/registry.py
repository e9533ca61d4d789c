"""Finds benchmarks by name: the name is the stem of a file in `benchmarks/`."""

import importlib.metadata
from pathlib import Path

from weighbridge.errors import UnknownName
from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.folder_registry import defined_in, names_in

_FOLDER = Path(__file__).parent / "benchmarks"
ENTRY_POINTS = "weighbridge.benchmarks"


def benchmark_names() -> tuple[str, ...]:
    """Names of all benchmarks: the folder's, then those that other packages bring."""
    own = names_in(_FOLDER)
    others = sorted(e.name for e in importlib.metadata.entry_points(group=ENTRY_POINTS))
    return (*own, *(name for name in others if name not in own))


def find_benchmark(name: str) -> Benchmark:
    """Import exactly one benchmark. A name that ends in `.toml` is the path of a user's own.

    Raises:
        UnknownName: No such benchmark; near misses are suggested.
    """
    if name.endswith(".toml"):
        from weighbridge.evaluation.own import read_own_benchmark

        return read_own_benchmark(Path(name))
    if name not in benchmark_names():
        raise UnknownName("benchmark", name, benchmark_names())
    if (_FOLDER / f"{name}.py").is_file():
        return defined_in(f"weighbridge.evaluation.benchmarks.{name}", "BENCHMARK", Benchmark)
    (entry,) = importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)
    found = entry.load()
    assert isinstance(found, Benchmark), f"{name} defines {type(found).__name__} as BENCHMARK"
    return found
