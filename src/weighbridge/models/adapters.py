"""Loads adapters in peft's format onto their base and checks that every tensor is in place.

If an adapter's tensors don't fit the base, loading changes nothing, and the base would be compared
with itself. So every tensor of the file must be on the model, bit by bit, every adapter tensor of
the model must come from the file, and the logits must differ from the base's.
"""

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from weighbridge.errors import InputError
from weighbridge.models.load_check import named
from weighbridge.models.nf4 import trained_against
from weighbridge.models.nf4_experts import follow_updates
from weighbridge.models.nf4_record import Nf4Record
from weighbridge.patterns import ForeignPattern
from weighbridge.sources.documents import read_settings
from weighbridge.sources.model_folders import require_model_files
from weighbridge.sources.safetensors_files import StoredTensor, read_header

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
_PROBE_TOKENS = 64
_WRAPPERS = ("_orig_mod.", "module.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
# Settings of which peft puts each name or key into a regular expression, and into which.
_PUT_INTO = {
    "modules_to_save": r"(^|.*\.){}($|\..*)",
    "layers_pattern": r"(?:^|.*?\.){}\.(?P<idx>\d+)\.",
    "rank_pattern": r"(.*\.)?({})$",
    "alpha_pattern": r"(.*\.)?({})$",
}
_NAMED_BY = re.compile(r"\.(lora_[AB]|lora_magnitude_vector)\.\w+\.weight$")


@dataclass(frozen=True)
class PutOn:
    """A base model with its adapter.

    Attributes:
        module: The peft model.
        tensors: The adapter's tensors, as in its file.
        notes: Sentences for readers of a run: what became of the base, and peft's warnings.
        held: What it was trained against, where those are numbers of four bits.
    """

    module: Any
    tensors: Mapping[str, torch.Tensor]
    notes: tuple[str, ...]
    held: Nf4Record | None = None


def put_on(module: Any, folder: Path) -> PutOn:
    """Put an adapter on a model and check that it took effect.

    The base's embeddings are extended if the adapter holds rows for new tokens.

    Raises:
        InputError: The adapter is broken, does not fit, or changes nothing.
    """
    from weighbridge.models.peft_library import PeftModel

    require_model_files(folder)
    config = read_adapter_config(folder)
    _require_kind(folder, config)
    require_patterns_end(module, config, f"{folder}/{CONFIG}")
    stored = read_header(folder / WEIGHTS)
    held = trained_against(module, folder)
    _lengthen(module, folder, config, stored)
    plain = probe_logits(module)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            wrapped = PeftModel.from_pretrained(
                module, str(folder), is_trainable=False, local_files_only=True
            )
        except Exception as error:  # peft and the modules it builds fail in many ways
            said = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, KeyError):
                said = f"it needs {said}, which is not there"
            raise _does_not_fit(folder, said) from error
    follow_updates(wrapped)
    tensors = _read(folder / WEIGHTS)
    _require_landed(wrapped, tensors, folder)
    _require_effect(plain, wrapped, folder)
    notes = _notes(caught) if held is None else (held.note, *_notes(caught))
    return PutOn(wrapped, tensors, notes, held)


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Read `adapter_config.json`.

    Raises:
        InputError: It is missing, or isn't an adapter's settings.
    """
    what = "the settings of an adapter in peft's format"
    return read_settings(folder / CONFIG, what, within=folder)


def require_landed(wrapped: Any, folder: Path) -> None:
    """Check an adapter that someone else put on a model, against its files.

    Raises:
        InputError: A tensor is not on the model, or one of the model's is not in the files.
    """
    _require_landed(wrapped, _read(folder / WEIGHTS), folder)


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _require_kind(folder: Path, config: Mapping[str, Any]) -> None:
    from weighbridge.models.peft_library import PeftType

    if "peft_type" not in config:
        raise InputError(
            f"{folder}/{CONFIG} has no peft_type", "the settings of an adapter in peft's format"
        )
    kind = str(config["peft_type"]).upper()
    if kind not in PeftType.__members__:
        raise InputError(
            f"the adapter in {folder} is of the kind {kind}",
            "one that the installed peft knows",
            "install the release of peft that it was saved with, or check its adapter_config.json",
        )
    alpha = config.get("lora_alpha", 1)
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
        raise InputError(f"{folder}/{CONFIG}: lora_alpha is {alpha!r}", "a number")
    if (why := _why_not_measured(kind)) is not None:
        raise InputError(
            f"the adapter in {folder} is of the kind {kind}, which {why}",
            "one that changes weights, such as LORA",
            "measure it behind a server that runs it",
        )
    if config.get("alora_invocation_tokens"):
        raise InputError(
            f"the adapter in {folder} begins at certain tokens (alora_invocation_tokens)",
            "one that is on for the whole text",
            "measure it behind a server that runs it",
        )


_NOT_MEASURED = {
    "ADAPTION_PROMPT": "adds tokens that are no text inside the attention",
    "LILY": "mixes its parts by the whole text, so that a token sees the tokens after it",
    "POLY": "must be told for each text which task it belongs to",
    "SHADOW": "runs a second network beside the model",
    "XLORA": "runs the model twice to mix several adapters anew for each text",
}
"""Kinds whose logits the engine can't compute from token ids alone, and why."""


