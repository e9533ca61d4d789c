"""The engine behind lm-evaluation-harness's own interface: its tasks and metrics, our speed.

What decides a number besides arithmetic (prompts, the rules of tokenising and truncating, stop
strings) is that of the harness's `hf` model; what is replaced is how text becomes tokens (shared
text once, to the same ids) and what goes through the network.
"""

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import (
    handle_stop_sequences,
    has_bos_prefix,
    normalize_gen_kwargs,
    postprocess_generated_text,
)
from tqdm import tqdm

from weighbridge.errors import InputError
from weighbridge.models.adapters import WEIGHTS, require_landed
from weighbridge.models.budget import MemoryBudget
from weighbridge.models.convert import as_safetensors
from weighbridge.models.engine.generation import BROKEN, GenerationJob, write_sequences
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import Likelihood, score_tokens
from weighbridge.models.engine.tree import TokenIds
from weighbridge.models.reading import checked_load, end_tokens
from weighbridge.models.requests import cut, require_whole_text
from weighbridge.models.tokenisation import Tokenisation
from weighbridge.sources.weights import ALIASES, default_cache, find_weights

_WINDOW = 8192  # requests arranged as one tree: enough to share, few enough to hold
_BUDGET = MemoryBudget()

Tokens = list[int] | TokenIds
_Tokenised = tuple[tuple[str, str] | None, Tokens, Tokens]  # texts, context, continuation


