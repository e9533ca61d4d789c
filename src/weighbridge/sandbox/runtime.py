"""The root folder of a jail: Python, its standard library and the libraries they load, by list.

Copied once into a folder of its own, so that nothing else of this machine can be read in a jail: no
installed package, which may carry a benchmark's solutions; no tool; no file that another process
holds open. Files stand at the paths where they stand outside, since Python finds its library so.
"""

import contextlib
import functools
import hashlib
import json
import os
import py_compile
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import SandboxUnavailable

INSIDE = Path(__file__).parent / "inside"
MOUNTED = "/jail/weighbridge/sandbox/inside"
ZONES = "/usr/share/zoneinfo"
_MOUNT_POINTS = ("tmp", "dev", ZONES.lstrip("/"))
_UNUSED = {
    "antigravity", "curses", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "test",
    "this", "tkinter", "turtle", "turtledemo", "venv", "webbrowser",
}  # fmt: skip
_NO_TESTS = {"test", "tests", "idle_test"}
_PREFIX = "weighbridge-jail-"
_LISTING = "jail/libraries.json"
_FORGOTTEN_SECONDS = 14 * 24 * 3600


@dataclass(frozen=True)
class Runtime:
    """A jail's root.

    Attributes:
        folder: Mounted as `/`, for reading.
        python: The interpreter's path in it.
        libraries: Folders in it where the loader finds shared libraries.
    """

    folder: Path
    python: str
    libraries: tuple[str, ...]


@functools.cache
def runtime() -> Runtime:
    """Return the root of jails, made on first use and kept for the next process.

    Raises:
        SandboxUnavailable: This Python's parts can't be listed, or copied anywhere.
    """
    python = _interpreter()
    wanted = {str(python): python, **_library(python), **_inside()}
    name = f"{_PREFIX}{os.geteuid()}-{_digest(wanted)}"
    tried = []
    for parent in _places():
        try:
            folder = parent / name
            # Asking the loader takes as long as all the rest, so its answer is kept.
            libraries = _kept(folder, wanted)
            if libraries is None:
                libraries = _shared([python, *(p for p in wanted.values() if ".so" in p.suffixes)])
                folder = _made(folder, wanted, libraries)
            _sweep(parent, keep=folder)
            places = tuple(dict.fromkeys(os.path.dirname(path) for path in libraries))
            return Runtime(folder, str(python), places)
        except OSError as error:
            tried.append(f"{parent}: {error.strerror or error}")
    raise SandboxUnavailable(
        f"no folder for the jail's Python ({'; '.join(tried) or 'none is writable'})",
        "a temporary folder from which programs may be run, with 60 MB free",
        "set TMPDIR to one",
    )


def _interpreter() -> Path:
    base = Path(sys.base_prefix).resolve()
    python = base / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python if python.exists() else Path(os.path.realpath(sys.executable))


def _library(python: Path) -> dict[str, Path]:
    """List the standard library: modules by Python's own list of names, source and bytecode."""
    found: dict[str, Path] = {}
    top = Path(sysconfig.get_path("stdlib")).resolve()
    if not (top / "os.py").is_file():
        raise SandboxUnavailable(
            f"no standard library as files at {top}", "one", f"use another Python than {python}"
        )
    for name in sorted(sys.stdlib_module_names - _UNUSED):
        files = [top / f"{name}.py"] if (top / f"{name}.py").is_file() else []
        if (top / name).is_dir():
            files = [
                path
                for path in sorted((top / name).rglob("*.py"))
                if not _NO_TESTS & set(path.relative_to(top).parts)
            ]
        for path in files:
            compiled = (
                path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
            )
            found |= {str(p): p for p in (path, compiled) if p.is_file()}
    for path in sorted((top / "lib-dynload").glob("*.so")):
        if path.name.split(".")[0] in sys.stdlib_module_names - {"_tkinter", "_curses"}:
            found[str(path)] = path
    return found


def _inside() -> dict[str, Path]:
    return {f"{MOUNTED}/{path.name}": path for path in sorted(INSIDE.glob("*.py"))}


def _compiled() -> dict[str, Path]:
    """List the bytecode of what runs inside: compiling it anew in each jail took a tenth of one."""
    folder = f"{MOUNTED.lstrip('/')}/__pycache__"
    tag = sys.implementation.cache_tag
    return {f"{folder}/{path.stem}.{tag}.pyc": path for path in INSIDE.glob("*.py")}


