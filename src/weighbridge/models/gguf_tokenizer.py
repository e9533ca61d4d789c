"""A tokenizer from what a GGUF file says of it: vocabulary, merges or scores, and its flags.

Two kinds are read: byte-level byte-pair encoding (`gpt2`) and SentencePiece's byte-pair encoding
with byte fallback (`llama`), whose merges follow from the scores. Each key of the tokenizer is
honoured or refused by its name.
"""

from collections.abc import Mapping
from typing import Any

from weighbridge.errors import InputError
from weighbridge.models.gguf_pretokenizers import as_tokenizers, find_pre_tokenizer
from weighbridge.sources.gguf_header import GgufHeader

_P = "tokenizer.ggml."
_UNKNOWN, _CONTROL, _USER, _UNUSED, _BYTE = 2, 3, 4, 5, 6  # llama.cpp's types of tokens
# Read below, or telling nothing that changes tokens (places for code infilling, sizes).
_UNDERSTOOD = frozenset(
    f"{_P}{key}"
    for key in (
        "model", "pre", "tokens", "token_type", "scores", "merges", "add_bos_token",
        "add_eos_token", "add_space_prefix", "bos_token_id", "eos_token_id", "eot_token_id",
        "eom_token_id", "unknown_token_id", "padding_token_id", "seperator_token_id",
        "mask_token_id", "cls_token_id", "fim_pre_token_id", "fim_suf_token_id",
        "fim_mid_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id",
        "prefix_token_id", "suffix_token_id", "middle_token_id", "token_type_count",
    )
)  # fmt: skip
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    f"{_P}remove_extra_whitespaces": (False,),
    f"{_P}add_sep_token": (False,),
    f"{_P}suppress_tokens": ([], 0),
}
# Texts that end a turn whatever the keys say, as llama.cpp has it (src/llama-vocab.cpp).
_ENDS = frozenset(
    {
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>",
        "<|endoftext|>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
        "<end_of_utterance>", "<eos>", "</s>", "<｜end▁of▁sentence｜>",
    }
)  # fmt: skip


def tokenizer_of_gguf(header: GgufHeader, where: str) -> Any:
    """Build the tokenizer of a GGUF file.

    Args:
        header: Read with its lists.
        where: What to call the file in errors.

    Raises:
        InputError: A key is absent, contradicts another, or is not understood.
    """
    from transformers import PreTrainedTokenizerFast

    _require_understood(header.fields, where)
    kind = header.fields.get(f"{_P}model")
    if kind not in ("gpt2", "llama"):
        raise InputError(
            f"{where} says {_P}model = {kind!r}",
            "gpt2 (byte-level) or llama (SentencePiece with merges)",
            "use the model's safetensors and tokenizer",
        )
    tokens = _tokens(header.fields, where)
    build = _byte_level if kind == "gpt2" else _sentencepiece
    backend, adds_bos = build(header.fields, tokens, where)
    _add_special(backend, header.fields, tokens)
    _add_ends(backend, header.fields, tokens, adds_bos, where)
    special = {
        f"{name}_token": tokens[index]
        for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
        if (index := _id(header.fields, key, tokens, where)) is not None
    }
    fast = PreTrainedTokenizerFast(
        tokenizer_object=backend, clean_up_tokenization_spaces=False, **special
    )
    template = header.fields.get("tokenizer.chat_template")
    if isinstance(template, str) and template:
        fast.chat_template = template
    return fast


def end_token_ids(header: GgufHeader) -> list[int]:
    """Return the tokens that end a turn: those of the keys, and those known by their text."""
    fields = header.fields
    tokens, types = fields[f"{_P}tokens"], fields.get(f"{_P}token_type") or []
    keys = ("eos_token_id", "eot_token_id", "eom_token_id")
    found = {fields[f"{_P}{key}"] for key in keys if isinstance(fields.get(f"{_P}{key}"), int)}
    texts = {
        index: text
        for index, text in enumerate(tokens)
        if text in _ENDS and index < len(types) and types[index] in (_CONTROL, _USER)
    }
    if {"<|return|>", "<|call|>"} <= set(texts.values()):  # there it only ends a message
        texts = {index: text for index, text in texts.items() if text != "<|end|>"}
    return sorted(found | texts.keys())


