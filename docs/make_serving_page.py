"""Write docs/explanation/serving-forecast.md from the published measurements, cell by cell.

    python docs/make_serving_page.py --data FOLDER     # FOLDER holds the four CSV files

Every figure on the page is computed here by the library and by bench/serving_forecast.py; only the
words between them are written by hand. `--to FOLDER` writes it elsewhere, for a test that compares.
"""

import argparse
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from weighbridge.planning.serving.costs import Rates
from weighbridge.planning.serving.measurements import MLPERF_WORKLOADS
from weighbridge.storage import replace_file

NAME = "serving-forecast"
HERE = Path(__file__).parent
WEAK = 0.25

OPENING = """# How far a serving forecast is off

`weighbridge plan serve` says how fast a model is served, with an interval. This page compares those
forecasts with {rows:,} published measurements, in {cells} cells of architecture, accelerator
and precision. It is made by `docs/make_serving_page.py`; every figure is of a fit that had
**not** seen the model, or the publisher, that it is judged on.

| left out in turn | median error | 95 % intervals that hold |
|---|---|---|
{ways}

Over both it is {error:.1%}, and {coverage:.1%} of intervals hold, where 95 % should. An error is
|forecast / measured - 1|. Fitted to everything it would be {fitted:.1%}:
that figure flatters, and is no forecast.

## What it is made of

The forecast starts from physics. A decoding step reads every weight that it needs and each
sequence's cache, multiplies, exchanges the residual stream between accelerators, and takes a fixed
time for each layer. A mixture reads the experts that some token of the batch chose, a share of 1 -
(1 - k/E)^B. Prompts are limited by arithmetic. The batch is as large as memory allows; at a server
it stays below that by 2.33 times its own square root, so that 99 % of arrivals find a free place.
Thirteen rates are the same for everything:

| rate | fitted | prior |
|---|---|---|
{rates}

Shares are of a data sheet's peak, seconds are for a layer, a step, or a sequence. On top of them
each class of architectures, accelerator, precision, their cell and the model has an effect,
drawn to zero where there are few rows (partial pooling). Publishers and engines have effects, too,
which are left out of forecasts.

Memory is computed as by `inspect`: weights as the precision stores them, the cache by grouped
heads, latents, windows and states, sharded over accelerators. Of an accelerator's memory, 93 % less
4 GB is used.

## What is left out, and what was refused

Speculative decoding, prefix caches, and prefill on other accelerators than decoding are not
forecast. Rows out of scope:

| rows | why |
|---|---|
{scope}

Only physically impossible rows are refused, {refused_share:.1%} of those in scope. No row is
dropped for being far off:

| rows | refused because |
|---|---|
{refused}

Counted as wrong forecasts, they leave the median at {with_refused:.1%}.

"""

CELLS = """## Cell by cell

Median errors with the model left out, and with the publisher left out; over {weak:.0%} in
**bold**.

| class | accelerator | precision | rows | models | newest | no model | bias | no publisher |
|---|---|---|---|---|---|---|---|---|
{cells}

Bias is forecast over measured: 0.80x means that it forecasts a fifth too slow.

## By model, publisher and generation

| left out | rows | median error | intervals that hold |
|---|---|---|---|
{groups}

## Where it is weak

{weak_words}
- **Time to a first token** is off by {first:.0%} in the median, a factor of {first_factor:.1f}
  for 95 %: it depends on how an engine queues prompts, which no file states. It is therefore only
  a rough figure, and is not given beyond 1,024 requests at once.
- **Engines differ.** At one concurrency Llama 3.1 8B on H200 is twice as fast in one engine as in
  another. The forecast is for the mean of both.
- **Servers.** Only MLPerf measures random arrivals, and its scenarios fix the limits; with MLPerf
  left out, forecasts of a server follow from queueing theory alone.
- **MLPerf's lengths.** Its files give tokens a second and no lengths. Output lengths are the
  reference's; input lengths are recalled from the task forces' pages and were not read again:
{lengths}
- **Software.** The newest measurement is of {newest}. A forecast is for software of that day;
  its interval widens with the root of the years since the newest one of its cell, by {drift:.2f}
  in the logarithm for one year. That is the drift between NVIDIA's two editions, in which hardly
  anything moved, together with one published case, DeepSeek-R1 on B200, that nearly doubled in
  half a year.
- **Choices made by looking at errors.** The form of the model and its priors were chosen among
  about a dozen variants by these same errors. The figures above are therefore somewhat better than
  what can be expected for a new publisher.
- **Data sheets** of H200 NVL, MI355X and RTX PRO 6000 were not read again from their makers; the
  catalog says so in each row.
"""


