"""Every parser of bytes that others wrote: what valid input looks like, and how it is read.

To add one, add a `Parser` to `parsers()`: valid seeds, the mutation that fits their form, and a
function that reads one input all the way to what is used. Only WeighbridgeErrors may come out.
"""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from fuzz.mutations import (
    Mutate,
    bytes_changed,
    headed_changed,
    json_changed,
    numbers_changed,
    rows_changed,
    tokens_changed,
)
from fuzz.pipe import pipes
from weighbridge.errors import WeighbridgeError, boundary

SEEDS = Path(__file__).parent / "seeds"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHEN = "2026-01-01T00:00:00+00:00"
Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        name: What it reads.
        seeds: Valid inputs, which are then changed.
        mutate: How they are made invalid.
        read: Reads one; raises nothing but WeighbridgeErrors.
        share: How many inputs it gets beside the others: dear ones get fewer.
        foreign: Whole inputs of other forms, which may be refused, and are changed likewise.
    """

    name: str
    seeds: tuple[bytes, ...]
    mutate: Mutate
    read: Read
    share: float = 1.0
    foreign: tuple[bytes, ...] = ()


def parsers(folder: Path) -> list[Parser]:
    """Return all parsers; `folder` is where they may write, best one in memory."""
    return [
        *_tables(folder), *_projects(folder), *_answers(folder), *_models(folder),
        *_harnesses(folder), *_endpoints(), *_evidence(folder), *_readings(), *_attacks(folder),
        *(Parser(*pipe, share) for pipe, share in zip(pipes(), (2, 1, 1), strict=True)),
    ]  # fmt: skip


def _written(path: Path, read: Callable[[Path], object]) -> Read:
    """Read an input as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def from_file(data: bytes) -> object:
        path.write_bytes(data)
        return read(path)

    return from_file


def _rows(*rows: object) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _tables(folder: Path) -> list[Parser]:
    from weighbridge.planning.scaling.reading import read_points
    from weighbridge.sources.documents import read_json
    from weighbridge.sources.tables import csv_rows, jsonl_rows, parquet_rows
    from weighbridge.sources.text_files import read_text

    csv = b'id,question,answer\n1,"what, then?",A\n2,"two\nlines",B\n3,plain,C\n'
    jsonl = _rows({"id": 1, "q": "what?", "a": ["x", 2.5]}, {"id": 2, "q": "\u2028", "a": None})
    runs = [(n, d, 1.7 + 400 / n**0.34 + 410 / d**0.28) for n in (1e6, 4e6, 2e7) for d in
            (2e7, 1e8, 4e8, 2e9)]  # fmt: skip
    scaling = "params,tokens,loss\n" + "".join(f"{n / 1e6:g}M,{d},{f}\n" for n, d, f in runs)
    more = "N,D,L,flops\n" + "".join(f"{n},{d},{f},{6 * n * d}\n" for n, d, f in runs)
    parquet = _parquet()
    return [
        Parser("CSV", (csv, csv.replace(b",", b";"), csv.decode().encode("utf-16")),
               tokens_changed, _written(folder / "t.csv", lambda p: list(csv_rows(p)))),
        Parser("JSONL", (jsonl, b"\xef\xbb\xbf" + jsonl), rows_changed,
               _written(folder / "t.jsonl", lambda p: list(jsonl_rows(p)))),
        Parser("JSON", (b'{"a": [1, {"b": "c"}], "d": null}',), json_changed,
               _written(folder / "t.json", read_json)),
        Parser("text", (b"ein Text\r\nzwei\n", "drei".encode("utf-16")), bytes_changed,
               _written(folder / "t.txt", read_text)),
        Parser("Parquet", (parquet,), numbers_changed,
               _written(folder / "t.parquet", lambda p: list(parquet_rows(p))), 0.3),
        Parser("scaling table", (scaling.encode(), more.encode()), tokens_changed,
               _written(folder / "runs.csv", read_points), 0.5),
    ]  # fmt: skip


def _parquet() -> bytes:
    import io

    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    table = pyarrow.table({"q": ["one", "two", None], "n": [1, 2, 3], "c": [["a"], [], None]})
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


