"""What the repository promises of itself."""

import re
import subprocess
import tomllib

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
