"""Tables of runs as people keep them: units in headers, blank cells, JSONL, sweeps and optima."""

import csv
import json
import math

import numpy as np
import pytest

from commands import weighbridge
from weighbridge.errors import InputError
from weighbridge.planning.scaling import parametric
from weighbridge.planning.scaling.forms import Chinchilla
from weighbridge.planning.scaling.reading import read_points

LAW = Chinchilla(480.0, 2100.0, 1.8, 0.35, 0.37)
SIZES, RATIOS = (1e8, 3e8, 1e9, 3e9), (5, 20, 80, 200)


def runs(law=LAW):
    return [(n, n * r, 6 * n * n * r, law.loss(n, n * r)) for n in SIZES for r in RATIOS]


def table(path, names, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


PF_DAY = 1e15 * 86_400
UNITS = {
    "Params (M)": (0, 1e6), "Model Size (B)": (0, 1e9), "params_m": (0, 1e6),
    "N/1e6": (0, 1e6), "N / 10^9": (0, 1e9), "N [1e6]": (0, 1e6), "n_params_B": (0, 1e9),
    "N (millions)": (0, 1e6), "Params in millions": (0, 1e6), "Params, M": (0, 1e6),
    "size (bn)": (0, 1e9), "parameters (B, non-embedding)": (0, 1e9), "N (active) (M)": (0, 1e6),
    "params (M params)": (0, 1e6), "paramsM": (0, 1e6), "MParams": (0, 1e6), "N (x1e6)": (0, 1e6),
    "Params {K}": (0, 1e3), "Parameters": (0, 1.0), "params (count)": (0, 1.0), "#params": (0, 1),
    "tokens_b": (1, 1e9), "tokens[T]": (1, 1e12), "D (B tokens)": (1, 1e9), "D (1E9)": (1, 1e9),
    "Pretraining Data Size (T)": (1, 1e12), "training tokens (billion)": (1, 1e9),
    "Params (in billions)": (0, 1e9), "Tokens (10⁹)": (1, 1e9), "D (×10⁹ tokens)": (1, 1e9),
    "Tokens (in units of 10⁹)": (1, 1e9), "Tokens (bn.)": (1, 1e9), "FLOPs (10²¹)": (2, 1e21),
    "Training compute (1e21 FLOPs)": (2, 1e21), "C (in PF-days)": (2, PF_DAY),
    "tokens_1e9": (1, 1e9), "TokensB": (1, 1e9), "trained-tokens-M": (1, 1e6),
    "FLOPs (1E21)": (2, 1e21), "FLOPs (10^18)": (2, 1e18), "FLOPs (x10^18)": (2, 1e18),
    "PF-days": (2, PF_DAY), "compute (PF-days)": (2, PF_DAY), "PetaFLOP-days": (2, PF_DAY),
    "petaFLOP/s-days": (2, PF_DAY), "compute_pf_days": (2, PF_DAY), "PFLOPs-day": (2, PF_DAY),
    "compute (PFLOP/s-days)": (2, PF_DAY), "C (TFLOP/s-hours)": (2, 1e12 * 3600),
    "compute (ZFLOP)": (2, 1e21), "EFLOPs": (2, 1e18), "exaFLOP": (2, 1e18), "C (E)": (2, 1e18),
    "training FLOPs (yottaFLOP)": (2, 1e24), "Training compute (FLOP)": (2, 1.0),
    "log10(C)": (2, "log10"), "log10 flops": (2, "log10"), "ln(N)": (0, "ln"),
    "log2[tokens]": (1, "log2"), "log10_params": (0, "log10"),
    "loss (nats)": (3, 1.0), "val_loss (nats per token)": (3, 1.0),
    "loss (bits per token)": (3, math.log(2)),
}  # fmt: skip
LOGS = {"log10": math.log10, "ln": math.log, "log2": math.log2}


@pytest.mark.parametrize("header", UNITS)
@pytest.mark.parametrize("ending", ["csv", "jsonl", "csv.gz"])
def test_a_unit_in_a_header_is_read_and_said(tmp_path, header, ending):
    place, factor = UNITS[header]
    plain = ["N", "D", "C", "loss"]
    names = [header if at == place else name for at, name in enumerate(plain)]
    # Compute is left out beside tokens, so that nothing but the header says what a cell is.
    kept = [at for at in range(4) if at != (2 if place != 2 else 1)]
    rows = []
    for run in runs():
        cells = list(run)
        cells[place] = LOGS[factor](run[place]) if isinstance(factor, str) else run[place] / factor
        rows.append([cells[at] for at in kept])
    names = [names[at] for at in kept]
    path = tmp_path / f"runs.{ending}"
    if ending == "jsonl":
        lines = (json.dumps(dict(zip(names, row, strict=True))) for row in rows)
        path.write_text("\n".join(lines))
    else:
        import gzip

        written = table(tmp_path / "plain.csv", names, rows).read_bytes()
        path.write_bytes(gzip.compress(written) if ending.endswith("gz") else written)
    read = read_points(path)
    for found, at in zip(
        (read.parameters, read.tokens, read.flops, read.loss), range(4), strict=True
    ):
        assert found == pytest.approx([run[at] for run in runs()], rel=1e-9)
    said = " ".join(read.notes)
    assert header in said and (factor == 1 or "times" in said or "exponent" in said)


def test_constants_do_not_depend_on_the_unit(tmp_path):
    rows = [(n / 1e6, c / PF_DAY, loss) for n, _, c, loss in runs()]
    read = read_points(table(tmp_path / "a.csv", ["Params (M)", "PF-days", "loss"], rows))
    law = parametric.fit(read).law
    assert pytest.approx(480, rel=1e-3) == law.A and law.alpha == pytest.approx(0.35, rel=1e-4)


REFUSED = {
    "an unknown unit": ("Params (furlongs)", 0, 1.0, "'furlongs', an unknown unit"),
    "two units": ("Params (M, per expert)", 0, 1e6, "an unknown unit"),
    "which logarithm": ("log(N)", 0, "ln", "natural or a decimal logarithm"),
    "a letter that may be anything": ("N_k", 0, 1e3, "'N_k' seems to be parameters in 'k'"),
    "bits of unknown what": ("loss (bits)", 3, 1.0, "nats per token, or [(]bits per"),
    "bits per byte": ("loss (bits/byte)", 3, 1.0, "nats per token, or [(]bits per"),
    "a speed": ("compute (TFLOP/s)", 2, 1e12, "'TFLOP/s', an unknown unit"),
    "GPU hours": ("compute (A100-hours)", 2, 1e18, "an unknown unit"),
    "M over plain counts": ("Params (M)", 0, 1.0, "contradict each other"),
    "M over counts in thousands": ("Params (M)", 0, 1e3, "tokens than parameters|unit"),
    "T over millions": ("tokens (T)", 1, 1e6, "contradict|a unit seems to be missing"),
    "no unit over millions": ("Params", 0, 1e6, "unit seems to be missing"),
    "no unit over billions": ("tokens", 1, 1e9, "unit seems to be missing"),
    "no unit over tokens in thousands": ("tokens", 1, 1e6, "unit is missing, or the two"),
    "no unit over PF-days": ("compute", 2, PF_DAY, "unit seems to be missing|far more FLOPs"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_unit_that_is_not_known_or_contradicts_is_refused(tmp_path, fault):
    header, place, factor, said = REFUSED[fault]
    names = [header if at == place else name for at, name in enumerate(("N", "D", "C", "loss"))]
    kept = [at for at in range(4) if at != (2 if place != 2 else 1)]
    rows = [
        [
            (math.log(run[at]) if factor == "ln" else run[at] / factor) if at == place else run[at]
            for at in kept
        ]
        for run in runs()
    ]
    path = table(tmp_path / "runs.csv", [names[at] for at in kept], rows)
    with pytest.raises(InputError, match=said) as told:
        read_points(path)
    assert "\n" not in str(told.value)


def test_columns_that_only_begin_like_known_ones_are_no_matter(tmp_path):
    names = ["N", "D", "loss", "n_layers", "d_model", "tokens per parameter", "loss std", "L_star"]
    rows = [(n, d, loss, 12, 768, d / n, 0.1, 3) for n, d, _, loss in runs()]
    assert len(read_points(table(tmp_path / "a.csv", names, rows))) == 16


def test_a_plain_name_comes_before_one_with_more(tmp_path):
    names = ["N", "N (M)", "D", "loss_final", "loss"]
    rows = [(n, n, d, loss + 1, loss) for n, d, _, loss in runs()]
    read = read_points(table(tmp_path / "a.csv", names, rows))
    assert read.parameters[0] == 1e8 and read.loss[0] == pytest.approx(runs()[0][3])
    assert "not read, since another column says the same: N (M), loss_final" in read.notes


def test_a_second_column_of_the_same_is_said(tmp_path):
    names = ["params", "params_no_embed", "tokens", "loss", "train_loss"]
    rows = [(n, n / 2, d, loss, loss + 1) for n, d, _, loss in runs()]
    read = read_points(table(tmp_path / "a.csv", names, rows))
    assert read.notes[1] == (
        "not read, since another column says the same: params_no_embed, train_loss"
    )
    assert read.loss[0] == pytest.approx(runs()[0][3])


def test_units_that_may_be_wrong_are_asked_about(tmp_path):
    """Billions under (T): a thousand times too many tokens, which nothing in the table refutes."""
    rows = [(n, d / 1e9, loss) for n, d, _, loss in runs()]
    read = read_points(table(tmp_path / "a.csv", ["N", "tokens (T)", "loss"], rows))
    assert "5e+04 tokens for each parameter are many: are the units right?" in read.notes


CELLS = {
    "two units": ("Params (M)", 0, "100B", "100B, while the header says M"),
    "the same unit twice": ("Params (M)", 0, "100M", None),
    "a decimal comma": ("N", 3, "2,51", "2,51"),
    "a decimal comma of three digits": ("N", 3, "2,514", "a point before decimals"),
    "thousands": ("N", 0, "100,000,000", None),
    "a comma beside a unit": ("Params (M)", 0, "1,000", "a point before decimals"),
    "odd groups": ("N", 0, "1,00,000", "1,00,000"),
    "one row in billions": ("N", 0, "0.1", "line 2: 0.1 parameters; .*missing in this row"),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_cell_is_a_number_in_one_unit(tmp_path, case):
    header, place, text, said = CELLS[case]
    rows = [[n / 1e6 if "(M)" in header else n, d, loss] for n, d, _, loss in runs()]
    rows[0][min(place, 2)] = text
    path = table(tmp_path / "runs.csv", [header, "D", "loss"], rows)
    if said is None:
        assert read_points(path).parameters[0] == 1e8
    else:
        with pytest.raises(InputError, match=said):
            read_points(path)


def test_a_column_of_decimal_commas_is_told_to_write_points(tmp_path):
    rows = [(n, d, f"{loss:.4f}".replace(".", ",")) for n, d, _, loss in runs()]
    text = "\n".join(";".join(map(str, row)) for row in [("N", "D", "loss"), *rows])
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match="expected a point before decimals"):
        read_points(tmp_path / "a.csv")


def test_rows_with_blank_cells_are_left_out_and_named(tmp_path):
    rows = [[*run, ""] for run in runs()]
    rows[1][3] = rows[4][3] = "  "
    rows[7][0] = ""
    read = read_points(table(tmp_path / "a.csv", ["N", "D", "C", "loss", "remark"], rows))
    assert len(read) == 13
    assert "3 of 16 rows are left out: nothing stands under N or loss (lines 3, 6, 9)" in read.notes
    lines = [dict(zip("NDCL", run, strict=True)) for run in runs()]
    lines[2]["L"] = None
    del lines[3]["D"]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    read = read_points(tmp_path / "a.jsonl")
    assert any("2 of 16 rows are left out" in n and "(lines 3, 4)" in n for n in read.notes)


def swept(**columns):
    """Each run with each value of the columns, its loss shifted by a value's place."""
    (name, values), *others = columns.items()
    rows = [
        (n, d, loss * (1 + place / 10), value, *(v[place] for _, v in others))
        for n, d, _, loss in runs()
        for place, value in enumerate(values)
    ]
    return ["N", "D", "loss", name, *(other for other, _ in others)], rows


SWEPT = {
    "learning rates": ({"lr": (1e-3, 2e-3, 4e-3)}, "they differ in lr;", "lr=0.001"),
    "validation sets": ({"val": ("c4", "pile")}, "they differ in val;", "val=c4"),
    "two hyperparameters": (
        {"lr": (1e-3, 2e-3, 4e-3), "bs": (8, 8, 16)}, "they differ in bs, lr;", "bs=8",
    ),
    "checkpoints": ({"schedule": ("cosine", "decayed")}, "they differ in schedule;", "cosine"),
}  # fmt: skip


@pytest.mark.parametrize("case", SWEPT)
def test_a_sweep_is_no_table_of_runs(tmp_path, case):
    columns, said, choice = SWEPT[case]
    path = table(tmp_path / "sweep.csv", *swept(**columns))
    with pytest.raises(InputError) as told:
        read_points(path)
    assert said in str(told.value) and choice in str(told.value)
    _, _, value = choice.partition("=")
    if value and len(columns) == 1:
        assert len(read_points(path, where=[choice])) == 16


@pytest.mark.parametrize("apart", [0.01, 0.3])
def test_repeats_with_other_seeds_are_runs(tmp_path, apart):
    rows = [(n, d, loss + s * apart, s) for n, d, _, loss in runs() for s in (0, 1)]
    read = read_points(table(tmp_path / "a.csv", ["N", "D", "loss", "seed"], rows))
    assert len(read) == 32
    assert any(f"32 rows repeat a pair of N and D, {apart} apart" in note for note in read.notes)


@pytest.mark.parametrize("names", [["flops", "n", "loss"], ["C", "N_opt", "loss"]])
def test_a_table_of_optima_is_told_and_its_exponent_said(tmp_path, names):
    budgets = np.geomspace(1e18, 1e22, 12)
    rng = np.random.default_rng(0)
    sizes = [float(LAW.optimal_parameters(c)) * math.exp(rng.normal(0, 0.03)) for c in budgets]
    rows = [(c, n, float(LAW.loss(n, c / 6 / n))) for c, n in zip(budgets, sizes, strict=True)]
    path = table(tmp_path / "optima.csv", [names[0], "n", "loss"], rows)
    with pytest.raises(InputError, match=r"one size for each budget.*N_opt grows as C\^0\.51"):
        read_points(path)


def test_swapped_columns_are_named(tmp_path):
    swaps = {
        ("loss", "D", "N"): "seem to be swapped", ("N", "loss", "D"): "seem to be swapped",
        ("D", "N", "loss"): "seem to be swapped",
    }  # fmt: skip
    for names, said in swaps.items():
        rows = [(n, d, loss) for n, d, _, loss in runs()]
        with pytest.raises(InputError, match=said):
            read_points(table(tmp_path / "runs.csv", list(names), rows))


def test_several_columns_of_losses_ask_which(tmp_path):
    rows = [(n, d, loss, loss + 1) for n, d, _, loss in runs()]
    path = table(tmp_path / "a.csv", ["N", "D", "loss_c4", "loss_pile"], rows)
    with pytest.raises(InputError, match="rename to loss the one of loss_c4, loss_pile that"):
        read_points(path)


def scaling(*words):
    return weighbridge("scaling", "fit", *words)


@pytest.mark.slow
def test_an_e_at_its_bound_is_said(tmp_path):
    rows = [(n, d, loss) for n, d, _, loss in runs(Chinchilla(480.0, 2100.0, 0.0, 0.35, 0.37))]
    path = table(tmp_path / "a.csv", ["N", "D", "loss"], rows)
    told = scaling(path, "--bootstraps", 20, "--entropy-floor", 0.01)
    assert told.returncode == 0 and "E IS AT ITS BOUND, 0" in told.stdout, told.stderr
    assert max(map(len, told.stdout.splitlines())) <= 80
    read = json.loads(scaling(path, "--bootstraps", 20, "--entropy-floor", 0.01, "--json").stdout)
    assert read["E_at_bound"] is True and read["resamples_with_E_at_bound"] > 10
    rows = [(n, d, loss) for n, d, _, loss in runs()]
    path = table(tmp_path / "b.csv", ["N", "D", "loss"], rows)
    read = json.loads(scaling(path, "--bootstraps", 0, "--json").stdout)
    assert read["E_at_bound"] is False and read["notes"][0] == "columns read: N, D, loss"


def test_a_wrong_table_is_one_line_at_the_command_line(tmp_path):
    path = table(
        tmp_path / "a.csv", ["Params (furlongs)", "D", "loss"], [r[:2] + r[3:] for r in runs()]
    )
    told = scaling(path)
    assert told.returncode == 2 and told.stderr.count("\n") == 1 and "Traceback" not in told.stderr


def test_published_tables_are_told_apart(real_data):
    """Porian's points with their blank cells, its optima, a sweep over validation sets."""
    folder = real_data / "scaling"
    where = ["file=summary_df", "dataset=rw", "hparams=base", "warmup=long", "decay=kaplan",
             "param_count=kaplan", "val=train"]  # fmt: skip
    read = read_points(folder / "isoflop_points.csv", where=where)
    assert len(read) == 107
    assert read.notes[:2] == (
        "columns read: n, t, flops, loss",
        "1 of 108 rows are left out: nothing stands under n or t or loss (line 109)",
    )
    with pytest.raises(InputError, match="--where"):
        read_points(folder / "mlfoundations_runs.csv")
    one = ["dataset=c4_original", "val=val_tok_mult/openlm/shard_00000000.tar"]
    assert len(read_points(folder / "mlfoundations_runs.csv", where=one)) >= 10
    with pytest.raises(InputError, match="none of them loss"):
        read_points(folder / "obs_scaling" / "base_llm_benchmark_eval.csv")
