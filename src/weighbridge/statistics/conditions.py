"""Finds how two runs were asked differently, and which differences confound a comparison.

Two runs are compared to learn about their *models*, so they may differ in what makes the model:
weights, adapter, precision and storage format. Everything else that affects answers (the chat
template, sampling, length limits, worked examples, a system prompt, how answers are read) confounds
the comparison: it is refused unless the user accepts the difference by name, and then the result
states the difference.

An unknown setting counts as one that affects answers.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from weighbridge.errors import InputError
from weighbridge.records import Difference, EvalRun, Json

BY_LIKELIHOOD = ("loglikelihood", "letter", "bits_per_byte")
_SAMPLING = ("temperature", "top_p", "max_tokens", "stop")

# What harnesses call the settings that our own runs have.
_OTHER_NAMES = {
    "max_gen_toks": "max_tokens",
    "until": "stop",
    "stop_seqs": "stop",
    "num_fewshot": "shots",
    "epochs": "repeats",
    "chat_template_sha": "chat_template",
    "system_instruction_sha": "system_prompt",
    "system_message": "system_prompt",
}
_NESTED = ("gen_kwargs", "generation_kwargs", "generate")
# Settings that have rules of their own (the judge and the protocol), that only say where or how
# many items were asked, or that do not affect answers (a batch's size, a connection's timeouts).
_NOT_COMPARED = (
    "protocol", "judge", "imported", "metric", "batch_size", "max_connections", "max_retries",
    "timeout", "model_base_url", "limit",
)  # fmt: skip
# Listed, but no confounders: they mean more draws, or other draws, of the same distribution.
_NOT_CONFOUNDING = ("repeats", "seed")


def differences(run_a: EvalRun, run_b: EvalRun) -> tuple[Difference, ...]:
    """Return everything in which two runs differ besides the weights, confounders first."""
    found = [
        *_setting_differences(run_a, run_b),
        *_model_differences(run_a, run_b),
        *_prompt_differences(run_a, run_b),
    ]
    return tuple(sorted(found, key=lambda difference: not difference.confounds))


def confounders(run_a: EvalRun, run_b: EvalRun) -> tuple[Difference, ...]:
    """Return the differences that affect answers and are not part of the models compared."""
    return tuple(found for found in differences(run_a, run_b) if found.confounds)


@dataclass(frozen=True)
class Accepted:
    """Differences that the user accepts.

    Attributes:
        names: Names of accepted differences.
        all: Whether every difference is accepted, as where both runs come from one project.
    """

    names: Collection[str] = ()
    all: bool = False

    def __contains__(self, difference: Difference) -> bool:
        return self.all or difference.what in self.names


NOTHING, ANYTHING = Accepted(), Accepted(all=True)


def refuse_confounders(run_a: EvalRun, run_b: EvalRun, accepted: Accepted = NOTHING) -> None:
    """Refuse two runs that were not asked alike.

    Raises:
        InputError: Names each confounding difference that was not accepted.
    """
    found = [one for one in confounders(run_a, run_b) if one not in accepted]
    if not found:
        return
    listed = ", ".join(f"{one.what} ({shown(one.a)} against {shown(one.b)})" for one in found)
    names = ",".join(one.what for one in (*found, *_accepted_confounders(run_a, run_b, accepted)))
    raise InputError(
        f"{run_a.run_id} and {run_b.run_id} differ in {listed}",
        "two runs that differ in the model alone",
        f"run one of them again with the other's settings, or compare with --accept {names}",
    )


def _accepted_confounders(run_a: EvalRun, run_b: EvalRun, accepted: Accepted) -> list[Difference]:
    return [one for one in confounders(run_a, run_b) if one in accepted]


def shown(value: Json) -> str:
    """Return a setting's value as text of at most 40 characters, to show to the user."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[7:17]
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def conditions(run: EvalRun) -> dict[str, Json]:
    """Return what affects a run's answers besides the model, by the names that users type."""
    stated = _flat(run.settings)
    drawn = run.conditions.get("sampling")
    if run.protocol in BY_LIKELIHOOD:
        stated = {key: value for key, value in stated.items() if key not in (*_SAMPLING, "seed")}
    elif isinstance(drawn, Mapping) and run.asked.judge is None:
        # A setting that the user left open has the benchmark's value. A judged benchmark may draw
        # each category at a temperature of its own, so there an open setting stays open.
        stated |= {key: stated.get(key) or drawn.get(key) for key in _SAMPLING if key in drawn}
        temperature = run.asked.temperature
        stated["temperature"] = drawn.get("temperature") if temperature is None else temperature
    stated["chat_template"] = bool(stated.get("chat_template"))
    recorded = {"sandbox": "sandbox", "replies": "reading of thoughts"}
    stated |= {name: run.conditions.get(key) for key, name in recorded.items()}
    return stated


