"""A tokenizer as GGUF metadata: vocabulary, merges or scores, kinds of tokens, what ends a turn.

Two kinds are written, those that our reader reads: byte-level byte-pair encoding, with the
pre-tokenizer's name that llama.cpp has for its cut, and SentencePiece's with byte fallback, whose
merges become scores. What has no key (a cut that no name stands for, tokens that swallow blanks,
another normaliser) is refused by name; that ids agree is proven afterwards (`agreement`).
"""

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

import gguf

from weighbridge.errors import InputError
from weighbridge.models.gguf_pretokenizers import PRE_TOKENIZERS, as_tokenizers

_BYTES = {f"<0x{value:02X}>" for value in range(256)}
_USE = "use the model's safetensors"
# Cuts differ in blanks, digits, letters with marks, cases, signs, scripts and lines.
PROBE = (
    "Hello  World's 3 1234567 12a naïve e\u0301te\u0301 camelCaseWord HTTPServer WE'LL don'T "
    "x=y+z; a/b//c\\d\n\n\n  indented\r\n\tTab \u00a0nb\u3000 \U0001f600\U0001f468\u200d"
    "\U0001f469 价格是42元 こんにちは カタカナ 한국어 Привет мир שלום مرحبا ١٢٣ हिन्दी ไทย $5.00 "
    "100% @user #tag (a)[b]{c} \u201cq\u201d \u2014 \u2026 ''s 'S 'Re I'm\u0301 __init__ ++i --j "
    "<|x|> </s> \u1f80\u01c5 ㄱㄴ ²³ Ⅳ a\u0308b   \n end   "
)


def add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any, rows: int, ends: list[int]) -> None:
    """Write a tokenizer.

    Args:
        writer: Of the file.
        tokenizer: The model's.
        rows: Of the embedding; tokens up to there that the tokenizer lacks are filled up.
        ends: Tokens that end an answer.

    Raises:
        InputError: It is of another kind, or something in it can't be expressed.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"a tokenizer of the kind {type(tokenizer).__name__}",
            "one with a tokenizer.json",
            _USE,
        )
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    model = backend["model"]
    if model.get("type") != "BPE":
        raise InputError(
            f"a tokenizer of the kind {model.get('type')}", "byte-pair encoding (BPE)", _USE
        )
    texts = _texts(tokenizer, rows)
    if model.get("byte_fallback"):
        _add_sentencepiece(writer, backend, texts)
    else:
        _add_byte_level(writer, tokenizer, model)
    writer.add_token_list(texts)
    writer.add_token_types(_kinds(backend, texts, set(tokenizer.get_vocab().values())))
    _add_special(writer, tokenizer, ends)
    _add_template(writer, tokenizer)


def swallows_blanks(tokenizer: Any) -> bool:
    """Whether special tokens take the blanks behind them, as Phi-3's do; GGUF says it by name."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    return any(token["rstrip"] for token in backend["added_tokens"])


def _texts(tokenizer: Any, rows: int) -> list[str]:
    by_id = {index: text for text, index in tokenizer.get_vocab().items()}
    if max(by_id) >= rows:
        raise InputError(
            f"the tokenizer has {max(by_id) + 1:,} tokens and the model's embedding {rows:,} rows",
            "a row for each token",
            "take the tokenizer that belongs to these weights",
        )
    return [by_id.get(index, f"[PAD{index}]") for index in range(rows)]


def _kinds(backend: Mapping[str, Any], texts: list[str], known: set[int]) -> list[int]:
    added = {token["id"]: token for token in backend["added_tokens"]}
    unknown = backend["model"].get("unk_token")
    bytes_too = bool(backend["model"].get("byte_fallback"))
    kinds = []
    for index, text in enumerate(texts):
        if index not in known:
            kind = gguf.TokenType.UNUSED
        elif bytes_too and text == unknown:
            kind = gguf.TokenType.UNKNOWN
        elif index in added:
            special = added[index]["special"]
            kind = gguf.TokenType.CONTROL if special else gguf.TokenType.USER_DEFINED
        elif bytes_too and text in _BYTES:
            kind = gguf.TokenType.BYTE
        else:
            kind = gguf.TokenType.NORMAL
        kinds.append(int(kind))
    return kinds