def bench() -> Any:
    """Load the script that measures."""
    path = HERE.parent / "bench" / "serving_forecast.py"
    spec = importlib.util.spec_from_file_location("serving_forecast", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(found: Mapping[str, Any], line: Mapping[str, Any]) -> str:
    """Return the page."""
    ways = [
        ("models", "leave_one_model_out"), ("publishers", "leave_one_source_out"),
        ("generations of accelerators", "leave_one_generation_out"),
    ]  # fmt: skip
    opening = OPENING.format(
        rows=line["rows"],
        cells=line["cells"],
        ways=table(
            (name, f"{line[key]['median_abs_error']:.1%}", f"{line[key]['coverage']:.1%}")
            for name, key in ways
        ),
        error=line["median_abs_error"],
        coverage=line["coverage"],
        fitted=line["in_sample_median_abs_error"],
        rates=rates_table(found),
        scope=table(
            (f"{count:,}", why)
            for why, count in sorted(line["out_of_scope"].items(), key=lambda pair: -pair[1])
        ),
        refused=table((str(count), why) for why, count in line["refused"].items()),
        refused_share=line["refused_share"],
        with_refused=line["median_abs_error_with_refused_as_wrong"],
    )
    constants, cells = found["constants"], judged_cells(found)
    closing = CELLS.format(
        weak=WEAK,
        cells=table(cell_row(cell) for cell in cells),
        groups=table(
            (name, f"{one['rows']:,}", f"{one['median_abs_error']:.1%}", f"{one['coverage']:.0%}")
            for _words, key in ways
            for name, one in line[key]["groups"].items()
        ),
        weak_words=weak_words(cells),
        first=line["first_token_median_abs_error"],
        first_factor=constants.first_token.within_factor,
        lengths=lengths(),
        newest=constants.newest.isoformat(),
        drift=constants.drift,
    )
    return opening + closing


def table(rows: Any) -> str:
    """Return rows of a table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def rates_table(found: Mapping[str, Any]) -> str:
    """Return what is reached of the peaks, beside what was expected."""
    from weighbridge.planning.serving.calibration import PRIOR

    fitted, prior = asdict(found["constants"].rates), asdict(PRIOR)
    return table(
        (name.replace("_", " "), amount(fitted[name]), amount(prior[name]))
        for name in Rates.__dataclass_fields__
    )


def amount(value: float) -> str:
    """Return a share, a number, or microseconds."""
    return f"{value * 1e6:.0f} µs" if value < 0.05 else f"{value:.2f}"


def judged_cells(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each cell with its errors."""
    problem, model, source = found["problem"], found["held"]["model"], found["held"]["source"]
    where: dict[tuple[str, str, str], list[int]] = {}
    for index, (row, kind) in enumerate(zip(problem.rows, problem.kinds, strict=True)):
        where.setdefault((kind, row.accelerator, row.precision), []).append(index)
    return [
        {
            "cell": cell,
            "model": float(np.median(model.errors[where[key]])),
            "bias": float(np.exp(-np.median(model.left[where[key]]))),
            "source": float(np.median(source.errors[where[key]])),
        }
        for cell in found["constants"].cells
        for key in [(cell.kind, cell.accelerator, cell.precision)]
    ]


def cell_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one line of the table."""
    cell = one["cell"]
    return (
        cell.kind, cell.accelerator, cell.precision, str(cell.measurements), str(cell.models),
        cell.newest.isoformat(), marked(one["model"]), f"{one['bias']:.2f}x", marked(one["source"]),
    )  # fmt: skip


def marked(error: float) -> str:
    """Return an error, bold where it is weak."""
    return f"**{error:.0%}**" if error > WEAK else f"{error:.0%}"


def weak_words(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return the cells that are far off, in words."""
    weak = [one for one in cells if max(one["model"], one["source"]) > WEAK]
    rows = sum(one["cell"].measurements for one in weak)
    every = sum(one["cell"].measurements for one in cells)
    thin = sum(one["cell"].measurements < 5 for one in cells)
    alone = sum(one["cell"].models == 1 for one in cells)
    return (
        f"- **{len(weak)} of {len(cells)} cells**, with {rows:,} of {every:,} rows, are over "
        f"{WEAK:.0%} in one of both columns.\n"
        f"- **{thin} cells have fewer than five rows** and count as outside of what is calibrated; "
        f"{alone} hold\n  one model, so that with it left out nothing of the cell is left."
    )


def lengths() -> str:
    """Return the lengths that MLPerf's rows were taken to have."""
    return (
        "\n".join(
            f"  {name} {task.input_tokens:,.0f} in and {task.output_tokens:,.0f} out;"
            for name, task in MLPERF_WORKLOADS.items()
        ).rstrip(";")
        + "."
    )


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--to", type=Path, default=HERE / "explanation")
    arguments = parser.parse_args()
    script = bench()
    found = script.measure(arguments.data)
    text = page(found, script.summary(found))
    replace_file(arguments.to / f"{NAME}.md", text.encode())
    sys.stdout.write(f"{arguments.to / NAME}.md\n")


if __name__ == "__main__":
    main()