def _shared(programs: list[Path]) -> dict[str, Path]:
    """Ask the loader which shared libraries programs load, and which loader they name."""
    try:
        said = subprocess.run(
            ["ldd", *map(str, programs)], capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C"},
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxUnavailable(
            f"ldd can't say what Python loads ({error})", "ldd, of the C library", "install it"
        ) from error
    found = {}
    for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", said.stdout, re.MULTILINE):
        found[os.path.normpath(path)] = Path(os.path.realpath(path))
    return found


def _digest(wanted: dict[str, Path]) -> str:
    fingerprint = hashlib.sha256(sys.version.encode())
    for place, source in sorted(wanted.items()):
        state = source.stat()
        fingerprint.update(
            f"{place}\0{state.st_size}\0{state.st_mtime_ns}\n".encode("utf-8", "replace")
        )
    return fingerprint.hexdigest()[:20]


def _places() -> Iterator[Path]:
    """Yield folders for the jail's root: writable, and allowing programs to run."""
    for name in dict.fromkeys((tempfile.gettempdir(), "/var/tmp", "/dev/shm")):
        path = Path(name)
        with contextlib.suppress(OSError):
            if os.access(path, os.W_OK | os.X_OK) and not os.statvfs(path).f_flag & os.ST_NOEXEC:
                yield path


def _kept(folder: Path, wanted: dict[str, Path]) -> dict[str, Path] | None:
    """Return the libraries in a folder that only we can write and that is complete; else None.

    Others may write beside it, and what cleans temporary folders may have taken a part of it.
    """
    try:
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
            return None
        listed = json.loads((folder / _LISTING).read_bytes())
        libraries = {str(place): Path(source) for place, source in listed.items()}
        for place, source in {**wanted, **libraries}.items():
            copy, own = (folder / place.lstrip("/")).lstat(), source.stat()
            if (copy.st_size, copy.st_mtime_ns) != (own.st_size, own.st_mtime_ns):
                return None
        if not all((folder / compiled).is_file() for compiled in _compiled()):
            return None
        return libraries if all((folder / point).is_dir() for point in _MOUNT_POINTS) else None
    except (OSError, ValueError, AttributeError):
        return None


def _made(folder: Path, wanted: dict[str, Path], libraries: dict[str, Path]) -> Path:
    own = f"{_PREFIX}{os.geteuid()}-making-"
    unfinished = Path(tempfile.mkdtemp(prefix=own, dir=folder.parent))
    try:
        for place, source in {**wanted, **libraries}.items():
            _copy(source, unfinished / place.lstrip("/"))
        for compiled, source in _compiled().items():
            py_compile.compile(
                str(source), str(unfinished / compiled), dfile=f"{MOUNTED}/{source.name}",
                doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )  # fmt: skip
        for point in _MOUNT_POINTS:
            (unfinished / point).mkdir(parents=True, exist_ok=True)
        listed = {place: str(source) for place, source in libraries.items()}
        (unfinished / _LISTING).write_text(json.dumps(listed), encoding="utf-8")
        for path, _, _ in os.walk(unfinished):
            os.chmod(path, 0o755)
        try:
            unfinished.rename(folder)
        except OSError:  # something stands there: another process was faster, or it isn't ours
            if _kept(folder, wanted) is None:
                return unfinished
            shutil.rmtree(unfinished, ignore_errors=True)
        return folder
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _copy(source: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    state = source.stat()
    copy.chmod(0o555 if state.st_mode & 0o111 else 0o444)
    os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))  # bytecode names its source's time


def _sweep(parent: Path, keep: Path) -> None:
    """Note that a folder is in use, and remove those that nobody has used for two weeks."""
    with contextlib.suppress(OSError):
        os.utime(keep)
    for old in parent.glob(f"{_PREFIX}{os.geteuid()}-*"):
        with contextlib.suppress(OSError):
            unused = time.time() - old.lstat().st_mtime > _FORGOTTEN_SECONDS
            if old != keep and unused and old.lstat().st_uid == os.geteuid():
                shutil.rmtree(old, ignore_errors=True)
