"""Every row of the tables of attacks names a test that stands in the suite, and there are many."""

import re

import pytest

LEAST = 250  # rows in both pages
_TESTS = re.compile(r"`(?:tests/[\w/]+\.py::)?(test_\w+)`")


def rows_of(page):
    """The rows of a page's tables, as lists of cells, without headings."""
    found, heading = [], True
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            heading = True
        elif set(line) <= set("|-: "):
            heading = False
        elif not heading:
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


@pytest.fixture(scope="module")
def defined(repository):
    """The names of all tests that stand in files, with the files that hold each."""
    found = {}
    for path in (repository / "tests").rglob("test_*.py"):
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE):
            found.setdefault(name, []).append(path)
    return found


def test_each_row_of_the_threat_model_names_tests_that_exist(repository, defined):
    page = repository / "docs" / "threat-model.md"
    for row in rows_of(page):
        named = _TESTS.findall(row[-1])
        assert named, f"no test in: {row}"
        for name in named:
            assert name in defined, f"{name}, in: {row}"
    paths = set(re.findall(r"`(tests/[\w/]+\.py)", page.read_text("utf-8")))
    assert paths and all((repository / path).is_file() for path in paths), paths


def test_there_are_as_many_attacks_as_the_pages_say(repository):
    """Those of the sandbox are held against the attacks themselves where they are run."""
    levels = ("bubblewrap", "none")  # the first table is of these
    sandbox = [
        row for row in rows_of(repository / "docs" / "sandbox.md")
        if not row[0].strip("`").startswith(levels)
    ]  # fmt: skip
    others = rows_of(repository / "docs" / "threat-model.md")
    told = [row[0] for row in (*sandbox, *others)]
    assert len(set(told)) == len(told)
    assert len(sandbox) >= 120 and len(told) >= LEAST
