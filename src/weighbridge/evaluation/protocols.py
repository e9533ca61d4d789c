"""Protocols: what each needs from a model, and the settings that it fills in."""

from dataclasses import replace

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.prompt_shapes import Asked
from weighbridge.models.protocol import Capability, Model

NEEDS = {
    "loglikelihood": Capability.SCORE,
    "letter": Capability.LETTER_LOGPROBS,
    "bits_per_byte": Capability.SCORE,
    "generative": Capability.GENERATE,
    "pairwise": Capability.GENERATE,
}
BY_LIKELIHOOD = ("loglikelihood", "letter", "bits_per_byte")


def force_chat_for_endpoints(settings: Settings, model: Asked) -> Settings:
    """Ask in conversations a model that takes nothing else, as endpoints do."""
    if settings.chat_template is None and Capability.ONLY_CHAT in model.capabilities:
        return replace(settings, chat_template=True)
    return settings


def complete(settings: Settings, benchmark: Benchmark) -> Settings:
    """Fill in the benchmark's own protocol and what it brings with it.

    Raises:
        InputError: The settings contradict the benchmark or each other.
    """
    protocol = benchmark.protocol_for(settings)
    if protocol not in benchmark.asking.protocols:
        raise UnknownName(f"protocol of {benchmark.name}", protocol, benchmark.asking.protocols)
    if protocol == "letter":
        if settings.chat_template is False:
            raise InputError(
                "--no-chat-template with protocol letter",
                "a chat: the letter is the first token of a reply",
                "leave it out, or take protocol loglikelihood",
            )
        settings = replace(settings, chat_template=True)
    if settings.limit is not None and settings.limit < 1:
        raise InputError(f"--limit {settings.limit}", "at least 1")
    if settings.repeats < 1:
        raise InputError(f"--repeats {settings.repeats}", "at least 1")
    if protocol in BY_LIKELIHOOD and settings.repeats > 1:
        raise InputError(
            f"--repeats {settings.repeats} with protocol {protocol}",
            "1: likelihoods are not drawn, so each repeat would be the same",
            "leave --repeats out",
        )
    return replace(settings, protocol=protocol)


def require_capable(model: Model, benchmark: Benchmark, settings: Settings) -> None:
    """Refuse a protocol that a model has no way to follow.

    Raises:
        InputError: It can't.
    """
    needed = NEEDS[settings.protocol]
    if needed in model.capabilities:
        return
    able = [p for p in benchmark.asking.protocols if NEEDS[p] in model.capabilities]
    raise InputError(
        f"benchmark {benchmark.name}: {model.ref.name} can't {needed}",
        f"a model that can, for protocol {settings.protocol}",
        f"try --protocol {able[0]}" if able else "",
    )


def check_repeats(settings: Settings, benchmark: Benchmark, model: Model) -> None:
    """Refuse repeats where every answer would be the same.

    Raises:
        InputError: They are.
    """
    if settings.repeats == 1:
        return
    temperature = settings.temperature
    if temperature is None:
        temperature = benchmark.asking.usual_sampling(settings).temperature
    computed_here = Capability.SCORE in model.capabilities  # elsewhere greedy answers may differ
    if computed_here and benchmark.asking.temperature is None and temperature == 0:
        raise InputError(
            f"--repeats {settings.repeats} at temperature 0",
            "a temperature above 0: greedy answers are all alike",
            "add --temperature 0.8, or leave --repeats out",
        )
