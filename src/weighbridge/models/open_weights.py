"""Open weights in this process: a transformers model under our own engine."""

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from weighbridge.errors import InputError
from weighbridge.models.adapter_origin import base_digest, origin_notes
from weighbridge.models.adapters import put_on, read_adapter_config
from weighbridge.models.bitsandbytes_library import require_installed
from weighbridge.models.budget import require_room, share_out
from weighbridge.models.control_tokens import ControlTokens
from weighbridge.models.convert import as_safetensors
from weighbridge.models.detokenisation import Detokenisation
from weighbridge.models.engine.generation import BROKEN, GenerationJob, write_sequences
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import Likelihood, score_tokens
from weighbridge.models.engine.tree import TokenIds
from weighbridge.models.near_ties import is_near_tie
from weighbridge.models.prompts import PromptWriter, Written
from weighbridge.models.protocol import (
    Capability,
    Generated,
    GenerateRequest,
    OnDone,
    PromptFinding,
    ScoreRequest,
    ScoreResult,
    Shape,
)
from weighbridge.models.reading import (
    choose_device,
    digest_tensors,
    end_tokens,
    read_with_notes,
    with_own_tokens,
)
from weighbridge.models.requests import require_whole_characters, windows
from weighbridge.models.settings_digest import settings_digest
from weighbridge.models.stopping import StopStrings
from weighbridge.models.template_checks import check_prompts
from weighbridge.models.template_clock import standing_still
from weighbridge.models.thoughts import marker_tokens, own_markers, with_known
from weighbridge.models.tokenisation import Tokenisation
from weighbridge.records import Generation, ModelRef
from weighbridge.sources.artefacts import artefact_digest, stated_digest
from weighbridge.sources.digests import text_digest
from weighbridge.sources.weights import WeightsLocation

_ALTERED = (
    "Its files are not those that its record of origin was written for: `weighbridge verify` on "
    "the model names what differs."
)


@dataclass(frozen=True)
class _Asked:
    """A request whose answer is being written."""

    request: GenerateRequest
    prompt_text: str
    input_tokens: int
    since: float
    stopping: StopStrings


