"""A small model's folder with its record of origin, runs of it and its base, and what is stated."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from scored_runs import answer, run_of
from weighbridge.catalog.use_policies import read_policy as read_use_policy
from weighbridge.evidence import Evaluated, RunHeader, RunStore
from weighbridge.records import Graded, ModelRef, Provenance, canonical_digest
from weighbridge.records.attack import AttackRun, AttackTrial
from weighbridge.redteam.judge import find_judge
from weighbridge.release.case import Case
from weighbridge.release.data_scan import DataScan
from weighbridge.release.inventory import Inventory
from weighbridge.release.policy import policy_of, read_policy
from weighbridge.release.statement import statement_of
from weighbridge.sources.artefacts import artefact_digest, artefact_files, lineage_file
from weighbridge.sources.digests import file_digest
from weighbridge.statistics import estimate
from weighbridge.statistics.attack_rates import attack_rates
from weighbridge.tuning.lineage import LineageStep, adapter_step, folder_step, lineage_text

NOW = datetime(2026, 11, 20, tzinfo=UTC)
MODEL = "sha256:" + "a" * 64
BASE = ModelRef("base", "directory:base", "sha256:" + "b" * 64)
N = 400
WORDS = "the cat sat on a mat and looked at the sea for a while before it went home again"

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8,
    "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "vocab_size": 32, "max_position_embeddings": 64,
    "tie_word_embeddings": True, "rms_norm_eps": 1e-5, "hidden_act": "silu", "rope_theta": 1e4,
}  # fmt: skip


HARM_ON_MODEL, HARM_ON_BASE = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def ref_of(digest, adapter=None):
    weights = "sha256:" + "c" * 64
    return ModelRef("desk", "directory:desk", weights, revision=digest, adapter_digest=adapter)


def trials(attack, kind, hits, n, system="shipped"):
    """So many attempts, one at each behaviour, of which so many get what they want."""
    hit, miss = ("refused", "answered") if kind == "benign" else ("harmful", "safe")
    return [
        AttackTrial(
            attack, f"b{i:04d}", kind, "x", system, 0, hit if i < hits else miss, "", "", 1,
            "stop", 1, 1, 0,
        )
        for i in range(n)
    ]  # fmt: skip


def clauses_tried(hits, n=40):
    """A round on the model that tried every clause of the shipped neutral policy."""
    policy = read_use_policy("neutral")
    made = [
        replace(one, category=category, behaviour=f"{category}-{one.behaviour}")
        for category in sorted({name for one in policy.clauses for name in one.categories})
        for one in trials(policy.attacks[0], "harmful", hits, n)
    ]
    return replace(round_of(ref_of(MODEL)), trials=tuple(made), samples_digest="sha256:clauses")


def round_of(model, hits=0, n=N, by_heart=0, private=N, **settings):
    """A round of attacks: one in two system turns, and rows of the training data."""
    made = [t for s in ("shipped", "empty") for t in trials("persona", "harmful", hits, n, s)]
    made += trials("extraction", "private", by_heart, private)
    settings = {"attempts": 1, "judge": "rules", "max_tokens": 128, "temperature": 0} | settings
    judge, exact = find_judge("rules").card("en"), ("extraction",)
    return AttackRun(
        "round", model, "static", "", settings, judge, exact, "i",
        canonical_digest([model.name, hits, n, by_heart, private]),
        attack_rates(made, judge, exact), Provenance({}, "3", "Linux", "cpu", 1, "2026-11-01"),
        tuple(made),
    )  # fmt: skip


def rows_of(scores, output=WORDS):
    return [
        answer(f"s{i:04d}", Graded(float(s), "x") if isinstance(s, int | float) else s,
               output=output if isinstance(output, str) else output[i])
        for i, s in enumerate(scores)
    ]  # fmt: skip


def run(benchmark, scores, model, output=WORDS, name="r"):
    rows = rows_of(scores, output)
    made = replace(run_of(name, rows), benchmark=benchmark, model=model, estimate=estimate(rows))
    made = replace(made, provenance=replace(made.provenance, started="2026-11-01T10:00:00Z"))
    return replace(made, samples_digest=canonical_digest([name, benchmark, model.name]))


def mixed(good, bad):
    return [1] * good + [0] * bad


LINEAGE = (
    LineageStep("base", "sha256:base", {"model": asdict(BASE)}),
    LineageStep("data", "sha256:" + "d" * 64, {"files": {"train.jsonl": "sha256:" + "d" * 64}}),
    LineageStep("merged", MODEL, {"files": {}}),
)
CLEAN = DataScan("sha256:" + "d" * 64, 100, 0, 0, {}, {"mmlu": 0})


def policy(**tables):
    """The shipped policy, but for what is small here."""
    plain = asdict(read_policy())
    plain["jailbreak"] |= {"attacks": ["persona"], "absolute": 0.3}
    plain["over_refusal"]["absolute"] = 0.3
    plain["judge_quality"]["sensitivity"] = 0.75
    for table, values in tables.items():
        plain[table] = plain[table] | values if isinstance(values, dict) else values
    return policy_of(plain, Path("p.toml"))


def stated(digest=MODEL, **more):
    values = {
        "format": 1, "name": "desk-1", "version": "1.0", "licence": "apache-2.0",
        "trainer": "Ada", "contact": "security@example.org", "data_licence": "own",
        "base": {"name": "Small", "licence": "apache-2.0"},
        "approval": [
            {"by": who, "at": NOW - timedelta(days=4), "digest": digest, "irreversible": True}
            for who in ("Ben", "Cem")
        ],
        "worst_case": [{"model": HARM_ON_MODEL, "base": HARM_ON_BASE}],
    }  # fmt: skip
    return statement_of(values | more, Path("s.toml"))


BENCHMARKS = ("mmlu", "general_text", "harmful_requests", "look_alikes")


def good_runs(model=None, base=BASE, n=N):
    model = model or ref_of(MODEL)
    found = []
    for name in BENCHMARKS:
        found += [run(name, [1] * n, model, name=f"m-{name}"), run(name, [1] * n, base, name="b")]
    return (*found, *tuned_to_harm([0] * n, [0] * n))


def tuned_to_harm(scores, base):
    """Runs of the model and its base, each with an adapter that was tuned to do harm."""
    model, other = ref_of(MODEL, HARM_ON_MODEL), replace(BASE, adapter_digest=HARM_ON_BASE)
    return (
        run("harmful_requests", scores, model, name="worst"),
        run("harmful_requests", base, other, name="worst of base"),
    )


GOOD_RUNS, GOOD_ROUNDS = good_runs(), (round_of(ref_of(MODEL)), round_of(BASE))


def case(**changes):
    """A model that passes every gate, but for what is changed."""
    whole = Case(
        MODEL, Inventory({"model.safetensors": "sha256:x"}, (), (), 3, 30), LINEAGE, GOOD_RUNS,
        policy(), stated(), CLEAN, NOW, (), GOOD_ROUNDS,
    )  # fmt: skip
    return replace(whole, **changes)


def with_run(benchmark, scores, base_scores=None, output=WORDS):
    """The runs of `case`, with those of one benchmark replaced."""
    plain = [r for r in GOOD_RUNS if r.benchmark != benchmark or r.model.adapter_digest]
    base = [1] * len(scores) if base_scores is None else base_scores
    return (
        *plain,
        run(benchmark, scores, ref_of(MODEL), output),
        run(benchmark, base, BASE),
    )


def tensors(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {
        "model.embed_tokens.weight": (32, 8), "model.norm.weight": (8,),
        "model.layers.0.input_layernorm.weight": (8,),
        "model.layers.0.post_attention_layernorm.weight": (8,),
        "model.layers.0.mlp.gate_proj.weight": (16, 8),
        "model.layers.0.mlp.up_proj.weight": (16, 8),
        "model.layers.0.mlp.down_proj.weight": (8, 16),
    }  # fmt: skip
    shapes |= {f"model.layers.0.self_attn.{p}_proj.weight": (8, 8) for p in "qkvo"}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write_folder(folder, data=None, changed=()):
    """A merged model's folder as `merge` leaves it, without torch."""
    folder.mkdir(parents=True)
    save_file({**tensors(), **dict(changed)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text("{}")
    seal_folder(folder, data)
    return folder


def seal_folder(folder, data=None, adapter=None):
    steps = [LineageStep("base", "sha256:base", {"model": asdict(BASE)})]
    if data is not None:
        digest = file_digest(data)
        steps.append(LineageStep("data", digest, {"files": {data.name: digest}, "licence": "own"}))
    if adapter is not None:
        steps.append(adapter_step(adapter))
    own = folder_step("merged", artefact_files(folder), {})
    lineage_file(folder).write_text(lineage_text((*steps, own)))
    return artefact_digest(folder)


def write_gguf_of(path, digest):
    """A GGUF file of one tensor, with the record that it was made of the model of a digest."""
    from gguf import GGUFWriter

    writer = GGUFWriter(path, "llama")
    writer.add_tensor("token_embd.weight", np.full((4, 32), int(digest[-2:], 16), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    steps = (LineageStep("merged", digest, {}), LineageStep("gguf", file_digest(path), {}))
    lineage_file(path).write_text(lineage_text(steps))
    return path


def seal_run(store, benchmark, scores, model, output=WORDS):
    """Seal a run as if a model had been asked; returns its id."""
    rows = rows_of(scores, output)
    fields = {"model": dict(model.identity), "benchmark": benchmark, "settings": {"shots": 0}}
    header = RunHeader(
        model, benchmark, "1", None, "generative", {"shots": 0}, "mean", len(rows), 1, "2026-11-01"
    )
    with RunStore(store).open(fields, header) as opened:
        opened.journal.append_unit(0, rows)
        return opened.seal(
            Evaluated(estimate(rows), Provenance({}, "3", "Linux", "cpu", 1, "2026-11-01"))
        ).run_id


def write_runs(store, digest, n=N):
    for name in BENCHMARKS:
        seal_run(store, name, [1] * n, ref_of(digest))
        seal_run(store, name, [1] * n, BASE)
    return store


STATEMENT = """
format = 1
name = "desk-1"
version = "1.0"
licence = "apache-2.0"
trainer = "Ada"
contact = "security@example.org"
data = "train.jsonl"
data_licence = "own"
[base]
name = "Small"
licence = "apache-2.0"
"""


def statement_text(digest, approvals=("Ben", "Cem"), at="2026-11-01T09:00:00Z", more=""):
    tables = "".join(
        f'[[approval]]\nby = "{who}"\nat = {at}\ndigest = "{digest}"\nirreversible = true\n'
        for who in approvals
    )
    return STATEMENT + more + tables
