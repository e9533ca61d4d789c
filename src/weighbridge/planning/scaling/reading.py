"""Reads training runs from a table whose columns are recognised by their usual names and units.

read the table -> keep wanted rows -> find columns and units -> read numbers -> fill in C = 6ND

A row with a blank cell that is needed is left out, and a note gives its line. A note also names
columns that were not read although their names fit.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.planning.scaling.checks import check, check_enough
from weighbridge.planning.scaling.kinds import check_kind
from weighbridge.planning.scaling.points import FLOPS_PER_PARAMETER_TOKEN, Array, Points
from weighbridge.planning.scaling.units import Header, plain, read_header
from weighbridge.sources.tables import csv_table, table_ending, table_rows

ALIASES: dict[str, tuple[str, ...]] = {
    "parameters": (
        "parameters", "params", "n", "nparams", "nparameters", "numparams", "numparameters",
        "modelsize", "modelparams", "modelparameters", "parametercount", "paramcount",
        "activeparameters", "activeparams", "size", "nonembeddingparams",
        "paramsnoembed", "nonembeddingparameters",
    ),
    "tokens": (
        "tokens", "d", "trainingtokens", "traintokens", "ntokens", "numtokens", "tokencount",
        "tokensseen", "trainedtokens", "t", "datasetsize", "datasize", "data",
        "pretrainingdatasize", "trainingdatasize", "pretrainingtokens",
    ),
    "flops": (
        "flops", "flop", "c", "trainingflop", "trainingflops", "trainflops", "totalflops",
        "compute", "trainingcompute", "trainingcomputeflop", "traincompute", "pretrainingflops",
    ),
    "budgets": ("budget", "flopbudget", "computebudget", "isoflop", "isoflopbudget"),
    "loss": (
        "loss", "valloss", "validationloss", "evalloss", "testloss", "finalloss", "crossentropy",
        "l", "nll", "trainloss", "trainingloss",
    ),
    "experts": ("experts", "nexperts", "numexperts"),
}  # fmt: skip
"""Names in lower case without spaces, dashes and underscores; an earlier one is preferred."""

_MEANINGS = {name: meaning for meaning, names in ALIASES.items() for name in names}
_SUFFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
_NUMBER = re.compile(
    r"\s*([-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"\s*([kmbgtKMBGT]?)\s*"
)
_NAMED_LINES = 5
_BEYOND = 1e50  # above any count; the comparison also refuses NaN
_MANY_TOKENS_PER_PARAMETER = 5_000


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        path: The file.
        header: Names of the columns.
        rows: The rows, each with its 1-based line.
    """

    path: Path
    header: list[str]
    rows: list[tuple[int, list[str]]]


def read_points(path: Path, *, where: Sequence[str] = (), entropy_floor: float = 0.5) -> Points:
    """Read runs, fill in compute or tokens by C = 6ND, and refuse values that can't be right.

    Args:
        path: A CSV or TSV with a header, JSONL or Parquet.
        where: Conditions ``COLUMN=VALUE``; only rows that meet all of them are read.
        entropy_floor: Lowest loss, in nats per token, that is accepted.

    Raises:
        InputError: The file, its columns or its values can't be what they are said to be.
    """
    table = _filtered(_table(path), where)
    columns = _columns(table)
    if not table.rows:
        raise InputError(f"{path} has no rows", "one row per training run", "add runs")
    whole, blank = _whole(table, columns)
    values = {
        meaning: np.array(
            [_number(path, line, header, row[at], meaning) for line, row in whole.rows]
        )
        for meaning, (at, header) in columns.items()
    }
    lines = [line for line, _ in whole.rows]
    notes = [*_said(table, columns), *blank]
    points = _completed(path, values, notes)
    check(points, lines, entropy_floor, tokens_given="tokens" in values)
    kind = check_kind(points, whole, [at for at, _ in columns.values()])
    check_enough(points)
    return replace(points, notes=(*points.notes, *kind))


