"""Stages drawn on a terminal: progress bars on stderr, one line for each thing done."""

from collections.abc import Iterator
from contextlib import contextmanager

from weighbridge.cli.output import Rate, progress, say
from weighbridge.project.stage import StageBar


class Drawn:
    """Shows stages: lines on stderr, so that stdout holds the result alone."""

    def say(self, line: str) -> None:
        """Print one line."""
        say(line, err=True)

    @contextmanager
    def bar(self, title: str) -> Iterator[StageBar]:
        """Open a progress bar; a figure that grows is turned into a rate."""
        rate = Rate()
        with progress(title, more_beside=title == "tune") as draw:

            def show(
                done: float, total: float, tokens_per_second: float | None = None, said: str = ""
            ) -> None:
                draw(done, total, said or rate(int(tokens_per_second or 0)))

            yield show
