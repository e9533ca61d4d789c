"""What can't be training runs is refused in one line that says what to do."""

import csv

import numpy as np
import pytest

from weighbridge.errors import InputError
from weighbridge.planning.scaling.forms import Chinchilla
from weighbridge.planning.scaling.reading import read_points

LAW = Chinchilla(480.0, 2100.0, 1.8, 0.35, 0.37)


def rows(sizes=(1e8, 3e8, 1e9, 3e9), ratios=(5, 20, 80, 200)):
    return [
        {"params": n, "tokens": n * r, "loss": LAW.loss(n, n * r)} for n in sizes for r in ratios
    ]


def write(path, table):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    return path


def renamed(table, **names):
    return [{names.get(key, key): value for key, value in row.items()} for row in table]


def changed(table, line, **values):
    table[line - 2].update(values)
    return table


BROKEN = {
    "no loss": (renamed(rows(), loss="score"), "none of them loss"),
    "no tokens": ([{k: r[k] for k in ("params", "loss")} for r in rows()], "tokens or flops"),
    "swapped sizes": (renamed(rows(), params="tokens", tokens="params"), "seem to be swapped"),
    "swapped loss": (renamed(rows(), params="loss", loss="params"), "seem to be swapped"),
    "swapped compute": (
        [{"params": 6 * r["params"] * r["tokens"], "flops": r["params"], "loss": r["loss"]}
         for r in rows()],
        "seem to be swapped",
    ),
    "contradiction": (
        changed([{**r, "flops": 6 * r["params"] * r["tokens"]} for r in rows()], 5, flops=1e9),
        "line 5: FLOPs are",
    ),
    "too few": (rows()[:7], "has 7 runs"),
    "one budget": (
        [{"params": n, "tokens": 1e20 / 6 / n, "loss": LAW.loss(n, 1e20 / 6 / n)}
         for n in np.geomspace(1e8, 1e9, 12)],
        "all 12 runs",
    ),
    "nan": (changed(rows(), 4, loss="nan"), "line 4, column loss: nan"),
    "nothing": ([{**r, "loss": ""} for r in rows()], "column loss: no number at all"),
    "words": (changed(rows(), 4, params="large"), "line 4, column params: large"),
    "negative": (changed(rows(), 4, loss=-2), "a number above 0"),
    "below entropy": (changed(rows(), 6, loss=0.31), "line 6: a loss of 0.31"),
    "perplexity": ([{**r, "loss": np.exp(r["loss"] * 2)} for r in rows()], "perplexity"),
    "units": ([{**r, "params": r["params"] / 1e9} for r in rows()], "unit seems to be missing"),
    "one size": (rows(sizes=(1e9,), ratios=np.geomspace(2, 200, 12)), "1 different sizes"),
    "two losses": (
        [{**r, "Loss": r["loss"]} for r in rows()], "two columns for loss",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_is_refused(tmp_path, name):
    table, said = BROKEN[name]
    with pytest.raises(InputError) as refused:
        read_points(write(tmp_path / "runs.csv", table))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"params,tokens,loss\n", "no rows"),
        (b"params,tokens,loss\n1,2\n", "line 2: 2 cells"),
        (b"\xff\xfe\x00", "not UTF-16-LE"),
        (b'params,tokens,loss\n"1,2,3\n', "line"),
    ],
)
def test_broken_files_are_refused(tmp_path, content, said):
    path = tmp_path / "runs.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_points(path)


def test_a_missing_file_and_a_wrong_condition_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file at"):
        read_points(tmp_path / "nowhere.csv")
    path = write(tmp_path / "runs.csv", [{**r, "kind": "a"} for r in rows()])
    with pytest.raises(InputError, match=r"unknown column 'kid'; .*did you mean kind"):
        read_points(path, where=["kid=a"])
    with pytest.raises(InputError, match=r"no row .* has kind=b"):
        read_points(path, where=["kind=b"])


def test_too_many_losses_are_not_dropped(tmp_path):
    points = read_points(write(tmp_path / "runs.csv", rows()))
    assert len(points.without_highest(3)) == 13
    assert points.without_highest(3).loss.max() == sorted(points.loss)[12]
    for count in (7, 16, 300):
        with pytest.raises(InputError, match="at least 10 left"):
            points.without_highest(count)


def test_columns_go_by_many_names_and_units_are_read(tmp_path):
    table = [
        {"Model Size": f"{r['params'] / 1e9}B", "D": r["tokens"], "val_loss": r["loss"]}
        for r in rows()
    ]
    read = read_points(write(tmp_path / "runs.csv", table))
    assert read.parameters[0] == pytest.approx(1e8)
    assert read.flops == pytest.approx(6 * read.parameters * read.tokens)


def test_tokens_come_from_compute_where_absent(tmp_path):
    table = [
        {"N": r["params"], "Training FLOP": 6 * r["params"] * r["tokens"], "loss": r["loss"]}
        for r in rows()
    ]
    read = read_points(write(tmp_path / "runs.csv", table))
    assert read.tokens == pytest.approx([r["tokens"] for r in rows()])
    assert any("D = C / 6N" in note for note in read.notes)
