"""A report and its charts in a folder; each file is whole or not there."""

from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import StorageError
from weighbridge.reports.content import Report
from weighbridge.reports.page import compose
from weighbridge.storage import replace_file


@dataclass(frozen=True)
class WrittenReport:
    """Where a report was written.

    Attributes:
        html: The page.
        charts: Every chart, as SVG and as PNG.
    """

    html: Path
    charts: tuple[Path, ...]


def write(report: Report, folder: Path) -> WrittenReport:
    """Write ``report.html`` and ``charts/*.svg|png``; the page last, so that it marks the end.

    Args:
        report: What to say.
        folder: Where; made if it is not there. Files of an earlier report are replaced.

    Raises:
        StorageError: The folder can't be written, or the disk is full.
    """
    page = compose(report)
    chart_folder = folder / "charts"
    written = []
    try:
        chart_folder.mkdir(parents=True, exist_ok=True)
        for chart in page.charts:
            for extension, content in (("svg", chart.svg.encode()), ("png", chart.png())):
                path = chart_folder / f"{chart.name}.{extension}"
                replace_file(path, content)
                written.append(path)
        html = folder / "report.html"
        replace_file(html, page.html.encode())
    except OSError as error:
        raise StorageError(
            f"the report can't be written to {folder}: {error.strerror or error}",
            "a writable folder on a disk with room",
            "free some space or choose another folder, and run the command again",
        ) from error
    return WrittenReport(html, tuple(written))