def _why_not_measured(kind: str) -> str | None:
    from weighbridge.models.peft_library import PEFT_TYPE_TO_CONFIG_MAPPING, PromptLearningConfig

    config = PEFT_TYPE_TO_CONFIG_MAPPING.get(kind)
    if config is not None and issubclass(config, PromptLearningConfig):
        return "puts tokens that are no text before every text"
    return _NOT_MEASURED.get(kind)


def require_patterns_end(module: Any, config: Mapping[str, Any], where: str) -> None:
    """Try the patterns of an adapter's settings on the model's names, before peft does.

    A pattern that ends here also ends in peft, which uses the same engine.

    Raises:
        InputError: One is no regular expression, or takes too long.
    """
    names = [name for name, _ in module.named_modules()]
    names += [f"base_model.model.{name}" for name in names]
    for key in ("target_modules", "exclude_modules"):  # a list there holds names
        text = config.get(key)
        if isinstance(text, str) and text != "all-linear":
            ForeignPattern(text, f"{where}: {key}").fullmatch(names)
    for key, form in _PUT_INTO.items():
        found = config.get(key)
        texts = [found] if isinstance(found, str) else found
        for text in texts if isinstance(texts, (list, tuple, set, dict)) else ():
            if isinstance(text, str):
                ForeignPattern(form.format(text), f"{where}: {key}").match(names)


def _does_not_fit(folder: Path, reason: str) -> InputError:
    return InputError(
        f"the adapter in {folder} doesn't fit this model: {reason}",
        "the base that it was trained on",
        "see base_model_name_or_path in its adapter_config.json",
    )


def _lengthen(
    module: Any, folder: Path, config: Mapping[str, Any], stored: Mapping[str, StoredTensor]
) -> None:
    """Add rows to the base's embeddings if the adapter holds rows of new tokens."""
    rows = module.get_input_embeddings().weight.shape[0]
    names = {id(part): name for name, part in module.named_modules()}
    entry = names[id(module.get_input_embeddings())]
    out = module.get_output_embeddings()
    head = names[id(out)] if out is not None else entry
    longer = {
        place: max((t.shape[0] for n, t in stored.items() if _is_of(n, place)), default=0)
        for place in (entry, head)
    }
    chosen = _chosen_rows(config)
    wanted = max(*longer.values(), *(index + 1 for index in chosen), rows)
    if wanted == rows:
        return
    covered = set(range(rows, wanted)) <= set(chosen)
    lacking = [place for place, held in longer.items() if held < wanted and not covered]
    if lacking:
        raise _does_not_fit(
            folder,
            f"it was trained with {wanted:,} tokens, the base has {rows:,}, and it holds no rows "
            f"of {lacking[0]} for the new ones",
        )
    module.resize_token_embeddings(wanted, mean_resizing=False)


