"""Options that mean the same everywhere. Only here is the environment read."""

import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
LIMITS = "Limits"

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, say what would run.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never reach for the network.")]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:N or mps.")]
Threads = Annotated[
    int, typer.Option(metavar="N", help="Threads for arithmetic; 0: one per core.", min=0)
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")]
Data = Annotated[
    list[str] | None, typer.Option("--data", metavar="NAME=PATH", help="Where a data set is.")
]
Runs = Annotated[
    Path,
    typer.Option(metavar="FOLDER", help="Where runs are kept.", envvar="WEIGHBRIDGE_RUNS"),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Where converted weights are kept.", envvar="WEIGHBRIDGE_CACHE"
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="Memory limit of the process, such as 4GB.",
        rich_help_panel=WHERE_IT_COMPUTES,
    ),
]
WeakerSandbox = Annotated[
    bool,
    typer.Option(
        "--allow-weaker-sandbox",
        help="Run code even if the sandbox can't stop it from forging its result.",
        rich_help_panel=LIMITS,
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


WorseBy = Annotated[
    float | None,
    typer.Option(
        "--margin",
        help="How much worse is acceptable, on the benchmark's scale; default: 2 % of it.",
        parser=parse_margin,
        metavar="FLOAT",
    ),
]
MaxUsd = Annotated[
    float | None,
    typer.Option(
        "--max-usd", metavar="USD", min=0, help="Stop before endpoints charge more than this."
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


@dataclass(frozen=True, kw_only=True)
class Locations:
    """Options that say where data, runs and weights are.

    Attributes:
        data: NAME=PATH, each.
        runs: The folder of runs.
        cache: Converted weights; None for the usual place.
        offline: Whether the network is out of bounds.
    """

    panel: ClassVar[str] = "Data, runs and network"

    data: Data = None
    runs: Runs = DEFAULT_RUNS
    cache: Cache = None
    offline: Offline = False

    def surroundings(
        self, compute: Compute, named_data: dict[str, Path] | None = None
    ) -> Surroundings:
        """Gather these options, a project file's `[data]` and the environment."""
        return surroundings(
            runs=self.runs, cache=self.cache, data=self.data, named=named_data,
            device=compute.device, threads=compute.threads, offline=self.offline,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Options that bound what a command may do.

    Attributes:
        max_usd: What endpoints may charge; None for no cap.
        allow_weaker_sandbox: Whether code may be judged where it could fake its verdict.
    """

    panel: ClassVar[str] = LIMITS

    max_usd: MaxUsd = None
    allow_weaker_sandbox: WeakerSandbox = False


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


_LEAST_MEMORY = 1_000_000  # bytes: no model runs in less, so a unit was forgotten


def parse_memory(text: str) -> int | None:
    """Return a size such as `4GB`, `512MiB` or `1.5 GB` in bytes; None for an empty one."""
    if not text.strip():
        return None
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    if not found or float(found[1]) <= 0:
        raise InputError(f"--memory {text}", "a size such as 4GB, 512MB or 2GiB")
    step = 1024 if found[3] else 1000
    size = int(float(found[1]) * step ** " kmgt".index(found[2] or " "))
    if size < _LEAST_MEMORY:
        raise InputError(
            f"--memory {text}, which is {size:,} bytes",
            "a size such as 4GB, 512MB or 2GiB",
            "write the unit; a bare number is bytes",
        )
    return size


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


def parse_day(option: str, text: str, *, ahead: bool = False) -> date:
    """Read a day that an option gives; today where it gives none.

    Args:
        option: Its name, for messages.
        text: What it gives.
        ahead: Whether days to come are days, too.

    Raises:
        InputError: It is no day, or one to come.
    """
    today = datetime.now(UTC).date()
    if not text:
        return today
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}", "a day such as 2026-11-30") from error
    if not ahead and day > today + timedelta(days=1):  # it is tomorrow already east of Greenwich
        raise InputError(f"{option} {text} is in the future", f"a day until today, {today}")
    return day


def check_page(out: Path | None) -> None:
    """See, before anything is computed, that a page can be written.

    Raises:
        InputError: It does not end in .html, or its folder isn't there.
    """
    if out is None:
        return
    if out.suffix.lower() != ".html":
        raise InputError(f"--out {out}", "a file that ends in .html")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: no folder {out.parent}", "a folder that exists")
