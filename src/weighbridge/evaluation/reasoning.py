"""What a thinking model thought, told apart from what it answered: only the answer is graded.

A thought stands at the beginning of a reply, between markers. A chat template may open it at the
end of the prompt; then the reply holds the closing marker alone.
"""

from dataclasses import dataclass

# Opening and closing, as models' own chat templates and tokenizers write them.
MARKERS = (
    ("<think>", "</think>"),  # DeepSeek-R1, Qwen3, and most that followed
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    ("[THINK]", "[/THINK]"),  # Magistral
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),  # Kimi
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
)


@dataclass(frozen=True)
class Reply:
    """A reply's two parts; `answer` is None where the thought never ends."""

    reasoning: str
    answer: str | None


def separate_reasoning(text: str, prompt_text: str = "") -> Reply:
    """Split a reply into thought and answer.

    Args:
        text: The reply as written.
        prompt_text: The prompt as the model saw it, which may end by opening a thought.
    """
    begun = text.lstrip()
    for opening, closing in MARKERS:
        in_prompt = prompt_text.rstrip().endswith(opening)
        opened = in_prompt or begun.startswith(opening)
        # A closing marker alone: the thought was opened in a prompt that isn't known here.
        alone = closing in text and opening not in text
        if not (opened or alone):
            continue
        thought, closed, answer = text.partition(closing)
        thought = thought.lstrip().removeprefix(opening).strip()
        return Reply(thought, answer.lstrip() if closed else None)
    return Reply("", text)
