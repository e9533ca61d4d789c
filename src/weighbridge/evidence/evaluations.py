"""Evaluations in the envelope: the store and the readers of what a model answered."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from weighbridge.evidence import journal, seal, store
from weighbridge.evidence.checked import read_sealed
from weighbridge.evidence.document import of_kind, with_samples
from weighbridge.evidence.payloads.evaluation import PAYLOAD
from weighbridge.records import EvalRun, Json, ScoredSample

OpenEvaluation = store.OpenRun[ScoredSample, EvalRun]
"""An evaluation in progress."""


class RunStore(store.EvidenceStore):
    """A store whose runs are read as evaluations, unless another kind is asked for."""

    def find(self, fields: dict[str, Json]) -> EvalRun | None:
        """Return the sealed evaluation with this identity, without its samples; or None."""
        return self.find_as(PAYLOAD, fields)

    def read(self, name: str, *, samples: bool = True) -> EvalRun:
        """Read a sealed evaluation; see `EvidenceStore.read_as`."""
        return self.read_as(PAYLOAD, name, samples=samples)


def read_run(folder: Path, *, samples: bool = True) -> EvalRun:
    """Read a sealed evaluation from its folder; see `EvidenceStore.read_as`."""
    sealed = of_kind(read_sealed(folder), PAYLOAD)
    return with_samples(sealed) if samples else sealed.content


def read_samples(path: Path) -> Iterator[ScoredSample]:
    """Read and validate an evaluation's `samples.jsonl`; see `journal.read_samples`."""
    return journal.read_samples(path, PAYLOAD)


def samples_digest(samples: Iterable[ScoredSample]) -> str:
    """Digest answers as a new evaluation that held them would; see `seal.samples_digest`."""
    return seal.samples_digest(samples, PAYLOAD)
