"""Files that stand in the documentation, so that tests run what a reader copies."""

import re
from pathlib import Path

_FILE = re.compile(r"^`([\w.-]+)`:\n\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def write_files(page: Path, folder: Path) -> list[Path]:
    """Write each file that a page shows under its name; return them in the page's order."""
    found = []
    for name, text in _FILE.findall(page.read_text(encoding="utf-8")):
        (folder / name).write_text(text, encoding="utf-8")
        found.append(folder / name)
    return found


def own_benchmarks(repository: Path, folder: Path) -> dict[str, Path]:
    """Write the page on own benchmarks' files; return the TOMLs by kind."""
    from weighbridge.evaluation.own.toml_keys import read_definition

    files = write_files(repository / "docs/how-to/your-own-benchmark.md", folder)
    tomls = [path for path in files if path.suffix == ".toml"]
    return {read_definition(path)[1].name: path for path in tomls}
