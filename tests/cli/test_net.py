"""Whatever fails is told in one line; what nobody foresaw leaves its traceback in a file."""

import json
import os
import re
import subprocess
import sys
import textwrap

import pytest

from commands import weighbridge
from tiny import build_tiny_model

BENCHMARK = '''
import errno, os, sys
from dataclasses import replace
from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.evaluation.registry import find_benchmark

class NoWords(Exception):
    def __str__(self):
        raise ValueError("no text")

class PanicException(BaseException):
    """As libraries in Rust raise."""

class OutOfMemoryError(RuntimeError):
    """As torch's."""

def again(n):
    return again(n + 1) + 1

def load(request):
    {raises}

DESK = find_benchmark("service_desk")
BENCHMARK = replace(DESK, name="broken", asking=replace(DESK.asking, load=load))
'''


def broken(folder, raises):
    """Make a package that brings a benchmark whose items can't be loaded, and a command for it.

    It lies in the folder that the command runs in, where `python -m` looks first.
    """
    home = folder / "home"
    info = home / "broken_benchmark-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    about = "Metadata-Version: 2.1\nName: broken-benchmark\nVersion: 1.0\n"
    (info / "METADATA").write_text(about)
    entry = "[weighbridge.benchmarks]\nbroken = broken_benchmark:BENCHMARK\n"
    (info / "entry_points.txt").write_text(entry)
    (home / "broken_benchmark.py").write_text(BENCHMARK.format(raises=raises))
    words = ("evaluate", "smollm2-135m", "-b", "broken", "--dry-run")
    return words, {"cwd": home, "env": {}}


UNFORESEEN = {
    'raise KeyError("a key")': "KeyError: 'a key'",
    "raise NoWords": "NoWords",
    "again(0)": "RecursionError: maximum recursion depth exceeded",
    'raise PanicException("called `unwrap()`")': "PanicException: called `unwrap()`",
    'raise Exception("two\\nlines")': "Exception: two lines",
    'raise AssertionError("x" * 5000)': "x … x",
    'raise OSError("no number")': "OSError: no number",
    'raise BrokenPipeError(errno.EPIPE, "a library\'s")': "BrokenPipeError: [Errno 32] a library's",
    "return 1 / 0": "ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("raises", UNFORESEEN)
def test_what_nobody_foresaw_is_one_line_and_a_file(raises, tmp_path):
    words, where = broken(tmp_path, raises)
    done = weighbridge(*words, "--json", **where)
    assert done.returncode == 70, done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert UNFORESEEN[raises] in done.stderr
    (path,) = (where["cwd"] / ".weighbridge/errors").iterdir()
    assert f"the traceback is in .weighbridge/errors/{path.name}" in done.stderr
    text = path.read_text()
    assert "Traceback" in text or "no text" in text or "whose text fails" in text
    assert "broken_benchmark.py" in text and "evaluate smollm2-135m -b broken" in text
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "InternalError"
    assert error["traceback"] == f".weighbridge/errors/{path.name}"


FORESEEN = {
    "raise MemoryError": (2, "out of memory; close other programs"),
    'raise OutOfMemoryError("CUDA out of memory. Tried 2 GiB")': (2, "CUDA out of memory. Tried 2"),
    "raise KeyboardInterrupt": (130, "interrupted; run the same command again"),
    'raise OSError(errno.ENOSPC, "No space", "a/b")': (2, "the disk is full (a/b)"),
    'raise OSError(errno.EACCES, "Permission denied", "a/b")': (2, "Permission denied (a/b)"),
    'raise OSError(errno.EMFILE, "Too many open files", "a/b")': (2, "Too many open files (a/b)"),
    "sys.exit(5)": (5, ""),
}


@pytest.mark.parametrize("raises", FORESEEN)
def test_memory_disks_and_people_are_told_in_one_line_without_a_file(raises, tmp_path):
    words, where = broken(tmp_path, raises)
    code, said = FORESEEN[raises]
    done = weighbridge(*words, **where)
    assert done.returncode == code and said in done.stderr
    assert done.stderr.count("\n") == bool(said)
    assert not (where["cwd"] / ".weighbridge").exists()


def test_the_file_is_beside_the_runs_or_where_one_can_be_written(tmp_path):
    words, where = broken(tmp_path, 'raise KeyError("k")')
    for runs in (["--runs", "kept/here"], ["--runs=kept/here"]):
        done = weighbridge(*words, *runs, **where)
        assert "the traceback is in kept/errors/" in done.stderr
    assert len(list((where["cwd"] / "kept/errors").iterdir())) == 2
    where["env"]["WEIGHBRIDGE_RUNS"] = "named/runs"
    assert "named/errors/" in weighbridge(*words, **where).stderr
    (where["cwd"] / "a file").write_text("")
    where["env"]["TMPDIR"] = str(tmp_path)
    done = weighbridge(*words, "--runs", "a file/runs", **where)
    assert done.returncode == 70 and f"{tmp_path}/weighbridge-errors/" in done.stderr
    (path,) = (tmp_path / "weighbridge-errors").iterdir()
    assert "KeyError: 'k'" in path.read_text()


def test_an_answer_that_can_t_be_written_is_said():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "weighbridge", "--help"], stdout=full, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
    assert done.returncode == 2 and done.stderr == (
        "weighbridge: the disk is full; free space and run again\n"
    )


