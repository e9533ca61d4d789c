"""Every causal language model of the installed transformers: measured and tuned, or refused.

Each is built tiny, saved, and read by our loader; scores and greedy text are compared with
transformers' own forward pass, and the gradient of a LoRA adapter with that of a plain loss.
"""

import numpy as np
import pytest
import torch

from architectures import plain_scores, plain_text, tokens, write
from every_architecture import NAMES, build_tiny
from tiny import build_tokenizer
from weighbridge.errors import WeighbridgeError
from weighbridge.models.engine.generation import GenerationJob
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import Likelihood, score_tokens
from weighbridge.models.engine.unbatched import own_inputs
from weighbridge.models.reading import read_model
from weighbridge.tuning import adapters
from weighbridge.tuning.batches import collate
from weighbridge.tuning.fused import fused_lora
from weighbridge.tuning.isolation import first_alike
from weighbridge.tuning.loss import loss_sum, require_causal
from weighbridge.tuning.masks import MaskedRow
from weighbridge.tuning.settings import TuneSettings

QUICK = ("gpt2", "phi3", "gemma2", "gpt_oss", "mamba2", "falcon_h1", "deepseek_v3", "gemma4_text")

# What a class's own defaults tie to sizes that this generic shrinking doesn't know, and why.
NOT_BUILT = {
    "blt": "its patcher and its byte models keep their own sizes",
    "cohere_compass_text": "its defaults name no parameters for one of its kinds of layer",
    "dbrx": "its attention is configured by a nested class without defaults",
    "dots3_note": "vision and text widths are checked against each other",
    "dots3_note_text": "its memory tables keep their sizes",
    "gemma3": "its vision tower keeps its size; gemma3_text is tried",
    "gemma3n": "its vision tower needs Pillow; gemma3n_text is tried",
    "gemma4_assistant": "it reads another model's keys and values",
    "gemma4_unified_assistant": "it reads another model's keys and values",
    "git": "its vision tower keeps its size",
    "got_ocr2": "its vision tower keeps its size",
    "lfm2_moe": "its defaults name no kinds of layers",
    "moss_transcribe_diarize": "its audio encoder keeps its size",
    "musicgen": "its configuration is built from three others",
    "musicgen_melody": "its configuration is built from three others",
    "phi4_multimodal": "its vision and audio encoders keep their sizes",
    "qwen4_exp": "its defaults name no sizes",
    "qwen4_exp_text": "its defaults name no sizes",
    "zamba": "transformers 5.23 can't tie its weights in two layers",
}
# Refused in one line, with what it says.
NOT_READ = "does not load as a causal language model"
BUILT_ONLY = {"emu3": NOT_READ, "mllama": NOT_READ}  # their text parts by themselves
NOT_TUNED = {
    "cpmant": "lets a token see the tokens after it",
    "prophetnet": "lets a token see the tokens after it",
    "xlm": "lets a token see the tokens after it",
    "xlnet": "lets a token see the tokens after it",
    "zamba2": "can't read a plain text",
    "reformer": "gives no gradient to what is trained",
}
NOT_MEASURED = BUILT_ONLY | {k: v for k, v in NOT_TUNED.items() if k != "reformer"}
EACH = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built(name):
    try:
        return build_tiny(name)
    except Exception as error:
        if name in NOT_BUILT:
            pytest.skip(NOT_BUILT[name])
        raise AssertionError(f"{name} can't be built small: {error}") from error


def own_text(model, job):
    """What transformers writes with its cache, for those that number positions by their padding."""
    try:
        out = model.generate(
            torch.from_numpy(job.tokens)[None], max_new_tokens=job.max_tokens, do_sample=False,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
    except Exception:  # some can be read only
        return None
    return out[0, len(job.tokens) :].tolist()


@pytest.mark.parametrize("name", EACH)
def test_scores_and_text_are_those_of_transformers(name, tmp_path):
    plain = built(name)
    plain.save_pretrained(tmp_path)
    build_tokenizer().save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    shared = tokens(rng, 14, 15)
    rows = [
        Likelihood(np.concatenate([shared, tokens(rng, n, n + 1)]), tokens(rng, 1, 4))
        for n in (3, 9, 20, 1)
    ]
    jobs = [
        GenerationJob(np.concatenate([shared, tokens(rng, 2, 3)]), 6),
        GenerationJob(tokens(rng, 5, 6), 6),
    ]
    try:
        network = Network(read_model(tmp_path, torch.float32, "cpu")[0])
        found = score_tokens(network, rows, 64, lambda done, to_come: None)
    except WeighbridgeError as refusal:
        assert NOT_MEASURED.get(name, "nothing") in str(refusal)
        return
    assert name not in NOT_MEASURED
    got = np.array([x.logprob for x in found])
    assert np.abs(got - plain_scores(plain, rows)).max() < 5e-4
    written = write(network, jobs, 2)
    for index, job in enumerate(jobs):
        assert written[index] in (plain_text(plain, job), own_text(plain, job))


def a_row(rng, shared, own):
    ids = [*shared, *map(int, tokens(rng, own, own + 1))]
    return MaskedRow("", tuple(ids), (False,) * 14 + (True,) * (len(ids) - 14))


def plain_loss(model, row):
    ids = torch.tensor(row.token_ids)
    logits = model(**own_inputs(model, ids)).logits[0].float()
    at = [i for i in range(1, len(ids)) if row.trained[i]]
    before = [i - 1 for i in at]
    return torch.nn.functional.cross_entropy(logits[before], ids[at], reduction="sum")


@pytest.mark.parametrize("name", EACH)
def test_the_gradient_is_that_of_a_plain_pass(name):
    module = built(name)
    rng = np.random.default_rng(0)
    shared = list(map(int, tokens(rng, 12, 13)))
    rows = [a_row(rng, shared, own) for own in (9, 14)]
    try:
        with adapters.attached_adapter(module, TuneSettings(rank=4), "base") as adapted:
            compare_gradients(adapted, rows)
    except WeighbridgeError as refusal:
        assert NOT_TUNED.get(name, "nothing") in str(refusal)
        return
    assert name not in NOT_TUNED


def compare_gradients(adapted, rows):
    adapted.eval()
    probe = torch.tensor([rows[0].token_ids])
    require_causal(adapted, probe)
    adapters.require_neutral(adapted, probe)
    arrangement = first_alike(adapted, rows, ("tree", "packed", "padded"), 0.0)
    base = adapted.get_base_model()
    parameters = adapters.adapter_parameters(adapted)
    torch.manual_seed(0)
    for parameter in parameters.values():
        torch.nn.init.normal_(parameter, std=0.05)  # an adapter that has learnt something
    with fused_lora(adapted):
        loss_sum(adapted, collate(rows, "cpu", arrangement)).backward()
    got = {n: p.grad for n, p in parameters.items() if p.grad is not None}
    adapted.zero_grad()
    sum(plain_loss(base, row) for row in rows).backward()
    expected = {n: p.grad for n, p in parameters.items() if p.grad is not None}
    assert any(float(gradient.norm()) > 0 for gradient in expected.values())
    for name, gradient in expected.items():
        gap = got[name] - gradient if name in got else gradient
        assert float(gap.norm()) <= 1e-3 * float(gradient.norm()) + 1e-6, name


def test_what_is_not_built_is_listed_and_nothing_else_is():
    assert set(NOT_BUILT) | set(NOT_TUNED) | set(QUICK) <= set(NAMES)
