"""Measures what a text costs a model, in bits per byte: its log-loss over the text's length.

The loss is that of a text given what stands before it: nothing but the token that the tokenizer
begins every text with, or the turns of a conversation. That token and the turns aren't counted, in
bits or in bytes. Bytes are those of the text in UTF-8, so that models with other tokenizers, and
texts in other languages, share one unit. Less is better.

Both numbers of a tuned model and its base rest on the same tokens, so the difference of the two is
the difference of their log-likelihoods alone.
"""

import math
from collections.abc import Iterator, Sequence

from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.grading import scored_line
from weighbridge.models.protocol import Model, ScoreRequest, ScoreResult
from weighbridge.records import Graded, Sample, Score, ScoredSample
from weighbridge.records.scale import BITS_PER_BYTE, ends


def losses(
    model: Model, benchmark: Benchmark, settings: Settings, samples: Sequence[Sample]
) -> Iterator[ScoredSample]:
    """Yield each sample with the loss of its one continuation.

    Raises:
        InputError: A text is longer than the model's context, or empty.
    """
    asking = benchmark.asking
    assert asking.continuations is not None, f"{benchmark.name} lists no continuations"
    texts = [asking.continuations(sample, settings)[0] for sample in samples]
    requests = [
        ScoreRequest(sample.id, asking.prompt(sample, settings), (text,))
        for sample, text in zip(samples, texts, strict=True)
    ]
    for sample, text, result in zip(samples, texts, model.score(requests), strict=True):
        yield scored_line(
            benchmark,
            sample,
            prompt_text=result.prompt_text,
            output="",
            logprobs=result.logprobs,
            stop="scored",
            input_tokens=result.input_tokens,
            score=_loss(text, result),
            charges=(result.charge,) if result.charge else (),
        )


def _loss(text: str, result: ScoreResult) -> Score:
    if result.ungraded is not None:
        return result.ungraded
    # White space at the end of what stands before is tokenised, and scored, with the text.
    before = result.prompt_text
    scored = len((before[len(before.rstrip()) :] + text).encode())
    bits = -result.logprobs[0] / math.log(2)
    most = ends(BITS_PER_BYTE)[1]
    each = min(bits / scored, most)
    capped = f", counted as {most:g} a byte" if each == most else ""
    return Graded(each, f"{each:.4f}", f"{bits:.1f} bits over {scored} bytes{capped}")
