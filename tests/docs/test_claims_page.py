"""The committed page of claims is what its script makes, of the day that stands in it."""

import importlib.util
from datetime import date

import pytest

from weighbridge.catalog.api_prices import list_name
from weighbridge.planning.claims import check_claims


@pytest.fixture(scope="module")
def maker(repository):
    script = repository / "docs" / "make_claims_page.py"
    specification = importlib.util.spec_from_file_location("make_claims_page", script)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def committed(maker):
    text = (maker.FOLDER / "claims.md").read_text()
    if list_name() not in text:
        pytest.skip(f"the page has the prices of another list than {list_name()}")
    return text


@pytest.fixture(scope="module")
def document(maker, committed):
    return check_claims((), date.fromisoformat(maker.DAY.findall(committed)[0]))


def test_the_page_is_made_from_the_claims(maker, committed, document):
    assert maker.page(document) == committed


@pytest.mark.slow
def test_its_charts_are_too(maker, document):
    drawn = maker.charts(document)
    assert {path.stem for path in (maker.FOLDER / "claims").glob("*.svg")} == set(drawn)
    for name, svg in drawn.items():
        assert (maker.FOLDER / "claims" / f"{name}.svg").read_text() == svg, name