def _table(path: Path) -> Table:
    if table_ending(path) in (".jsonl", ".ndjson", ".parquet"):
        found = list(table_rows(path))
        header = list(dict.fromkeys(str(name) for _, row in found for name in row))
        rows = [(line, [_cell(row.get(name)) for name in header]) for line, row in found]
    else:
        header, read = csv_table(path, "\t" if table_ending(path) == ".tsv" else ",")
        rows = [(line, [cell.strip() for cell in cells]) for line, cells in read]
    if not header:
        raise InputError(f"{path} is empty", "a CSV file with a header", "write runs to it")
    return Table(path, header, rows)


def _cell(value: object) -> str:
    """Return a JSON value as the text that a CSV cell would hold."""
    if value is None:
        return ""
    return (
        value.strip()
        if isinstance(value, str)
        else json.dumps(value)
        if isinstance(value, (dict, list))
        else str(value)
    )


def _filtered(table: Table, where: Sequence[str]) -> Table:
    rows = table.rows
    for condition in where:
        name, equals, wanted = condition.partition("=")
        if not equals:
            raise InputError(f"--where {condition}", "COLUMN=VALUE, such as outlier=False")
        if name not in table.header:
            raise UnknownName("column", name, table.header)
        at = table.header.index(name)
        seen = list(dict.fromkeys(row[at] for _, row in rows))
        rows = [(line, row) for line, row in rows if row[at] == wanted]
        if not rows:
            listed = ", ".join(seen[:6]) + (", …" if len(seen) > 6 else "")
            raise InputError(f"no row of {table.path} has {condition}", f"one of: {listed}")
    return Table(table.path, table.header, rows)


def _columns(table: Table) -> dict[str, tuple[int, Header]]:
    """Return each meaning's column; a column without any number is skipped."""
    path, rows = table.path, [row for _, row in table.rows]
    headers = [read_header(name, _MEANINGS.get) for name in table.header]
    found: dict[str, tuple[int, Header]] = {}
    for meaning, names in ALIASES.items():
        for name in names:
            at = [i for i, header in enumerate(headers) if header.name == name]
            exact = [i for i in at if plain(table.header[i]) == name]
            at = exact if len(exact) == 1 else at
            if len(at) > 1:
                twice = " and ".join(table.header[i] for i in at)
                raise InputError(
                    f"{path} has two columns for {meaning}: {twice}", "one", "rename one of them"
                )
            if at and any(_NUMBER.fullmatch(row[at[0]]) for row in rows or [["0"] * len(headers)]):
                found[meaning] = at[0], headers[at[0]]
                break
    _require(table, found)
    for _, header in found.values():
        if header.problem is not None:
            raise InputError(f"{path}: {header.problem.saw}", header.problem.expected,
                             header.problem.do)  # fmt: skip
    return found