def tokenizer_notes(header: GgufHeader) -> str:
    """Return a note for the run where the file does not state its pre-tokenizer."""
    if header.fields.get(f"{_P}model") != "gpt2":
        return ""
    if header.fields.get(f"{_P}pre") not in (None, "default"):
        return ""
    return (
        "The GGUF file names no pre-tokenizer (tokenizer.ggml.pre): text is cut as llama.cpp does "
        "by default, which may not be how the model was trained."
    )


def _require_understood(fields: Mapping[str, Any], where: str) -> None:
    for key, value in fields.items():
        if not key.startswith(_P) or key in _UNDERSTOOD:
            continue
        if key in _NEUTRAL and value in _NEUTRAL[key]:
            continue
        text = repr(value)
        raise InputError(
            f"{where} says {key} = {text if len(text) <= 60 else text[:57] + '...'}",
            "only keys of a tokenizer that are understood",
            "it may change tokens: use the model's safetensors and tokenizer",
        )


def _tokens(fields: Mapping[str, Any], where: str) -> list[str]:
    tokens = fields.get(f"{_P}tokens")
    if not isinstance(tokens, list) or not tokens:
        raise InputError(f"{where} has no {_P}tokens", "a vocabulary")
    tokens = [text or f"[EMPTY_{index}]" for index, text in enumerate(tokens)]
    if len(set(tokens)) != len(tokens):
        twice = next(text for index, text in enumerate(tokens) if text in tokens[:index])
        raise InputError(f"{where} lists the token {twice!r} twice", "each once")
    for key in ("token_type", "scores"):
        found = fields.get(f"{_P}{key}")
        if found is not None and (not isinstance(found, list) or len(found) < len(tokens)):
            raise InputError(
                f"{where}: {_P}{key} is shorter than the vocabulary", "one entry per token"
            )
    return tokens


def _byte_level(fields: Mapping[str, Any], tokens: list[str], where: str) -> tuple[Any, bool]:
    from tokenizers import Tokenizer, decoders, models, normalizers

    pre = find_pre_tokenizer(fields.get(f"{_P}pre"), where)
    merges = fields.get(f"{_P}merges")
    if not isinstance(merges, list):
        raise InputError(f"{where} has no {_P}merges", "the merges of its vocabulary")
    pairs = []
    for merge in merges:
        at = merge.find(" ", 1)
        pairs.append((merge[:at], merge[at + 1 :]))
    vocabulary = {text: index for index, text in enumerate(tokens)}
    try:
        model = models.BPE(vocabulary, pairs, ignore_merges=pre.whole_words)
    except Exception as error:  # how tokenizers says that a merge gives no token
        raise InputError(
            f"{where}: {_P}merges do not fit {_P}tokens ({error})", "merges of the vocabulary"
        ) from error
    backend = Tokenizer(model)
    if pre.composes:
        backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = as_tokenizers(pre)
    backend.decoder = decoders.ByteLevel()
    return backend, pre.adds_bos


def _sentencepiece(fields: Mapping[str, Any], tokens: list[str], where: str) -> tuple[Any, bool]:
    from tokenizers import Tokenizer, decoders, models, normalizers

    pre, scores = fields.get(f"{_P}pre", "default"), fields.get(f"{_P}scores")
    if pre != "default":
        raise InputError(
            f"{where} says {_P}pre = {pre!r}",
            "default, because a SentencePiece vocabulary has no pre-tokenizer",
            "use the model's safetensors and tokenizer",
        )
    if not isinstance(scores, list) or len(set(scores)) < 2:
        raise InputError(
            f"{where} has no {_P}scores", "one per token, which give the order of the merges"
        )
    types = fields.get(f"{_P}token_type") or [1] * len(tokens)
    vocabulary = {text: index for index, text in enumerate(tokens)}
    unknown = _id(fields, "unknown", tokens, where)
    model = models.BPE(
        vocabulary,
        _merges(vocabulary, scores, types),
        unk_token=tokens[0 if unknown is None else unknown],
        fuse_unk=True,
        byte_fallback=True,
    )
    backend = Tokenizer(model)
    spaced = bool(fields.get(f"{_P}add_space_prefix", True))
    blank = normalizers.Replace(" ", "▁")
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), blank] if spaced else [blank]
    )
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence(
        [*steps, decoders.Strip(" ", left=1, right=0)] if spaced else steps
    )
    return backend, True


