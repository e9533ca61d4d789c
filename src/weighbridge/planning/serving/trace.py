"""Reads request lengths from a log, and finds the batch that serves them within latency goals.

A log has one request per row (CSV, JSONL, Parquet): input and output tokens, and possibly a time,
as a number of seconds or in ISO 8601. A log with empty cells, with a long silence, or with times in
the future is refused, because averages over it would be wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from weighbridge.errors import InputError, MalformedRow
from weighbridge.planning.serving.efficiency import Calibration
from weighbridge.planning.serving.forecast import (
    Deployment,
    Speed,
    candidate_layouts,
    largest_batch_within,
)
from weighbridge.planning.serving.layout import Layout
from weighbridge.planning.serving.measurements import Latency
from weighbridge.sources.tables import table_rows

ALIASES: Mapping[str, tuple[str, ...]] = {
    "input": (
        "input_tokens", "prompt_tokens", "num_prefill_tokens", "contexttokens", "input", "isl",
    ),
    "output": (
        "output_tokens", "completion_tokens", "num_decode_tokens", "generatedtokens", "output",
        "osl",
    ),
    "time": (
        "arrived_at", "timestamp", "time", "created", "created_at", "start_time", "arrival",
    ),
}  # fmt: skip
_EPOCH_SINCE = 1e8  # larger numbers of seconds count from 1970
_LONG_SILENCE_SECONDS = 6 * 3600.0
_SILENT_SHARE = 1 / 3
_MOST_TOKENS = 10_000_000


@dataclass(frozen=True, eq=False)
class Trace:
    """Requests of a log.

    Attributes:
        inputs: Tokens of each prompt, (requests,).
        outputs: Tokens of each answer, (requests,).
        seconds: Time from the first request to the last; 0 where no times are given.
        times: When each came, in seconds, (requests,); empty where no times are given.
        unread: Names of the columns that are not read.
    """

    inputs: np.ndarray[Any, np.dtype[np.float64]]
    outputs: np.ndarray[Any, np.dtype[np.float64]]
    seconds: float
    times: np.ndarray[Any, np.dtype[np.float64]] = field(default_factory=lambda: np.empty(0))
    unread: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence on columns that are not read; none where all are."""
        if not self.unread:
            return ()
        return (f"of the log, these columns are not read: {', '.join(self.unread)}",)

    @property
    def requests(self) -> int:
        """Number of requests."""
        return len(self.inputs)

    @property
    def requests_per_second(self) -> float | None:
        """Mean rate of requests; None where no times are given."""
        return self.requests / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True)
class WithinGoals:
    """The largest batch that keeps to latency goals.

    Attributes:
        layout: How the model is spread.
        batch: Number of sequences at once in each group.
        speed: Speed at that batch.
        share_in_time: Share of the log's requests whose first token comes in time; 1 without a log.
        good_tokens_per_second: Output tokens a second of requests that met the goals.
        offered: The log's own output tokens a second, divided by the forecast rate; None without
            times.
    """

    layout: Layout
    batch: float
    speed: Speed
    share_in_time: float
    good_tokens_per_second: float
    offered: float | None


def read_trace(path: Path, now: datetime) -> Trace:
    """Read a log of requests.

    Raises:
        InputError: The log has no request, no column of tokens, an empty cell, a long silence, or a
            time in the future.
    """
    inputs, outputs, times = [], [], []
    names: dict[str, str] = {}
    seen: dict[str, None] = {}
    for line, row in table_rows(path):
        seen |= dict.fromkeys(map(str, row))
        names = names or _columns(path, row)
        inputs.append(_tokens(path, line, names["input"], row, least=0))
        outputs.append(_tokens(path, line, names["output"], row, least=0))
        if "time" in names:
            times.append(_seconds(path, line, names["time"], row.get(names["time"])))
    if not inputs:
        raise InputError(f"{path} holds no request", "one a row, with its tokens")
    if sum(outputs) == 0:
        raise InputError(f"{path}: no request has an output token", "some that were answered")
    span = _span(path, sorted(times), now)
    unread = tuple(name for name in seen if name not in names.values())
    return Trace(np.array(inputs), np.array(outputs), span, np.array(times), unread)