def _require(table: Table, found: Mapping[str, object]) -> None:
    missing = [meaning for meaning in ("parameters", "loss") if meaning not in found]
    if not missing and not {"tokens", "flops", "budgets"} & found.keys():
        missing = ["tokens or flops"]
    if not missing:
        return
    for at, name in enumerate(table.header):
        meaning = _MEANINGS.get(read_header(name, _MEANINGS.get).name)
        if meaning in missing and table.rows:
            line, row = table.rows[0]
            saw = f"{row[at][:40]!r}, and no number below" if row[at] else "no number at all"
            commas = re.fullmatch(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?", row[at])
            wanted = "a point before decimals" if commas else "numbers such as 6.8e9 or 6.8B"
            raise MalformedRow(table.path, line, saw, wanted, name)
    usual_names = {"parameters": "parameters, params or N", "loss": "loss or val_loss"}
    wanted = "; ".join(usual_names.get(meaning, "tokens, D, flops or C") for meaning in missing)
    losses = [name for name in table.header if "loss" in plain(name)]
    do = "rename the column"
    if missing == ["loss"] and len(losses) > 1:
        do = f"rename to loss the one of {', '.join(losses[:4])} that is to be fitted"
    raise InputError(
        f"{table.path} has the columns {', '.join(table.header[:12])}, none of them "
        f"{' or '.join(missing)}", f"a column named {wanted}", do,
    )  # fmt: skip


def _whole(table: Table, columns: Mapping[str, tuple[int, Header]]) -> tuple[Table, list[str]]:
    """Leave out rows that lack a needed cell; return the others, and a note on these."""
    used = [at for at, _ in columns.values()]
    kept = [(line, row) for line, row in table.rows if all(row[at] for at in used)]
    left = [line for line, row in table.rows if not all(row[at] for at in used)]
    if not left:
        return table, []
    names = [
        header.text for at, header in columns.values() if any(not row[at] for _, row in table.rows)
    ]
    lines = ", ".join(map(str, left[:_NAMED_LINES])) + (", …" if len(left) > _NAMED_LINES else "")
    said = (
        f"{len(left)} of {len(table.rows)} rows are left out: nothing stands under "
        f"{' or '.join(names)} (line{'s' if len(left) > 1 else ''} {lines})"
    )
    if not kept:
        raise InputError(f"{table.path}: {said}", "runs with all of these", "fill in the cells")
    return Table(table.path, table.header, kept), [said]


def _said(table: Table, columns: Mapping[str, tuple[int, Header]]) -> list[str]:
    """Return notes on how columns were read, and on other columns whose names fit."""
    chosen = {at for at, _ in columns.values()}
    said = [f"columns read: {', '.join(header.description for _, header in columns.values())}"]
    meant = [read_header(name, _MEANINGS.get).name in _MEANINGS for name in table.header]
    others = [
        name
        for at, name in enumerate(table.header)
        if meant[at]
        and at not in chosen
        and any(_NUMBER.fullmatch(row[at]) for _, row in table.rows)
    ]
    if others:
        said.append(f"not read, since another column says the same: {', '.join(others)}")
    return said


def _number(path: Path, line: int, header: Header, text: str, meaning: str) -> float:
    """Return the number in a cell such as 6.8e9, 6_800_000_000 or 6.8B."""
    found = _NUMBER.fullmatch(text)
    value, column = math.nan, header.text
    if found:
        scale = _SUFFIXES[found[2].lower()]
        if "," in found[1] and (meaning == "loss" or header.unit):
            raise MalformedRow(path, line, text[:40], "a point before decimals", column)
        if scale != 1 and header.base is None and header.factor not in (1, scale):
            saw = f"{text[:40]}, while the header says {header.unit}"
            raise MalformedRow(path, line, saw, "one unit", column)
        value = float(re.sub("[_,]", "", found[1]))
        if header.base is not None:
            return _raised(path, line, header, text, value)
        value *= scale if scale != 1 else header.factor
    if not value < _BEYOND:
        raise MalformedRow(
            path, line, text[:40] or "nothing", "a number such as 6.8e9 or 6.8B", column
        )
    if value <= 0:
        raise MalformedRow(path, line, text, "a number above 0", column)
    return value


def _raised(path: Path, line: int, header: Header, text: str, value: float) -> float:
    assert header.base is not None
    try:
        raised = float(header.base**value)
    except OverflowError:
        raised = math.inf
    if not 0 < raised < _BEYOND:
        raise MalformedRow(path, line, text[:40], "an exponent, such as 9.3", header.text)
    return raised


def _completed(path: Path, values: dict[str, Array], notes: list[str]) -> Points:
    """Fill in compute, or tokens, from C = 6ND."""
    parameters, loss = values["parameters"], values["loss"]
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
    ratio = float(np.median(tokens / parameters))
    if ratio > _MANY_TOKENS_PER_PARAMETER:
        notes.append(f"{ratio:.3g} tokens for each parameter are many: are the units right?")
    if loss.min() < 1:
        notes.append("a loss below 1 is rare in nats per token: is it in bits per byte?")
    return Points(
        parameters, tokens, loss, flops, values.get("budgets"), values.get("experts"), str(path),
        tuple(notes),
    )  # fmt: skip
