"""Whatever lies under a name, every reader answers with one line, soon and with bounded memory."""

import io
import json
import struct
import zipfile
from functools import partial

import pytest

import hostile
from weighbridge.comparison.contamination import tuning_texts
from weighbridge.errors import InputError, MalformedRow, WeighbridgeError
from weighbridge.evaluation.answers import read_answers
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks import gpqa, mmlu
from weighbridge.evaluation.fastchat import rows as fastchat_rows
from weighbridge.evaluation.human_labels import read_human_labels
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evidence.importing import ImportRequest, read_harness_runs
from weighbridge.planning.scaling.reading import read_points
from weighbridge.pretraining.corpus import read_corpus
from weighbridge.project.project_file import read_project
from weighbridge.sources import archives, json_bounds, regular_files, tables, text_files
from weighbridge.sources.configs import find_config
from weighbridge.sources.documents import read_json, read_settings, read_toml
from weighbridge.sources.gguf_header import read_gguf_header
from weighbridge.sources.model_folders import require_model_files
from weighbridge.sources.regular_files import open_regular, read_regular, require_within
from weighbridge.sources.safetensors_files import read_header, stored_tensors
from weighbridge.sources.tables import csv_rows, jsonl_rows, parquet_rows
from weighbridge.sources.text_files import read_text
from weighbridge.sources.weights import find_weights
from weighbridge.tuning.data import read_conversations


def own_benchmark(path):
    toml = path.with_name("own.toml")
    toml.write_text(f'data = "{path.name}"\nprompt = "{{q}}"\ntarget = "a"\nid = "id"\n')
    return list(read_own_benchmark(toml).asking.load(LoadRequest(None, None, Settings())))


def of_mmlu(path):
    for split in ("dev", "test"):
        (path.parent / split).mkdir(exist_ok=True)
    (path.parent / "dev/anatomy_dev.csv").write_text("q,a,b,c,d,A\n" * 5)
    path.rename(path.parent / "test/anatomy_test.csv")
    request = LoadRequest(path.parent, "anatomy", Settings(shots=0, protocol="loglikelihood"))
    return list(mmlu.BENCHMARK.asking.load(request))


def imported(harness, path):
    return read_harness_runs(harness, ImportRequest(path))


def weights(path):
    (path.parent / "adapter_model.safetensors").write_bytes(hostile.safetensors(b"{}"))
    return find_weights(str(path.parent), offline=True)


