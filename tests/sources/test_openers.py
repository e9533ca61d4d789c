"""One place opens files from outside: whatever else opens one is listed here, with the reason."""

import ast

import pytest

OPENERS = {
    "open", "read_text", "read_bytes", "fdopen", "ZipFile", "is_zipfile", "ParquetFile",
    "read_table", "mmap", "memmap", "fromfile", "safe_open", "load_file", "load_model",
    "loadtxt", "genfromtxt", "read_csv", "read_json_file", "from_file", "TarFile", "opener",
    "FileIO", "getline", "from_pretrained", "hash_file",
}  # fmt: skip
LIBRARIES = {
    "json": {"load"}, "tomllib": {"load"}, "yaml": {"load", "safe_load"}, "numpy": {"load"},
    "np": {"load"}, "torch": {"load"}, "pickle": {"load", "loads"},
}  # fmt: skip
OURS_TO_WRITE = {"w", "wb", "a", "ab", "x", "xb", "r+b", "rb+"}

OWN = "part of this package"
WRITES = "a file that we write and lock"
CHECKED = "its files are looked at first (require_model_files, require_regular, read_header)"
CHILD = "a file in our own scratch folder, which our own child process wrote"
ALLOWED = {
    ("sources/regular_files.py", "open"): "the one place",
    ("sources/regular_files.py", "fdopen"): "the one place",
    ("sources/archives.py", "ZipFile"): "given a file that the one place opened",
    ("sources/archives.py", "open"): "a member, which is counted as it comes out",
    ("sources/text_files.py", "opener"): "unpacks a file that the one place opened",
    ("sources/tables.py", "ParquetFile"): "given a file that the one place opened",
    ("sources/gguf_header.py", "mmap"): "of a file that the one place opened",
    ("models/gguf_tensors.py", "memmap"): "of a file that the one place opened",
    ("models/adapters.py", "safe_open"): CHECKED,
    ("models/adapters.py", "from_pretrained"): CHECKED,
    ("models/reading.py", "from_pretrained"): CHECKED,
    ("tuning/whole_model.py", "from_pretrained"): "a model that was just written",
    ("tuning/tensors.py", "load_file"): CHECKED,
    ("evidence/store.py", "open"): WRITES,
    ("project/resume_proof.py", "read_text"): CHILD,
    ("tuning/gguf_export/peer.py", "np.load"): CHILD,
    ("tuning/gguf_export/peer_child.py", "json.load"): "standard input, from our own process",
    ("models/endpoint/answers.py", "open"): WRITES,
    ("storage.py", "open"): "a folder, to make a rename last; a lock, which is held and never read",
    ("catalog/accelerators.py", "read_text"): OWN,
    ("catalog/accelerator_prices.py", "read_text"): OWN,
    ("catalog/published.py", "read_text"): OWN,
    ("catalog/serving_rates.py", "read_text"): OWN,
    ("catalog/models.py", "read_text"): OWN,
    ("catalog/training_compute.py", "read_text"): OWN,
    ("catalog/laws/__init__.py", "read_bytes"): OWN,
    ("catalog/use_policies/__init__.py", "read_bytes"): OWN,
    ("planning/serving/efficiency.py", "read_text"): OWN,
    ("reports/document.py", "read_text"): OWN,
    ("cli/main.py", "open"): f"the first line of a command, {OWN}; /dev/null",
    ("sandbox/control_group.py", "read_text"): "/proc and /sys, the kernel's own",
    ("process_memory.py", "read_text"): "/proc, the kernel's own",
    ("evaluation/run_context.py", "open"): "/proc, the kernel's own",
}  # fmt: skip
NO_FILES = {
    "open": (
        "self.store", "store", "place.store", "asking", "endpoints", "where.endpoints",
        "work.models", "find_curves(name)",
    )
}  # fmt: skip
"""Objects with a method of that name that opens no file by a name from outside."""
INSIDE = "sandbox/"
"""What runs in the jail reads what the jail shows it, and its own copies of our files."""


def _name(node):
    called = node.func
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _owner(node):
    return ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""


def _only_writes(node):
    words = [arg.value for arg in (*node.args[:2], *(k.value for k in node.keywords))
             if isinstance(arg, ast.Constant)]  # fmt: skip
    return any(word in OURS_TO_WRITE for word in words)


def openers(text):
    """Calls in a source that may open a file for reading: the name and the line of each."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name, owner = _name(node), _owner(node)
        if name in LIBRARIES.get(owner, ()):
            yield f"{owner}.{name}", node.lineno
        elif name in OPENERS and owner not in NO_FILES.get(name, ()) and not _only_writes(node):
            if owner.split(".")[0] in ("text_files", "regular_files"):
                continue
            if owner or name not in ("read_text", "read_bytes"):  # without an owner: text_files'
                yield name, node.lineno


def found_in(repository):
    source = repository / "src" / "weighbridge"
    for path in sorted(source.rglob("*.py")):
        place = path.relative_to(source).as_posix()
        for name, line in openers(path.read_text("utf-8")):
            yield place, name, line


def test_nothing_else_opens_a_file(repository):
    strange = [
        f"{place}:{line} calls {name}"
        for place, name, line in found_in(repository)
        if (place, name) not in ALLOWED and not place.startswith(INSIDE)
    ]
    assert not strange, (
        "open files through weighbridge.sources.regular_files (or text_files, documents, tables, "
        f"archives, which do), or list the reason here: {strange}"
    )


def test_the_list_has_no_more_than_is_there(repository):
    there = {(place, name) for place, name, _ in found_in(repository)}
    assert sorted(ALLOWED.keys() - there) == []


@pytest.mark.parametrize(
    "text",
    [
        "open(path)", "path.open()", "path.open('rb')", "io.open(p, 'rb')", "os.open(p, 0)",
        "path.read_text()", "path.read_bytes()", "json.load(f)", "zipfile.ZipFile(p)",
        "zipfile.is_zipfile(p)", "np.load(p)", "torch.load(p)", "safe_open(p, 'pt')",
        "gzip.open(p)", "parquet.ParquetFile(p)", "mmap.mmap(f, 0)", "Tokenizer.from_file(p)",
    ],
)  # fmt: skip
def test_an_opener_is_seen(text):
    assert list(openers(text))
