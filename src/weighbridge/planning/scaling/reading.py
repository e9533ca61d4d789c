"""Training runs from a CSV whose columns are recognised by their usual names."""

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.planning.scaling.checks import check
from weighbridge.planning.scaling.points import FLOPS_PER_PARAMETER_TOKEN, Array, Points

ALIASES: dict[str, tuple[str, ...]] = {
    "parameters": (
        "parameters", "params", "n", "nparams", "nparameters", "numparams", "numparameters",
        "modelsize", "modelparams", "modelparameters", "parametercount", "paramcount",
        "activeparameters", "activeparams", "size", "paramsnoembed", "nonembeddingparameters",
    ),
    "tokens": (
        "tokens", "d", "trainingtokens", "traintokens", "ntokens", "numtokens", "tokencount",
        "tokensseen", "trainedtokens", "t", "datasetsize", "datasize", "data",
    ),
    "flops": (
        "flops", "flop", "c", "trainingflop", "trainingflops", "trainflops", "totalflops",
        "compute", "trainingcompute", "trainingcomputeflop",
    ),
    "budgets": ("budget", "flopbudget", "computebudget", "isoflop", "isoflopbudget"),
    "loss": (
        "loss", "valloss", "validationloss", "evalloss", "testloss", "finalloss", "crossentropy",
        "l", "nll", "trainloss", "trainingloss",
    ),
    "experts": ("experts", "nexperts", "numexperts"),
}  # fmt: skip
"""Names in lower case without spaces, dashes and underscores; an earlier one is preferred."""

_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_NUMBER = re.compile(r"\s*([-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([kmbgtKMBGT]?)\s*")


def read_points(path: Path, *, where: Sequence[str] = (), entropy_floor: float = 0.5) -> Points:
    """Read runs, fill in what 6ND says, and refuse what can't be right.

    Args:
        path: A CSV with a header.
        where: ``COLUMN=VALUE``: only rows that have it.
        entropy_floor: Lowest loss, in nats per token, that is believed.

    Raises:
        InputError: The file, its columns or its values can't be what they are said to be.
    """
    header, rows = _rows(path)
    rows = _filtered(path, header, rows, where)
    columns = _columns(path, header, [row for _, row in rows])
    if not rows:
        raise InputError(f"{path} has no rows", "one row a training run", "add runs")
    values = {
        meaning: np.array([_number(path, line, header[at], row[at]) for line, row in rows])
        for meaning, at in columns.items()
    }
    lines = [line for line, _ in rows]
    points = _completed(path, values, [header[at] for at in columns.values()])
    check(points, lines, entropy_floor, tokens_given="tokens" in values)
    return points


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and rows with the line that each ends on."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = []
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(header):
                    raise MalformedRow(
                        path,
                        reader.line_num,
                        f"{len(row)} fields",
                        f"{len(header)} as in the header",
                    )
                rows.append((reader.line_num, row))
    except OSError as error:
        raise InputError(
            f"{path} can't be read ({error.strerror})", "a CSV file", "check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text", "a CSV file with a header", "save it as CSV, UTF-8"
        ) from error
    except csv.Error as error:
        raise InputError(f"{path} is no CSV ({error})", "a CSV file with a header") from error
    if not header:
        raise InputError(f"{path} is empty", "a CSV file with a header", "write runs to it")
    return header, rows


def _filtered(
    path: Path, header: list[str], rows: list[tuple[int, list[str]]], where: Sequence[str]
) -> list[tuple[int, list[str]]]:
    for condition in where:
        name, equals, wanted = condition.partition("=")
        if not equals:
            raise InputError(f"--where {condition}", "COLUMN=VALUE, such as outlier=False")
        if name not in header:
            raise UnknownName("column", name, header)
        at = header.index(name)
        seen = list(dict.fromkeys(row[at].strip() for _, row in rows))
        rows = [(line, row) for line, row in rows if row[at].strip() == wanted]
        if not rows:
            listed = ", ".join(seen[:6]) + (", …" if len(seen) > 6 else "")
            raise InputError(f"no row of {path} has {condition}", f"one of: {listed}")
    return rows


def _columns(path: Path, header: list[str], rows: list[list[str]]) -> dict[str, int]:
    """Return where each meaning's column stands; one without any number is passed over."""
    plain = [re.sub(r"[\s_\-.]|\(.*?\)", "", name).lower() for name in header]
    found: dict[str, int] = {}
    for meaning, names in ALIASES.items():
        for name in names:
            at = [i for i, column in enumerate(plain) if column == name]
            if len(at) > 1:
                twice = " and ".join(header[i] for i in at)
                raise InputError(
                    f"{path} has two columns for {meaning}: {twice}", "one", "rename one of them"
                )
            if at and any(_NUMBER.fullmatch(row[at[0]]) for row in rows or [["0"] * len(header)]):
                found[meaning] = at[0]
                break
    missing = [meaning for meaning in ("parameters", "loss") if meaning not in found]
    if not missing and not {"tokens", "flops", "budgets"} & found.keys():
        missing = ["tokens or flops"]
    if missing:
        told = {"parameters": "parameters, params or N", "loss": "loss or val_loss"}
        wanted = "; ".join(told.get(meaning, "tokens, D, flops or C") for meaning in missing)
        raise InputError(
            f"{path} has the columns {', '.join(header[:12])}, none of them {' or '.join(missing)}",
            f"a column named {wanted}",
            "rename the column",
        )
    return found


def _number(path: Path, line: int, column: str, text: str) -> float:
    """Return a cell such as 6.8e9, 6_800_000_000 or 6.8B."""
    found = _NUMBER.fullmatch(text)
    value = float("nan")
    if found:
        value = float(re.sub("[_,]", "", found[1])) * _SUFFIXES[found[2].lower()]
    if not math.isfinite(value):
        raise MalformedRow(
            path, line, text.strip()[:40] or "nothing", "a number such as 6.8e9 or 6.8B", column
        )
    if value <= 0:
        raise MalformedRow(path, line, text.strip(), "a number above 0", column)
    return value


def _completed(path: Path, values: dict[str, Array], columns: list[str]) -> Points:
    """Fill in compute, or tokens, from C = 6ND."""
    parameters, loss = values["parameters"], values["loss"]
    notes = [f"columns read: {', '.join(columns)}"]
    flops = values.get("flops", values.get("budgets"))
    tokens = values.get("tokens")
    if tokens is None:
        assert flops is not None
        tokens = flops / (FLOPS_PER_PARAMETER_TOKEN * parameters)
        notes.append("tokens are not given: D = C / 6N")
    elif flops is not None:
        off = float(np.median(flops / (FLOPS_PER_PARAMETER_TOKEN * parameters * tokens)))
        if not 0.8 < off < 1.25:
            notes.append(f"FLOPs are {off:.2f} times 6ND: attention, embeddings, or another count")
    if flops is None:
        flops = FLOPS_PER_PARAMETER_TOKEN * parameters * tokens
        notes.append("compute is not given: C = 6ND")
    if loss.min() < 1:
        notes.append("a loss below 1 is rare in nats per token: is it in bits per byte?")
    return Points(
        parameters, tokens, loss, flops, values.get("budgets"), values.get("experts"), str(path),
        tuple(notes),
    )  # fmt: skip
