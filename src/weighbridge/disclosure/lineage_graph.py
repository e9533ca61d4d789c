"""Whom a flaw concerns besides the weights it was found in: their base, and what was made of them.

The graph is made of the records of origin that lie in models' folders and beside GGUF files, and
of the models that runs name. A node is one model, with every digest by which it is called.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from weighbridge.records import ModelRef
from weighbridge.tuning.lineage import read_lineage

Relation = Literal["reported", "same", "base", "derivative", "sibling"]
_ORDER: tuple[Relation, ...] = ("reported", "same", "base", "derivative", "sibling")
_NO_MODEL = frozenset({"data", "recipe"})


@dataclass(frozen=True)
class Affected:
    """A digest that a flaw concerns.

    Attributes:
        digest: The digest.
        label: What it is called.
        relation: Reported itself, another name of the same weights, what they were made of, what
            was made of them, or what else was made of their base.
    """

    digest: str
    label: str
    relation: Relation


class LineageGraph:
    """Digests, which of them are one model's, and which model was made of which."""

    def __init__(self) -> None:
        self._labels: dict[str, str] = {}
        self._same: dict[str, set[str]] = defaultdict(set)
        self._parents: dict[str, set[str]] = defaultdict(set)
        self._children: dict[str, set[str]] = defaultdict(set)

    def add_artefact(self, path: Path) -> None:
        """Add the record of a model's folder, or of a GGUF file.

        Raises:
            InputError: It was altered.
        """
        before = ""
        for step in read_lineage(path):
            if step.stage in _NO_MODEL:
                continue
            label = path.name if step.stage in ("merged", "gguf", "model") else step.stage
            self._name(step.digest, label)
            model = step.facts.get("model")
            if isinstance(model, dict):
                self._add_names(step.digest, model)
            weights = step.facts.get("weights_digest")
            if isinstance(weights, str):
                self._alias(step.digest, weights, label)
            files = step.facts.get("files")
            if isinstance(files, dict):
                for name, digest in files.items():
                    if str(name).endswith((".safetensors", ".gguf")) and isinstance(digest, str):
                        self._alias(step.digest, digest, f"{label}/{name}")
            self._made(before, step.digest)
            before = step.digest

    def add_model(self, ref: ModelRef) -> None:
        """Add a model that a run names: an adapter is made of its base."""
        self._name(ref.weights_digest, ref.name.split("+")[0])
        if ref.adapter_digest:
            self._name(ref.adapter_digest, ref.name)
            self._made(ref.weights_digest, ref.adapter_digest)
        elif ref.revision and ref.revision.startswith("sha256:"):
            self._alias(ref.weights_digest, ref.revision, ref.name)

    def affected(self, digests: Sequence[str], siblings: bool = False) -> tuple[Affected, ...]:
        """Return whom a flaw concerns.

        Args:
            digests: What was reported.
            siblings: Whether it was seen elsewhere in the family: then all that was made of its
                bases is concerned.
        """
        own = self._names_of(digests)
        up, down = self._reach(own, self._parents), self._reach(own, self._children)
        found: dict[str, Relation] = dict.fromkeys(digests, "reported")
        for relation, group in (
            ("same", own), ("base", up), ("derivative", down),
            ("sibling", self._reach(up, self._children) if siblings else set()),
        ):  # fmt: skip
            for digest in group:
                found.setdefault(digest, relation)  # type: ignore[arg-type]
        listed = [Affected(d, self._labels.get(d, ""), relation) for d, relation in found.items()]
        return tuple(sorted(listed, key=lambda one: (_ORDER.index(one.relation), one.digest)))

    def _add_names(self, digest: str, model: dict[str, Any]) -> None:
        for key in ("weights_digest", "revision"):
            name = model.get(key)
            if isinstance(name, str) and name.startswith("sha256:"):
                self._alias(digest, name, str(model.get("name") or ""))

    def _name(self, digest: str, label: str) -> None:
        self._labels.setdefault(digest, label)

    def _alias(self, digest: str, other: str, label: str) -> None:
        if digest != other:
            self._name(other, label)
            self._same[digest].add(other)
            self._same[other].add(digest)

    def _made(self, parent: str, child: str) -> None:
        if parent and parent != child:
            self._parents[child].add(parent)
            self._children[parent].add(child)

    def _names_of(self, digests: Iterable[str]) -> set[str]:
        return self._closure(set(digests), self._same)

    def _reach(self, begin: set[str], along: dict[str, set[str]]) -> set[str]:
        found: set[str] = set()
        edge = begin
        while edge:
            step = {one for digest in edge for one in along.get(digest, ())}
            edge = self._names_of(step) - found - begin
            found |= edge
        return found

    @staticmethod
    def _closure(begin: set[str], along: dict[str, set[str]]) -> set[str]:
        found, edge = set(begin), set(begin)
        while edge:
            edge = {one for digest in edge for one in along.get(digest, ())} - found
            found |= edge
        return found
