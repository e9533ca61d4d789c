"""The process in which llama.cpp runs: reads one request from stdin, answers with one line."""

import json
import sys
from typing import Any

import numpy as np


def main() -> None:
    """Do what is asked."""
    request = json.load(sys.stdin)
    answer = {"ids": _ids, "logits": _logits, "quantise": _quantise}[request["do"]](request)
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def _ids(request: dict[str, Any]) -> dict[str, Any]:
    from llama_cpp import Llama

    model = Llama(request["path"], vocab_only=True, verbose=False)
    encode = [text.encode() for text in request["texts"]]
    return {"ids": [model.tokenize(text, add_bos=False, special=True) for text in encode]}


def _logits(request: dict[str, Any]) -> dict[str, Any]:
    from llama_cpp import Llama

    rows, longest = request["rows"], max(map(len, request["rows"]))
    model = Llama(
        request["path"], n_ctx=longest + 8, n_batch=longest + 8, logits_all=True, verbose=False,
        type_k=0, type_v=0, n_threads=request["threads"], n_threads_batch=request["threads"],
        use_mmap=True,
    )  # fmt: skip
    found = []
    for row in rows:
        model.reset()
        model.eval(row)
        found.append(np.array(model.scores[: len(row)], dtype=np.float32))
    np.save(request["out"], np.concatenate(found))
    return {}


def _quantise(request: dict[str, Any]) -> dict[str, Any]:
    import llama_cpp

    wanted = llama_cpp.llama_model_quantize_default_params()
    wanted.ftype, wanted.nthread = request["number"], request["threads"]
    failed = llama_cpp.llama_model_quantize(
        request["path"].encode(), request["to"].encode(), wanted
    )
    if failed:
        sys.exit(f"error: llama_model_quantize returned {failed}")
    return {}


if __name__ == "__main__":
    main()