PROJECT = b"""
[project]
name = "mine"
use = "in house"
[model]
base = "smollm2-135m"
[tune]
train = "train.jsonl"
rank = 8
target = ["q_proj"]
[judge]
model = "openai:gpt-4o"
[incumbent]
endpoint = "https://api.example.com/v1"
model = "m"
price = { input_usd_per_million_tokens = 1.0, output_usd_per_million_tokens = 2.5 }
[economics]
machine_usd_per_hour = 2.0
utilization = 0.5
[data]
mmlu = "data/mmlu"
[[evaluate]]
benchmark = "mt_bench:math"
margin = 0.5
limit = 10
[[evaluate]]
benchmark = "own.toml"
role = "guard"
required = true
"""
OWN = (
    b'data = "items.jsonl"\nprompt = "{q}?"\ntarget = "a"\nid = "id"\nmax_tokens = 8\n',
    b'data = "items.jsonl"\nprompt = "{q}"\nchoices = "c"\ntarget = "a"\nshots = 1\n'
    b'examples = "items.jsonl"\n',
    b'data = "items.jsonl"\nprompt = "{q}"\nscorer = "judge"\nrubric = "{a}"\nscale = [1, 5]\n',
    b'data = "items.jsonl"\nprompt = "{q}"\ntarget = "a"\npattern = "([A-D])"\n',
)
ITEMS = _rows(
    {"id": "x1", "q": "one", "a": "A", "c": ["1", "2"], "messages": [
        {"role": "user", "content": "one?"}, {"role": "assistant", "content": "A"}]},
    {"id": "x2", "q": "two", "a": "B", "c": ["3", "4"], "messages": [
        {"role": "system", "content": "s"}, {"role": "user", "content": "two?"},
        {"role": "assistant", "content": "B"}]},
)  # fmt: skip


def _projects(folder: Path) -> list[Parser]:
    from weighbridge.evaluation.benchmark import LoadRequest, Settings
    from weighbridge.evaluation.own import read_own_benchmark
    from weighbridge.project.project_file import read_project

    def loaded(path: Path) -> object:
        benchmark = read_own_benchmark(path)
        settings = Settings(shots=benchmark.asking.default_shots)
        items = list(benchmark.asking.load(LoadRequest(None, None, settings)))
        return [benchmark.asking.prompt(item, settings) for item in items]

    home = folder / "own"
    home.mkdir(parents=True, exist_ok=True)
    definitions = []
    for number, text in enumerate((*OWN, b'data = "items.jsonl"\nmessages = "messages"\n')):
        (home / f"own{number}.toml").write_bytes(text)
        definitions.append(home / f"own{number}.toml")

    def each_way(data: bytes) -> None:
        (home / "items.jsonl").write_bytes(data)
        for definition in definitions:
            try:
                loaded(definition)
            except WeighbridgeError:
                continue

    (folder / "own2").mkdir(exist_ok=True)
    (folder / "own2/items.jsonl").write_bytes(ITEMS)
    return [
        Parser("project file", (PROJECT,), tokens_changed,
               _written(folder / "weighbridge.toml", read_project), 0.7),
        Parser("own benchmark", OWN, tokens_changed,
               _written(folder / "own2/own.toml", loaded), 0.5),
        Parser("own benchmark's items", (ITEMS,), rows_changed, each_way, 0.3),
    ]  # fmt: skip


