"""How two runs were asked, and where that differs: what is compared, and what would confound it.

Two runs are compared to learn what a *model* is worth: its weights, adapter, precision and form of
storage are what they may differ in. What bears on answers beside that (the chat template, how text
is drawn, how long it may be, worked examples, a system prompt, how answers are read) confounds the
comparison: it is refused unless a person accepts it by name, and then it stands in the result.

An unknown setting counts as one that bears on answers.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from weighbridge.errors import InputError
from weighbridge.records import Difference, EvalRun, Json

BY_LIKELIHOOD = ("loglikelihood", "letter")
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
# Told elsewhere, or no matter of how anything was asked: the judge and the protocol have rules of
# their own, a stop rule names the other run, a batch's size and a connection's patience change
# nothing that a model would say.
_ELSEWHERE = (
    "protocol", "judge", "imported", "metric", "batch_size", "max_connections", "max_retries",
    "timeout", "model_base_url", "limit",
)  # fmt: skip
_NOTED = ("repeats", "seed")  # more draws, or other ones, of the same distribution


def differences(run_a: EvalRun, run_b: EvalRun) -> tuple[Difference, ...]:
    """Return all in which two runs differ beside the weights themselves, confounders first."""
    found = [*_asked_otherwise(run_a, run_b), *_models(run_a, run_b), *_prompts(run_a, run_b)]
    return tuple(sorted(found, key=lambda difference: not difference.confounds))


def confounders(run_a: EvalRun, run_b: EvalRun) -> tuple[Difference, ...]:
    """Return those that bear on answers and are not what is compared."""
    return tuple(found for found in differences(run_a, run_b) if found.confounds)


@dataclass(frozen=True)
class Accepted:
    """Differences that a person takes into account by themselves, by name.

    Attributes:
        names: Their names.
        all: Whether any is accepted, named or not, as where both runs come of one project.
    """

    names: Collection[str] = ()
    all: bool = False

    def __contains__(self, difference: Difference) -> bool:
        return self.all or difference.what in self.names


NOTHING, ANYTHING = Accepted(), Accepted(all=True)


def refuse_confounders(run_a: EvalRun, run_b: EvalRun, accepted: Accepted = NOTHING) -> None:
    """Refuse two runs that were not asked alike.

    Raises:
        InputError: Names each difference that bears on answers and that nobody accepted.
    """
    found = [one for one in confounders(run_a, run_b) if one not in accepted]
    if not found:
        return
    listed = ", ".join(f"{one.what} ({shown(one.a)} against {shown(one.b)})" for one in found)
    names = ",".join(one.what for one in (*found, *_already(run_a, run_b, accepted)))
    raise InputError(
        f"{run_a.run_id} and {run_b.run_id} differ in {listed}",
        "two runs that differ in the model alone",
        f"run one of them again with the other's settings, or compare with --accept {names}",
    )


def _already(run_a: EvalRun, run_b: EvalRun, accepted: Accepted) -> list[Difference]:
    return [one for one in confounders(run_a, run_b) if one in accepted]


def shown(value: Json) -> str:
    """Return a setting for a person, in a few characters."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[7:17]
    text = str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def conditions(run: EvalRun) -> dict[str, Json]:
    """Return what bears on a run's answers beside the model, by the name that a person types."""
    told = _flat(run.settings)
    drawn = run.conditions.get("sampling")
    if run.protocol in BY_LIKELIHOOD:
        told = {key: value for key, value in told.items() if key not in (*_SAMPLING, "seed")}
    elif isinstance(drawn, Mapping) and run.asked.judge is None:
        # Nobody having said takes what the benchmark does. A judged benchmark may draw each
        # category at a temperature of its own, so there what nobody said stays apart.
        told |= {key: told.get(key) or drawn.get(key) for key in _SAMPLING if key in drawn}
        said = run.asked.temperature
        told["temperature"] = drawn.get("temperature") if said is None else said
    told["chat_template"] = bool(told.get("chat_template"))
    beside = {"sandbox": "sandbox", "replies": "reading of thoughts"}
    told |= {name: run.conditions.get(key) for key, name in beside.items()}
    return told


def _flat(settings: Mapping[str, Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in settings.items():
        if key in _NESTED and isinstance(value, Mapping):
            found |= _flat(value)
        elif key not in _ELSEWHERE and not (key == "stop" and isinstance(value, Mapping)):
            found[_OTHER_NAMES.get(key, key)] = value
    return found


def _asked_otherwise(run_a: EvalRun, run_b: EvalRun) -> list[Difference]:
    a, b = conditions(run_a), conditions(run_b)
    across = run_a.protocol != run_b.protocol
    known = [key for key in {**a, **b} if _plain(a.get(key)) != _plain(b.get(key))]
    if across:  # how answers are obtained brings these with it; the measured offset holds them
        brought = (*_SAMPLING, "seed", "chat_template", "reading of thoughts")
        known = [key for key in known if key not in brought]
    if _imported(run_a) != _imported(run_b):  # what one of them does not tell is no difference
        known = [key for key in known if a.get(key) is not None and b.get(key) is not None]
    return [Difference(k, a.get(k), b.get(k), k not in _NOTED) for k in sorted(known)]


def _plain(value: Json) -> Json:
    """Normalise a setting: None, an empty list and False all mean that it was not set."""
    if isinstance(value, tuple):
        value = list(value)
    return None if value is False or value in ([], {}, "") else value


def _imported(run: EvalRun) -> bool:
    return run.provenance.origin is not None


def _models(run_a: EvalRun, run_b: EvalRun) -> list[Difference]:
    """What belongs to a model, unless the two have the same weights."""
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


def _prompts(run_a: EvalRun, run_b: EvalRun) -> list[Difference]:
    """Items that two models with one tokenizer and template were asked in other words.

    Noted alone: later turns of a conversation hold the model's own answers.
    """
    a, b = run_a.model, run_b.model
    alike = a.tokenizer_digest == b.tokenizer_digest is not None
    judged = run_a.asked.judge is not None
    if judged or not alike or a.chat_template_digest != b.chat_template_digest:
        return []
    if conditions(run_a) != conditions(run_b) or run_a.protocol != run_b.protocol:
        return []  # said already
    asked = {sample.sample_id: sample.prompt_digest for sample in run_b.samples}
    first = [s for s in run_a.samples if s.repeat == 0 and s.sample_id in asked]
    other = sum(s.prompt_digest != asked[s.sample_id] for s in first)
    return [Difference("prompts", f"{other} of {len(first)}", "the others", False)] if other else []