READERS = {
    "answers": ("answers.jsonl", read_answers),
    "an own benchmark's rows": ("items.jsonl", own_benchmark),
    "an own benchmark's table": ("items.csv", own_benchmark),
    "an own benchmark": ("own.toml", read_own_benchmark),
    "a project": ("weighbridge.toml", read_project),
    "training rows": ("train.jsonl", read_conversations),
    "tuning texts": ("texts.jsonl", lambda path: list(tuning_texts(path))),
    "people's labels": ("labels.jsonl", lambda path: read_human_labels(path, (1.0, 10.0))),
    "FastChat's rows": ("question.jsonl", lambda path: list(fastchat_rows(path))),
    "Inspect's .json": ("log.json", partial(imported, "inspect")),
    "Inspect's .eval": ("log.eval", partial(imported, "inspect")),
    "lm-eval's results": ("results_2024.json", partial(imported, "lm-eval")),
    "HELM's answers": ("scenario_state.json", partial(imported, "helm")),
    "a scaling table": ("runs.csv", read_points),
    "a config.json": ("config.json", lambda path: find_config(str(path.parent), offline=True)),
    "a named config": ("named.json", lambda path: find_config(str(path), offline=True)),
    "an adapter's settings": ("adapter_config.json", weights),
    "a safetensors file": ("model.safetensors", lambda path: stored_tensors(path.parent)),
    "a safetensors index": (
        "model.safetensors.index.json", lambda path: stored_tensors(path.parent)
    ),
    "a GGUF file": ("m.gguf", lambda path: read_gguf_header(path, lists=True)),
    "a tokenizer": ("tokenizer.json", lambda path: require_model_files(path.parent)),
    "Parquet": ("t.parquet", lambda path: list(parquet_rows(path))),
    "MMLU's CSV": ("of_mmlu", of_mmlu),
    "GPQA's archive": (
        "dataset.zip",
        lambda path: list(gpqa.BENCHMARK.asking.load(LoadRequest(path, "main", Settings()))),
    ),
}  # fmt: skip
NO_JSON = ("a GGUF file", "Parquet", "a safetensors file", "GPQA's archive", "MMLU's CSV")
TAKES_ANY_OBJECT = {
    # Text in any form may be what a model was tuned on; a tokenizer's library tells the rest.
    "tuning texts": set(hostile.JSON), "a tokenizer": set(hostile.JSON),
    "an own benchmark's table": {"a list", "a number", "text", "null", "an empty object"},
    "an adapter's settings": {"wrong types"},
    "FastChat's rows": {"an empty object", "wrong types", "escaped surrogate as a key"},
    # What of it makes no model is told where the architecture is read.
    "a config.json": {"an empty object", "wrong types"},
    "a named config": {"an empty object", "wrong types"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def in_time():
    with hostile.within_seconds(60):
        yield


def told(read, path):
    """The one line that a reader answers with."""
    with pytest.raises(WeighbridgeError) as raised:
        read(path)
    said = str(raised.value)
    assert "\n" not in said and len(said) < 5000, said
    return said


@pytest.mark.parametrize("kind", hostile.NOT_REGULAR)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_told_and_not_waited_for(reader, kind, tmp_path):
    name, read = READERS[reader]
    path = tmp_path / "home" / name
    path.parent.mkdir()
    hostile.NOT_REGULAR[kind](path)
    if reader == "a tokenizer" and kind in ("a folder", "a link to itself", "a link to nowhere"):
        assert read(path) is None  # nothing that a library would open
        return
    told(read, path)


@pytest.mark.parametrize("kind", hostile.TOO_LARGE)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_too_large_is_told_before_it_is_held(reader, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "UNPACKED_FREE_BYTES", 1 << 20)
    name, read = READERS[reader]
    path = tmp_path / "home" / name
    path.parent.mkdir()
    hostile.TOO_LARGE[kind](path)
    if reader == "a tokenizer" and "bomb" in kind:
        return  # a small file, which no library unpacks
    said = told(read, path)
    if "bomb" in kind and reader not in NO_JSON and not reader.endswith(".eval"):
        assert "unpacks to more than 200 times its size" in said or "more than" in said


@pytest.mark.parametrize("content", hostile.JSON)
@pytest.mark.parametrize("reader", [name for name in READERS if name not in NO_JSON])
def test_json_that_is_none_of_ours_is_one_line(reader, content, tmp_path):
    name, read = READERS[reader]
    path = tmp_path / "home" / name
    path.parent.mkdir()
    path.write_bytes(hostile.JSON[content])
    if content in TAKES_ANY_OBJECT.get(reader, ()):
        try:
            read(path)
        except WeighbridgeError as error:
            assert "\n" not in str(error)
        return
    told(read, path)


def test_half_a_character_in_an_answer_is_kept_replaced(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"sample_id": "1", "text": "\\ud83d"}')
    assert read_answers(path).by_sample == {"1": ["\ufffd"]}


TABLES = {
    "100,000 columns": b",".join(b"c%d" % n for n in range(100_000)) + b"\n",
    "100,000 columns in quotes": b",".join(b'"c%d"' % n for n in range(100_000)) + b"\n",
    "a row of 100,000 cells": b"id,q,a\n" + b"," * 100_000 + b"\n",
    "a quote that never closes": b'id,q,a\n1,"x,y\n' + b"line\n" * 1000,
    "the last of many columns twice": b",".join(b"c%d" % (n % 9999) for n in range(10_000)) + b"\n",
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("reader", ["an own benchmark's table", "a scaling table", "MMLU's CSV"])
def test_a_table_has_bounds(reader, table, tmp_path):
    name, read = READERS[reader]
    (tmp_path / name).write_bytes(TABLES[table])
    said = told(read, tmp_path / name)
    if "100,000 columns" in table and reader != "a scaling table":
        assert "100,000 columns; expected at most 16,384" in said or "6: question" in said


def test_a_row_over_many_lines_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "LINE_BYTES", 5000)
    path = tmp_path / "t.csv"
    path.write_text("id,q\n" + "1,x\n" * 2000 + '2,"' + "line\n" * 2000 + '"\n')
    with pytest.raises(MalformedRow, match=r"line 2002: a row of more than 5,000"):
        list(csv_rows(path))


def test_a_line_is_bounded_and_a_long_file_of_short_lines_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(regular_files, "LINE_BYTES", 5000)
    monkeypatch.setattr(text_files, "LINE_BYTES", 5000)
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n' * 5000)
    assert sum(1 for _ in jsonl_rows(path)) == 5000
    path.write_text('{"a": 1}\n' + f'{{"a": "{"x" * 5000}"}}')
    with pytest.raises(InputError, match="line 2 has more than 5,000 bytes"):
        list(jsonl_rows(path))


def test_a_packed_file_may_unpack_to_what_people_write(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "UNPACKED_FREE_BYTES", 1000)
    rows = b"".join(b'{"a": %d, "b": "%d times"}\n' % (n, n * n) for n in range(999))
    for pack in (hostile.gzip.compress, hostile.bz2.compress, hostile.lzma.compress):
        (tmp_path / "t.jsonl").write_bytes(pack(rows))
        assert sum(1 for _ in jsonl_rows(tmp_path / "t.jsonl")) == 999
        (tmp_path / "t.jsonl").write_bytes(pack(b'{"a": 1}\n' * 100_000))
        with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
            list(jsonl_rows(tmp_path / "t.jsonl"))


def test_json_holds_so_many_values_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(json_bounds, "MOST_VALUES", 5000)
    path = tmp_path / "t.json"
    path.write_text(json.dumps([0] * 4990))
    assert len(read_json(path)) == 4990
    for text in ("[" + "0," * 5000 + "0]", "[" + "[]," * 3000 + "0]", "[" + "{}," * 3000 + "0]"):
        path.write_text(text)
        with pytest.raises(InputError, match="more than 5,000 values"):
            read_json(path)


def test_brackets_in_strings_are_no_levels(tmp_path):
    path = tmp_path / "t.json"
    texts = ["[" * 500, '"' + "{" * 500, "\\" * 7 + '"' + "[" * 500, "]}" * 300 + "[" * 900]
    path.write_text(json.dumps(texts))
    assert read_json(path) == texts
    path.write_text("[" * 200 + "]" * 200)
    read_json(path)
    path.write_text(json.dumps(texts)[:-1] + ", " + "[" * 200 + "]" * 201)
    with pytest.raises(InputError, match="nested deeper than 200 levels"):
        read_json(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "weighbridge.toml"),
        ("a = " + "[" * 250 + "]" * 250, "deeper than 200"),
        ("a." * 300 + "b = 1", "deeper than 200"),
        ("a = " + "9" * 5000, "digits"),
        ("[" + ".".join("a" * 9 for _ in range(2000)) + "]", "weighbridge.toml"),
    ],
)
def test_toml_has_bounds(text, said, tmp_path):
    (tmp_path / "weighbridge.toml").write_text(text)
    assert said in told(read_toml, tmp_path / "weighbridge.toml")