ANSWERS = _rows(
    {"sample_id": "1", "text": "A"},
    {"task_id": "HumanEval/0", "completion": "    return 1\n"},
    {"question_id": 81, "model_id": "m", "choices": [{"index": 0, "turns": ["one", "two"]}]},
)  # fmt: skip
QUESTIONS = _rows(
    {"question_id": 81, "category": "writing", "turns": ["one?", "two?"]},
    {"question_id": 111, "category": "math", "turns": ["3+4?", "5?"], "reference": ["7", "5"]},
)
REFERENCES = _rows({"question_id": 111, "choices": [{"index": 0, "turns": ["7", "5"]}]})
JUDGMENTS = _rows(
    {"question_id": 81, "model": "m", "judge": ["gpt-4", "single-v1"], "user_prompt": "p",
     "judgment": "Fine. Rating: [[7]]", "score": 7, "turn": 1, "tstamp": 1.5},
)  # fmt: skip
PAIRS = _rows(
    {"question_id": 81, "model_1": "m", "model_2": "n", "g1_winner": "model_1",
     "g2_winner": "tie", "judge": ["gpt-4", "pair-v2"], "turn": 1, "g1_user_prompt": "p",
     "g1_judgment": "[[A]]", "g2_user_prompt": "p", "g2_judgment": "[[C]]", "tstamp": 1.5},
)  # fmt: skip
LABELS = _rows(
    {"sample_id": "81/1", "rating": 7}, {"sample_id": "81/1", "model": "m", "preference": "A"},
    {"question_id": 81, "turn": 1, "model_a": "m", "model_b": "n", "winner": "tie"},
)  # fmt: skip
TRAINING = _rows(
    {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
                  {"role": "assistant", "content": "a"}]},
    {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]},
)  # fmt: skip


def _answers(folder: Path) -> list[Parser]:
    from weighbridge.comparison.contamination import tuning_texts
    from weighbridge.evaluation.answers import read_answers
    from weighbridge.evaluation.fastchat import is_judgments, read_files, read_judgments
    from weighbridge.evaluation.fastchat_pairs import read_pairs
    from weighbridge.evaluation.human_labels import read_human_labels
    from weighbridge.tuning.data import read_tuning_data
    from weighbridge.tuning.data_format import data_formats

    chat = folder / "mt_bench"
    (chat / "reference_answer").mkdir(parents=True, exist_ok=True)
    (chat / "reference_answer/gpt-4.jsonl").write_bytes(REFERENCES)
    kinds = ("single-v1", "single-math-v1", "pair-v2", "pair-math-v1")
    rows = [
        {"name": kind + turn, "system_prompt": "s", "prompt_template": "{question_1}?"}
        for kind in kinds
        for turn in ("", "-multi-turn")
    ]
    (chat / "judge_prompts.jsonl").write_bytes(_rows(*rows))
    return [
        Parser("answers", tuple(ANSWERS.splitlines(keepends=True)), rows_changed,
               _written(folder / "answers.jsonl", lambda p: read_answers(p).repeats)),
        Parser("FastChat's questions", (QUESTIONS,), rows_changed,
               _written(chat / "question.jsonl", lambda p: read_files(p.parent))),
        Parser("FastChat's judgments", (JUDGMENTS,), rows_changed,
               _written(folder / "j.jsonl", lambda p: is_judgments(p) and list(read_judgments(p))),
               foreign=(PAIRS,)),
        Parser("FastChat's pairs", (PAIRS,), rows_changed,
               _written(folder / "p.jsonl", lambda p: list(read_pairs(p))), foreign=(JUDGMENTS,)),
        Parser("people's labels", tuple(LABELS.splitlines(keepends=True)), rows_changed,
               _written(folder / "labels.jsonl", lambda p: read_human_labels(p, (1.0, 10.0)))),
        Parser("training rows", (TRAINING, *(_rows(f.example) for f in data_formats())),
               rows_changed, _written(folder / "train.jsonl", read_tuning_data)),
        Parser("tuning texts", (TRAINING,), rows_changed,
               _written(folder / "texts.jsonl", lambda p: list(tuning_texts(p)))),
    ]  # fmt: skip


