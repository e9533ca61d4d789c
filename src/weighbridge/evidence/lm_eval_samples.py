"""Rows of lm-evaluation-harness's samples files, each with its filter and metrics, old or new.

Since 0.4.7 (December 2024) a row names its `filter` and its `metrics`. Older files hold, for each
item, one row per filter, in the order of the task's `filter_list`; which of a row's keys are
metrics is known from the results file, whose keys are "METRIC,FILTER". Rows are assigned to filters
by that order, and their means are compared with those that the results file states: where they
disagree, the file is refused.

Up to 0.4.2 a samples file was one JSON list.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.records import Json
from weighbridge.sources.documents import read_json
from weighbridge.sources.tables import Row, jsonl_rows
from weighbridge.sources.text_files import text_lines

BEFORE_FILTERS = "before 0.4.7"
NO_FILTER = "none"
_TOLERANCE = 1e-6
_AGAIN = "run it again with lm-eval 0.4.7 or newer"


def sample_rows(path: Path, config: Row, figures: Mapping[str, Json]) -> Iterator[tuple[int, Row]]:
    """Yield rows, each with `filter` and `metrics`, and its 1-based line.

    Args:
        path: The samples file.
        config: The task's configuration in the results file.
        figures: The task's figures in the results file, by "METRIC,FILTER".

    Raises:
        MalformedRow: A row is no sample, or an item has more rows than the task has filters.
    """
    filters, metrics = _filters(config, figures), _metrics(config, figures)
    seen = Counter[Json]()
    for line, row in _rows(path):
        _check(path, line, row)
        if "filter" not in row:
            doc = row["doc_id"]
            place = seen[doc]
            seen[doc] += 1
            if place >= len(filters):
                raise MalformedRow(
                    path, line, f"row {place + 1} of doc_id {doc}, and no row names its filter",
                    f"one row for each of {', '.join(filters)}", do=_AGAIN,
                )  # fmt: skip
            row["filter"] = filters[place]
        if "metrics" not in row:
            row["metrics"] = [name for name in metrics if name in row]
        yield line, row


def _check(path: Path, line: int, row: Row) -> None:
    """Refuse a row without doc_id, or with a malformed filter or metrics."""
    expected = "a sample as lm-eval 0.4 writes it"
    if not isinstance(row.get("doc_id"), (int, str)):
        saw = "no doc_id" if row.get("doc_id") is None else f"doc_id {row['doc_id']!r}"[:60]
        raise MalformedRow(path, line, saw, expected)
    if not isinstance(row.get("filter", ""), str):
        raise MalformedRow(path, line, f"filter {row['filter']!r}"[:60], expected, "filter")
    named = row.get("metrics", [])
    if not isinstance(named, list) or any(str(name) not in row for name in named):
        raise MalformedRow(path, line, f"metrics {named!r}"[:60], "metrics of the row", "metrics")


def check_split(path: Path, config: Row, figures: Mapping[str, Json]) -> bool:
    """Check that old rows, assigned to filters by order, have the means that the harness states.

    Returns:
        Whether the rows are of a version before 0.4.7.

    Raises:
        InputError: They have other means, or an item does not have one row per filter.
    """
    first = next(_rows(path), None)
    if first is None or "filter" in first[1]:
        return False
    filters = _filters(config, figures)
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    counts = Counter[Json]()
    for _, row in sample_rows(path, config, figures):
        counts[row["doc_id"]] += 1
        for metric in row["metrics"]:
            if isinstance(row[metric], (bool, int, float)):
                values[metric, row["filter"]].append(float(row[metric]))
    short = next((doc for doc, count in counts.items() if count != len(filters)), None)
    if short is not None:
        raise InputError(
            f"lm-eval {BEFORE_FILTERS}: doc_id {short} has {counts[short]} row(s)",
            f"one for each filter ({', '.join(filters)}), since no row names its own", _AGAIN,
        )  # fmt: skip
    averaged = _averaged(config)
    for (metric, name), held in values.items():
        stated = figures.get(f"{metric},{name}")
        mean = sum(held) / len(held)
        known = isinstance(stated, (int, float)) and metric in averaged
        if known and abs(mean - float(stated)) > _TOLERANCE:  # type: ignore[arg-type]
            raise InputError(
                f"lm-eval {BEFORE_FILTERS}: rows name no filter, and those taken for {name} have "
                f"{metric} {mean:.6g}",
                f"{float(stated):.6g} as the results file states", _AGAIN,  # type: ignore[arg-type]
            )  # fmt: skip
    return True


def version_of_rows(path: Path) -> str | None:
    """Return which versions write such rows; None where they are not lm-eval's."""
    first = next(_rows(path), None)
    if first is None or "doc_id" not in first[1]:
        return None
    return "0.4.7 or newer" if "filter" in first[1] else BEFORE_FILTERS


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    what, within = "lm-eval's samples", path.parent
    head = next((line for _, line in text_lines(path, what, within=within) if line.strip()), "")
    if head.strip().startswith("["):
        read = read_json(path, what, nan=True, halves="replace", within=within)
        for number, row in enumerate(read, start=1):
            if not isinstance(row, dict):
                raise MalformedRow(path, number, f"a {type(row).__name__}", "a sample")
            yield number, row
    else:
        yield from jsonl_rows(path, what, nan=True, halves="replace", within=within)


def _filters(config: Row, figures: Mapping[str, Json]) -> list[str]:
    listed = config.get("filter_list")
    if isinstance(listed, list) and listed:
        return [str(each.get("name", NO_FILTER)) for each in listed if isinstance(each, dict)]
    named = (key.partition(",") for key in figures if "," in key)
    found = dict.fromkeys(name for metric, _, name in named if not metric.endswith("_stderr"))
    return list(found) or [NO_FILTER]


def _metrics(config: Row, figures: Mapping[str, Json]) -> list[str]:
    told = [str(each.get("metric")) for each in _metric_list(config)]
    named = [key.partition(",")[0] for key in figures if "," in key]
    return list(dict.fromkeys([*told, *(n for n in named if not n.endswith("_stderr"))]))


def _averaged(config: Row) -> set[str]:
    """Return the metrics that the task says it aggregates by the mean over items."""
    return {
        str(each["metric"])
        for each in _metric_list(config)
        if each.get("aggregation", "mean") == "mean" and "metric" in each
    }


def _metric_list(config: Row) -> list[Row]:
    listed = config.get("metric_list")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
