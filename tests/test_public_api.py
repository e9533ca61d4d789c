"""What a person may import: the names, signatures and fields of the public modules.

Written down in `public_api.txt`; `python tests/test_public_api.py` writes it again. The page that
says which modules are public is docs/reference/python.md.
"""

import ast
import difflib
import importlib
import inspect
import re
import sys
from functools import cache
from pathlib import Path

import pytest

PUBLIC = (
    "weighbridge",
    "weighbridge.documents",
    "weighbridge.errors",
    "weighbridge.evidence",
    "weighbridge.models",
    "weighbridge.models.endpoint",
    "weighbridge.planning.anatomy",
    "weighbridge.records",
    "weighbridge.reports",
    "weighbridge.sandbox",
    "weighbridge.statistics",
    "weighbridge.tuning",
)
PINNED = Path(__file__).with_name("public_api.txt")


def public_api():
    """Return every public name as its source writes it, a module a section."""
    lines = []
    for name in PUBLIC:
        module = importlib.import_module(name)
        lines += [f"[{name}]"]
        for exported in sorted(module.__all__):
            lines += described(exported, getattr(module, exported))
        lines.append("")
    return "\n".join(lines)


def described(name, value):
    """Return a name with its parameters, or a class with its fields, methods and properties."""
    node = definition(value)
    if node is None:
        said = type(value).__name__ if is_constant(value) else re.sub(r"(\w+\.)+", "", repr(value))
        return [f"{name}: {said}"]
    if isinstance(node, ast.FunctionDef):
        return [f"{name}{signature(node)}"]
    bases = [ast.unparse(base) for base in node.bases]
    lines = [f"class {name}({', '.join(bases)})" if bases else f"class {name}"]
    for part in node.body:
        if isinstance(part, ast.Assign | ast.AnnAssign):
            lines.append(f"  {ast.unparse(part)}")
        elif isinstance(part, ast.FunctionDef) and shown(part.name):
            marks = [ast.unparse(mark) for mark in part.decorator_list]
            lines.append(
                "  " + "".join(f"@{mark} " for mark in marks) + part.name + signature(part)
            )
    return lines


def is_constant(value):
    return isinstance(value, str | int | float | tuple | dict | frozenset) and not isinstance(
        value, type
    )


def shown(method):
    return not method.startswith("_") or method in ("__init__", "__call__", "__enter__", "__iter__")


def signature(node):
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){returns}"


def definition(value):
    """Return the source of a class or function of ours; None for anything else."""
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return None
    if not value.__module__.startswith("weighbridge"):
        return None
    return next(
        (
            node
            for node in parsed(value.__module__).body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == value.__name__
        ),
        None,
    )


@cache
def parsed(module):
    return ast.parse(Path(sys.modules[module].__file__).read_text(encoding="utf-8"))


def test_public_names_signatures_and_fields_are_as_they_were():
    changed = difflib.unified_diff(
        PINNED.read_text(encoding="utf-8").splitlines(), public_api().splitlines(),
        "public_api.txt", "now", lineterm="", n=2,
    )  # fmt: skip
    text = "\n".join(changed)
    assert not text, (
        "somebody's script may import what changed here. If it is meant, say so in CHANGELOG.md "
        f"and run: python tests/test_public_api.py\n{text}"
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_lists_what_it_exports(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    missing = [one for one in module.__all__ if not hasattr(module, one)]
    assert missing == []


def test_the_page_says_which_modules_are_public(repository):
    page = (repository / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(weighbridge[\w.]*)` \|", page, re.M) == list(PUBLIC)


def test_the_page_s_example_runs(repository, tmp_path, monkeypatch):
    page = (repository / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "python.md", "exec"), {})


if __name__ == "__main__":
    PINNED.write_text(public_api(), encoding="utf-8")
    sys.stdout.write(f"{PINNED}\n")