GARAK = _rows(
    {"entry_type": "start_run setup", "_config.version": "0.17.1", "run.eval_threshold": 0.5},
    {"entry_type": "attempt", "status": 2, "probe_classname": "dan.Dan", "outputs": [
        {"text": "Sure, here it is."}, None], "detector_results": {"dan.DAN": [1.0, None]},
        "prompt": {"turns": [{"role": "user", "content": {"text": "q"}}]}},
    {"entry_type": "eval", "probe": "dan.Dan", "detector": "dan.DAN", "passed": 0,
     "total_evaluated": 1},
    {"entry_type": "completion"},
)  # fmt: skip
SCOPE = b"""name = "r"
weights = "sha256:1"
campaign = "c.toml"
until = 2026-12-31
needed = 2
attacks = ["direct"]
"""
CAMPAIGN = b"""seed = 3
attempts = 2
system = ["shipped"]
[[behaviours]]
data = "shipped"
limit = 2
ids = ["a"]
[[attack]]
name = "direct"
"""
POLICY = json.dumps({
    "title": "Ours", "version": "1", "applies_to": "all", "source": "us", "attacks": ["direct"],
    "clauses": [{"id": "1", "hazard": "weapons", "text": "No."},
                {"id": "2", "hazard": "fraud", "behaviours": ["fraud"]}],
}).encode()  # fmt: skip


def _attacks(folder: Path) -> list[Parser]:
    from weighbridge.comparison.community_round import read_scope
    from weighbridge.redteam.campaign import read_campaign
    from weighbridge.redteam.garak_report import read_report
    from weighbridge.redteam.policy_probes import find_policy, plan_probes

    def probed(path: Path) -> object:
        policy = find_policy(str(path))
        return plan_probes(policy, policy.clauses, "ours")

    return [
        Parser("garak's report", (GARAK,), rows_changed,
               _written(folder / "garak.report.jsonl", read_report)),
        Parser("use policy", (POLICY,), json_changed, _written(folder / "own.json", probed), 0.5),
        Parser("round's scope", (SCOPE,), tokens_changed,
               _written(folder / "scope.toml", read_scope), 0.5),
        Parser("campaign", (CAMPAIGN,), tokens_changed,
               _written(folder / "campaign.toml", read_campaign), 0.5),
    ]  # fmt: skip


def _models(folder: Path) -> list[Parser]:
    from weighbridge.planning.anatomy import read_architecture, summarise
    from weighbridge.sources.configs import find_config
    from weighbridge.sources.gguf_config import config_of_gguf, loadable_config
    from weighbridge.sources.gguf_header import read_gguf_header
    from weighbridge.sources.safetensors_files import stored_tensors
    from weighbridge.sources.weights import find_weights

    def taken_apart(path: Path) -> object:
        found = find_config(str(path), offline=True)
        return summarise(read_architecture(found.config, found.name), found.name, found.source)

    def gguf(path: Path) -> object:
        header = read_gguf_header(path, lists=True)
        config_of_gguf(header, "m.gguf")
        return loadable_config(header, "m.gguf")

    tensors = folder / "tensors"
    adapter = folder / "adapter"
    adapter.mkdir(parents=True, exist_ok=True)
    (adapter / "adapter_model.safetensors").write_bytes(_safetensors())
    shards = folder / "shards"
    shards.mkdir(exist_ok=True)
    for name in ("a", "b"):
        (shards / f"{name}.safetensors").write_bytes(_safetensors(name))
    index = {"metadata": {"total_size": 32}, "weight_map": {
        "a.weight": "a.safetensors", "b.weight": "b.safetensors"}}  # fmt: skip
    settings = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"],
                "base_model_name_or_path": "smollm2-135m", "task_type": "CAUSAL_LM"}  # fmt: skip
    return [
        Parser("config.json", _configs(), json_changed,
               _written(folder / "config.json", taken_apart)),
        Parser("GGUF header", (_gguf(), _gguf("qwen2")), numbers_changed,
               _written(folder / "m.gguf", gguf)),
        Parser("GGUF keys", (_gguf(), _gguf("gemma")), tokens_changed,
               _written(folder / "k.gguf", gguf), 0.3),
        Parser("safetensors header", (_safetensors(),), headed_changed,
               _written(tensors / "model.safetensors", lambda p: stored_tensors(p.parent))),
        Parser("safetensors index", (json.dumps(index).encode(),), json_changed,
               _written(shards / "model.safetensors.index.json",
                        lambda p: stored_tensors(p.parent))),
        Parser("adapter_config.json", (json.dumps(settings).encode(),), json_changed,
               _written(adapter / "adapter_config.json",
                        lambda p: find_weights(str(p.parent), offline=True))),
    ]  # fmt: skip


