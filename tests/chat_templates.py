"""Published chat templates, which the package trl carries, each on a small tokenizer of its own."""

import importlib.util
from functools import cache
from pathlib import Path

from weighbridge.models.template_clock import template_of

FOLDER = Path(importlib.util.find_spec("trl").origin).parent / "chat_templates"

_THINK = ("<think>", "</think>")
# Begin of text, end of turn, other special tokens, plain added tokens.
_FAMILIES = {
    "llama": (
        "<|begin_of_text|>", "<|eot_id|>", ("<|start_header_id|>", "<|end_header_id|>"), (),
    ),
    "qwen": (None, "<|im_end|>", ("<|im_start|>",), _THINK),
    "gptoss": (
        "<|startoftext|>", "<|return|>",
        ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>"), (),
    ),
    "gemma": ("<bos>", "<eos>", ("<start_of_turn>", "<end_of_turn>"), ()),
    "phi": ("<s>", "<|endoftext|>", ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>"), ()),
    "deepseek": (
        "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", ("<｜User｜>", "<｜Assistant｜>"),
        _THINK,
    ),
    "glm": (
        None, "<|endoftext|>",
        ("[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|system|>", "<|observation|>"), _THINK,
    ),
    "lfm2": ("<|startoftext|>", "<|im_end|>", ("<|im_start|>",), ()),
    "cohere": (
        "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>",
        ("<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>",
         "<|START_RESPONSE|>", "<|END_RESPONSE|>"), (),
    ),
    "nemotron": (None, "<|im_end|>", ("<|im_start|>",), _THINK),
}  # fmt: skip

NAMES = (
    "llama3", "llama3_1", "llama3_2", "qwen2_5", "qwen3", "qwen3_instruct_2507", "qwen3_5_think",
    "qwen3_5_nothink", "qwen3_6", "gptoss", "glm4moe", "gemma", "gemma3", "phi3", "phi3_5",
    "deepseekv3", "lfm2", "lfm2_2_5", "cohere", "cohere2", "nemotron_3_nano",
)  # fmt: skip


def has_family(name):
    """Whether special tokens of a template's family are known here."""
    return any(name.startswith(family) for family in _FAMILIES)


@cache
def tokenizer_of(name, template=None):
    """Return a tokenizer with the special tokens of a template's family, and that template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bos, eos, special, plain = next(v for k, v in _FAMILIES.items() if name.startswith(k))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[*filter(None, (bos, eos)), *special, "<|pad|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    # Blanks before words and lines that end twice merge, as in real vocabularies.
    corpus = ["the quick brown fox", "what is the answer\n\nto this question\n\n"] * 5
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_tokens([AddedToken(p, special=False, normalized=False) for p in plain])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, pad_token="<|pad|>"
    )
    fast.chat_template = (FOLDER / f"{template or name}.jinja").read_text(encoding="utf-8")
    return fast


def trl_spans(name, turns):
    """Return what trl's training template of a name marks as learnt: spans of token ids."""
    tokenizer = tokenizer_of(name, f"{name}_training")
    encoded = tokenizer.apply_chat_template(
        turns, chat_template=template_of(tokenizer), return_dict=True,
        return_assistant_tokens_mask=True,
    )  # fmt: skip
    return spans(encoded["input_ids"], encoded["assistant_masks"])


def spans(ids, trained):
    """Return runs of learnt token ids, each with the position of its first."""
    found = []
    for at, (token, learnt) in enumerate(zip(ids, trained, strict=True)):
        if learnt and found and found[-1][0] + len(found[-1][1]) == at:
            found[-1][1].append(token)
        elif learnt:
            found.append((at, [token]))
    return found
