"""Options that mean the same everywhere. Only here is the environment read."""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from weighbridge.errors import InputError
from weighbridge.sources.datasets import DataPlaces
from weighbridge.sources.weights import default_cache

if TYPE_CHECKING:  # evidence brings scipy, a second that a command without runs does not need
    from weighbridge.evidence import RunStore
    from weighbridge.opening.endpoints import Endpoints

WHERE_IT_COMPUTES = "Where it computes"

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never reach for the network.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Threads = Annotated[int, typer.Option(help="Threads for arithmetic; 0 takes every core.", min=0)]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Data = Annotated[
    list[str] | None, typer.Option("--data", metavar="NAME=PATH", help="Where a data set lies.")
]
Runs = Annotated[Path, typer.Option(help="Where runs are kept.", envvar="WEIGHBRIDGE_RUNS")]
Cache = Annotated[
    Path | None, typer.Option(help="Where converted weights are kept.", envvar="WEIGHBRIDGE_CACHE")
]
Memory = Annotated[
    str, typer.Option(metavar="SIZE", help="What the process may take, such as 4GB; none if empty.")
]
WeakerSandbox = Annotated[
    bool,
    typer.Option(
        "--allow-weaker-sandbox",
        help="Judge code where it could fake its verdict, if this machine can do no better.",
    ),
]
Judge = Annotated[
    str, typer.Option(metavar="MODEL", help="Who judges the answers (mt_bench): any model.")
]
JudgeRepeats = Annotated[int, typer.Option(help="Judgements of each answer.", min=1)]
JudgeMaxTokens = Annotated[int | None, typer.Option(help="Longest judgement.", min=1)]
Baseline = Annotated[
    str,
    typer.Option(
        metavar="RUN_OR_FILE", help="Answers to compare with (--protocol pairwise): run or JSONL."
    ),
]
StopWhenDecided = Annotated[
    str,
    typer.Option(
        metavar="RUN",
        help="Ask in random order; stop once no worse or worse than RUN beyond --margin.",
    ),
]


def parse_margin(text: str) -> float:
    """Read a margin, which is a difference on the benchmark's scale and no percentage of it.

    Raises:
        InputError: It is not a number.
    """
    try:
        return float(text)
    except ValueError as error:
        percent = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:%|percent|points?)\s*", text)
        meant = f"{float(percent[1]) / 100:g} is {percent[1]} points" if percent else ""
        raise InputError(
            f"--margin {text}",
            "a number in the units of the benchmark's scale, such as 0.02 (2 points) where answers "
            "count 0 to 1",
            meant and f"--margin {meant.split()[0]} where answers count 0 to 1: {meant}",
        ) from error


Margin = Annotated[
    float | None,
    typer.Option(
        help="How much worse than that run is still fine; else 2 points.",
        parser=parse_margin,
        metavar="FLOAT",
    ),
]
WorseBy = Annotated[
    float | None,
    typer.Option(
        "--margin",
        help="How much worse is still fine, in the scale's units; else 2 % of it.",
        parser=parse_margin,
        metavar="FLOAT",
    ),
]
MaxUsd = Annotated[
    float | None,
    typer.Option(
        "--max-usd", metavar="USD", min=0, help="Endpoints: stop before more than this is spent."
    ),
]
ANY_MODEL = "Alias, folder, .gguf, Hub id, BASE+ADAPTER, or endpoint."
DEFAULT_RUNS = Path(".weighbridge/runs")


@dataclass(frozen=True)
class Surroundings:
    """What the options and the environment say about where things are.

    Attributes:
        store: Evidence.
        cache: Converted weights.
        places: Data sets.
        device: As asked for.
        threads: For arithmetic, at least 1.
        offline: No network.
        started: Now, ISO 8601, UTC.
    """

    store: "RunStore"
    cache: Path
    places: DataPlaces
    device: str
    threads: int
    offline: bool
    started: str


def surroundings(
    *,
    runs: Path = DEFAULT_RUNS,
    cache: Path | None = None,
    data: list[str] | None = None,
    named: dict[str, Path] | None = None,
    device: str = "auto",
    threads: int = 0,
    offline: bool = False,
) -> Surroundings:
    """Gather flags, project file (`named`) and environment, the nearest to the user first."""
    from weighbridge.evidence import RunStore

    root = os.environ.get("WEIGHBRIDGE_DATA")
    places = DataPlaces(
        named={**(named or {}), **_pairs(data or [])},
        root=Path(root) if root else None,
        offline=stays_offline(offline),
    )
    xdg = os.environ.get("XDG_CACHE_HOME")
    return Surroundings(
        store=RunStore(runs),
        cache=cache or (Path(xdg) / "weighbridge" if xdg else default_cache()),
        places=places,
        device=device,
        threads=threads or _cores(),
        offline=places.offline,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Options that say where models compute.

    Attributes:
        device: As asked for.
        threads: For arithmetic; 0 for every core.
    """

    panel: ClassVar[str] = WHERE_IT_COMPUTES

    device: Device = "auto"
    threads: Threads = 0


def stays_offline(offline: bool) -> bool:
    """Whether the network is out of bounds, by flag or environment; libraries are told."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    return offline or os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true", "TRUE")


def endpoints(runs: Path, offline: bool, max_usd: float | None = None) -> "Endpoints":
    """Return what opening endpoints needs; their keys are looked up here alone."""
    from weighbridge.models.endpoint import SpendingBudget
    from weighbridge.opening.endpoints import Endpoints

    return Endpoints(
        answers=runs.parent / "answers",
        key=os.environ.get,
        budget=SpendingBudget(max_usd),
        offline=offline,
    )


def parse_memory(text: str) -> int | None:
    """Return a size such as `4GB`, `512MiB` or `1.5 GB` in bytes; None for an empty one."""
    if not text.strip():
        return None
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    if not found or float(found[1]) <= 0:
        raise InputError(f"--memory {text}", "a size such as 4GB, 512MB or 2GiB")
    step = 1024 if found[3] else 1000
    return int(float(found[1]) * step ** " kmgt".index(found[2] or " "))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _pairs(values: list[str]) -> dict[str, Path]:
    found = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not equals or not name or not path:
            raise InputError(f"--data {value}", "NAME=PATH, such as mmlu=~/data/mmlu")
        found[name] = Path(path)
    return found
