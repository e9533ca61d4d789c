"""Accelerators against the descriptions that they were read from."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from weighbridge.catalog import accelerators
from weighbridge.catalog.accelerator_prices import accelerator_price, aged, priced_accelerators
from weighbridge.catalog.accelerators import accelerator

ROWS = json.loads(Path(accelerators.__file__).with_name("accelerators.json").read_text())
DESCRIBED = [name for name, row in ROWS.items() if "aiconfigurator" in row["source"]]


@pytest.mark.parametrize("name", DESCRIBED)
def test_peaks_and_memory_are_those_of_the_description(real_data, name):
    """ai-dynamo/aiconfigurator @ 095f58a5, systems; it counts memory in GiB, we in GB."""
    described = real_data / "economics" / "systems" / f"{name.replace('-', '_')}.yaml"
    found = dict(re.findall(r"(bfloat16_tc_flops|mem_capacity): (\d+)", described.read_text()))
    one = accelerator(name)
    assert described.name in one.source
    assert one.bf16_flops == float(found["bfloat16_tc_flops"])
    assert 0.93 < one.memory_bytes / float(found["mem_capacity"]) < 1


def test_peaks_without_a_description_come_from_their_units():
    """512 tensor cores at 2.52 GHz (llm.c's mfu.h), 304 compute units at 2.1 GHz (MI300X).

    An Ada tensor core does 128 FLOPs a cycle in bfloat16 with FP32 accumulation, a CDNA 3 compute
    unit 2,048.
    """
    assert accelerator("rtx-4090").bf16_flops == pytest.approx(512 * 128 * 2.52e9, rel=1e-3)
    assert accelerator("mi300x").bf16_flops == pytest.approx(304 * 2048 * 2.1e9, rel=1e-4)


def test_every_price_has_a_source_and_a_day():
    """InferenceX-app's constants of April 2026: 2026-11.md, section 4."""
    h100, b300 = accelerator_price("h100"), accelerator_price("b300-sxm")
    assert (h100.usd_per_hour, h100.others) == (1.30, {"neocloud": 1.69, "hyperscaler": 1.30})
    assert b300.usd_per_hour == 3.48 and "1.2 times" in aged(b300, date(2026, 4, 2))
    for name in priced_accelerators():
        price = accelerator_price(name)
        assert price.source and price.age_days(date(2026, 6, 30)) == 90, name
    assert "days old" not in aged(h100, date(2026, 6, 30))
    assert "91 days old" in aged(h100, date(2026, 7, 1))
    assert accelerator_price("l4") is None


def test_the_page_has_the_tables_prices(repository):
    page = (repository / "docs/how-to/plan-cost.md").read_text()
    for name in priced_accelerators():
        one = accelerator_price(name)
        row = (one.usd_per_hour, one.others["neocloud"], one.others["hyperscaler"])
        assert " | ".join(f"{usd:.2f}" for usd in row) in page, name
