"""Write the service desk data: customer messages of Fernhollow, an invented maker of home devices.

    python generate.py --seed 2026 --out data

Labels are drawn first and a message is then composed to state them, so each label is decided by
the text and by nothing else; README.md beside this file is the labelling rule. Four things keep
the splits apart:

* every fourth phrase of each bank is held out of training, so that validation and test measure
  generalisation and not recall of phrases;
* a message that shares too many word trigrams with any earlier one is redrawn;
* so is one that overlaps with another split as contamination of a benchmark is found: by a run of
  13 words in common, or by most of its runs of 5 words standing in one message there;
* each split has its own random stream, so that a change to one leaves the others' draws alone.

Only the standard library is used, and of `random` only what Python promises never to change: the
same seed gives the same bytes on every version and platform.
"""

import argparse
import json
import os
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phrases import (
    CHATTER,
    DECLINED,
    DECLINES,
    FAULTS,
    FILLERS,
    ISSUES,
    OPENERS,
    PRODUCTS,
    REQUESTS,
    SENTIMENT_CUES,
    SIDE_ISSUES,
    SIDES_AFTER,
    SIDES_BEFORE,
    SIGNATURES,
    TASKS,
    URGENCY_CUES,
)

SPLITS = {"train": 320, "validation": 100, "test": 200}
FIELDS = ("category", "urgency", "product", "ask", "sentiment")
CATEGORIES = ("billing", "delivery", "defect", "account", "how_to", "cancellation")
URGENCIES = ("low", "normal", "high")
ASKS = (
    "refund",
    "replacement",
    "repair",
    "information",
    "update_details",
    "track_order",
    "cancel",
    "callback",
)
SENTIMENTS = ("positive", "neutral", "negative")
INSTRUCTION = (
    "Turn the customer's main request into JSON with these keys:\n"
    f"category: {', '.join(CATEGORIES)}\n"
    f"urgency: {', '.join(URGENCIES)}\n"
    f"product: {', '.join(PRODUCTS)}; null if none is named\n"
    f"ask: {', '.join(ASKS)}\n"
    f"sentiment: {', '.join(SENTIMENTS)}"
)
WORDS_MIN, WORDS_MAX = 15, 70
MAX_SIMILARITY = 0.5  # Jaccard similarity of word trigrams to any earlier message
LONG_RUN, SHORT_RUN = 13, 5
# Of a message's short runs in one message of another split. Contamination is called from 0.6 on,
# but that leaves runs out which many messages share; so this keeps a distance.
MAX_CONTAINED = 0.4


@dataclass(frozen=True)
class Scenario:
    """A kind of main request: its labels, and the banks that state it.

    Attributes:
        category: Label.
        ask: Label.
        issues: Key of `ISSUES`.
        requests: Key of `REQUESTS`.
        weight: How often it occurs in a deck of requests.
    """

    category: str
    ask: str
    issues: str
    requests: str
    weight: int


SCENARIOS = (
    Scenario("billing", "refund", "charge", "refund", 3),
    Scenario("billing", "information", "charge", "information", 2),
    Scenario("billing", "callback", "charge", "callback", 1),
    Scenario("billing", "update_details", "payment_details", "update_details", 2),
    Scenario("delivery", "track_order", "missing_parcel", "track_order", 4),
    Scenario("delivery", "refund", "missing_parcel", "refund", 1),
    Scenario("delivery", "replacement", "missing_parcel", "replacement", 1),
    Scenario("delivery", "replacement", "wrong_parcel", "replacement", 1),
    Scenario("delivery", "callback", "wrong_parcel", "callback", 1),
    Scenario("delivery", "update_details", "delivery_address", "update_details", 1),
    Scenario("defect", "refund", "fault", "refund", 1),
    Scenario("defect", "replacement", "fault", "replacement", 2),
    Scenario("defect", "repair", "fault", "repair", 4),
    Scenario("defect", "information", "fault", "information", 1),
    Scenario("defect", "callback", "fault", "callback", 1),
    Scenario("account", "information", "login", "information", 2),
    Scenario("account", "callback", "login", "callback", 1),
    Scenario("account", "update_details", "profile", "update_details", 2),
    Scenario("how_to", "information", "how_to", "steps", 4),
    Scenario("how_to", "callback", "how_to", "callback", 1),
    Scenario("cancellation", "cancel", "plan", "cancel_plan", 2),
    Scenario("cancellation", "information", "plan", "terms", 1),
    Scenario("cancellation", "callback", "plan", "callback", 1),
    Scenario("cancellation", "cancel", "unwanted_order", "cancel_order", 2),
    Scenario("cancellation", "refund", "unwanted_order", "refund", 1),
)