def _flat(settings: Mapping[str, Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in settings.items():
        if key in _NESTED and isinstance(value, Mapping):
            found |= _flat(value)
        elif key not in _NOT_COMPARED and not (key == "stop" and isinstance(value, Mapping)):
            found[_OTHER_NAMES.get(key, key)] = value
    return found


def _setting_differences(run_a: EvalRun, run_b: EvalRun) -> list[Difference]:
    a, b = conditions(run_a), conditions(run_b)
    across = run_a.protocol != run_b.protocol
    known = [key for key in {**a, **b} if _plain(a.get(key)) != _plain(b.get(key))]
    if across:  # these follow from the protocol, and the measured offset contains their effect
        brought = (*_SAMPLING, "seed", "chat_template", "reading of thoughts")
        known = [key for key in known if key not in brought]
    if _imported(run_a) != _imported(run_b):  # what one of the two does not state is no difference
        known = [key for key in known if a.get(key) is not None and b.get(key) is not None]
    return [Difference(k, a.get(k), b.get(k), k not in _NOT_CONFOUNDING) for k in sorted(known)]


def _plain(value: Json) -> Json:
    """Normalise a setting: None, an empty list and False all mean that it was not set."""
    if isinstance(value, tuple):
        value = list(value)
    return None if value is False or value in ([], {}, "") else value


def _imported(run: EvalRun) -> bool:
    return run.provenance.origin is not None


def _model_differences(run_a: EvalRun, run_b: EvalRun) -> list[Difference]:
    """Return differences of tokenizer and chat template, which confound only equal weights.

    Where the weights differ, a tokenizer belongs to its model and is not listed.
    """
    a, b = run_a.model, run_b.model
    same = a.weights_digest == b.weights_digest
    asked = [conditions(run)["chat_template"] for run in (run_a, run_b)]
    pairs = {"tokenizer": (a.tokenizer_digest, b.tokenizer_digest)}
    if all(asked):
        pairs["chat template's text"] = (a.chat_template_digest, b.chat_template_digest)
    return [
        Difference(what, *two, same)
        for what, two in pairs.items()
        if two[0] != two[1] and (same or what != "tokenizer")
    ]


def _prompt_differences(run_a: EvalRun, run_b: EvalRun) -> list[Difference]:
    """Count the items that were prompted differently although tokenizer and template agree.

    The count is no confounder, because later turns of a conversation contain the model's answers.
    """
    a, b = run_a.model, run_b.model
    alike = a.tokenizer_digest == b.tokenizer_digest is not None
    judged = run_a.asked.judge is not None
    if judged or not alike or a.chat_template_digest != b.chat_template_digest:
        return []
    if conditions(run_a) != conditions(run_b) or run_a.protocol != run_b.protocol:
        return []  # other listed differences explain other prompts
    asked = {sample.sample_id: sample.prompt_digest for sample in run_b.samples}
    first = [s for s in run_a.samples if s.repeat == 0 and s.sample_id in asked]
    other = sum(s.prompt_digest != asked[s.sample_id] for s in first)
    return [Difference("prompts", f"{other} of {len(first)}", "the others", False)] if other else []