def test_a_key_twice_at_the_end_of_a_large_object_is_found_at_once(tmp_path):
    keys = ", ".join(f'"k{n}": {n}' for n in range(200_000))
    (tmp_path / "t.json").write_text(f'{{{keys}, "k199999": 1}}')
    assert "key 'k199999' twice" in told(read_json, tmp_path / "t.json")


HEADERS = {
    "more than the file": hostile.safetensors(b"{}", 1 << 40),
    "more than any": struct.pack("<Q", (1 << 64) - 1),
    "more than eight bytes": b"\x01\x02",
    "deep": hostile.safetensors(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "digits": hostile.safetensors(
        b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 4]}}'
    ),
    "an absurd shape": hostile.safetensors(
        b'{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}}'
    ),
    "no object": hostile.safetensors(b"[[]]"),
    "a tensor twice": hostile.safetensors(b'{"a": {}, "a": {}}'),
    "surrogates": hostile.safetensors(b'{"\xed\xa0\xbd": 1}'),
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_safetensors_header_claims_no_more_than_the_file_holds(header, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(HEADERS[header])
    told(read_header, tmp_path / "model.safetensors")


def gguf(*parts):
    return b"GGUF" + struct.pack("<I", 3) + b"".join(parts)


def key(name):
    return struct.pack("<Q", len(name)) + name


GGUFS = {
    "tensors without end": gguf(struct.pack("<QQ", (1 << 63), 0)),
    "keys without end": gguf(struct.pack("<QQ", 0, (1 << 63))),
    "a key of an exabyte": gguf(struct.pack("<QQQ", 0, 1, 1 << 60)),
    "a list of numbers beyond the file": gguf(
        struct.pack("<QQ", 0, 1), key(b"k"), struct.pack("<IIQ", 9, 4, 1 << 40)
    ),
    "a list of texts beyond the file": gguf(
        struct.pack("<QQ", 0, 1), key(b"k"), struct.pack("<IIQ", 9, 8, 1 << 40)
    ),
    "lists in lists": gguf(
        struct.pack("<QQ", 0, 1), key(b"k"), struct.pack("<I", 9), struct.pack("<IQ", 9, 1) * 9000
    ),
    "a tensor of every dimension": gguf(
        struct.pack("<QQ", 1, 0), key(b"t"), struct.pack("<I", 1 << 31)
    ),
    "a tensor beyond the file": gguf(
        struct.pack("<QQ", 1, 0), key(b"t"), struct.pack("<IQIQ", 1, 1 << 62, 0, 0)
    ),
    "no bytes": b"",
}  # fmt: skip


@pytest.mark.parametrize("header", GGUFS)
@pytest.mark.parametrize("lists", [True, False])
def test_a_gguf_header_claims_no_more_than_the_file_holds(header, lists, tmp_path):
    (tmp_path / "m.gguf").write_bytes(GGUFS[header])
    told(partial(read_gguf_header, lists=lists), tmp_path / "m.gguf")


def test_a_list_of_numbers_of_a_gguf_file_is_not_made_of_a_large_hole(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(struct.pack("<QQ", 0, 1), key(b"k"), struct.pack("<IIQ", 9, 0, 1 << 33)))
    with path.open("ab") as file:
        file.truncate(1 << 34)
    told(partial(read_gguf_header, lists=True), path)


def parquet(columns):
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), out, compression="zstd")
    return out.getvalue()


