"""The checks, in the order in which they are made; to add one, write a function and list it.

Each does something in two ways that must come to the same, or looks at what must not be. The
second and later steps, saving and evaluating are what fails after hours where it fails.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from weighbridge.errors import InputError
from weighbridge.tuning import checkpoint
from weighbridge.tuning.fused import chunks_of
from weighbridge.tuning.loss import plainly
from weighbridge.tuning.self_test.bench import Bench, Gradients, apart, largest_gap, probes
from weighbridge.tuning.self_test.findings import Found
from weighbridge.tuning.step import add_gradients, update

_HOW = {"padded": "padded", "packed": "packed", "tree": "as a prefix tree"}
_OURS = "report this as a bug with what `weighbridge doctor` prints"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: What it is about.
        measure: Does it.
        expected: What a figure that is too large should have been.
        do: What to do then.
    """

    name: str
    measure: Callable[[Bench], Found]
    expected: str
    do: str


def start(bench: Bench) -> Found:
    """Before the first step, the model to be trained gives the base's logits."""
    gap = largest_gap(bench.say(), bench.base_logits)
    if bench.job.method.keeps_base:
        return Found(gap, bench.tolerance, "of the largest logit before the first step")
    # Quantised, it is another model: what is put on that must change nothing.
    bench.job.model.eval()
    for text in probes(bench.job.objective, bench.sample, bench.job.model.device):
        bench.job.method.require_unchanged(bench.job.model, text)
    bench.job.model.train()
    return Found(gap, None, "of the largest logit, by quantising the base and nothing else")


