"""The root of jails: the standard library by list, made once, whole, and nobody else's."""

import os
import sys

import pytest

from weighbridge.sandbox import runtime as module
from weighbridge.sandbox.runtime import runtime

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jails are Linux's")


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """The root made anew in a folder of this test's own."""
    monkeypatch.setattr(module, "_places", lambda: iter([tmp_path]))
    runtime.cache_clear()
    yield tmp_path
    runtime.cache_clear()


def test_it_holds_python_and_nothing_that_a_data_set_could_lie_in(fresh):
    folder = runtime().folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files if ".so" not in path.name}
    assert kinds <= {".py", ".pyc", f".{sys.version_info.minor}", ".json"}
    assert [path.name for path in files if path.suffix == ".json"] == ["libraries.json"]
    assert not any("site-packages" in str(p) or "dist-packages" in str(p) for p in files)
    assert (folder / runtime().python.lstrip("/")).is_file()


def test_it_is_made_once_and_found_by_the_next_process(fresh):
    first = runtime().folder
    made = first.stat().st_ino
    runtime.cache_clear()
    assert runtime().folder == first and first.stat().st_ino == made


def harm_missing(folder):
    next(folder.rglob("os.py")).unlink()


def harm_altered(folder):
    path = next(folder.rglob("heapq.py"))
    path.chmod(0o644)
    path.write_text("def heappush(*_): raise SystemExit\n")


def harm_writable(folder):
    folder.chmod(0o777)


def harm_library(folder):
    next(folder.rglob("libc.so*")).unlink()


def harm_listing(folder):
    (folder / "jail" / "libraries.json").write_text("[1")


def harm_bytecode(folder):
    next((folder / "jail").rglob("tester*.pyc")).unlink()


@pytest.mark.parametrize(
    "harm",
    [
        harm_missing,
        harm_altered,
        *(
            pytest.param(harm, marks=pytest.mark.slow)
            for harm in (harm_writable, harm_library, harm_listing, harm_bytecode)
        ),
    ],
)
def test_one_that_is_not_whole_is_not_used(fresh, harm):
    first = runtime().folder
    harm(first)
    runtime.cache_clear()
    other = runtime().folder
    assert other != first and next(other.rglob("os.py")).is_file()


def test_a_link_in_its_place_is_not_followed(fresh):
    name = runtime().folder
    elsewhere = name.rename(name.with_name("elsewhere"))
    os.symlink(elsewhere, name)
    runtime.cache_clear()
    assert runtime().folder not in (name, elsewhere)
