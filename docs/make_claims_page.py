"""Write docs/explanation/claims.md and its charts: the article's claims, as of one day.

    python docs/make_claims_page.py                    # or: make claims-page
    python docs/make_claims_page.py --as-of 2026-11-30 --to FOLDER

Every figure on the page is computed by `weighbridge claims`; only the words between are written by
hand. The day stands in the page, and a test makes the page of that day again.
"""

import argparse
import re
import sys
from datetime import date
from pathlib import Path

from weighbridge.documents import ABSENT
from weighbridge.documents.claims import ClaimDocument, ClaimsDocument
from weighbridge.planning.claims import check_claims
from weighbridge.planning.gap.analysis import Gap, measure
from weighbridge.planning.gap.words import sentence
from weighbridge.storage import replace_file

NAME = "claims"
FOLDER = Path(__file__).parent / "explanation"
DAY = re.compile(r"as of \*\*(\d{4}-\d{2}-\d{2})\*\*")
WIDTH_PX = 640
WORDS = {"holds": "Holds", "fails": "Fails", "holds_if": "Holds if"}

OPENING = """# Which of the article's claims hold

*Made by `make claims-page`. Every figure is what `weighbridge claims` computes, as of **{day}**; a
test makes the page of that day again.*

The article that Weighbridge implements says that open models have caught up. Each of its
quantitative sentences is a function of a day and of its conditions:
{holds} hold, {fails} fail, and {holds_if} hold under conditions that the article does not state.
`weighbridge claims --as-of DATE` recomputes all of them with the prices and models of a day,
`--json` gives every figure, and `--out FILE.html` writes one page with all charts.

| claim | outcome |
|---|---|
{rows}
"""
SECTION = """## {title}

> {text}

**{outcome}.** {sentence}

![{alt}](claims/{id}.svg)

{key}

{heading}

{conditions}
"""
GAP = """## The article's chart

Size against MMLU: a proprietary model whose size is not published is a line and not a dot. This is
`weighbridge gap --image FILE.svg`; with `--out FILE.html` every dot tells what it is.

![parameters against MMLU, open and proprietary models](claims/gap-mmlu-size.svg)

The best so far on Epoch's index of capabilities, the red line being how far open models were behind
at its end (`weighbridge gap -b eci --axis date`):

![day of release against Epoch's index, open and proprietary models](claims/gap-eci-date.svg)

{sentences}
"""
CLOSING = """## What this does not say

- Scores are published ones, by different protocols; a protocol can move a score by more than the
  gap between two models ([why](../why-does-my-number-differ.md)). What counts for you is an
  evaluation on your own task.
- The catalogue's newest model is of {newest}. Claims about the gap can't be newer.
- Prices of accelerators have one day, that of their source. API prices are those that their list
  has for the day; where it has no history, today's.
- Rates of serving are NVIDIA's and MLPerf's own: near the best that the hardware does.

The facts behind this page, with their sources and licences, are in the catalogue
(`src/weighbridge/catalog/published.json`, `serving_rates.json`): Epoch AI's data (CC BY 4.0),
models.dev (MIT), ObsScaling (Apache-2.0), NVIDIA's tables (Apache-2.0), MLPerf's results and model
cards.
"""


def page(document: ClaimsDocument) -> str:
    """Return the page."""
    from weighbridge.catalog.published import catalogue

    outcomes = [claim.outcome for claim in document.claims]
    rows = "\n".join(
        f"| [{claim.text}](#{claim.id.replace('_', '-')}) | {WORDS[claim.outcome].lower()} |"
        for claim in document.claims
    )
    opening = OPENING.format(
        day=document.as_of, rows=rows, **{name: outcomes.count(name) for name in WORDS}
    )
    closing = CLOSING.format(newest=catalogue().newest)
    told = "\n\n".join(sentence(gap) for gap in gaps(document).values())
    sections = [section(claim) for claim in document.claims]
    return "\n".join([opening, *sections, GAP.format(sentences=told), closing])


def gaps(document: ClaimsDocument) -> dict[str, Gap]:
    """Return the gaps that the page draws, by the stems of their charts."""
    from weighbridge.catalog.published import catalogue

    facts, day = catalogue(), date.fromisoformat(document.as_of)
    return {
        name: measure(facts, facts.benchmark(benchmark), day)
        for name, benchmark in (("gap-mmlu-size", "mmlu"), ("gap-eci-date", "eci"))
    }


def section(claim: ClaimDocument) -> str:
    """Return a claim's section, with its sources and table."""
    text = SECTION.format(
        title=claim.id.replace("_", " "),
        text=claim.text,
        outcome=WORDS[claim.outcome],
        sentence=claim.sentence,
        alt=f"{claim.chart.axis}: {'; '.join(row.label for row in claim.chart.rows)}",
        id=claim.id,
        key="; ".join(f"{shapes}: {words}" for shapes, words in named(claim)) + ".",
        heading="It holds if:" if claim.outcome == "holds_if" else "Tested under:",
        conditions="\n".join(f"- {condition}" for condition in claim.conditions),
    )
    sources = "; ".join(
        (f"[{one.title}]({one.url})" if one.url else one.title) + (f", {one.day}" * bool(one.day))
        for one in claim.evidence
    )
    parts = [text]
    if claim.table is not ABSENT:
        parts.append(table(claim))
    return "\n".join([*parts, f"Sources: {sources}.\n"])


def named(claim: ClaimDocument) -> list[tuple[str, str]]:
    """Return the key with the shapes that stand for colours."""
    shapes = {"measured": "circles", "claimed": "diamonds", "other": "squares"}
    return [(shapes[colour], words) for colour, words in claim.chart.key]


def table(claim: ClaimDocument) -> str:
    """Return a claim's table."""
    assert claim.table is not ABSENT
    lines = [claim.table.columns, ("---",) * len(claim.table.columns), *claim.table.rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def charts(document: ClaimsDocument) -> dict[str, str]:
    """Return each chart as SVG, by its name."""
    from weighbridge.cli.gap_page import gap_drawing
    from weighbridge.reports.claim_charts import claim_chart

    found = {c.id: claim_chart(c.chart, c.id, WIDTH_PX).svg for c in document.claims}
    for name, gap in gaps(document).items():
        drawn = gap_drawing(gap, "size" if name.endswith("size") else "date", name, WIDTH_PX)
        assert drawn is not None
        found[name] = drawn.svg
    return found


def main() -> None:
    """Write the page and its charts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--as-of", type=date.fromisoformat, default=None)
    parser.add_argument("--to", type=Path, default=FOLDER)
    asked = parser.parse_args()
    day = asked.as_of
    if day is None:  # the day that the page has, so that it changes only where figures do
        day = date.fromisoformat(DAY.findall((FOLDER / f"{NAME}.md").read_text())[0])
    document = check_claims((), day)
    (asked.to / NAME).mkdir(parents=True, exist_ok=True)
    for name, svg in charts(document).items():
        replace_file(asked.to / NAME / f"{name}.svg", svg.encode())
    replace_file(asked.to / f"{NAME}.md", page(document).encode())
    sys.stdout.write(f"{asked.to / NAME}.md\n")


if __name__ == "__main__":
    main()
