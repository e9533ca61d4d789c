"""`every_eval_ever/`: each of the model's runs as a record, with a line for each answer."""

from pathlib import Path

from weighbridge.evidence.exporting import ExportRequest, find_exporter
from weighbridge.release.case import Case
from weighbridge.release.decision import Decision
from weighbridge.release.paper import Paper
from weighbridge.release.papers.model_card import hub_dataset, published

FOLDER = "every_eval_ever"


def _files(case: Case, decision: Decision) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for run in published(case):
        request = ExportRequest((run,), Path(FOLDER), hub_dataset(run))
        written = find_exporter("every-eval-ever").files(request)
        found |= {path.as_posix(): data for path, data in written.items()}
    return found


PAPER = Paper("every_eval_ever", "records that the Hub's community evaluations link to", _files)