def test_parquet_unpacks_to_what_people_store(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(tables, "UNPACKED_FREE_BYTES", 1 << 16)
    path = tmp_path / "t.parquet"
    path.write_bytes(parquet({"q": [f"{n * n} times" for n in range(5000)]}))
    assert sum(1 for _ in parquet_rows(path)) == 5000
    path.write_bytes(parquet({"q": ["x" * 100_000] * 200}))  # stored once
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        list(parquet_rows(path))
    path.write_bytes(parquet({f"c{n}": [n] for n in range(tables.MOST_COLUMNS + 1)}))
    with pytest.raises(InputError, match="16,385 columns"):
        list(parquet_rows(path))


ARCHIVES = {
    "a bomb": {"header.json": b" " * hostile.SMALL_BYTES},
    "a bomb of many": {
        f"samples/{n}.json": b'{"id": %d, "epoch": 1, "input": "q", "target": "a"}' % n
        + b" " * (1 << 16)
        for n in range(90)
    },
    "deep": {"header.json": b"[" * 100_000},
    "no object": {"header.json": b"[]"},
    "no evaluation": {"header.json": b"{}"},
    "digits": {"header.json": b'{"eval": ' + b"9" * 5000 + b"}"},
    "no text": {"header.json": b"\xed\xa0\xbd"},
    "wrong types": {"header.json": b'{"eval": {"task": []}, "results": [1]}'},
}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_eval_archive_is_read_within_bounds(archive, method, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MEMBER_BYTES", 1 << 18)
    monkeypatch.setattr(archives, "UNPACKED_FREE_BYTES", 1 << 20)
    members = ARCHIVES[archive]
    if "header.json" not in members:
        members = {"header.json": b'{"eval": {"task": "t", "model": "m"}}', **members}
    hostile.zip_of(tmp_path / "log.eval", members, method)
    said = told(partial(imported, "inspect"), tmp_path / "log.eval")
    if "bomb" in archive:
        assert "unpacks to more than" in said


def test_what_an_archive_says_of_a_member_s_size_is_not_believed(tmp_path):
    path = tmp_path / "log.eval"
    hostile.zip_of(path, {"header.json": b" " * hostile.BOMB_BYTES})
    data = bytearray(path.read_bytes())
    for at in (22, data.index(b"PK\x01\x02") + 24):  # both headers claim one byte
        data[at : at + 4] = struct.pack("<I", 1)
    path.write_bytes(bytes(data))
    told(partial(imported, "inspect"), path)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "vocab.json"])
