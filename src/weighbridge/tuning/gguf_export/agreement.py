"""What a GGUF file says, read back by our reader, against the model that it was written from.

Before a byte is written: configuration, names of tensors, tokenizer and ends of turns, from the
metadata that would be written. Afterwards: each tensor, by the numbers that its type must give, the
rotary frequencies, and the KL divergence of logits (`exporting`).
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType as Kind

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.models.gguf_tensors import read_tensor, targets
from weighbridge.models.gguf_tokenizer import end_token_ids, tokenizer_of_gguf
from weighbridge.models.settings_digest import ELSEWHERE
from weighbridge.sources.gguf_config import loadable_config
from weighbridge.sources.gguf_header import GgufHeader, read_gguf_header
from weighbridge.tuning.gguf_export.storing import as_stored, stored
from weighbridge.tuning.gguf_export.tensors import FileTensor, is_made_by_code
from weighbridge.tuning.gguf_export.tokens import PROBE
from weighbridge.tuning.held_out import TEXTS

_CLOSE = 1e-6  # GGUF keeps floats as float32
_MOST_ADDED = 32
_USE = "use the model's safetensors"
# Compared by the frequencies themselves, or say nothing of numbers.
_APART = re.compile(
    r"^(rope_\w+|partial_rotary_factor|original_max_position_embeddings|model_type|vocab_size"
    r"|router_\w+|problem_type|\w*logits_to_keep|chunk_size_feed_forward|head_dim)$"
)
_OF_WINDOWS = ("sliding_window", "max_window_layers")
_CHATS = (
    [{"role": "user", "content": "What is 2 + 2?"}],
    [
        {"role": "user", "content": "Say: naïve – 42."},
        {"role": "assistant", "content": "naïve – 42."},
        {"role": "user", "content": "  Again,\n\nplease.  "},
    ],
)


def require_settings(config: Any, header: GgufHeader, where: str) -> dict[str, Any]:
    """Check that a configuration survives the way into GGUF and back; return it as read back.

    Args:
        config: transformers' configuration of the model.
        header: What would be written.
        where: What to call the file in errors.

    Raises:
        InputError: A field doesn't, by name.
    """
    from transformers import AutoConfig

    read = loadable_config(header, where)
    back = AutoConfig.for_model(**read)
    windows = getattr(config, "use_sliding_window", True)
    for name in type(config)().to_dict():
        if ELSEWHERE.match(name) or _APART.match(name) or (not windows and name in _OF_WINDOWS):
            continue
        own, found = getattr(config, name, None), getattr(back, name, None)
        if own is None and name == "hidden_activation":  # the model's code has the same default
            continue
        if not _equal(own, found):
            raise InputError(
                f"{name} = {own!r} of its config.json can't be expressed in GGUF, where a "
                f"{read['model_type']} model has {found!r}",
                "settings that GGUF has keys for",
                _USE,
            )
    return read


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return bool(one) == bool(other)
    if isinstance(one, float) or isinstance(other, float):
        return bool(
            isinstance(one, (int, float))
            and isinstance(other, (int, float))
            and abs(one - other) <= _CLOSE * max(abs(one), abs(other))
        )
    return bool(one == other)


def require_names(header: GgufHeader, read: Mapping[str, Any], names: set[str]) -> None:
    """Check that a reader gets each tensor of the model out of the file, and no other.

    Raises:
        WeighbridgeError: It doesn't, by name.
    """
    found = {target.name for target in targets(header, read, "the file")}
    if apart := sorted(found ^ names):
        raise WeighbridgeError(
            f"{apart[0]} would not come back out of the file", "each tensor of the model", _USE
        )


def require_tokens(tokenizer: Any, header: GgufHeader, where: str) -> tuple[Any, list[str]]:
    """Check that a file's tokenizer is the model's: vocabulary, merges, ids, text, template.

    Args:
        tokenizer: The model's.
        header: What would be written, with its lists.
        where: What to call the file in errors.

    Returns:
        The tokenizer as read back, and the texts whose ids were compared.

    Raises:
        InputError: It is not, and what differs.
    """
    back = tokenizer_of_gguf(header, where)
    _require_vocabulary(tokenizer, back)
    if back.chat_template != _template(tokenizer):
        raise InputError("its chat template would come back otherwise", "the same text", _USE)
    texts = [PROBE, *TEXTS, *_chats(tokenizer), *_around_special(tokenizer)]
    for text in texts:
        for special in (False, True):
            own = tokenizer(text, add_special_tokens=special)["input_ids"]
            found = back(text, add_special_tokens=special)["input_ids"]
            if own != found:
                raise _other_ids(text, own, found, "read back")
        if tokenizer.decode(own) != back.decode(own):
            raise InputError(
                f"its tokenizer, read back from GGUF, writes the ids of {text[:40]!r} otherwise",
                "the same text",
                _USE,
            )
    return back, texts


def _other_ids(text: str, own: list[int], found: list[int], by: str) -> InputError:
    at = _parting(own, found)
    return InputError(
        f"its tokenizer, {by}, gives {text[:40]!r} other ids from token {at} on "
        f"({found[at : at + 3]}, not {own[at : at + 3]})",
        "the same ids: another tokenizer is another model",
        _USE,
    )


def peer_texts(texts: Sequence[str]) -> list[str]:
    """Return the texts whose ids llama.cpp is asked for: also the probe, composed."""
    return [*texts, unicodedata.normalize("NFC", PROBE)]


def require_peer_ids(
    tokenizer: Any, texts: Sequence[str], ids: Sequence[list[int]], peer: str
) -> tuple[str, ...]:
    """Check that llama.cpp gives the ids of the model's tokenizer; return notes on odd text.

    llama.cpp composes no characters, and some of its cuts take marks and wide blanks otherwise than
    the model's own `tokenizer.json`. No file can change that, so for the probe, which is made of
    such text, it is told. All other texts must agree.

    Args:
        tokenizer: The model's.
        texts: From `peer_texts`.
        ids: What llama.cpp gives each.
        peer: Its name.

    Raises:
        InputError: A text gets other ids.
    """
    own = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    for text, one, found in list(zip(texts, own, ids, strict=True))[:-1]:
        if one != found and text != PROBE:
            raise _other_ids(text, one, found, f"in {peer}")
    if own[texts.index(PROBE)] == ids[texts.index(PROBE)]:
        return ()
    if own[-1] == ids[-1]:
        return (
            "llama.cpp doesn't compose characters (NFC): a letter with a separate accent gets "
            "other ids there.",
        )
    at = _parting(own[-1], ids[-1])
    near = tokenizer.decode(own[-1][max(0, at - 2) : at + 3])
    return (f"llama.cpp gives unusual text other ids, such as {near!r}.",)


def _parting(own: Sequence[int], found: Sequence[int]) -> int:
    pairs = enumerate(zip(own, found, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(own), len(found)))


def _require_vocabulary(tokenizer: Any, back: Any) -> None:
    own, found = tokenizer.get_vocab(), back.get_vocab()
    other = next((text for text, index in own.items() if found.get(text) != index), None)
    if other is not None:
        raise InputError(f"its token {other!r} would come back otherwise", "the same tokens", _USE)
    merges, read = (list(_merges(each)) for each in (tokenizer, back))
    if merges != read:
        at = next((k for k, pair in enumerate(zip(merges, read, strict=False)) if len({*pair}) > 1),
                  min(len(merges), len(read)))  # fmt: skip
        raise InputError(
            f"its merges don't come back out of GGUF ({len(read):,} of {len(merges):,}; they part "
            f"at the {at + 1:,}th)",
            "merges that follow from the order of the tokens they make",
            _USE,
        )


def _merges(tokenizer: Any) -> Iterator[tuple[str, str]]:
    for merge in json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]:
        left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
        yield left, right


def _template(tokenizer: Any) -> str | None:
    template = tokenizer.chat_template
    found: str | None = template.get("default") if isinstance(template, dict) else template
    return found or None


def _chats(tokenizer: Any) -> Iterator[str]:
    """Yield conversations as the chat template writes them, where there is one."""
    if not tokenizer.chat_template:
        return
    for chat in _CHATS:
        try:
            yield tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        except Exception:  # a template refuses turns in its own ways; there is no text to compare
            continue


def _around_special(tokenizer: Any) -> Iterator[str]:
    """Yield added tokens inside text: some take the blanks around them, or stand alone only."""
    added = json.loads(tokenizer.backend_tokenizer.to_str())["added_tokens"]
    unusual = ("lstrip", "rstrip", "single_word")
    added.sort(key=lambda token: not any(token[name] for name in unusual))
    for token in added[:_MOST_ADDED]:
        text = token["content"]
        yield f"one{text}two {text} three\n{text}"


def require_ends(ends: Sequence[int], header: GgufHeader) -> tuple[str, ...]:
    """Check that what ends an answer still does; return a note on what else will.

    Raises:
        InputError: A token does not.
    """
    found = set(end_token_ids(header))
    lost = sorted(set(ends) - found)
    if lost:
        raise InputError(
            f"the tokens {lost} end an answer, and GGUF has no key left for them",
            "at most three ends of a turn",
            "shorten eos_token_id in generation_config.json to those that the model writes",
        )
    more = sorted(found - set(ends))
    if not more:
        return ()
    tokens = header.fields["tokenizer.ggml.tokens"]
    named = ", ".join(tokens[index] for index in more)
    return (f"llama.cpp also ends an answer at {named}, which config.json doesn't name.",)


def require_stored(
    path: Path, tensors: Sequence[FileTensor], kinds: Mapping[str, Kind], header: GgufHeader
) -> GgufHeader:
    """Check a written file: its metadata, and each tensor to the bit that its type can hold.

    Raises:
        WeighbridgeError: Something is not as it was meant to be written.
    """
    written = read_gguf_header(path, lists=True)
    for key, value in header.fields.items():
        found = written.fields.get(key)
        if not (_equal(value, found) or _as_float32(value, found)):
            raise _not_written(path, key)
    for tensor in tensors:
        kind = kinds[tensor.name]
        expected = as_stored(stored(tensor, kind), kind)
        if written.types.get(tensor.name) != kind.name or not np.array_equal(
            read_tensor(written, tensor.name), expected
        ):
            raise _not_written(path, tensor.name)
    return written


def _as_float32(value: Any, found: Any) -> bool:
    if not isinstance(value, list) or not isinstance(found, list):
        return False
    return bool(np.array_equal(np.asarray(value, np.float32), np.asarray(found, np.float32)))


def _not_written(path: Path, what: str) -> WeighbridgeError:
    return WeighbridgeError(
        f"{what} was not written to {path} as it is", "the same bits", "report this as a bug"
    )


def require_rotary(own: Mapping[str, Any], back: Any) -> None:
    """Check that both models turn by the same frequencies, as their code computes them.

    Args:
        own: The model's, from `rotary`.
        back: The model that was read back.

    Raises:
        InputError: They don't.
    """
    found = dict(rotary(back))
    for name, value in own.items():
        if name not in found or not np.allclose(value, found[name], rtol=1e-5, atol=0):
            raise InputError(
                f"the rotary embeddings of its config.json ({name}) come back otherwise",
                "a scaling that GGUF expresses",
                _USE,
            )


def own_tensors(module: Any) -> Iterator[str]:
    """Yield the names of a model's own tensors: tied ones once, and no table of its code."""
    stored = module.state_dict()
    yield from (name for name in stored if not is_made_by_code(module, stored, name))


def rotary(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the rotary frequencies that a model's code computes, and what it scales by."""
    for name, buffer in module.named_buffers():
        if name.endswith("inv_freq"):
            yield name, buffer.detach().float().cpu().numpy()
    for name, part in module.named_modules():
        scaling = getattr(part, "attention_scaling", None)
        if isinstance(scaling, (int, float)):
            yield f"{name}.attention_scaling", np.float64(scaling)
    rope = getattr(module.config, "rope_parameters", None) or {}
    if "long_factor" in rope:
        yield "long_factor", np.asarray(rope["long_factor"])
