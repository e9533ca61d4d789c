"""A second kind of evidence, for tests: what people said of items. Version 2 knows how certain."""

from collections import Counter
from dataclasses import asdict, dataclass, replace

from pydantic import TypeAdapter

from weighbridge.evidence.journal import read_samples
from weighbridge.evidence.payload import Keys, Payload, RunSummary
from weighbridge.evidence.recomputed import figure_check
from weighbridge.records import Provenance


@dataclass(frozen=True)
class Label:
    item: str
    by: str
    label: str
    seconds: float = 0.0
    certain: bool = True


@dataclass(frozen=True)
class LabelRun:
    run_id: str
    title: str
    counts: dict[str, int]
    provenance: Provenance
    uncertain: int = 0
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True)
class LabelHeader:
    title: str
    planned_samples: int
    started: str

    @property
    def subject(self):
        return "people"

    @property
    def payload(self):
        return PAYLOAD


@dataclass(frozen=True)
class Labelled:
    provenance: Provenance
    planned_samples: int | None = None


class Counts:
    def __init__(self):
        self.by_label, self.uncertain = Counter(), 0

    def add(self, label):
        self.by_label[label.label] += 1
        self.uncertain += not label.certain


class Labels(Payload[Label, LabelRun]):
    name = "labels"
    newest = 2

    @property
    def sample_keys(self):
        return Keys(must_lack=frozenset({"certain"} if self.version < 2 else ()))

    @property
    def document_keys(self):
        return Keys(must_lack=frozenset({"uncertain"} if self.version < 2 else ()))

    def row(self, sample):
        return self.sample_keys.of(dict(vars(sample)))

    def sample(self, row):
        return TypeAdapter(Label).validate_python(row)

    def place(self, sample):
        return f"{sample.item}/{sample.by}", 0

    def lasting(self, sample):
        return self.row(replace(sample, seconds=0.0))

    def document(self, header, result, facts, count):
        run = LabelRun(
            facts.run_id, header.title, dict(count.by_label), result.provenance, count.uncertain
        )
        own = {"identity": facts.identity, "samples_digest": facts.samples_digest}
        return own | self.document_keys.of(self.plain(run))

    def content(self, document, fields):
        return TypeAdapter(LabelRun).validate_python(document)

    def plain(self, content):
        plain = asdict(content)
        del plain["labels"]
        return plain

    def with_samples(self, content, samples):
        return replace(content, labels=tuple(samples))

    def count(self):
        return Counts()

    def checks(self, sealed, count, *, needed):
        yield figure_check("figure counts", sealed.content.counts, dict(count.by_label))
        if self.version >= 2:
            yield figure_check("figure uncertain", sealed.content.uncertain, count.uncertain)
        read = sum(1 for _ in read_samples(sealed.samples, self))
        yield figure_check("labels", sum(sealed.content.counts.values()), read)

    def summary(self, name, content, started):
        done = sum(content.counts.values())
        return RunSummary(name, "people", content.title, started, done, done, None)

    def unfinished(self, name, state):
        return RunSummary(
            name, "people", state["title"], state["started"], state["done"],
            state["planned_samples"], None,
        )  # fmt: skip


PAYLOAD = Labels()
