"""Tells of a tuning run while it lasts: its plan in sentences, its steps on a bar.

Beside the bar stand the loss of the last steps with its curve, how many targets are learnt a
second, and the memory held against its forecast.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from weighbridge.tuning.plan import count

if TYPE_CHECKING:
    from weighbridge.project.stage import Show, StageBar
    from weighbridge.tuning import Planned, TuneEvent

    Listener = Callable[[TuneEvent], None]

CURVE_WIDTH = 10
_BLOCKS = "▁▂▃▄▅▆▇█"
_SMOOTHED_STEPS = 8


@contextmanager
def tuning_bar(
    show: "Show", title: str, *listeners: "Listener"
) -> "Iterator[Callable[[TuneEvent], None]]":
    """Draw tuning events as a progress bar, and pass each on to further listeners."""
    with show.bar(title) as bar:
        shown = _Shown(show, bar)

        def on_event(event: "TuneEvent") -> None:
            shown(event)
            for listener in listeners:
                listener(event)

        yield on_event


def curve(values: Sequence[float], width: int = CURVE_WIDTH) -> str:
    """Draw values as one line of blocks, as many of them as fit, each the mean of its share.

    >>> curve([4.0, 3.0, 2.0, 1.0], width=4), curve([2.0, 2.0], width=4), curve([])
    ('█▆▃▁', '▁▁', '')
    """
    cells = min(width, len(values))
    cuts = [round(i * len(values) / cells) for i in range(cells + 1)] if cells else []
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(cuts) if end > start]
    low, high = min(means, default=0.0), max(means, default=0.0)
    if high <= low:
        return _BLOCKS[0] * len(means)
    return "".join(_BLOCKS[int((m - low) / (high - low) * (len(_BLOCKS) - 0.01))] for m in means)


class _Shown:
    """Shows each event as it comes."""

    def __init__(self, show: "Show", bar: "StageBar") -> None:
        self._show, self._bar = show, bar
        self._losses: list[float] = []
        self._predicted_bytes = 0

    def __call__(self, event: "TuneEvent") -> None:
        from weighbridge.tuning import Checked, Planned, Referenced, StepDone, Validated

        if isinstance(event, Planned):
            self._predicted_bytes = event.predicted_memory_bytes
            self._bar(event.resumed_step, event.total_steps, None)
            for sentence in _plan(event):
                self._show.say(sentence)
        elif isinstance(event, Referenced):
            if event.pairs == event.total_pairs:
                self._show.say(f"reference of {count(event.pairs, 'pair')} computed")
        elif isinstance(event, Checked):
            told = event.result.told()
            self._show.say(f"self-test, {event.number} of {event.total}: {told}")
        elif isinstance(event, Validated):
            told = f"validation after step {event.step}: loss {event.validation_loss:.3f}"
            self._show.say(f"{told}, {event.rewards}" if event.rewards else told)
        elif isinstance(event, StepDone):
            self._losses.append(event.loss)
            last = self._losses[-_SMOOTHED_STEPS:]
            memory = f"{event.memory_bytes / 1e9:.1f}/{self._predicted_bytes / 1e9:.1f} GB"
            said = (
                f"loss {sum(last) / len(last):.3f} {curve(self._losses)} "
                f"{event.trained_tokens_per_second:,.0f} trained/s {memory}"
            )
            self._bar(event.step, event.total_steps, event.tokens_per_second, said)


def _plan(event: "Planned") -> Iterator[str]:
    """Say what is learnt from, and what it will take."""
    from weighbridge.tuning.settings import saved_sentences

    yield from event.lengths.sentences("learns from")
    yield from saved_sentences(event.arrangement, event.computed_tokens, event.padded_tokens)
    if event.predicted_seconds:
        yield (
            f"tuning: {event.total_steps} steps, forecast {event.predicted_seconds:,.0f} s and "
            f"{event.predicted_memory_bytes / 1e9:.1f} GB"
        )
    elif event.resumed_step:
        yield f"tuning goes on from step {event.resumed_step}"
