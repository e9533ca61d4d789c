"""Where a run was made: versions and processor. None of it is part of the run's identity."""

import importlib.metadata
import platform

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
