"""Papers of a bundle that published schemas describe, and the arithmetic of modifiers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from release_cases import LINEAGE, case, policy, stated
from weighbridge.release.decision import decide
from weighbridge.release.gpai import gpai
from weighbridge.release.inventory import Inventory
from weighbridge.release.one_pass import read_once
from weighbridge.release.paper import paper_names, papers_of
from weighbridge.release.papers.bill_of_materials import bill_of_materials
from weighbridge.sources.digests import file_digest
from weighbridge.sources.safetensors_files import StoredTensor
from weighbridge.tuning.lineage import LineageStep

FILES = Inventory({"model.safetensors": "sha256:" + "a" * 64}, (), (), 3, 1000)


@pytest.mark.parametrize("version", ["V1_6", "V1_7"])
def test_the_bill_of_materials_is_valid_cyclonedx(version):
    validation = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    whole = case(inventory=FILES, statement=stated(licence="licenseref-mine"))
    bill = bill_of_materials(whole, decide(whole))
    text = json.dumps(bill | {"specVersion": version[1:].replace("_", ".")})
    validator = validation.JsonStrictValidator(SchemaVersion[version])
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace("machine-learning-model", "a-model")) is not None


def test_each_field_of_the_bill_says_what_it_rests_on():
    whole = case(inventory=FILES)
    bill = bill_of_materials(whole, decide(whole))
    for component in (bill["metadata"]["component"], *bill["components"]):
        marks = {one["name"].removeprefix("weighbridge:rests on:") for one in
                 component["properties"]}  # fmt: skip
        said = component.keys() - {"type", "bom-ref", "properties", "modelCard"}
        assert said <= marks, said - marks


def test_a_text_from_outside_stays_a_text_in_the_card():
    whole = case(statement=stated(name="<b>x</b>|a\n# y"), policy=policy(name="![p](http://x)"))
    card = papers_of(whole, decide(whole))["README.md"].decode().split("---\n", 2)[2]
    assert "<b>" not in card and "\n# y" not in card and "![p]" not in card


def test_papers_are_the_same_whenever_they_are_made():
    whole = case()
    decision = decide(whole)
    assert papers_of(whole, decision) == papers_of(whole, decision)
    assert {"model_card", "security", "bill_of_materials", "every_eval_ever"} <= set(paper_names())


def tuned(steps, **more):
    settings = {"batch_size": 8, "accumulation": 1, "max_tokens": 512}
    recipe = LineageStep("recipe", "sha256:r", {"settings": settings, "steps": steps} | more)
    return (LINEAGE[0], recipe, *LINEAGE[1:])


def test_tuning_is_held_against_a_third_of_the_bases_compute():
    small = {"name": "HuggingFaceTB/SmolLM2-135M-Instruct", "licence": "apache-2.0"}
    model = Inventory({}, (), (), 3, 134_515_008)
    found = gpai(case(lineage=tuned(100), inventory=model, statement=stated(base=small)))
    assert found.answer == "modifier" and found.tuning_flops == 6 * 134_515_008 * 100 * 8 * 512
    assert found.base_flops == pytest.approx(1.61e21, rel=0.01)
    # A third of two trillion tokens.
    steps = int(2e12 / 3 / 4096)
    for more, answer in ((-1, "modifier"), (+1, "provider")):
        whole = case(lineage=tuned(steps + more), inventory=model, statement=stated(base=small))
        assert gpai(whole).answer == answer
    pairs = case(
        lineage=tuned(steps // 2, objective="dpo"), inventory=model, statement=stated(base=small)
    )
    assert gpai(pairs).answer == "provider"


def test_without_the_bases_compute_the_threshold_counts_and_without_a_recipe_nothing():
    found = gpai(case(lineage=tuned(100), inventory=FILES))
    assert found.answer == "modifier" and found.limit_flops == pytest.approx(1e23 / 3)
    assert gpai(case(lineage=tuned(100), inventory=FILES), systemic=True).limit_flops > 1e24
    assert gpai(case(lineage=tuned(100), inventory=FILES), 1e3).answer == "provider"
    assert gpai(case(inventory=FILES)).answer == "unknown"
    open_end = LineageStep("recipe", "sha256:r", {"steps": 9, "settings": {
        "batch_size": 8, "accumulation": 1, "max_tokens": None}})  # fmt: skip
    lineage = (LINEAGE[0], open_end, *LINEAGE[1:])
    assert gpai(case(lineage=lineage, inventory=FILES)).answer == "unknown"
    known = gpai(case(lineage=lineage, inventory=replace(FILES, context_tokens=64)))
    assert known.tuning_flops == 6 * 1000 * 9 * 8 * 64


@pytest.mark.parametrize("at", [0, 1, 3, 7, 8, 20])
def test_a_file_is_digested_and_searched_in_one_reading(tmp_path, monkeypatch, at):
    """Wherever a stretch ends, also within a number that is not finite."""
    monkeypatch.setattr("weighbridge.release.one_pass._STRETCH", 16)
    numbers = np.ones(21, np.float32)
    path = tmp_path / "x"
    for shift in (0, 1, 3):
        whole = [("a", StoredTensor("x", "F32", (20,), shift, shift + 80)),
                 ("b", StoredTensor("x", "F32", (1,), shift + 80, shift + 84))]  # fmt: skip
        path.write_bytes(bytes(shift) + numbers.tobytes())
        assert read_once(path, whole) == (file_digest(path), set())
        broken = numbers.copy()
        broken[at] = np.inf
        path.write_bytes(bytes(shift) + broken.tobytes())
        assert read_once(path, whole) == (file_digest(path), {"b" if at == 20 else "a"})
