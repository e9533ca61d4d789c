"""`bom.cdx.json`: an AI bill of materials, CycloneDX 1.6 with a model card.

Most that such bills say can't be checked: only hashes and forms can. So each field of ours is
marked, in `properties`, as *checked against bytes*, *computed from evidence*, or *declared*.
"""

import uuid
from typing import Any

from weighbridge import __version__
from weighbridge.catalog.licence_duties import plain_name
from weighbridge.records import EvalRun, Json, canonical_json
from weighbridge.release.case import Case, base_identity
from weighbridge.release.decision import Decision
from weighbridge.release.paper import Paper
from weighbridge.release.papers.model_card import published

VERSION = "1.6"
CHECKED, COMPUTED, DECLARED = "checked against bytes", "computed from evidence", "declared"
_SPDX = {
    "apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause", "cc0-1.0": "CC0-1.0", "cc-by-4.0": "CC-BY-4.0",
    "unlicense": "Unlicense",
}  # fmt: skip
_MODEL, _BASE = "model", "base"


def _files(case: Case, decision: Decision) -> dict[str, bytes]:
    return {"bom.cdx.json": canonical_json(bill_of_materials(case, decision))}


def bill_of_materials(case: Case, decision: Decision) -> dict[str, Json]:
    """Return the bill as plain JSON."""
    data = case.step("data")
    components: list[Json] = [_base(case)]
    below: list[Json] = [_BASE]
    if data is not None:
        components.append(_data(case, data.digest))
        below.append("data")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, decision.digest)}",
        "version": 1,
        "metadata": {
            "timestamp": decision.decided,
            "tools": {
                "components": [
                    {"type": "application", "name": "weighbridge", "version": __version__}
                ]
            },
            "component": _model(case, decision),
        },
        "components": components,
        "dependencies": [{"ref": _MODEL, "dependsOn": below}],
    }


def _model(case: Case, decision: Decision) -> dict[str, Json]:
    stated = case.statement
    files: list[Json] = [
        {"type": "file", "name": name, "bom-ref": f"file:{name}", "hashes": _sha256(digest)}
        for name, digest in sorted(case.inventory.files.items())
    ]
    marks = {
        "name": DECLARED,
        "version": DECLARED,
        "licenses": DECLARED,
        "hashes": CHECKED,
        "components": CHECKED,
        "pedigree": "sealed in the record of origin",
        "modelCard.modelParameters": CHECKED,
        "modelCard.quantitativeAnalysis": COMPUTED,
        "modelCard.considerations": COMPUTED,
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": stated.name,
        "version": stated.version,
        "licenses": _licences(stated.licence),
        "hashes": _sha256(decision.model),
        "pedigree": {
            "ancestors": [{"type": "machine-learning-model", "name": stated.base.name}],
            "notes": " -> ".join(f"{one.stage} {one.digest}" for one in case.lineage),
        },
        "modelCard": _card(case, decision),
        "components": files,
        "properties": _properties(marks)
        + _properties(
            {"decision": decision.digest, "tensors": str(case.inventory.tensors)}, "said"
        ),
    }


def _card(case: Case, decision: Decision) -> dict[str, Json]:
    metrics: list[Json] = [_metric(run) for run in published(case)]
    limits: list[Json] = [
        f"{one.gate}: {one.outcome}: {one.why}" for one in decision.gates if one.outcome != "pass"
    ]
    parameters: dict[str, Json] = {
        "task": "text-generation",
        "inputs": [{"format": "text"}],
        "outputs": [{"format": "text"}],
    }
    return {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": metrics},
        "considerations": {"technicalLimitations": limits},
    }


def _metric(run: EvalRun) -> dict[str, Json]:
    low, high = run.estimate.interval
    return {
        "type": f"{run.estimate.aggregate} ({run.protocol})",
        "value": f"{run.estimate.mean:.6f}",
        "slice": f"{run.title}, samples {run.samples_digest}",
        "confidenceInterval": {"lowerBound": f"{low:.6f}", "upperBound": f"{high:.6f}"},
    }


def _base(case: Case) -> dict[str, Json]:
    stated, known = case.statement.base, base_identity(case.lineage)
    marks = {"name": DECLARED, "licenses": DECLARED, "hashes": "sealed in the record of origin"}
    found: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": _BASE,
        "name": stated.name,
        "licenses": _licences(stated.licence),
        "properties": _properties(marks),
    }
    digest = known.get("weights_digest")
    return found | ({"hashes": _sha256(digest)} if isinstance(digest, str) else {})


def _data(case: Case, digest: str) -> dict[str, Json]:
    marks = {
        "name": DECLARED,
        "licenses": DECLARED,
        "hashes": "sealed in the record of origin",
        "data": DECLARED,
    }
    if case.data is not None:
        marks["search"] = "computed from the data, which are not in the bundle"
    found: dict[str, Any] = {
        "type": "data",
        "bom-ref": "data",
        "name": "training data",
        "hashes": _sha256(digest),
        "data": [{"type": "dataset", "name": "training data"}],
        "properties": _properties(marks),
    }
    licence = case.statement.data_licence
    return found | ({"licenses": _licences(licence)} if licence else {})


def _sha256(digest: str) -> list[Json]:
    """Return a digest as a list of hashes; empty where it is none of SHA-256."""
    content = digest.removeprefix("sha256:")
    whole = len(content) == 64 and not content.strip("0123456789abcdef")
    return [{"alg": "SHA-256", "content": content}] if whole else []


def _licences(licence: str) -> list[Json]:
    known = _SPDX.get(plain_name(licence))
    return [{"license": {"id": known} if known else {"name": licence}}]


def _properties(marks: dict[str, str], about: str = "rests on") -> list[Json]:
    return [{"name": f"weighbridge:{about}:{key}", "value": value} for key, value in marks.items()]


PAPER = Paper("bill_of_materials", "an AI bill of materials", _files)