@register_model("weighbridge")
class WeighbridgeLM(HFLM):  # type: ignore[misc]
    """`--model weighbridge --model_args pretrained=…`, with the arguments of `--model hf`.

    `pretrained` may also be an alias (`smollm2-135m`) or a GGUF file.
    """

    def __init__(self, pretrained: Any, **settings: Any) -> None:
        with checked_load(str(pretrained)) as check:
            super().__init__(pretrained=_as_folder(pretrained), **settings)
        if isinstance(pretrained, str):  # else it was loaded before, by someone else
            check(self.model)
        adapter = Path(str(settings.get("peft") or ""))
        if settings.get("peft") and (adapter / WEIGHTS).is_file():
            require_landed(self.model, adapter)
        if self.backend != "causal":
            raise InputError(f"a {self.backend} model", "a causal language model")
        self.network = Network(self.model)
        self.network.check()
        self.tokenisation = Tokenisation(self.tokenizer)

    def loglikelihood(
        self, requests: list[Any], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """Score each continuation given its context; both are tokenised as the harness does it."""
        for request in requests:
            for text in request.args:
                require_whole_text(_named(request), text)
        results: list[tuple[float, bool]] = []
        with self._bar("loglikelihood", len(requests), disable_tqdm) as bar:
            for window in cut([r.args for r in requests], lambda texts: sum(map(len, texts))):
                results += self._scored(self._tokenised(window), bar)
        return results

    def _bar(self, kind: str, total: int, disable: bool) -> Any:
        """Return a bar over requests, drawn where the harness's own model draws one."""
        return tqdm(total=total, disable=disable or self.rank != 0, desc=f"Running {kind} requests")

    def _tokenised(self, asked: list[tuple[str, str]]) -> list[_Tokenised]:
        by_context: dict[str, dict[str, int]] = {}
        for context, continuation in asked:
            rests = by_context.setdefault(context, {})
            rests.setdefault(continuation, len(rests))
        pairs = self.tokenisation.pairs(
            list(by_context),
            [list(rests) for rests in by_context.values()],
            self._adds_special_tokens,
            self.prefix_token_id,
        )
        rows = dict(zip(by_context, pairs, strict=True))
        return [
            ((context, continuation), *rows[context][by_context[context][continuation]])
            for context, continuation in asked
        ]

    def _adds_special_tokens(self, text: str) -> bool:
        """The rule of the harness (`tok_encode` of its `models/huggingface.py`)."""
        if has_bos_prefix(text, self.tokenizer.decode(self.prefix_token_id)):
            return False
        return True if self.add_bos_token is None else bool(self.add_bos_token)

    def _loglikelihood_tokens(
        self,
        requests: Sequence[_Tokenised],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        with self._bar("loglikelihood", len(requests), disable_tqdm) as bar:
            return self._scored(requests, bar)

    def _scored(self, requests: Sequence[_Tokenised], bar: Any) -> list[tuple[float, bool]]:
        results: list[tuple[float, bool]] = []
        for start in range(0, len(requests), _WINDOW):
            window = requests[start : start + _WINDOW]
            likelihoods = [self._likelihood(context, rest) for _, context, rest in window]
            moved = _Moved(bar, len(window))
            scored = score_tokens(self.network, likelihoods, _BUDGET.pack_tokens, moved.by_tokens)
            moved.to(len(window))
            for (texts, _, _), score in zip(window, scored, strict=True):
                if not math.isfinite(score.logprob):
                    raise _not_finite("a continuation has")
                results.append((score.logprob, score.greedy))
                if texts is not None:
                    self.cache_hook.add_partial("loglikelihood", texts, results[-1])
        return results

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Sum the log-likelihoods of each text's windows."""
        self.batch_size_per_gpu = _WINDOW
        summed: list[float] = super().loglikelihood_rolling(requests, disable_tqdm)
        return summed

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Continue each context until one of its stop strings."""
        eos = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        stops = end_tokens(self.network.causal, self.tokenizer)
        for request in requests:
            require_whole_text(_named(request), request.args[0])
        texts = [""] * len(requests)
        jobs = (self._job(i, r.args[0], r.args[1], eos, stops) for i, r in enumerate(requests))
        written_by_index = write_sequences(
            self.network, jobs, _BUDGET.pack_tokens, _BUDGET.key_value_bytes, lambda tokens: None
        )
        with self._bar("generate_until", len(requests), disable_tqdm) as bar:
            for index, written in written_by_index:
                if written[-1] == BROKEN:
                    raise _not_finite(f"{_named(requests[index])} gives")
                context, asked = requests[index].args
                until = handle_stop_sequences(normalize_gen_kwargs(asked)["until"], eos=eos)
                texts[index] = self._read(written, until, stops)
                self.cache_hook.add_partial("generate_until", (context, asked), texts[index])
                bar.update(1)
        return texts

    def _likelihood(self, context: Tokens, continuation: Tokens) -> Likelihood:
        """Cut on the left what is longer than the model's context, as the harness does."""
        if not len(continuation):
            raise InputError("a continuation has no tokens", "at least one", "check the task")
        if len(continuation) > self.max_length:
            raise InputError(
                f"a continuation has {len(continuation)} tokens",
                f"at most the model's context of {self.max_length}",
            )
        whole = np.array([*context, *continuation][-(self.max_length + 1) :], dtype=np.int64)
        at = len(whole) - len(continuation)
        return Likelihood(whole[:at], whole[at:])

    def _job(
        self, index: int, context: str, asked: dict[str, Any], eos: str, stops: frozenset[int]
    ) -> GenerationJob:
        settings = normalize_gen_kwargs(asked, self.max_gen_toks)
        until = handle_stop_sequences(settings["until"], eos=eos)
        max_tokens = int(settings["max_gen_toks"])
        room = self.max_length - max_tokens
        if room < 1:
            raise InputError(
                f"max_gen_toks is {max_tokens}", f"less than the context of {self.max_length}"
            )
        ids, _ = self.tok_batch_encode([context], truncation=self.truncation)
        longest = max((len(s.encode()) for s in until), default=0) + 4

        def finished(written: list[int]) -> bool:
            if written[-1] in stops:
                return True
            tail = self.tok_decode(written[-longest:])
            return any(stop in tail for stop in until if stop)

        return GenerationJob(
            tokens=ids[0].numpy()[-room:],
            max_tokens=max_tokens,
            temperature=float(settings.get("temperature") or 0.0),
            top_p=float(settings.get("top_p") or 1.0),
            seed=index,
            finished=finished,
        )

    def _read(self, written: list[int], until: list[str], stops: frozenset[int]) -> str:
        if isinstance(self.think_end_token, int) and self.think_end_token in written:
            last = len(written) - written[::-1].index(self.think_end_token)
            return str(self.tok_decode(written[last:])).lstrip()
        text = self.tok_decode([token for token in written if token not in stops])
        think = self.think_end_token if isinstance(self.think_end_token, str) else None
        return str(postprocess_generated_text(generation=text, stop=until, think_end_token=think))


class _Moved:
    """Moves a bar through a window of requests, by the share of its tokens that is computed.

    Requests of a window share passes, so that none is finished long before the others.
    """

    def __init__(self, bar: Any, requests: int) -> None:
        self._bar, self._requests = bar, requests
        self._tokens = self._shown = 0

    def by_tokens(self, computed: int, to_come: int) -> None:
        """Take note of a pass over so many tokens, with so many still to come."""
        self._tokens += computed
        self.to(self._requests * self._tokens // (self._tokens + to_come))

    def to(self, requests: int) -> None:
        """Show that so many of the window's requests are done."""
        self._bar.update(requests - self._shown)
        self._shown = requests


def _named(request: Any) -> str:
    return f"{request.task_name}, document {request.doc_id}: its text"


def _not_finite(whose: str) -> InputError:
    return InputError(
        f"{whose} logits that are not finite numbers",
        "finite ones",
        "the weights are broken or overflow: try dtype=float32, or other weights",
    )


def _as_folder(pretrained: Any) -> Any:
    """Convert what the harness can't read itself; leave everything else to it."""
    if isinstance(pretrained, str) and (pretrained in ALIASES or pretrained.endswith(".gguf")):
        cache = Path(os.environ.get("WEIGHBRIDGE_CACHE") or default_cache())
        folder, _ = as_safetensors(find_weights(pretrained), cache)
        return str(folder)
    return pretrained


def run_harness(arguments: Sequence[str]) -> None:
    """Hand the arguments to the harness's own command line, with the model registered.

    Raises:
        InputError: The harness refused them.
    """
    from lm_eval.__main__ import cli_evaluate

    before = sys.argv
    sys.argv = ["weighbridge lm-eval", *arguments]
    try:
        cli_evaluate()
    except (ValueError, KeyError, OSError) as error:  # how the harness says that a name is wrong
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"lm-evaluation-harness stopped: {said[0]}",
            "arguments that it understands",
            "see: weighbridge lm-eval run --help",
        ) from error
    finally:
        sys.argv = before
