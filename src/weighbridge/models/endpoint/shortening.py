"""Shortens requests that exceeded a limit, and marks their answers."""

from dataclasses import dataclass, replace

from weighbridge.models.endpoint.replies import NoAnswer, ServerAnswer, TooMuch
from weighbridge.models.endpoint.wording import Asked
from weighbridge.models.marks import ASKED_FOR_LESS, CONTEXT_ENDED, CUT_BY_SERVER, CUT_BY_US

_MOST_OF_IT, _END_TOKENS = 0.9, 8  # servers count the ends of turns and thoughts differently


@dataclass(frozen=True)
class Less:
    """What a request asks for now, and why it is less than was wanted, if it is."""

    asked: Asked
    why: str

    def marked(self, answer: ServerAnswer, wanted: Asked) -> ServerAnswer:
        """Mark an answer to a shortened request, where a cut is not the model's fault."""
        tokens, most = self.asked.sampling.max_tokens, wanted.sampling.max_tokens
        if tokens >= most:
            return answer
        marks = [answer.why, f"{ASKED_FOR_LESS.sign} ({tokens} tokens of {most}: {self.why})"]
        if answer.stop != "length":
            return replace(answer, why="; ".join(filter(None, marks)))
        marks.append(CUT_BY_US.sign)
        return replace(answer, stop="error", why="; ".join(filter(None, marks)))


def cut_by_server(answer: ServerAnswer, tokens: int) -> ServerAnswer:
    """Mark an answer that ended for length long before the allowed length.

    Args:
        answer: With the server's own counts.
        tokens: The longest answer that was asked for.
    """
    early = answer.counted and answer.output_tokens < _MOST_OF_IT * tokens - _END_TOKENS
    if answer.stop != "length" or not early or CONTEXT_ENDED.sign in answer.why:
        return answer
    sign = f"{CUT_BY_SERVER.sign} ({answer.output_tokens} tokens of {tokens})"
    return replace(answer, why="; ".join(filter(None, (answer.why, sign))))


def shorter(less: Less, tokens: int, refused: TooMuch) -> Less | NoAnswer:
    """Return what to ask for instead: a shorter answer, if one fits.

    Args:
        less: What was asked for. If that was shortened before, the server's numbers were wrong,
            and at most half of it is asked for now.
        tokens: The longest answer that it allowed.
        refused: What the server said.
    """
    asked, fits = less.asked, refused.limit.fits(tokens)
    if less.why:
        fits = min(fits, tokens // 2)
    if fits:
        return Less(replace(asked, sampling=replace(asked.sampling, max_tokens=fits)), refused.why)
    if refused.limit.kind == "context":
        return NoAnswer(refused.why, "overlong")
    do = "the prompt alone is beyond it: take fewer --shots, or raise the account's limit"
    return NoAnswer(f"{refused.why}; {do}")
