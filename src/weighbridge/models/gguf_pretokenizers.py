"""How text is cut into words before byte-pair merges, by the name that a GGUF file gives it.

`tokenizer.ggml.pre` names the cut; the patterns are those of the models' own `tokenizer.json`. A
name that is not here is refused: another cut gives other tokens, and nobody would see it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weighbridge.errors import InputError

_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_LLAMA3 = _SHORT + r"\p{N}{1,3}|" + _TAIL
_QWEN2 = _SHORT + r"\p{N}|" + _TAIL
_QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|"
    r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+@|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*@|"
_CASED_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_TEKKEN = _CASED.replace("@", "") + r"\p{N}|" + _CASED_TAIL
_GPT4O = _CASED.replace("@", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?") + r"\p{N}{1,3}|" + _CASED_TAIL
_DEEPSEEK3 = (
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
_DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}")
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# What llama.cpp does where a file names nothing, or "default".
_DEFAULT = (r"[\p{P}\$\+<=>\^~\|]+", "GPT-2", r"\p{N}+", "[0-9][0-9][0-9]")


@dataclass(frozen=True)
class PreTokenizer:
    """One way of cutting.

    Attributes:
        splits: Patterns, each applied to what the one before left; `GPT-2` is byte-level BPE's own.
        composes: Whether text is normalised (NFC) first.
        whole_words: Whether a word that is a token is one, whatever the merges say.
        adds_bos: Whether texts begin with BOS where the file does not say.
    """

    splits: tuple[str, ...]
    composes: bool = False
    whole_words: bool = False
    adds_bos: bool = False


_PLAIN = PreTokenizer(("GPT-2",))
_DIGITS = PreTokenizer((r"\p{N}", "GPT-2"))  # digits one by one, then GPT-2's pattern
_LLAMA_BPE = PreTokenizer((_LLAMA3,), whole_words=True, adds_bos=True)
_QWEN = PreTokenizer((_QWEN2,), composes=True)

PRE_TOKENIZERS: Mapping[str, PreTokenizer] = {
    "default": PreTokenizer(_DEFAULT),
    "gpt-2": _PLAIN,
    "phi-2": _PLAIN,
    "mpt": _PLAIN,
    "exaone4": _PLAIN,
    "olmo": PreTokenizer(("GPT-2",), composes=True),
    "smollm": _DIGITS,
    "starcoder": _DIGITS,
    "refact": _DIGITS,
    "command-r": PreTokenizer((r"\p{N}", "GPT-2"), composes=True),
    "llama-bpe": _LLAMA_BPE,
    "llama3": _LLAMA_BPE,
    "llama-v3": _LLAMA_BPE,
    "dbrx": PreTokenizer((_LLAMA3,)),
    "smaug-bpe": PreTokenizer((_LLAMA3,)),
    "glm4": PreTokenizer((_LLAMA3,)),
    "chatglm-bpe": PreTokenizer((_LLAMA3,)),
    "qwen2": _QWEN,
    "deepseek-r1-qwen": _QWEN,
    "megrez": _QWEN,
    "qwen35": PreTokenizer((_QWEN35,), composes=True),
    "stablelm2": PreTokenizer((_QWEN2,)),
    "tekken": PreTokenizer((_TEKKEN,), whole_words=True, adds_bos=True),
    "gpt-4o": PreTokenizer((_GPT4O,)),
    "llama4": PreTokenizer((_GPT4O,)),
    "deepseek-coder": PreTokenizer(_DEEPSEEK_CODER),
    "deepseek-v3": PreTokenizer(_DEEPSEEK3),
    "hunyuan-dense": PreTokenizer(_DEEPSEEK3),
}


def find_pre_tokenizer(name: Any, where: str) -> PreTokenizer:
    """Return the cut that a file names; a file that names none gets llama.cpp's default.

    Raises:
        InputError: It is not known.
    """
    if name is None:
        name = "default"
    if not isinstance(name, str) or name not in PRE_TOKENIZERS:
        raise InputError(
            f"{where} says tokenizer.ggml.pre = {name!r}",
            f"a pre-tokenizer that is known: {', '.join(sorted(PRE_TOKENIZERS))}",
            "another one would give other tokens: use the model's safetensors",
        )
    return PRE_TOKENIZERS[name]


def as_tokenizers(pre: PreTokenizer) -> Any:
    """Build it from the pieces of the `tokenizers` package."""
    from tokenizers import Regex, pre_tokenizers

    *before, last = pre.splits
    known = last == "GPT-2"  # the package has this one inside its step from text to bytes
    steps: list[Any] = [
        pre_tokenizers.Split(Regex(_GPT2 if split == "GPT-2" else split), "isolated")
        for split in (before if known else pre.splits)
    ]
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=known))
    return pre_tokenizers.Sequence(steps)
