"""llama.cpp as the peer: what its own tokenizer and its own arithmetic make of a file.

It runs in a process of its own, for it ends the process where it can't read a file. The package is
llama-cpp-python; for quantising, the program `llama-quantize` serves as well.
"""

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from weighbridge.errors import MissingPiece, WeighbridgeError

_CHILD = "weighbridge.tuning.gguf_export.peer_child"
_TOOL = "llama-quantize"


def peer_name() -> str | None:
    """Return the installed llama-cpp-python by name and version; None where there is none."""
    if importlib.util.find_spec("llama_cpp") is None:
        return None
    return f"llama-cpp-python {importlib.metadata.version('llama_cpp_python')}"


def require_quantiser(kind: str) -> None:
    """Check that something here can quantise.

    Raises:
        MissingPiece: Nothing can.
    """
    if peer_name() is None and shutil.which(_TOOL) is None:
        raise MissingPiece(
            f"type {kind} is made by llama.cpp, which is not installed",
            f"the program {_TOOL} or the package llama-cpp-python",
            "pip install llama-cpp-python, or take --type q8_0",
        )


def peer_ids(path: Path, texts: Sequence[str]) -> list[list[int]]:
    """Return the ids that llama.cpp gives texts, special tokens among them, without BOS.

    Raises:
        WeighbridgeError: It can't read the file.
    """
    ids: list[list[int]] = _ask({"do": "ids", "path": str(path), "texts": list(texts)})["ids"]
    return ids


def peer_log_probabilities(
    path: Path, rows: Sequence[Sequence[int]], threads: int
) -> list[torch.Tensor]:
    """Return the log-probability of every token after each position, as llama.cpp computes it.

    Raises:
        WeighbridgeError: It can't read the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "logits.npy"
        _ask({
            "do": "logits", "path": str(path), "rows": [list(row) for row in rows],
            "out": str(out), "threads": threads,
        })  # fmt: skip
        logits = torch.from_numpy(np.load(out))
    parts = torch.split(logits, [len(row) for row in rows])
    return [torch.log_softmax(part, dim=-1) for part in parts]


def quantise(source: Path, target: Path, kind: str, number: int, threads: int) -> str:
    """Let llama.cpp write a file in another type; return what did it.

    Raises:
        MissingPiece: It is not here.
        WeighbridgeError: It can't.
    """
    require_quantiser(kind)
    tool, name = shutil.which(_TOOL), peer_name()
    if name is not None:
        _ask({
            "do": "quantise", "path": str(source), "to": str(target), "number": number,
            "threads": threads,
        })  # fmt: skip
        return name
    done = subprocess.run(
        [str(tool), str(source), str(target), kind, str(threads)], capture_output=True, text=True,
        errors="replace",
    )  # fmt: skip
    if done.returncode or not target.is_file():
        raise _failed(done.returncode, done.stderr or done.stdout)
    return _TOOL


def _ask(request: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", _CHILD],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise _failed(done.returncode, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _failed(code: int, said: str) -> WeighbridgeError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = next((line for line in reversed(lines) if "error" in line.lower()), "")
    return WeighbridgeError(
        f"llama.cpp can't use the file (exit {code}): {told or (lines or ['it says nothing'])[-1]}",
        "a file that it reads",
        "take a newer llama-cpp-python; the file was not kept",
    )
