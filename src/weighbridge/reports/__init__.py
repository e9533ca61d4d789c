"""Charts and one self-contained HTML file, from records handed in.

A report is computed from records alone: nothing here reads a run from disk, reaches the network, or
knows a model. `render` gives the page as text; `write` puts it and its charts in a folder.
"""

from weighbridge.reports.content import (
    Arm,
    ArmsSection,
    BenchmarkSection,
    CostRow,
    Forecast,
    Outcome,
    ProjectVerdict,
    Report,
    Role,
    Skipped,
    TrainingPoint,
    VerdictFinding,
)
from weighbridge.reports.explorer import render_explorer
from weighbridge.reports.limits import limits
from weighbridge.reports.page import render
from weighbridge.reports.writing import WrittenReport, write

__all__ = [
    "Arm",
    "ArmsSection",
    "BenchmarkSection",
    "CostRow",
    "Forecast",
    "Outcome",
    "ProjectVerdict",
    "Report",
    "Role",
    "Skipped",
    "TrainingPoint",
    "VerdictFinding",
    "WrittenReport",
    "limits",
    "render",
    "render_explorer",
    "write",
]
