"""What is released is what was evaluated, by digest: from the base to the file for llama.cpp."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch

from commands import weighbridge
from conftest import write_project
from documented import write_files
from weighbridge.sources.artefacts import artefact_digest
from weighbridge.tuning.lineage import read_lineage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A project that tunes, merges, measures the merged model; and a GGUF file of it."""
    from tiny import build_tiny_model

    folder = tmp_path_factory.mktemp("released")
    base = build_tiny_model(folder / "base", initializer_range=0.1)
    write_project(folder, base)
    path = folder / "weighbridge.toml"
    path.write_text(path.read_text().replace("[tune]", '[tune]\nmerge = "merged"'))
    done = weighbridge("run", "--offline", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    words = ("export", "gguf", "merged", "--to", "letters.gguf", "--cache", "cache", "--json")
    exported = weighbridge(*words, cwd=folder)
    assert exported.returncode == 0, exported.stderr
    return folder, outcome, json.loads(exported.stdout)


def checks(folder, artefact, code=0):
    done = weighbridge("verify", artefact, "--json", cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    (found,) = json.loads(done.stdout)["runs"]
    return {check["name"]: check for check in found["checks"]}


def test_the_chain_holds_from_the_base_to_the_last_file(released):
    folder, outcome, exported = released
    found = checks(folder, "merged")
    assert found["lineage"]["detail"] == "base -> data -> recipe -> adapter -> merged"
    tuned = next(run for run in outcome["runs"] if run in found["measured"]["detail"])
    stated = json.loads((folder / ".weighbridge/runs" / tuned / "run.json").read_text())
    assert artefact_digest(folder / "merged") in json.dumps(stated)
    steps = read_lineage(folder / "letters.gguf")
    assert [step.stage for step in steps][-2:] == ["merged", "gguf"]
    assert steps[:-1] == read_lineage(folder / "merged")
    assert steps[-1].digest == exported["digest"]
    assert exported["source_digest"] == artefact_digest(folder / "merged")
    page = (folder / outcome["report"]).read_text()
    assert artefact_digest(folder / "merged") in page and "nats a token" in page


def test_a_file_is_measured_under_its_own_digest(released):
    folder, _, _ = released
    assert "by no run" in checks(folder, "letters.gguf")["measured"]["detail"]
    words = ("evaluate", "letters.gguf", "-b", "letters.toml", "--cache", "cache", "--json")
    (run,) = json.loads(weighbridge(*words, "--offline", cwd=folder).stdout)["runs"]
    assert checks(folder, "letters.gguf")["measured"]["detail"] == run["run"]


def test_one_altered_byte_is_named_everywhere(released, tmp_path):
    folder, _, _ = released
    for name in ("merged", "letters.toml", "test.jsonl"):
        (shutil.copytree if name == "merged" else shutil.copy)(folder / name, tmp_path / name)
    path = tmp_path / "merged" / "chat_template.jinja"
    path.write_text(path.read_text().replace("<|start|>", "<|start |>", 1))
    found = checks(tmp_path, "merged", code=1)
    assert found["artefact"]["detail"].startswith("chat_template.jinja: not as it was written")
    refused = weighbridge("export", "gguf", "merged", "--to", "x.gguf", cwd=tmp_path)
    assert refused.returncode == 2 and "chat_template.jinja" in refused.stderr
    words = ("evaluate", "merged", "-b", "letters.toml", "--limit", 2, "--cache", "cache", "--json")
    done = weighbridge(*words, "--offline", cwd=tmp_path)
    (run,) = json.loads(done.stdout)["runs"]
    shown = weighbridge("runs", "show", run["run"], cwd=tmp_path)
    assert "record of origin" in " ".join(shown.stdout.split())


def test_three_loaders_give_the_same_answers(released):
    """Plain transformers and peft, our engine, and llama.cpp where it is installed."""
    folder, _, _ = released
    prompts = [f"say {'ABCD'[i % 4]} number {1000 + i}" for i in range(8)]
    ids = [_rendered(folder / "merged", prompt) for prompt in prompts]
    merged = _ours(folder, folder / "merged", ids)
    peft = _peft(folder, ids)
    gguf = _ours(folder, folder / "letters.gguf", ids)
    for name, found, gap in (("peft", peft, 1e-3), ("GGUF", gguf, 1e-2)):
        assert [answer for answer, _ in found] == [answer for answer, _ in merged], name
        for (_, one), (_, other) in zip(found, merged, strict=True):
            assert np.abs(one - other).max() < gap, name
    llama_cpp = pytest.importorskip("llama_cpp")
    theirs = _llama_cpp(llama_cpp, folder / "letters.gguf", ids)
    assert [answer for answer, _ in theirs] == [answer for answer, _ in merged]
    for (_, one), (_, other) in zip(theirs, merged, strict=True):
        assert np.abs(one - other).max() < 2e-2


NEW = 3


def _rendered(model, prompt):
    from transformers import AutoTokenizer

    turns = [{"role": "user", "content": prompt}]
    return AutoTokenizer.from_pretrained(model).apply_chat_template(
        turns, add_generation_prompt=True, return_dict=False
    )


def _continued(logits_after, rows):
    """Continue each row greedily; return the new ids and the last row of log-probabilities."""
    found = []
    for row in rows:
        ids, first = list(row), None
        for _ in range(NEW):
            logits = logits_after(ids)
            first = torch.log_softmax(logits.double(), -1).numpy() if first is None else first
            ids.append(int(logits.argmax()))
        found.append((ids[len(row) :], first))
    return found


def _ours(folder, model, rows):
    from weighbridge.models.engine.generation import GenerationJob, write_sequences
    from weighbridge.models.open_weights import load
    from weighbridge.sources.weights import find_weights

    opened = load(find_weights(str(model)), cache=folder / "cache", device="cpu", threads=1)
    jobs = [
        GenerationJob(np.array(row, dtype=np.int64), NEW, finished=lambda written: False)
        for row in rows
    ]
    written = dict(write_sequences(opened.network, jobs, 1024, 1 << 30, lambda tokens: None))
    with opened.network.as_built() as module:
        plain = _continued(lambda ids: _logits(module, ids), rows)
    assert [written[n] for n in range(len(rows))] == [answer for answer, _ in plain]
    return plain


def _logits(module, ids):
    with torch.no_grad():
        return module(input_ids=torch.tensor([ids])).logits[0, -1]


def _peft(folder, rows):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    (adapter,) = (folder / ".weighbridge" / "tuning").glob("*/adapter")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
        module = PeftModel.from_pretrained(base, str(adapter)).eval()
    return _continued(lambda ids: _logits(module, ids), rows)


def _llama_cpp(llama_cpp, path, rows):
    model = llama_cpp.Llama(
        str(path), n_ctx=128, logits_all=True, verbose=False, type_k=0, type_v=0, n_threads=1
    )

    def logits_after(ids):
        model.reset()
        model.eval(ids)
        return torch.tensor(np.array(model.scores[len(ids) - 1]))

    return _continued(logits_after, rows)


def test_its_release_is_decided_and_its_bundle_verifies(released, repository, tmp_path):
    """The statement is that of the documentation; nobody has approved this digest."""
    folder, _, _ = released
    for name in ("merged", ".weighbridge"):
        shutil.copytree(folder / name, tmp_path / name)
    for name in ("weighbridge.toml", "letters.gguf", "letters.gguf.lineage.json", "train.jsonl"):
        shutil.copy(folder / name, tmp_path / name)
    (tmp_path / "merged" / "LICENSE").write_text("Do as you like.")
    write_files(repository / "docs/how-to/release.md", tmp_path)
    policy = weighbridge("release", "policy").stdout.replace('["mmlu"]', '["letters"]')
    (tmp_path / "policy.toml").write_text(policy)
    words = (".", "--statement", "release.toml", "--policy", "policy.toml")
    built = weighbridge(
        "release", "build", *words, "--to", "bundle", "--draft", "--also", "letters.gguf",
        "--json", cwd=tmp_path,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    gates = {one["gate"]: one for one in json.loads(built.stdout)["decision"]["gates"]}
    passing = {name for name, one in gates.items() if one["outcome"] == "pass"}
    assert passing == {"capability", "integrity", "licence", "use_policy"}
    assert (
        "0 of 2 people" in gates["humans"]["why"]
        and "our own staff" in gates["jailbreak"]["waiver"]
    )
    verified = weighbridge("release", "verify", "bundle", "--unsigned", "--json", cwd=tmp_path)
    found = json.loads(verified.stdout)
    assert verified.returncode == 3 and found["holds"], found["differs"]
    assert any("letters.gguf" in note for note in found["notes"])
    asked = weighbridge("release", "gpai", *words[:3], "--base-flops", "1", "--json", cwd=tmp_path)
    assert asked.returncode == 1 and json.loads(asked.stdout)["tuning_flops"] > 0
