"""Small tokenizers of every kind that open models bring, trained on the spot."""

from collections.abc import Callable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, processors, trainers
from tokenizers import normalizers as n
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "The following are multiple choice questions (with answers) about astronomy.",
    "What is the 2nd law? It's 12345 units; they don't know we'll see.\n\nA. yes\nB. no",
    "Answer: C\n\n  indented   spaces\tand tabs\r\n漢字かな交じり文 été naïve 😀 ﬁn … ½ the answer",
] * 4
SPECIAL = ["<unk>", "<s>", "</s>"]
ADDED = [
    AddedToken("<|im_start|>", special=True),
    AddedToken("<mask>", lstrip=True, special=True),
    AddedToken("<r>", rstrip=True),
    AddedToken("word", single_word=True),
    AddedToken("ab cd", normalized=True),
]
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _train(
    model: Any,
    *,
    pre: Any = None,
    normalizer: Any = None,
    around: str = "",
    trainer: Any = trainers.BpeTrainer,
    added: bool = True,
    **settings: Any,
) -> Any:
    tokenizer = Tokenizer(model)
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(
        CORPUS,
        trainer(vocab_size=400, special_tokens=SPECIAL, show_progress=False, **settings),
    )
    if around:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=around, special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    if added:
        fast.add_tokens(ADDED)
    return fast


def _byte_level(*before: Any, use_regex: bool = False, **settings: Any) -> Any:
    model = models.BPE(**settings.pop("model", {}))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    return _train(
        model,
        pre=pre_tokenizers.Sequence([*before, level]),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        **settings,
    )


def _split(pattern: str) -> Any:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def _one_word(normalizer: Any = None, pre: Any = None) -> Any:
    model = models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    return _train(model, normalizer=normalizer, pre=pre, around="<s> $A", max_token_length=10)


def _unigram(split: bool) -> Any:
    return _train(
        models.Unigram(),
        trainer=trainers.UnigramTrainer,
        unk_token="<unk>",
        normalizer=n.Sequence([n.NFKC(), n.Replace(Regex(" {2,}"), " ")]),
        pre=pre_tokenizers.Metaspace(prepend_scheme="always" if split else "first", split=split),
        around="$A </s>",
        max_piece_length=8,
    )


KINDS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: _byte_level(use_regex=True),
    "llama3": lambda: _byte_level(_split(LLAMA3), around="<s> $A", model={"ignore_merges": True}),
    "qwen": lambda: _byte_level(_split(LLAMA3), normalizer=n.NFC(), around="$A </s>"),
    "deepseek": lambda: _byte_level(
        _split(r"\p{N}{1,3}"), _split("[一-龥ぁ-ゟ゠-ヿ]+"), _split(LLAMA3), around="<s> $A"
    ),
    "starcoder": lambda: _byte_level(pre_tokenizers.Digits(individual_digits=True), use_regex=True),
    "bytes-in-one-word": lambda: _byte_level(max_token_length=12),
    "llama2": lambda: _one_word(n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")])),
    "gemma": lambda: _one_word(
        n.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous")
    ),
    "mistral": lambda: _one_word(pre=pre_tokenizers.Metaspace(prepend_scheme="first", split=False)),
    "metaspace-words": lambda: _train(
        models.BPE(unk_token="<unk>"), pre=pre_tokenizers.Metaspace(), around="<s> $A"
    ),
    "unigram-words": lambda: _unigram(split=True),
    "unigram-whole": lambda: _unigram(split=False),
    "wordpiece": lambda: _train(
        models.WordPiece(unk_token="<unk>"),
        trainer=trainers.WordPieceTrainer,
        normalizer=n.BertNormalizer(),
        pre=pre_tokenizers.BertPreTokenizer(),
        around="<s> $A </s>",
    ),
}
