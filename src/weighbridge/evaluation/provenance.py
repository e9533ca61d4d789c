"""Where a run was made: versions, processor, memory. None of it is part of the run's identity."""

import importlib.metadata
import platform
import resource
import sys

_PACKAGES = (
    "weighbridge", "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "scipy",
    "gguf", "openai",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Return versions of the packages that a number can depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peak_memory_bytes() -> int:
    """Return the process's peak resident memory."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next(int(x.split()[1]) * 1024 for x in file if x.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass  # not Linux, where getrusage would also count the process that started this one
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


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
