"""Where a run happens, how far it has come, and what its provenance says of the machine."""

import contextlib
import functools
import importlib.metadata
import platform
from collections.abc import Callable
from dataclasses import dataclass

from weighbridge.evidence import RunStore

_PACKAGES = (
    "weighbridge", "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "scipy",
    "gguf", "openai",
)  # fmt: skip


@dataclass(frozen=True)
class Progressed:
    """How far a run has come; `done` samples, the parts of a unit in work included."""

    done: float
    total: int
    computed_tokens: int


@dataclass(frozen=True)
class RunContext:
    """Where a run happens: what its provenance records, and where its evidence goes.

    Attributes:
        store: Evidence.
        threads: For arithmetic.
        started: ISO 8601, UTC.
        graders: Answers judged at a time, where judging runs code.
        sandbox_level: The level at which model-written code runs; None where none does.
        weaker_sandbox: Whether that is a level at which verdicts can be faked, as a person allowed.
        weaker_allowed: Whether a person allowed such a level where an item's test needs it.
        already_paid: Told what answers cost (USD) that earlier attempts of a run paid for.
    """

    store: RunStore
    threads: int
    started: str
    graders: int = 2
    sandbox_level: str | None = None
    weaker_sandbox: bool = False
    weaker_allowed: bool = False
    already_paid: Callable[[float], None] = lambda usd: None


OnProgress = Callable[[Progressed], None]


def package_versions() -> dict[str, str]:
    """Return versions of the packages that a number can depend on; no part of a run's identity."""
    return dict(_installed_versions())


@functools.cache
def _installed_versions() -> tuple[tuple[str, str], ...]:
    found = []
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append((name, importlib.metadata.version(name)))
    return tuple(found)


def platform_name() -> str:
    """Operating system, machine and processor, as far as the system tells."""
    processor = platform.processor()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line for line in file if line.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    except OSError:
        pass
    return f"{platform.system()} {platform.release()} {platform.machine()} {processor}".strip()