def _add_byte_level(writer: gguf.GGUFWriter, tokenizer: Any, model: Mapping[str, Any]) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer_name(tokenizer.backend_tokenizer, model))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    writer.add_token_merges(merges)


def pre_tokenizer_name(backend: Any, model: Mapping[str, Any]) -> str:
    """Return llama.cpp's name of a cut, found by cutting a text that tells all of them apart.

    Raises:
        InputError: It has no name.
    """
    kind = (_cut(backend.pre_tokenizer), _composed(backend.normalizer), _whole_words(model))
    for name, known in PRE_TOKENIZERS.items():
        of_known = (_cut(as_tokenizers(known)), known.composes, known.whole_words)
        if name != "default" and of_known == kind:
            return name
    raise InputError(
        "the tokenizer cuts text into words in a way that llama.cpp has no name for",
        f"one of: {', '.join(sorted(PRE_TOKENIZERS))}",
        _USE,
    )


def _cut(pre_tokenizer: Any) -> list[str]:
    return [piece for piece, _ in pre_tokenizer.pre_tokenize_str(PROBE)] if pre_tokenizer else []


def _whole_words(model: Mapping[str, Any]) -> bool:
    return bool(model.get("ignore_merges"))


def _composed(normalizer: Any) -> bool:
    """Whether text is composed (NFC) before it is cut.

    Raises:
        InputError: It is changed in another way.
    """
    made = normalizer.normalize_str(PROBE) if normalizer is not None else PROBE
    if made not in (PROBE, unicodedata.normalize("NFC", PROBE)):
        raise InputError(
            "the tokenizer's normaliser changes text otherwise than by composing it (NFC)",
            "what llama.cpp does to text",
            _USE,
        )
    return made != PROBE


def _add_sentencepiece(
    writer: gguf.GGUFWriter, backend: Mapping[str, Any], texts: list[str]
) -> None:
    """Merges become scores: a token is worth less, the later it is merged."""
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(backend["model"]["merges"]):
        pair = merge.split(" ", 1) if isinstance(merge, str) else merge
        ranks.setdefault("".join(pair), rank)
    lowest = float(len(ranks) + len(backend["model"]["merges"]) + 1)
    writer.add_token_scores([-float(ranks.get(text, lowest)) for text in texts])
    writer.add_add_space_prefix(_prefixes(backend))


def _prefixes(backend: Mapping[str, Any]) -> bool:
    """Whether a blank is put before a text."""
    said = json.dumps(backend.get("normalizer")) + json.dumps(backend.get("pre_tokenizer"))
    schemes = ('"prepend_scheme": "first"', '"prepend_scheme": "always"')
    return '"Prepend"' in said or any(scheme in said for scheme in schemes)


def _add_special(writer: gguf.GGUFWriter, tokenizer: Any, ends: list[int]) -> None:
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    before = whole[:1] == [bos] and whole[:1] != plain[:1]
    after = len(whole) > 1 and whole[-1:] == [eos] and whole[-1:] != plain[-1:]
    if whole != [bos] * before + plain + [eos] * after:
        raise InputError(
            "the tokenizer puts other tokens around a text than one BOS and one EOS",
            "what GGUF has keys for",
            _USE,
        )
    if bos is not None:
        writer.add_bos_token_id(bos)
    if eos is not None:
        writer.add_eos_token_id(eos)
    others = [index for index in ends if index != eos]
    for index, add in zip(others, ("add_eot_token_id", "add_eom_token_id"), strict=False):
        getattr(writer, add)(index)
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(tokenizer.unk_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(before)
    writer.add_add_eos_token(after)


def _add_template(writer: gguf.GGUFWriter, tokenizer: Any) -> None:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = [{"name": name, "template": text} for name, text in template.items()]
    if template:
        writer.add_chat_template(template)