class OpenWeights:
    """A model whose weights are here. See `load`.

    Attributes:
        ref: Which model this is.
        module: The transformers (or peft) model.
        tokenizer: Its tokenizer.
        prompts: Writes its prompts.
        markers: What it may put before and after a thought.
        notes: Sentences that a reader of a run must know.
        budget: What the engine may take beside the weights.
        computed_tokens: Tokens put through the model so far.
        on_done: See `Model`.
    """

    def __init__(
        self,
        module: Any,
        tokenizer: Any,
        ref: ModelRef,
        memory_bytes: int | None = None,
        load_notes: tuple[str, ...] = (),
    ) -> None:
        self.ref, self.tokenizer, self._load_notes = ref, tokenizer, load_notes
        self.network = Network(module)
        self.module = self.network.module
        self._rows = int(self.module.get_input_embeddings().weight.shape[0])
        self.tokenisation = Tokenisation(tokenizer)
        self.prompts = PromptWriter(tokenizer, ref.name)
        self.budget = share_out(self.network, memory_bytes)
        self.computed_tokens = 0
        self.truncated_contexts = 0
        self.on_done: OnDone = lambda requests: None
        self._ended, self._written = 0, dict[int, float]()
        self._stops = end_tokens(self.network.causal, tokenizer)
        own = own_markers(tokenizer)
        self.markers, self._thinks = with_known(own), bool(own)
        shown = marker_tokens(tokenizer, own)
        self.detokenisation = Detokenisation(tokenizer, self._stops, shown)
        limit = getattr(
            self.network.causal.config.get_text_config(), "max_position_embeddings", None
        )
        self.context_tokens = int(limit) if limit else 1 << 20

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Scores and generates; chats if there is a chat template."""
        templated = {Capability.CHAT, Capability.LETTER_LOGPROBS}
        chat = templated if self.tokenizer.chat_template else set()
        return frozenset({Capability.SCORE, Capability.GENERATE} | chat)

    def add_notes(self, notes: tuple[str, ...]) -> None:
        """Add sentences that a reader of a run must know, of what was found before it began."""
        self._load_notes += notes

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a run must know about how it was computed."""
        notes = [*self._load_notes]
        if self.network.why_not:
            notes.append(f"Computed without shared prefixes: {self.network.why_not}.")
        if self.network.packs and self.network.length_limit:
            notes.append(
                f"Texts of more than {self.network.length_limit} tokens were computed one by one: "
                "their length changes their rotary embeddings."
            )
        if self.truncated_contexts:
            notes.append(
                f"{self.truncated_contexts} prompts were longer than the context of "
                f"{self.context_tokens} tokens and lost their beginning."
            )
        return (*notes, *self.tokenisation.notes)

    @property
    def controls(self) -> ControlTokens:
        """Its control tokens, which rows may hold as text."""
        return self.prompts.controls

    @property
    def device(self) -> str:
        """What it computes on."""
        return str(self.network.device)

    def check_prompts(self, shapes: Collection[Shape]) -> tuple[PromptFinding, ...]:
        """Look at what the tokenizer and the chat template make of prompts of these shapes."""
        return check_prompts(self.prompts, shapes, self.markers)

    def score(self, requests: Iterable[ScoreRequest]) -> Iterator[ScoreResult]:
        """Yield log-probabilities in the order of the requests, computing shared tokens once.

        Requests are taken from their stream a window at a time.
        """
        ended = 0
        for window in windows(requests):
            yield from self._score_window(window, ended)
            ended += len(window)

    def _score_window(self, requests: list[ScoreRequest], ended: int) -> Iterator[ScoreResult]:
        written = [self.prompts.written(request.prompt) for request in requests]
        texts = [one.text for one in written]
        rendered = requests[0].prompt.text is None
        begins = str(self.tokenizer.decode([self._prefix_token()]))
        pairs = self.tokenisation.pairs(
            texts,
            [request.continuations for request in requests],
            # lm-evaluation-harness adds none to a text that begins with what it puts before texts.
            lambda text: not (rendered or text.startswith(begins)),
            self._prefix_token(),
        )
        for number, one in enumerate(written):
            if one.holds_controls:
                pairs[number] = self._pairs_of_letters(one, requests[number].continuations)
        likelihoods = [
            self._fit(request, context, rest)
            for request, row in zip(requests, pairs, strict=True)
            for context, rest in row
        ]
        count = self._counter(ended, len(requests))
        scored = iter(score_tokens(self.network, likelihoods, self.budget.pack_tokens, count))
        for request, text, row in zip(requests, texts, pairs, strict=True):
            results = [next(scored) for _ in row]
            logprobs = tuple(result.logprob for result in results)
            if not all(map(math.isfinite, logprobs)):
                raise self._not_finite(request.sample_id)
            yield ScoreResult(
                sample_id=request.sample_id,
                logprobs=logprobs,
                greedy=tuple(result.greedy for result in results),
                prompt_text=text,
                input_tokens=max(len(context) + len(rest) for context, rest in row),
                near_tie=is_near_tie(logprobs, self.ref.dtype),
            )

    def _pairs_of_letters(
        self, written: Written, continuations: Sequence[str]
    ) -> list[tuple[TokenIds, TokenIds]]:
        """Encode a chat in whose words control tokens are text, by the rule of `Tokenisation`."""
        context = self.prompts.controls.encode(written.hidden.rstrip())
        wholes = [self.prompts.controls.encode(written.hidden + rest) for rest in continuations]
        begins = np.array(context, dtype=np.int64)
        return [(begins, np.array(whole[len(context) :], dtype=np.int64)) for whole in wholes]

    def generate(self, requests: Iterable[GenerateRequest]) -> Iterator[Generated]:
        """Yield answers in the order of the requests; each depends on its own seed alone.

        Requests are taken from their stream a window at a time.
        """
        asked: dict[int, _Asked] = {}
        done: dict[int, Generated | InputError] = {}
        following = 0
        self._written, self._ended = {}, 0
        jobs = self._jobs(requests, asked)
        for index, written in write_sequences(
            self.network,
            jobs,
            self.budget.pack_tokens,
            self.budget.key_value_bytes,
            self._count_written,
        ):
            self._written.pop(index, None)
            self._ended += 1
            done[index] = self._answer(asked.pop(index), written)
            while following in done:
                # An answer that failed is told in its turn, so that those before it are kept.
                if isinstance(answer := done.pop(following), InputError):
                    raise answer
                yield answer
                following += 1

    def _jobs(
        self, requests: Iterable[GenerateRequest], asked: dict[int, _Asked]
    ) -> Iterator[GenerationJob]:
        for index, request in enumerate(requests):
            require_whole_characters(request.sample_id, request.prompt)
            written = self.prompts.written(request.prompt)
            text, ids = written.text, self.prompts.encode(written)
            stopping = StopStrings(
                self.detokenisation, request.sampling.stop, text, self.markers, self._thinks
            )
            job = self._job(index, request, ids, stopping)
            since = time.perf_counter()
            asked[index] = _Asked(request, text, len(job.tokens), since, stopping)
            yield job

    def _answer(self, asked: _Asked, written: list[int]) -> Generated | InputError:
        if written[-1] == BROKEN:
            return self._not_finite(asked.request.sample_id)
        text, stop = self._read(written, asked.stopping)
        generation = Generation(
            sample_id=asked.request.sample_id,
            repeat=asked.request.repeat,
            text=text,
            stop=stop,
            input_tokens=asked.input_tokens,
            output_tokens=len(written),
            seed=asked.request.sampling.seed,
            latency_seconds=time.perf_counter() - asked.since,
        )
        return Generated(generation, asked.prompt_text, self.markers)

    def close(self) -> None:
        """Release the weights."""
        with contextlib.suppress(AttributeError):
            del self.module, self.network

    def _counter(self, ended: int, requests: int) -> Callable[[int, int], None]:
        """Return a listener to `score_tokens` that tells requests done from tokens computed."""
        total = 0

        def count(tokens: int, to_come: int) -> None:
            nonlocal total
            total += tokens
            self.computed_tokens += tokens
            self.on_done(ended + requests * total / (total + to_come))

        return count

    def _count_written(self, tokens: int) -> None:
        self.computed_tokens += tokens
        # How long answers become isn't known: until they end, the longest possible is expected.
        self.on_done(self._ended + sum(self._written.values()))

    def _not_finite(self, sample_id: str) -> InputError:
        dtype = next(self.module.parameters()).dtype
        narrow = dtype != torch.float32
        name = str(dtype).removeprefix("torch.")
        return InputError(
            # What is not finite reaches the requests that share a pass with it.
            f"sample {sample_id}, or one computed beside it: the model's logits are not finite "
            "numbers",
            "finite ones",
            f"its weights are broken, or overflow in {name}: try --device cpu, or other weights"
            if narrow
            else "its weights are broken: fetch the model again, or use another one",
        )

    def _fit(self, request: ScoreRequest, context: TokenIds, rest: TokenIds) -> Likelihood:
        """Cut the beginning of a context that is too long, as lm-evaluation-harness does."""
        if not len(rest):
            raise InputError(
                f"sample {request.sample_id}: a continuation has no tokens of its own",
                "at least one",
                "correct the item's choices",
            )
        self._require_rows(request.sample_id, context, rest)
        if len(rest) > self.context_tokens:
            raise InputError(
                f"sample {request.sample_id}: a continuation has {len(rest)} tokens",
                f"at most the model's context of {self.context_tokens}",
                "shorten the item or use a model with a longer context",
            )
        if not len(context):
            context = np.array([self._prefix_token()], dtype=np.int64)
        room = self.context_tokens + 1 - len(rest)
        if len(context) > room:
            self.truncated_contexts += 1
            context = context[len(context) - room :]
        return Likelihood(context, rest)

    def _require_rows(self, sample_id: str, *texts: TokenIds) -> None:
        """Check that the model knows each token: a tokenizer may have more than it has rows."""
        highest = max((int(text.max()) for text in texts if len(text)), default=0)
        if highest >= self._rows:
            text = self.tokenizer.convert_ids_to_tokens(highest)
            raise InputError(
                f"sample {sample_id} holds the token {text!r} ({highest}), and the model's "
                f"embedding has {self._rows:,} rows",
                "a tokenizer whose tokens the model has",
                "take the tokenizer that belongs to these weights",
            )

    def _prefix_token(self) -> int:
        for token in (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        return 0

    def _job(
        self, index: int, request: GenerateRequest, ids: list[int], stopping: StopStrings
    ) -> GenerationJob:
        sampling = request.sampling
        tokens = np.array(ids or [self._prefix_token()], dtype=np.int64)
        self._require_rows(request.sample_id, tokens)
        room = self.context_tokens - sampling.max_tokens
        if room < 1:
            raise InputError(
                f"sample {request.sample_id}: max_tokens is {sampling.max_tokens}",
                f"less than the model's context of {self.context_tokens}",
                "lower max_tokens",
            )
        if len(tokens) > room:
            self.truncated_contexts += 1
            tokens = tokens[len(tokens) - room :]
        return GenerationJob(
            tokens=tokens,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            finished=lambda written: self._is_finished(
                index, written, sampling.max_tokens, stopping
            ),
        )

    def _is_finished(
        self, index: int, written: list[int], max_tokens: int, stopping: StopStrings
    ) -> bool:
        self._written[index] = len(written) / max_tokens
        return written[-1] in self._stops or stopping.reached(written)

    def _read(self, written: list[int], stopping: StopStrings) -> tuple[str, Any]:
        stop = "end" if written[-1] in self._stops else "length"
        text = self.detokenisation.text(written, cut=stop == "length")
        answered = stopping.cut(text)
        return (text, stop) if answered is None else (answered, "stop_string")


def load(
    location: WeightsLocation,
    *,
    cache: Path,
    device: str = "auto",
    threads: int | None = None,
    memory_bytes: int | None = None,
    four_bits: bool = False,
) -> OpenWeights:
    """Load a model for measuring or tuning.

    Args:
        location: Where its files are.
        cache: Where conversions are kept.
        device: `auto` (CUDA if there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        threads: Threads for arithmetic on a CPU; None leaves it to torch.
        memory_bytes: What the process may take; None is no limit.
        four_bits: Whether linear layers are held in NF4, to tune an adapter on them.

    Raises:
        InputError: The files are broken, the adapter does not fit the base, or the model does not
            fit the memory.
        MissingPiece: The device is not there.
    """
    if four_bits:
        require_installed()  # before minutes of reading
    if threads:
        torch.set_num_threads(threads)
    chosen = choose_device(device)
    dtype = torch.bfloat16 if chosen.startswith("cuda") else torch.float32
    folder, facts = as_safetensors(location, cache)
    require_room(folder, dtype.itemsize, memory_bytes)
    try:
        read = read_with_notes(folder, dtype, chosen, four_bits=four_bits)
    except InputError as error:
        if location.kind != "gguf":
            raise
        raise _of_gguf(error, folder, location.path) from error
    module, tokenizer = read.module, read.tokenizer
    notes = read.notes + ((facts["note"],) if "note" in facts else ())
    artefact = facts.get("gguf_digest")
    if (stated := stated_digest(location.path)) is not None:
        artefact = artefact or artefact_digest(location.path)
        notes += (_ALTERED,) * (artefact != stated)
    config, adapter_digest, adapter = module.config, None, None
    if location.adapter is not None:
        adapter = read_adapter_config(location.adapter)
        digest = base_digest(read.digest, settings_digest(config, end_tokens(module, tokenizer)))
        notes += origin_notes(location.adapter, digest, str(dtype).removeprefix("torch."))
        found = put_on(module, location.adapter)
        if found.held is not None:  # other numbers of the base are another model
            adapter = {**adapter, "base_in_four_bits": found.held.digest}
            facts["quantization"] = ", ".join([*facts.get("quantization", "").split(), "nf4"])
        module, adapter_digest = found.module, digest_tensors(found.tensors)
        rows = module.get_input_embeddings().weight.shape[0]
        tokenizer = with_own_tokens(tokenizer, location.adapter, rows)
        notes += found.notes
    template = tokenizer.chat_template
    ref = ModelRef(
        name=location.name + (f"+{location.adapter.name}" if location.adapter else ""),
        source=location.source,
        weights_digest=read.digest,
        revision=location.revision or artefact,
        adapter_digest=adapter_digest,
        tokenizer_digest=text_digest(tokenizer.backend_tokenizer.to_str())
        if getattr(tokenizer, "is_fast", False)
        else text_digest(str(sorted(tokenizer.get_vocab().items()))),
        chat_template_digest=text_digest(standing_still(str(template))) if template else None,
        settings_digest=settings_digest(config, end_tokens(module, tokenizer), adapter),
        dtype=str(dtype).removeprefix("torch."),
        quantization=facts.get("quantization"),
    )
    return OpenWeights(module, tokenizer, ref, memory_bytes, notes)


def _of_gguf(error: InputError, folder: Path, path: Path) -> InputError:
    """Reword an error about the converted folder so that it names the GGUF file."""
    saw = error.saw.replace(str(folder), str(path))
    saw = saw.replace("config.json describes", "its metadata describe")
    return InputError(
        saw.replace("this config.json", "its metadata"),
        error.expected.replace("config.json describes", "its metadata describe"),
        "fetch the file again, or convert the model to GGUF again",
    )