def _is_of(name: str, place: str) -> bool:
    """Whether a stored tensor is a whole embedding or head, not the small factors of one."""
    last = re.escape(place.rsplit(".", 1)[-1])
    return re.search(rf"\.{last}(\.base_layer)?\.weight$", name) is not None


def _chosen_rows(config: Mapping[str, Any]) -> list[int]:
    found = config.get("trainable_token_indices")
    lists = found.values() if isinstance(found, dict) else [found]
    return [int(i) for rows in lists if isinstance(rows, list) for i in rows if isinstance(i, int)]


def _require_landed(wrapped: Any, tensors: Mapping[str, torch.Tensor], folder: Path) -> None:
    """Check that the file and the model have the same adapter tensors, by name and value."""
    from weighbridge.models.peft_library import get_peft_model_state_dict

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said when the adapter was put on
        taken = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    # A base with longer embeddings is saved with them, and once more under the name of the copy.
    standing = {name.replace(".default.", "."): t for name, t in wrapped.state_dict().items()}
    taken |= {name: standing[name] for name in tensors.keys() - taken.keys() if name in standing}
    empty = sorted(taken.keys() - tensors.keys())
    strange = sorted(tensors.keys() - taken.keys())
    if strange or empty:
        parts = [f"it holds {named(strange, 1)} without a place"] if strange else []
        parts += [f"{named(empty, 1)} of the model stay empty"] if empty else []
        raise _does_not_fit(
            folder,
            f"{len(strange) + len(empty)} tensors are not on it as in the file "
            f"({' and '.join(parts)}){_why(strange)}",
        )
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"the adapter in {folder} holds numbers in {name} that are not finite",
                "numbers",
                "its training broke: take an earlier checkpoint",
            )
        if tensor.shape != taken[name].shape or not torch.equal(
            tensor.to(taken[name]), taken[name]
        ):
            raise _does_not_fit(folder, f"{name} is not on it as in the file")


def _why(strange: list[str]) -> str:
    """Return the likely cause of tensor names that the model does not have."""
    name = strange[0] if strange else ""
    if any(wrapper in name for wrapper in _WRAPPERS[:1] + _WRAPPERS[2:]):
        return "; it was saved from a wrapped model: save it again from the model inside"
    if _NAMED_BY.search(name):
        return "; the adapter's own name stands in its tensors: save it with save_pretrained"
    return ""


def _require_effect(plain: torch.Tensor, wrapped: Any, folder: Path) -> None:
    """Check that the adapter changes the logits of some text."""
    if torch.equal(plain, probe_logits(wrapped)):
        raise InputError(
            f"the adapter in {folder} changes nothing: the logits are the base's own",
            "an adapter that was trained (its B is not all zero, its scaling not 0)",
            "measure the base alone, or take a checkpoint of a later step",
        )


@torch.no_grad()
def probe_logits(module: Any) -> torch.Tensor:
    """Compute a model's logits for tokens spread over its vocabulary; (1, S, V)."""
    entry = module.get_input_embeddings().weight
    probe = (torch.arange(_PROBE_TOKENS, device=entry.device) * 7919 % entry.shape[0])[None]
    training = module.training
    module.eval()
    logits: torch.Tensor = module(input_ids=probe, use_cache=False).logits
    module.train(training)
    return logits


def _notes(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Pass on what peft warned of, but not what concerns its own developers."""
    messages = dict.fromkeys(
        " ".join(str(warning.message).split())
        for warning in caught
        if not issubclass(warning.category, (DeprecationWarning, FutureWarning))
    )
    return tuple(f"peft says of the adapter: {text.rstrip('.')}." for text in messages)