class Draw:
    """Random choices for one split.

    Args:
        seed: Names the stream.
        held_out: Whether phrases that are held out of training may be drawn.
    """

    def __init__(self, seed: str, held_out: bool) -> None:
        self._rng = random.Random(seed)
        self._held_out = held_out

    def below(self, n: int) -> int:
        """Return an integer in [0, n); built on `random()`, whose stream Python keeps stable."""
        return int(self._rng.random() * n)

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self._rng.random() < probability

    def choice(self, options: Sequence[str]) -> str:
        """Return one of the options, whatever the split."""
        return options[self.below(len(options))]

    def phrase(self, bank: Sequence[str]) -> str:
        """Return a phrase of a bank that this split may use."""
        return self.choice([p for i, p in enumerate(bank) if self._held_out or i % 4 != 3])

    def shuffled(self, items: Sequence[Any]) -> list[Any]:
        """Return the items in random order."""
        keyed = [(self._rng.random(), index) for index in range(len(items))]
        return [items[index] for _, index in sorted(keyed)]


def generate(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every split, in file order."""
    splits: dict[str, list[dict[str, Any]]] = {}
    seen: list[frozenset[str]] = []
    others = OtherSplits()
    for split, count in SPLITS.items():
        draw = Draw(f"service-desk-{seed}-{split}", held_out=split != "train")
        requests = scenario_stream(draw)
        splits[split] = []
        for number in range(1, count + 1):
            message, target = distinct_message(draw, next(requests), seen, others)
            splits[split].append(row(f"service-desk-{split}-{number:04d}", message, target))
        for made in splits[split]:
            others.add(made["messages"][1]["content"])
    return splits


class OtherSplits:
    """Messages of the splits before, from which a later split's messages are told apart."""

    def __init__(self) -> None:
        self._long: set[str] = set()
        self._short: dict[str, list[int]] = {}  # the messages that each short run stands in
        self._count = 0

    def add(self, message: str) -> None:
        """Remember a message."""
        self._long |= runs(message, LONG_RUN)
        for run in runs(message, SHORT_RUN):
            self._short.setdefault(run, []).append(self._count)
        self._count += 1

    def overlap_with(self, message: str) -> bool:
        """Whether a message stands in one of them, as a long run of words or for the most part."""
        if not self._long.isdisjoint(runs(message, LONG_RUN)):
            return True
        short = runs(message, SHORT_RUN)
        shared = Counter(other for run in short for other in self._short.get(run, ()))
        return max(shared.values(), default=0) > MAX_CONTAINED * len(short)


def scenario_stream(draw: Draw) -> Iterator[Scenario]:
    """Yield scenarios from shuffled decks, so that every split is balanced alike."""
    deck = [scenario for scenario in SCENARIOS for _ in range(scenario.weight)]
    while True:
        yield from draw.shuffled(deck)


def distinct_message(
    draw: Draw, scenario: Scenario, seen: list[frozenset[str]], others: OtherSplits
) -> tuple[str, dict[str, str | None]]:
    """Compose until the message has a fitting length and resembles none before it."""
    while True:
        message, target = compose(draw, scenario)
        marks = trigrams(message)
        if (
            WORDS_MIN <= len(message.split()) <= WORDS_MAX
            and all(similarity(marks, earlier) < MAX_SIMILARITY for earlier in seen)
            and not others.overlap_with(message)
        ):
            seen.append(marks)
            return message, target


def compose(draw: Draw, scenario: Scenario) -> tuple[str, dict[str, str | None]]:
    """Draw the remaining labels and write a message that states all of them."""
    urgency = draw.choice(URGENCIES)
    sentiment = draw.choice(SENTIMENTS)
    device = draw.choice(tuple(PRODUCTS))
    issue, product = state_issue(draw, scenario, device)
    slots = fillers(draw, device)

    remarks = []
    if urgency != "normal" or draw.chance(0.35):
        remarks.append(draw.phrase(URGENCY_CUES[urgency]))
    if sentiment != "neutral" or draw.chance(0.35):
        remarks.append(draw.phrase(SENTIMENT_CUES[sentiment]))
    if draw.chance(0.3):
        remarks.append(draw.phrase(CHATTER))
    remarks = draw.shuffled(remarks)
    remarks_before = draw.below(2) if remarks else 0

    parts = [draw.phrase(OPENERS)] if draw.chance(0.45) else []
    parts += remarks[:remarks_before]
    side_before = side_after = ""
    if draw.chance(0.22):
        side = draw.phrase(SIDE_ISSUES[other_category(draw, scenario.category)])
        if draw.chance(0.5):
            side_before = draw.phrase(SIDES_BEFORE).format(side=side)
        else:
            side_after = draw.phrase(SIDES_AFTER).format(side=side)
    parts += [side_before, *main_request(draw, scenario, issue)]
    parts += [*remarks[remarks_before:], side_after]
    if draw.chance(0.3):
        parts.append(draw.phrase(SIGNATURES))

    text = join_sentences([part.format_map(slots) for part in parts if part])
    target = {
        "category": scenario.category,
        "urgency": urgency,
        "product": product,
        "ask": scenario.ask,
        "sentiment": sentiment,
    }
    return roughen(draw, text), target


def state_issue(draw: Draw, scenario: Scenario, device: str) -> tuple[str, str | None]:
    """Return the problem's sentence and the product that it names, None where it names none."""
    kind = PRODUCTS[device]
    bank = ISSUES[scenario.issues]
    issue = draw.phrase(bank)
    if "{task}" in issue:
        issue = issue.replace("{task}", draw.phrase(TASKS[kind]))
    if "{fault}" in issue:
        issue = issue.replace("{fault}", draw.phrase(FAULTS[kind]))
    if "{thing}" not in issue:
        return issue, None
    if draw.chance(0.12):  # a kind of device is no catalog name: "the kettle" is null
        return issue.replace("{thing}", kind), None
    name = f"{device} {kind}" if draw.chance(0.5) else device
    return issue.replace("{thing}", name), device


def main_request(draw: Draw, scenario: Scenario, issue: str) -> list[str]:
    """Return problem and request as sentences, in either order."""
    request = draw.phrase(REQUESTS[scenario.requests])
    declinable = [
        other.ask
        for other in SCENARIOS
        if other.category == scenario.category
        and other.ask != scenario.ask
        and other.ask in DECLINED
    ]
    if draw.chance(0.22):
        declined = draw.phrase(DECLINED[draw.choice(declinable)])
        request = draw.phrase(DECLINES).format(declined=declined, request=request)
    if draw.chance(0.18):
        return [request, f"the reason: {issue}"]
    return [issue, request]


def other_category(draw: Draw, category: str) -> str:
    """Return a category that is not the given one."""
    return draw.choice([other for other in CATEGORIES if other != category])


def fillers(draw: Draw, device: str) -> dict[str, str]:
    """Draw the incidental facts of a message; the other product is never the one at issue."""
    slots = {name: draw.choice(options) for name, options in FILLERS.items()}
    other = draw.choice([product for product in PRODUCTS if product != device])
    slots["other"] = f"{other} {PRODUCTS[other]}" if draw.chance(0.3) else other
    slots["order"] = f"FH-{1000 + draw.below(9000)}"
    slots["amount"] = str(6 + draw.below(60))
    slots["date"] = f"{1 + draw.below(28)} {slots['month']}"
    slots["phone"] = f"555 {1000 + draw.below(9000)}"
    return slots


def join_sentences(parts: Sequence[str]) -> str:
    """Join parts into running text, with capitals and full stops as most people write them."""
    text = ""
    for part in parts:
        if not text.endswith((",", ":")):
            part = part[0].upper() + part[1:]
        if part[-1].isalnum():
            part += "."
        text += (" " if text else "") + part
    return text


def roughen(draw: Draw, text: str) -> str:
    """Give some messages slips of the keyboard, and some no capitals at all."""
    if draw.chance(0.1):
        text = text.lower()
    if draw.chance(0.1):
        text = text.replace("'", "")
    slips = 1 + draw.below(2) if draw.chance(0.35) else 0
    for _ in range(slips):
        words = text.split(" ")
        at = draw.below(len(words))
        words[at] = slip(draw, words[at])
        text = " ".join(words)
    return text


def slip(draw: Draw, word: str) -> str:
    """Swap, drop or double one inner letter; short words, numbers and products stay readable."""
    bare = word.strip(".,:;?!()")
    if len(bare) < 5 or not bare.isalpha() or bare.capitalize() in PRODUCTS:
        return word
    at = word.index(bare) + 1 + draw.below(len(bare) - 2)
    kind = draw.below(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]


def trigrams(message: str) -> frozenset[str]:
    """Return the word trigrams of a message without case, digits and punctuation."""
    words = re.findall(r"[a-z]+", message.lower())
    return frozenset(" ".join(words[i : i + 3]) for i in range(len(words) - 2))


def runs(message: str, words: int) -> frozenset[str]:
    """Return every run of so many words of a message, without case and punctuation."""
    found = re.findall(r"[^\W_]+", message.casefold())
    return frozenset(" ".join(found[i : i + words]) for i in range(len(found) - words + 1))


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the Jaccard similarity of two sets."""
    return len(a & b) / len(a | b) if a or b else 1.0


def row(name: str, message: str, target: dict[str, str | None]) -> dict[str, Any]:
    """Return one line of a data file: a conversation whose last turn is the right answer."""
    answer = json.dumps(target, ensure_ascii=False, separators=(",", ":"))
    return {
        "id": name,
        "messages": [
            {"role": "system", "content": INSTRUCTION},
            {"role": "user", "content": message},
            {"role": "assistant", "content": answer},
        ],
    }


def as_jsonl(rows: Sequence[dict[str, Any]]) -> bytes:
    """Serialise rows, one a line."""
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the whole new one."""
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def main() -> None:
    """Write `train.jsonl`, `validation.jsonl` and `test.jsonl`."""
    parser = argparse.ArgumentParser(description="Write the service desk data.")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "data")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for split, rows in generate(options.seed).items():
        path = options.out / f"{split}.jsonl"
        write_whole(path, as_jsonl(rows))
        print(f"{path}: {len(rows)} rows")


if __name__ == "__main__":
    main()