@pytest.mark.parametrize("words", [["--help"], ["runs", "list"], ["runs", "show", "none"]])
def test_a_reader_that_goes_away_is_no_error(words, tmp_path):
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "weighbridge", *words, "--json"][: 4 + len(words)],
            stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip
    finally:
        os.close(write)
    assert done.returncode in (141, 2) and "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr and "ignored" not in done.stderr


TEMPLATES = {
    "{{ raise_exception('no such turn') }}": "no such turn",
    "{{ messages[7].content.upper() }}": "no element 7",
    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}": "maximum recursion depth",
    "{% for %}": "Expected",
    "{{ 1 / 0 }}": "division by zero",
}


ASKED = ("evaluate", "./m", "-b", "own.toml", "--threads", "1", "--offline")


def questions(folder):
    rows = [{"q": "one?", "a": "1"}, {"q": "two?", "a": "2"}]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "own.toml").write_text('data = "items.jsonl"\nprompt = "{q}"\ntarget = "a"\n')


def test_a_template_that_fails_is_one_line_of_its_words(tmp_path):
    commands = []
    for number, template in enumerate(TEMPLATES):
        folder = tmp_path / str(number)
        build_tiny_model(folder / "m")
        (folder / "m/chat_template.jinja").write_text(template)
        config = folder / "m/tokenizer_config.json"
        kept = {k: v for k, v in json.loads(config.read_text()).items() if k != "chat_template"}
        config.write_text(json.dumps(kept))
        questions(folder)
        words = (*ASKED, "--chat-template", "--json")
        commands.append((words, folder))
    answers = [weighbridge(*words, cwd=folder) for words, folder in commands]
    for done, said in zip(answers, TEMPLATES.values(), strict=True):
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1 and said in done.stderr
        assert json.loads(done.stdout)["error"]["saw"]


TOKENIZERS = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "no JSON": lambda text: "not JSON at all",
    "a list": lambda text: "[]",
    "no model": lambda text: re.sub(r'"model": *\{', '"mode": {', text, count=1),
    "deep": lambda text: "[" * 100_000,
    "another type": lambda text: text.replace('"BPE"', '"ABC"').replace('"WordLevel"', '"ABC"'),
}


def test_a_corrupt_tokenizer_is_one_line(tmp_path):
    commands = []
    for name, corrupted in TOKENIZERS.items():
        folder = tmp_path / name
        build_tiny_model(folder / "m")
        path = folder / "m/tokenizer.json"
        path.write_text(corrupted(path.read_text()))
        questions(folder)
        commands += [(ASKED, folder), ((*ASKED, "--dry-run"), folder)]
    for words, folder in commands:
        done = weighbridge(*words, cwd=folder)
        assert done.returncode == 2, (folder.name, done.stderr)
        assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
        assert len(done.stderr) > len("weighbridge: ") + 20


def test_a_boundary_tells_a_library_s_words_from_our_own_faults():
    from weighbridge.errors import InputError, LibraryError, boundary

    read = boundary("reading x")(json.loads)
    with pytest.raises(LibraryError, match="reading x: JSONDecodeError: Expecting value"):
        read("?")
    with pytest.raises(LibraryError, match="maximum recursion depth"):
        read("[" * 100_000)
    said = "reading x: Exception: as tokenizers raises"
    with pytest.raises(LibraryError, match=said), boundary("reading x"):
        raise Exception("as tokenizers raises")
    for passes in (InputError("x"), MemoryError(), KeyboardInterrupt(), SystemExit()):
        with pytest.raises(type(passes)), boundary("reading x"):
            raise passes
    ours = textwrap.dedent(
        """
        from weighbridge.errors import boundary, UnknownName
        with boundary("reading x"):
            UnknownName("kind", 5, [5])
        """
    )
    done = subprocess.run([sys.executable, "-c", ours], capture_output=True, text=True)
    assert "LibraryError" in done.stderr  # raised in difflib, which we called
