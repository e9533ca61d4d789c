"""Puts worked examples of one's own before each question of a benchmark.

A benchmark's own `shots` come from where the benchmark says. These come from outside of it, such as
a project's training rows, so that a model can be asked with examples of the task for which another
was tuned. The items stay what they are, which is why such a run pairs with one without examples.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Asking, Benchmark, LoadRequest, Settings
from weighbridge.models.protocol import Prompt
from weighbridge.records import Message, Sample, canonical_digest

Example = tuple[Message, ...]
"""One worked example: turns of user and assistant, the last of them the right answer."""


def settings_with(settings: Settings, examples: Sequence[Example]) -> Settings:
    """Return the settings of a run that shows these examples; without any, the settings alone."""
    digest = canonical_digest(list(examples)) if examples else ""
    return replace(settings, shots=len(examples), examples=digest)


def asked_with(benchmark: Benchmark, examples: Sequence[Example]) -> Benchmark:
    """Return the benchmark with the examples' turns before each question, behind its instruction.

    It is to be run with the settings of `settings_with`.
    """
    asking = benchmark.asking
    turns = [turn for example in examples for turn in example]

    def load(request: LoadRequest) -> Iterable[Sample]:
        return asking.load(replace(request, settings=_without(request.settings)))

    def prompt(sample: Sample, settings: Settings) -> Prompt:
        asked = asking.prompt(sample, _without(settings))
        return _with_turns(benchmark.name, asked, turns) if turns else asked

    shown: Asking = replace(asking, load=load, prompt=prompt)
    return replace(benchmark, asking=shown)


def _without(settings: Settings) -> Settings:
    """Return settings as the benchmark knows them, which is not to add examples of its own."""
    return replace(settings, shots=0, examples="")


def _with_turns(benchmark: str, prompt: Prompt, turns: list[Message]) -> Prompt:
    if prompt.text is not None:
        raise InputError(
            f"{benchmark} is asked in plain text",
            "a chat, in which worked examples are turns",
            "set chat_template = true for it",
        )
    asked = prompt.messages
    leading = next((i for i, turn in enumerate(asked) if turn.role != "system"), len(asked))
    return Prompt(messages=(*asked[:leading], *turns, *asked[leading:]))