def _configs() -> tuple[bytes, ...]:
    import weighbridge.catalog

    models = sorted((Path(weighbridge.catalog.__file__).parent / "model_configs").glob("*.json"))
    return tuple(json.dumps(json.loads(path.read_text())["config"]).encode() for path in models)


def _safetensors(name: str = "a") -> bytes:
    header = {f"{name}.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
              "__metadata__": {"format": "pt"}}  # fmt: skip
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(16)


def _gguf(architecture: str = "llama") -> bytes:
    import tempfile

    import numpy as np
    from gguf import GGUFWriter

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "m.gguf"
        writer = GGUFWriter(path, architecture)
        writer.add_context_length(64)
        writer.add_embedding_length(32)
        writer.add_block_count(1)
        writer.add_feed_forward_length(64)
        writer.add_head_count(2)
        writer.add_head_count_kv(1)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_rope_freq_base(10000.0)
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(["a", "b", "ab"])
        writer.add_token_types([1, 1, 1])
        writer.add_token_merges(["a b"])
        writer.add_chat_template("{{ messages }}")
        writer.add_tensor("token_embd.weight", np.zeros((3, 32), np.float32))
        writer.add_tensor("output_norm.weight", np.zeros(32, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def _harnesses(folder: Path) -> list[Parser]:
    from weighbridge.evidence.importing import ImportRequest, read_harness_runs

    def read(name: str, path: Path, **more: object) -> object:
        return read_harness_runs(name, ImportRequest(path, **more))

    found = []
    for harness, patterns in {
        "lm-eval": ("results_*.json", "samples_mc_task_*.jsonl", "samples_gsm8k_*.jsonl"),
        "helm": ("run_spec.json", "scenario_state.json", "per_instance_stats.json", "stats.json"),
    }.items():
        for pattern in patterns:
            home = folder / f"{harness} {pattern.strip('*')}"
            home.mkdir(parents=True, exist_ok=True)
            for seed in (SEEDS / harness.replace("-", "_")).iterdir():
                (home / seed.name).write_bytes(seed.read_bytes())
            (changed,) = home.glob(pattern)
            mutate = rows_changed if changed.suffix == ".jsonl" else json_changed
            whole = partial(lambda p, h, n: read(n, h), h=home, n=harness)
            name = f"{harness}: {changed.name.split('_2024')[0]}"
            read_one = _written(changed, whole)
            found.append(Parser(name, (changed.read_bytes(),), mutate, read_one, 0.5))
    log, zipped = _inspect_logs(folder / "seed")
    gold = _gold()
    table = b"question,choices,m\none plus one?,\"['2', '3']\",A\ntwo?,\"['1', '2']\",2\n"
    return [
        *found,
        Parser("Inspect: .json", (log,), json_changed,
               _written(folder / "log.json", partial(read, "inspect")), 0.5),
        Parser("Inspect: .eval", (zipped,), numbers_changed,
               _written(folder / "log.eval", partial(read, "inspect")), 0.3),
        Parser("HELM's table", (table,), tokens_changed,
               _written(folder / "table/m.csv",
                        lambda p: read("helm", p.parent, gold=lambda: gold, benchmark="mmlu")),
               0.5),
    ]  # fmt: skip


def _gold() -> list[object]:
    from weighbridge.records import Message, Sample

    return [
        Sample("1", (Message("user", "one plus one?"),), "A", "m", ("2", "3")),
        Sample("2", (Message("user", "two?"),), "B", "m", ("1", "2")),
    ]


def _inspect_logs(folder: Path) -> tuple[bytes, bytes]:
    """One sealed run of ours as Inspect's logs, by our own exporter."""
    from scored_runs import sealed
    from weighbridge.evidence import RunStore
    from weighbridge.evidence.exports import inspect
    from weighbridge.records import Ungraded

    run = sealed(folder, "m", [1.0, 0.0, Ungraded("truncated"), 0.5])
    read = RunStore(folder / ".weighbridge/runs").read(run)
    return inspect._one_json(read), inspect._zipped(read)


REPLY = {
    "id": "x", "model": "m", "created": 1, "choices": [{
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A",
        "reasoning_content": "so"}, "logprobs": {"content": [{"token": "A", "logprob": -0.1,
        "bytes": [65], "top_logprobs": [{"token": "A", "logprob": -0.1, "bytes": [65]},
        {"token": "B", "logprob": -2.5, "bytes": [66]}]}]}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details":
              {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}},
}  # fmt: skip
STREAM = b'data: {"choices": [{"delta": {"content": "A"}}]}\n\ndata: [DONE]\n\n'
ERRORS = (
    b'{"error": {"message": "This model\'s maximum context length is 4096 tokens. However, you '
    b'requested 5000 tokens (4000 in the messages, 1000 in the completion).", "type": "x", '
    b'"code": "context_length_exceeded", "param": null}}',
    b'{"error": {"message": "Rate limit reached. Try again in 1m2.5s.", "code": 429}}',
    b'[{"error": {"code": 429, "status": "X", "details": [{"retryDelay": "7s"}]}}]',
    b'{"detail": [{"loc": ["body"], "msg": "bad"}]}',
    b"<html><title>502 Bad Gateway</title></html>",
)
HEADERS = (
    b'{"retry-after": "7", "x-ratelimit-remaining-requests": "0"}',
    b'{"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m"}',
    b'{"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "retry-after-ms": "1500"}',
    b'{"x-ratelimit-reset-requests": "1s", "x-should-retry": "true", "date": "x"}',
)


def _endpoints() -> list[Parser]:
    from weighbridge.models.endpoint import read_address
    from weighbridge.models.endpoint.answers import Request
    from weighbridge.models.endpoint.bodies import read_body
    from weighbridge.models.endpoint.errors import read_error
    from weighbridge.models.endpoint.failures import read_failure
    from weighbridge.models.endpoint.replies import ServerAnswer

    def body(data: bytes) -> None:
        read_body(data, NOW)
        read_body(data, NOW, letters=True, secret="sk-secret")

    def failure(data: bytes) -> None:
        for status in (0, 400, 413, 429, 500):
            read_failure(status, read_error(data, "sk-secret"), {"retry-after": "1"}, NOW)

    def headers(data: bytes) -> None:
        try:
            told = json.loads(data)
        except (ValueError, RecursionError):
            return
        if isinstance(told, dict):
            named = {str(key).lower(): str(value) for key, value in told.items()}
            for status in (429, 503):
                read_failure(status, read_error(ERRORS[1]), named, NOW)

    request = Request({"endpoint": "x", "messages": []})
    kept = request.keep(ServerAnswer("text", "end", 5, 2, 1)).encode()
    return [
        Parser("reply of an endpoint", (json.dumps(REPLY).encode(), STREAM), json_changed, body, 3),
        Parser("error of an endpoint", ERRORS, json_changed, failure, 2),
        Parser("headers of a reply", HEADERS, json_changed, headers),
        Parser("kept answer", (kept,), bytes_changed,
               lambda data: request.read(data.decode("utf-8", "replace"))),
        Parser("name of an endpoint",
               (b"openai:gpt-4o", b"https://h.example/v1?api_key_env=K#m",
                b"http://[::1]:8000/v1?input_usd_per_million_tokens=1&"
                b"output_usd_per_million_tokens=2#m"),
               tokens_changed, lambda data: read_address(data.decode("utf-8", "replace"))),
    ]  # fmt: skip


def _evidence(folder: Path) -> list[Parser]:
    from scored_runs import answer, sealed
    from weighbridge.evidence import RunStore, verify
    from weighbridge.evidence.evaluations import read_samples
    from weighbridge.evidence.journal import Journal
    from weighbridge.evidence.payloads.evaluation import PAYLOAD
    from weighbridge.project.report import verify_report
    from weighbridge.records import Charge, Graded, Rate, Ungraded

    runs = RunStore(folder / "evidence/.weighbridge/runs")
    scores = [Graded(1.0, "A", "", {"x": 0.5}), 0.0, Ungraded("refused", "no"), 0.5]
    home = runs.root / sealed(folder / "evidence", "m", scores, usd_each=0.01)
    kept = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    for path in home.iterdir():
        path.chmod(0o644)
    charge = Charge("judge", 5, 0, 1, 0, Rate(-1, 1.0, 2.0, 0.5))
    loose = folder / "journal.jsonl"
    journal = Journal(loose, PAYLOAD)
    journal.append_unit(0, [replace(answer("a", 1.0), charges=(charge,)), answer("b", 0.0)])
    journal.append_unit(1, [answer("c", Ungraded("truncated"))])
    progress = folder / "open/.weighbridge/runs/b--m--0123456789"

    def one_changed(name: str, data: bytes) -> None:
        for other, content in kept.items():
            (home / other).write_bytes(data if other == name else content)
        try:
            runs.read(str(home))
            runs.summaries()
        except WeighbridgeError:
            pass
        verify(home)

    def unfinished(data: bytes) -> object:
        progress.mkdir(parents=True, exist_ok=True)
        (progress / "progress.json").write_bytes(data)
        return RunStore(progress.parent).summaries()

    def report(data: bytes) -> object:
        (folder / "report").mkdir(exist_ok=True)
        (folder / "report/report.json").write_bytes(data)
        return verify_report(folder / "report", runs)

    state = {"model": {"name": "m"}, "benchmark": "b", "subset": None, "started": "2026",
             "done": 3, "planned_samples": 9, "wall_seconds": 1.5}  # fmt: skip
    return [
        Parser("run.json", (kept["run.json"],), json_changed, partial(one_changed, "run.json"),
               0.3),
        Parser("seal.json", (kept["seal.json"],), json_changed, partial(one_changed, "seal.json"),
               0.2),
        Parser("samples.jsonl", (kept["samples.jsonl"],), rows_changed,
               partial(one_changed, "samples.jsonl"), 0.3),
        Parser("journal", (loose.read_bytes(),), rows_changed,
               _written(folder / "j/samples.jsonl",
                        lambda p: (Journal(p, PAYLOAD), list(read_samples(p)))), 0.5),
        Parser("progress.json", (json.dumps(state).encode(),), json_changed, unfinished),
        # Of a run that is not there: its charts are drawn by a browser's engine, which takes more
        # address space than the fuzzed process may.
        Parser("report.json", (_report(),), json_changed, report, 0.3,
               foreign=(_report("nowhere"),)),
    ]  # fmt: skip


def _report(*runs: str) -> bytes:
    weigh = {"benchmark": "b", "role": "target", "margin": 0.1}
    return json.dumps({
        "title": "t", "question": "", "generated": "2026", "reproduce": ["x"],
        "measured": [{"weigh": weigh, "before": run, "after": run} for run in runs],
        "left": [{"weigh": weigh, "why": "gone", "get_it": "here"}], "training": [],
        "training_facts": [["a", "b"]], "forecasts": [], "provenance": [["a", "b"]],
        "labels": [], "replacement": None, "verdict": "paid", "page_digest": "sha256:0",
    }).encode()  # fmt: skip


REPLIES = tuple(
    text.encode()
    for text in (
        "The answer is (B) 4.", "**Answer: C**", "\\boxed{B}", "<think>hm</think>\n\nD",
        "So she has 9{,}500 dollars.\n#### 9,500", "It costs $1.234,56 or 12 % of 3/4.",
        "\\boxed{9\\,500\\text{ m}}", "one 1e10 two -.5 three ١٢", "Answer: 12.50 €",
        "```python\nimport math\ndef f(x):\n    return x\n```\nDone.", "    return [x for x in y]",
        '{"a": 1, "b": ["x"]}', 'Sure: {"a": NaN} and {"a": 1.0, "b": ["X"]} then',
    )
)  # fmt: skip


def _readings() -> list[Parser]:

    from weighbridge.evaluation.judges.pairwise import JUDGE as PAIRWISE
    from weighbridge.evaluation.judges.rubric import JUDGE as RUBRIC
    from weighbridge.evaluation.judges.single_answer import JUDGE as SINGLE
    from weighbridge.evaluation.scorers import (
        choice_letter,
        final_number,
        function_code,
        json_object,
        regex,
    )
    from weighbridge.models.thoughts import separate_reasoning
    from weighbridge.patterns import ForeignPattern
    from weighbridge.records import Generation
    from weighbridge.sandbox import Level, probe

    jailed = probe().level is not Level.NONE  # where code is parsed
    pattern = ForeignPattern(r"([A-D])", "fuzzed")

    def written(data: bytes) -> Generation:
        return Generation("x", 0, data.decode("utf-8", "replace"), "end", 1, 1, 0)

    def numbers(data: bytes) -> None:
        said = written(data)
        final_number.read_number(said.text)
        final_number.score_final_number(said, "9500")
        final_number.score_number_of_reply(said, "9500")

    def letters(data: bytes) -> None:
        choice_letter.score_choice_letter(written(data), "B", ("3", "4", "(B) 4", "none"))
        regex.score_regex(written(data), "B", pattern)

    def code(data: bytes) -> None:
        function_code.extract_function(written(data).text, "f", "import math\n")
        function_code.extract_function(written(data).text, "f")

    def judged(data: bytes) -> None:
        for judge in (RUBRIC, SINGLE):
            judge.read([written(data).text])
        PAIRWISE.read([written(data).text, "[[A]]"])

    def others(data: bytes) -> None:
        json_object.score_json_object(written(data), {"a": 1, "b": ["x"]})
        separate_reasoning(written(data).text, "<think>")
        separate_reasoning(written(data).text)

    return [
        Parser("numbers in replies", REPLIES, tokens_changed, numbers, 2),
        Parser("letters in replies", REPLIES, tokens_changed, letters, 2),
        *([Parser("code in replies", REPLIES, tokens_changed, code)] if jailed else []),
        Parser("objects and thoughts in replies", REPLIES, tokens_changed, others),
        Parser("a judge's words", (b"Fine. [[7]]", b"Rating: [[8.5]]", b"[[A]]", b"[[C]] tie"),
               tokens_changed, judged),
    ]  # fmt: skip


TEMPLATE = (
    "{%- for message in messages %}{% if loop.first and message.role != 'system' %}{{ 'sys' }}"
    "{% endif %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim }}"
    "{% if message.tool_calls is defined %}{{ message.tool_calls | tojson }}{% endif %}"
    "{%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    "{% set ns = namespace(n=0) %}{% macro m(x) %}{{ x }}{% endmacro %}{{ m(ns.n) }}"
    "{{ strftime_now('%d %b %Y') }}{{ raise_exception('no') if false }}"
)


def with_torch(folder: Path) -> list[Parser]:
    """Parsers that need transformers: templates and tokenizers."""
    from tiny import build_tiny_model
    from weighbridge.models.prompts import PromptWriter
    from weighbridge.models.reading import read_tokenizer
    from weighbridge.models.template_clock import date_written
    from weighbridge.models.thoughts import own_markers

    model = build_tiny_model(folder / "tiny")
    tokenizer = read_tokenizer(model)

    def template(data: bytes) -> None:
        tokenizer.chat_template = data.decode("utf-8", "replace")
        own_markers(tokenizer)
        date_written(tokenizer)
        writer = PromptWriter(tokenizer, "m")
        for shape in (("user",), ("system", "user"), ("user", "assistant", "user")):
            try:
                writer.probe(shape)
            except WeighbridgeError:
                continue

    @boundary("reading a tokenizer")
    def tokenizer_of(path: Path) -> object:
        return read_tokenizer(path.parent)

    return [
        Parser("chat template", (TEMPLATE.encode(),), tokens_changed, template, 0.2),
        Parser("tokenizer.json", ((model / "tokenizer.json").read_bytes(),), json_changed,
               _written(model / "tokenizer.json", tokenizer_of), 0.02),
    ]  # fmt: skip