def loss(bench: Bench) -> Found:
    """The fast loss and its gradient are those that torch computes from all logits."""
    job, rows = bench.job, bench.sample.rows[:2]
    batch = bench.padded(rows)
    with bench.comparing():
        with (
            job.method.accelerated(job.model),
            chunks_of(max(1, job.objective.targets(batch) // 3)),
        ):
            fast = job.objective.loss(job.model, batch)
            fast.backward()
        ours = bench.gradients()
        with plainly():
            slow = job.objective.loss(job.model, batch)
            slow.backward()
        theirs = bench.gradients()
    what = "between the loss in chunks, or its gradient, and torch's"
    return _further(bench, (fast.item(), ours), (slow.item(), theirs), what)


def packing(bench: Bench) -> Found:
    """Rows in one pass, laid out as they will be, learn what each learns by itself."""
    job = bench.job
    with bench.comparing(), job.method.accelerated(job.model):
        together = job.objective.loss(job.model, job.batch(bench.sample.rows))
        together.backward()
        ours = bench.gradients()
        total = 0.0
        for row in bench.sample.rows:
            one = job.objective.loss(job.model, bench.padded([row]))
            one.backward()
            total += one.item()
        alone = bench.gradients()
    what = f"between {len(bench.sample.rows)} rows in one pass, {_HOW[job.arrangement]}, and alone"
    return _further(bench, (together.item(), ours), (total, alone), what)


def accumulation(bench: Bench) -> Found:
    """A step is the same step however its rows are cut into passes."""
    job, rows = bench.job, bench.sample.rows
    with bench.comparing(), job.method.accelerated(job.model):
        whole = add_gradients(job, [job.batch(rows)])
        ours = bench.gradients()
        parts = add_gradients(job, [job.batch([row]) for row in rows])
        cut = bench.gradients()
    what = f"between a step of {len(rows)} x 1 and one of 1 x {len(rows)} rows"
    return _further(bench, (whole, ours), (parts, cut), what)


def longest(bench: Bench) -> Found:
    """The longest batch goes through all that a run does, with the optimizer's memory in place."""
    job, sample = bench.job, bench.sample
    with job.method.accelerated(job.model):
        add_gradients(job, [job.batch(sample.rows)])
        update(job, bench.bold_rate)
        add_gradients(job, [job.batch(sample.longest)])
        bench.note_reached()
        update(job, bench.bold_rate)
        if sample.validation:
            job.model.eval()
            with torch.no_grad():
                job.objective.loss(job.model, job.batch(sample.validation))
            job.model.train()
    bench.after.extend(bench.say())
    return Found(None, None, f"{sample.size} through forward, backward, step and evaluation")


def gradients(bench: Bench) -> Found:
    """Whatever is to be trained has a gradient, each expert's part by itself."""
    dead: list[str] = []
    idle = 0
    for name, reached in bench.reached.items():
        sliced = len(reached) > 1 and name.rpartition(".")[0] in bench.routing.told
        for index, learns in enumerate(reached.tolist() if sliced else [bool(reached.any())]):
            if learns:
                continue
            if bench.routing.had_tokens(name, index if sliced else None):
                dead.append(f"{name}[{index}]" if sliced else name)
            else:
                idle += 1
    if dead:
        more = f" and {len(dead) - 1:,} more" if len(dead) > 1 else ""
        raise InputError(
            f"the self-test found no gradient in {dead[0]}{more} after a step",
            "one in everything that is to be trained",
            "choose with target the layers that take part, or use a base without dead ones",
        )
    unused = f"; {idle:,} of experts that none of these tokens were sent to" if idle else ""
    return Found(None, None, f"in all {len(bench.reached):,} tensors, none of them zero{unused}")


def merging(bench: Bench) -> Found:
    """Weights that the update is merged into say what the adapter says."""
    job = bench.job
    if job.method.output == "model":
        return Found(None, None, "nothing to merge: the model is whole")
    with job.method.merged_in_place(job.model):
        merged = bench.say()
    gap = largest_gap(merged, bench.after)
    return Found(gap, bench.tolerance, "of the largest logit between adapter and merged weights")


def saving(bench: Bench) -> Found:
    """A checkpoint gives back the same bits, and the result is written."""
    job = bench.job
    state = checkpoint.RunState(1, (), 0.0, 0, 0)
    folder, kind = bench.scratch / "checkpoints", job.method.output
    checkpoint.save_checkpoint(folder, state, job.parameters, job.optimizer, kind)
    kept = {name: parameter.detach().clone() for name, parameter in job.parameters.items()}
    for parameter in job.parameters.values():
        parameter.data.zero_()
    checkpoint.load_checkpoint(folder, job.parameters, job.optimizer, kind)
    lost = [name for name, one in job.parameters.items() if not torch.equal(one, kept[name])]
    if lost:
        raise InputError(f"{lost[0]} is another after a checkpoint", "the same bits", _OURS)
    del kept
    job.optimizer.state.clear()
    job.method.save(job.model, bench.tokenizer, bench.result)
    files = [path for path in bench.result.iterdir() if path.suffix == ".safetensors"]
    size = sum(path.stat().st_size for path in files)
    return Found(None, None, f"a checkpoint and {size / 1e6:,.1f} MB of result, equal when read")


CHECKS = (
    Check(
        "start", start, "the base's logits before anything is learnt",
        "choose other layers with target, or another method",
    ),
    Check("loss", loss, "equal ones", _OURS),
    Check(
        "packing", packing, "rows that know nothing of each other",
        "set batch_size = 1 and raise accumulation as much, or use another model",
    ),
    Check(
        "accumulation", accumulation, "the same step",
        "set accumulation = 1, or use another model or objective",
    ),
    Check("longest batch", longest, "", ""),
    Check("gradients", gradients, "", ""),
    Check("merging", merging, "equal logits", "keep the adapter apart from its base (no --merge)"),
    Check("saving", saving, "", ""),
)  # fmt: skip
"""All but the last check, which needs the base without what was put on it: `RELOADED`."""


def loading(bench: Bench) -> Found:
    """The saved result, loaded on the base anew, says what was trained."""
    gap = largest_gap(bench.say(bench.again), bench.after)
    return Found(gap, bench.tolerance, "of the largest logit between the result in memory and read")


RELOADED = Check("loading", loading, "equal logits", _OURS)


def _further(
    bench: Bench, ours: tuple[float, Gradients], theirs: tuple[float, Gradients], what: str
) -> Found:
    """Return the difference of the losses or that of the gradients, whichever is larger."""
    (loss_a, gradients_a), (loss_b, gradients_b) = ours, theirs
    gap = max(
        abs(loss_a - loss_b) / abs(loss_b) if loss_b else 0.0, apart(gradients_a, gradients_b)
    )
    return Found(gap, bench.tolerance, what)