def test_a_tokenizer_s_files_are_looked_at_before_the_library_has_them(name, tmp_path):
    (tmp_path / name).write_bytes(b'{"a":' * 5000 + b"1" + b"}" * 5000)
    assert "nested deeper than 200 levels" in told(require_model_files, tmp_path)
    (tmp_path / name).unlink()
    hostile.TOO_LARGE["a hole of a terabyte"](tmp_path / name)
    assert "1,099,511,627,776 bytes" in told(require_model_files, tmp_path)


def test_what_a_person_keeps_beside_a_model_is_left_alone(tmp_path):
    hostile.TOO_LARGE["a hole of a terabyte"](tmp_path / "trainer_state.json")
    (tmp_path / "notes.txt").write_bytes(b"[" * 5000)
    (tmp_path / "runs").mkdir()
    assert require_model_files(tmp_path) is None


def test_a_member_of_a_folder_leads_nowhere_else(tmp_path):
    secret, folder = tmp_path / "secret.json", tmp_path / "model"
    secret.write_text('{"architectures": ["LlamaForCausalLM"]}')
    folder.mkdir()
    (folder / "config.json").symlink_to(secret)
    assert "leads out of its folder" in told(
        lambda path: find_config(str(path), offline=True), folder
    )
    assert "leads out of its folder" in told(require_model_files, folder)
    read_settings(folder / "config.json", "settings")  # a person named it: followed
    (folder / "config.json").unlink()
    (folder / "own.json").write_text(secret.read_text())
    (folder / "config.json").symlink_to("own.json")
    require_model_files(folder)
    (tmp_path / "link").symlink_to(folder)  # the folder itself may be one
    require_model_files(tmp_path / "link")


def test_a_corpus_is_the_text_of_its_own_folder(tmp_path):
    (tmp_path / "secret.txt").write_text("elsewhere")
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("text to learn " * 99)
    (folder / "b.txt").symlink_to(tmp_path / "secret.txt")
    hostile.TOO_LARGE["a hole of a terabyte"](folder / "c.txt")
    hostile.NOT_REGULAR["a named pipe"](folder / "d.txt")
    found = read_corpus(folder)
    assert (found.files, found.skipped) == (1, 2)
    told(read_corpus, folder / "c.txt")


def test_the_hub_s_cache_is_one_folder(tmp_path):
    repository = tmp_path / "models--org--name"
    snapshot, blobs = repository / "snapshots" / "abc", repository / "blobs"
    for each in (snapshot / "main", blobs):
        each.mkdir(parents=True)
    (blobs / "1").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/1")
    (snapshot / "main/x.json").symlink_to("../../../blobs/1")
    require_model_files(snapshot)
    require_within(snapshot / "main/x.json", snapshot)
    assert read_settings(snapshot / "config.json", "settings", within=snapshot) == {}
    other = tmp_path / "models--org--other/blobs"
    other.mkdir(parents=True)
    (other / "1").write_text("{}")
    (snapshot / "tokenizer.json").symlink_to("../../../models--org--other/blobs/1")
    assert "leads out of its folder" in told(require_model_files, snapshot)


def test_a_file_that_a_person_names_may_be_a_link(tmp_path):
    (tmp_path / "real").write_text('{"sample_id": "1", "text": "x"}\n')
    (tmp_path / "answers.jsonl").symlink_to("real")
    assert read_answers(tmp_path / "answers.jsonl").by_sample == {"1": ["x"]}


def test_what_is_opened_is_looked_at_again(tmp_path, monkeypatch):
    """Where a pipe takes the name after the first look, nothing is waited for either."""
    path = tmp_path / "x"
    hostile.NOT_REGULAR["a named pipe"](path)
    monkeypatch.setattr(regular_files, "require_regular", lambda *args, **more: None)
    with pytest.raises(InputError, match="is a named pipe"):
        open_regular(path)


def test_a_file_of_a_limit_s_size_is_read(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    assert read_regular(tmp_path / "x", 5) == b"12345"
    with pytest.raises(InputError, match="has 5 bytes; expected a file, of at most 4"):
        read_regular(tmp_path / "x", 4)
    with pytest.raises(InputError, match="more than 4 bytes"):
        read_text(tmp_path / "x", limit=4)