def _columns(path: Path, row: Mapping[str, Any]) -> dict[str, str]:
    plain = {str(name).strip().lower().replace(" ", "_"): str(name) for name in row}
    found = {
        meaning: plain[alias]
        for meaning, aliases in ALIASES.items()
        for alias in reversed(aliases)
        if alias in plain
    }
    for meaning in ("input", "output"):
        if meaning not in found:
            listed = ", ".join(str(name) for name in row) or "no columns"
            raise InputError(
                f"{path} has no column of {meaning} tokens, but {listed}",
                f"one of {', '.join(ALIASES[meaning])}",
            )
    return found


def _tokens(path: Path, line: int, name: str, row: Mapping[str, Any], least: int) -> float:
    value = row.get(name)
    try:
        number = float(value) if value is not None and not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not least <= number <= _MOST_TOKENS or number != int(number):
        saw = "nothing" if value in (None, "") else repr(value)
        raise MalformedRow(path, line, saw, "a whole number of tokens", column=name)
    return number


def _seconds(path: Path, line: int, name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except ValueError as error:
        saw = "nothing" if value in (None, "") else repr(value)
        raise MalformedRow(
            path, line, saw, "seconds, or a time such as 2026-11-30T12:00:00Z", column=name
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _span(path: Path, times: list[float], now: datetime) -> float:
    if not times:
        return 0.0
    first, last = times[0], times[-1]
    if not all(map(math.isfinite, (first, last))):
        raise InputError(f"{path}: a time that is no number", "seconds, or ISO 8601")
    if first >= _EPOCH_SINCE and last > now.timestamp():
        raise InputError(
            f"{path}: a request at {_shown(last)}, in the future",
            f"times up to now, {_shown(now.timestamp())}",
            "is it in milliseconds, or of another zone?",
        )
    gaps = np.diff(times)
    longest = int(np.argmax(gaps)) if len(gaps) else 0
    silence = float(gaps[longest]) if len(gaps) else 0.0
    if silence >= max(_LONG_SILENCE_SECONDS, _SILENT_SHARE * (last - first)) and len(gaps) > 1:
        raise InputError(
            f"{path}: no request for {silence / 3600:.1f} hours after {_shown(times[longest])}",
            "a log without gaps",
            "cut it there, and give one part",
        )
    return last - first


def _shown(seconds: float) -> str:
    if seconds < _EPOCH_SINCE:
        return f"{seconds:,.0f} s"
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s after 1970"


def with_lengths(asked: Deployment, trace: Trace) -> Deployment:
    """Return a deployment with a log's mean lengths, and the spread of its answers' lengths."""
    outputs = max(1.0, float(trace.outputs.mean()))
    return replace(
        asked,
        input_tokens=float(trace.inputs.mean()),
        output_tokens=outputs,
        spread=float(trace.outputs.std()) / outputs,
    )


def within_goals(
    asked: Deployment, constants: Calibration, goal: Latency, trace: Trace | None
) -> WithinGoals | None:
    """Return the layout and largest batch within goals with the highest good rate; None for none.

    Mean latencies keep to the goals. The prompts of a log differ in length: requests whose first
    token comes late are counted in `share_in_time`, and their tokens are not part of the good rate.
    """
    best: WithinGoals | None = None
    for layout in candidate_layouts(asked):
        found = largest_batch_within(asked, layout, constants, goal)
        if found is None:
            continue
        batch, speed = found
        in_time, good = _shares_in_time(asked, speed, goal, trace)
        rate = speed.tokens_per_second
        offered = None
        if trace is not None and trace.requests_per_second is not None:
            offered = trace.requests_per_second * float(trace.outputs.mean()) / rate
        one = WithinGoals(layout, batch, speed, in_time, rate * good, offered)
        if best is None or one.good_tokens_per_second > best.good_tokens_per_second:
            best = one
    return best


def _shares_in_time(
    asked: Deployment, speed: Speed, goal: Latency, trace: Trace | None
) -> tuple[float, float]:
    """Return the shares of requests, and of output tokens, whose first token comes in time."""
    if trace is None:
        return 1.0, 1.0
    longer = trace.inputs / max(1.0, asked.input_tokens)
    each = speed.each_seconds
    whole = math.inf if speed.first_seconds is None else speed.first_seconds
    first = each + longer * max(0.0, whole - each)
    in_time = first <= goal.first
    return float(in_time.mean()), float(trace.outputs[in_time].sum() / trace.outputs.sum())
