"""`.eval_results/NAME.yaml`: figures for the Hub's community evaluations, where it has the data."""

from pathlib import Path

from weighbridge.evidence.exporting import ExportRequest, find_exporter
from weighbridge.release.case import Case
from weighbridge.release.decision import Decision
from weighbridge.release.paper import Paper
from weighbridge.release.papers.model_card import hub_dataset, published

_CARD = "model-card.yaml"


def _files(case: Case, decision: Decision) -> dict[str, bytes]:
    # A figure without the address of its evidence is a claim, and is not published.
    if not case.statement.url:
        return {}
    found: dict[str, bytes] = {}
    for run in published(case):
        dataset = hub_dataset(run)
        if dataset:
            request = ExportRequest((run,), Path(), dataset, source_url=case.statement.url)
            written = find_exporter("hugging-face").files(request)
            found |= {path.as_posix(): data for path, data in written.items() if path.name != _CARD}
    return found


PAPER = Paper("eval_results", "figures for the Hub's community evaluations", _files)
