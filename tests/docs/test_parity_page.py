"""The committed page is what its command makes from the published answers."""

import importlib.util

import pytest


@pytest.mark.slow
@pytest.mark.soak
def test_the_parity_page_is_made_from_the_answers(repository, real_data):
    script = repository / "docs" / "make_parity_page.py"
    specification = importlib.util.spec_from_file_location("make_parity_page", script)
    maker = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(maker)
    runs = maker.read_runs(real_data)
    page, drawing = maker.make(runs)
    folder = repository / "docs" / "explanation"
    assert page == (folder / f"{maker.NAME}.md").read_text()
    assert drawing == (folder / f"{maker.NAME}.svg").read_text()