def _merges(
    vocabulary: Mapping[str, int], scores: list[float], types: list[int]
) -> list[tuple[str, str]]:
    """Return all pairs of tokens that make a token, the best-scored first."""
    found = []
    for text, index in vocabulary.items():
        if types[index] in (_UNKNOWN, _CONTROL, _UNUSED, _BYTE):
            continue
        for at in range(1, len(text)):
            left, right = text[:at], text[at:]
            if left in vocabulary and right in vocabulary:
                found.append((-scores[index], vocabulary[left], vocabulary[right], left, right))
    found.sort(key=lambda merge: (merge[0], -len(merge[3]), merge[1], merge[2]))
    return [(left, right) for _, _, _, left, right in found]


def _add_special(backend: Any, fields: Mapping[str, Any], tokens: list[str]) -> None:
    """Make control tokens and those that users defined stand for themselves in a text."""
    from tokenizers import AddedToken

    types = fields.get(f"{_P}token_type") or []
    strips = _strips(fields)
    added = [
        AddedToken(
            text,
            special=kind != _USER,
            normalized=False,
            rstrip=strips and kind == _CONTROL and text not in ("<s>", "<|endoftext|>"),
        )
        for text, kind in zip(tokens, types, strict=False)
        if kind in (_CONTROL, _USER, _UNKNOWN)
    ]
    backend.add_tokens(added)


def _strips(fields: Mapping[str, Any]) -> bool:
    """Whether blanks after special tokens are swallowed: Phi-3's are; GGUF has no key for it."""
    name = str(fields.get("general.name", "")).lower()
    return fields.get(f"{_P}model") == "llama" and ("phi-3" in name or "phi3" in name)


def _add_ends(
    backend: Any, fields: Mapping[str, Any], tokens: list[str], adds_bos: bool, where: str
) -> None:
    """Set what is put before and after every text."""
    from tokenizers import processors

    wanted = {
        "bos": bool(fields.get(f"{_P}add_bos_token", adds_bos)),
        "eos": bool(fields.get(f"{_P}add_eos_token", False)),
    }
    ids = {}
    for name, wants in wanted.items():
        index = _id(fields, name, tokens, where)
        if wants and index is None:
            raise InputError(
                f"{where} puts {name.upper()} around texts and has no {_P}{name}_token_id",
                "the token",
                "convert the model to GGUF again, or use its safetensors",
            )
        if wants:
            ids[name] = int(index or 0)
    steps: list[Any] = []
    if fields.get(f"{_P}model") == "gpt2":
        steps.append(processors.ByteLevel(trim_offsets=False))
    if ids:
        before = [tokens[ids["bos"]]] if "bos" in ids else []
        after = [tokens[ids["eos"]]] if "eos" in ids else []
        special = [(tokens[index], index) for index in ids.values()]
        steps.append(
            processors.TemplateProcessing(
                single=[*before, "$A", *after],
                pair=[*before, "$A", *before, "$B", *after],
                special_tokens=list(dict(special).items()),
            )
        )
    if steps:
        backend.post_processor = steps[0] if len(steps) == 1 else processors.Sequence(steps)


def _id(fields: Mapping[str, Any], name: str, tokens: list[str], where: str) -> int | None:
    """Return a special token; SentencePiece's are 0, 1 and 2 where no key says otherwise."""
    usual = {"unknown": 0, "bos": 1, "eos": 2} if fields.get(f"{_P}model") == "llama" else {}
    value = fields.get(f"{_P}{name}_token_id", usual.get(name))
    if value is None:
        return None
    if not isinstance(value, int) or not 0 <= value < len(tokens):
        raise InputError(
            f"{where} says {_P}{name}_token_id = {value!r}",
            f"a token from 0 to {len(tokens) - 1}",
            "convert the model to GGUF again, or use its safetensors",
        )
    return value
