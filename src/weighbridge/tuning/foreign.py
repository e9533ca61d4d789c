"""Training data in other formats: known by its columns, named, with a command that converts it.

Nothing of these is read, so nothing of them is learnt wrongly. The command is one line of Python
that works on the very file; what it can't keep is said.

    {"instruction": …, "output": …}              Alpaca, Dolly, other pairs of columns
    {"conversations": [{"from", "value"}, …]}    ShareGPT
    {"chosen": …, "rejected": …}                 preference pairs
    {"prompt": …, "completion": …, "label": …}   judged answers (KTO)
    {"messages": [{…, "tool_calls"}, …]}         OpenAI's, with more than role and content
    {"text": …}                                  plain text
"""

import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.sources.documents import parse_json
from weighbridge.sources.regular_files import open_regular
from weighbridge.sources.tables import csv_rows
from weighbridge.sources.text_files import read_text

EXPECTED = 'one {"messages": [{"role", "content"}, …]} a line'
THOUGHTS = ("reasoning_content", "thinking", "reasoning")
_OWN = frozenset({"id", "messages"})
_TURN = frozenset({"role", "content", *THOUGHTS})
_PAIRS = (
    ("Alpaca", ("instruction", "input"), "output"),
    ("Dolly", ("instruction", "context"), "response"),
    ("prompt and completion", ("prompt",), "completion"),
    ("prompt and response", ("prompt",), "response"),
    ("question and answer", ("question",), "answer"),
    ("question and response", ("question",), "response"),
    ("query and response", ("query",), "response"),
    ("input and output", ("input",), "output"),
    ("problem and solution", ("problem",), "solution"),
)
_ROLES = (
    "{'human': 'user', 'gpt': 'assistant', 'chatgpt': 'assistant', 'bing': 'assistant', "
    "'function_call': 'assistant', 'observation': 'user', 'tool': 'user'}"
)
_HH = (
    r"[{'role': {'Human': 'user', 'Assistant': 'assistant'}[k], 'content': v.strip()} for k, v in "
    r"re.findall(r'\n\n(Human|Assistant):(.*?)(?=\n\n(?:Human|Assistant):|\Z)', r['chosen'], re.S)]"
)


@dataclass(frozen=True)
class Format:
    """How the rows of a foreign file become conversations.

    Attributes:
        name: What people call it.
        messages: Python that makes a row `r` into a list of turns.
        where: Python that says which rows are taken.
        loses: What the conversion can't keep.
    """

    name: str
    messages: str
    where: str = ""
    loses: str = ""


def require_own_format(path: Path, rows: Sequence[Any], line: int = 1) -> None:
    """Refuse rows of a known foreign format.

    Args:
        path: The file.
        rows: Its rows, the first of which is looked at most closely.
        line: Where the first stands.

    Raises:
        InputError: They are in such a format; the message has the command that converts them.
    """
    found = _format_of(rows)
    if found is not None:
        raise _refusal(path, f"line {line}: rows in the format of {found.name}", found, "lines")


def require_lines(path: Path) -> None:
    """Refuse a file that is no JSON lines but is known as something else.

    Raises:
        InputError: It is a JSON array, CSV or Parquet.
    """
    if _begins(path, b"PAR1"):
        raise InputError(f"{path} is a Parquet file", EXPECTED, f"make it one: {_unpacked(path)}")
    try:
        text = read_text(path, "JSONL of conversations")
    except InputError:
        return  # what is wrong with its rows is told already
    try:
        rows, form = parse_json(path, 1, text, nan=True, halves="replace", twice="last"), "array"
    except MalformedRow:
        if path.suffix.lower() not in (".csv", ".tsv"):
            return
        rows, form = _first_row(path), "table"
    if not isinstance(rows, list) or not rows:
        return
    found = _format_of(rows)
    if found is None and isinstance(rows[0], dict) and "messages" in rows[0]:
        found = Format("conversations", "r['messages']")
    if found is not None:
        what = "one JSON array" if form == "array" else "a table"
        raise _refusal(path, f"{what} in the format of {found.name}", found, form)


def _refusal(path: Path, saw: str, found: Format, form: str) -> InputError:
    loses = f" ({found.loses})" if found.loses else ""
    return InputError(
        f"{path}: {saw}", EXPECTED, f"convert it{loses}: {_command(path, found, form)}"
    )


def _command(path: Path, found: Format, form: str) -> str:
    rows = {
        "lines": "map(json.loads, filter(bytes.strip, sys.stdin.buffer))",
        "array": "json.load(sys.stdin.buffer)",
        "table": "csv.DictReader(io.TextIOWrapper(sys.stdin.buffer, 'utf-8-sig', newline=''))",
    }[form]
    names = ["json", "sys", *(["re"] if "re." in found.messages else [])]
    names += ["csv", "io"] if form == "table" else []
    where = f" if {found.where}" if found.where else ""
    code = (
        f"import {', '.join(names)}; "
        f"[print(json.dumps({{'messages': {found.messages}}})) for r in {rows}{where}]"
    )
    return f'python3 -c "{code}" < {_quoted(path)} > {_quoted(_beside(path))}'


def _unpacked(path: Path) -> str:
    code = (
        "import json, sys, pyarrow.parquet as q; "
        "[print(json.dumps(r, default=str)) for r in q.read_table(sys.argv[1]).to_pylist()]"
    )
    # This very Python, because it has pyarrow.
    python, out = _quoted(Path(sys.executable)), _quoted(path.with_suffix(".jsonl"))
    return f'{python} -c "{code}" {_quoted(path)} > {out}'


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name.split('.')[0]}.messages.jsonl")


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _first_row(path: Path) -> list[dict[str, str]]:
    """Return a table's first row, whose columns tell the format; none where it is no table."""
    try:
        return [row for _, row in islice(csv_rows(path), 1)]
    except InputError:
        return []


def _begins(path: Path, magic: bytes) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _format_of(rows: Sequence[Any]) -> Format | None:
    first: dict[str, Any] = {}  # of each column the first value that is there
    for row in rows:
        if isinstance(row, Mapping):
            first = {k: v for k, v in row.items() if v is not None} | first
    columns = set(first)
    if {"chosen", "rejected"} <= columns:
        return _preference(first, columns)
    if isinstance(first.get("messages"), list):
        return _openai(rows, columns)
    if isinstance(first.get("conversations"), list):
        return _sharegpt(first["conversations"], columns)
    if (pair := _pair(first, columns)) is not None:
        return pair
    if isinstance(first.get("text"), str):
        loses = "each text is then learnt as an answer to nothing"
        return Format("plain text", _turns(("assistant", "r['text']")), loses=loses)
    return None


def _pair(first: Mapping[str, Any], columns: Collection[str]) -> Format | None:
    for name, asked, answer in _PAIRS:
        if asked[0] in columns and answer in columns:
            where = "r['label']" if isinstance(first.get("label"), bool) else ""
            loses = "answers labelled false are left out" if where else ""
            name = "judged answers (KTO)" if where else name
            if isinstance(first.get(asked[0]), list):
                joined = f"[*r['{asked[0]}'], *r['{answer}']]"
                return Format(name, joined, where, loses)
            question = f"r['{asked[0]}']"
            if len(asked) > 1 and asked[1] in columns:
                question = f"'\\n\\n'.join(filter(None, ({question}, r.get('{asked[1]}'))))"
            messages = _turns(
                *_before(columns), ("user", question), ("assistant", f"r['{answer}']")
            )
            return Format(name, messages, where, loses)
    return None


def _before(columns: Collection[str]) -> list[tuple[str, str]]:
    """Return what stands before a question: an instruction to the system, earlier exchanges."""
    system = next((name for name in ("system", "system_prompt") if name in columns), None)
    before = [("system", f"r.get('{system}')")] if system else []
    return [*before, ("", "r.get('history') or []")] if "history" in columns else before


def _turns(*parts: tuple[str, str]) -> str:
    """Return Python for a list of turns; a part without a role holds pairs of turns."""
    pairs = [
        f"('{role}', {text})"
        if role
        else f"*[t for p in {text} for t in zip(('user', 'assistant'), p)]"
        for role, text in parts
    ]
    return f"[{{'role': k, 'content': v}} for k, v in [{', '.join(pairs)}] if v]"


def _sharegpt(turns: Any, columns: Collection[str], more: str = "") -> Format:
    if isinstance(turns, list) and turns and isinstance(turns[0], Mapping) and "role" in turns[0]:
        return Format("ShareGPT with OpenAI's turns", f"[*r['conversations']{more}]")
    written = (
        f"{{'role': {_ROLES}.get(t['from'], t['from']), 'content': t['value']}} "
        f"for t in [*r['conversations']{more}]"
    )
    system = [name for name in ("system", "tools") if name in columns]
    loses = "tool calls become text" if "tools" in columns else ""
    if not system:
        return Format("ShareGPT", f"[{written}]", loses=loses)
    columns_of = ", ".join(f"r.get('{name}')" for name in system)
    joined = f"'\\n\\n'.join(filter(None, ({columns_of},)))"
    first = f"[{{'role': 'system', 'content': s}} for s in [{joined}] if s]"
    return Format("ShareGPT", f"{first} + [{written}]", loses=loses)


def _preference(first: Mapping[str, Any], columns: Collection[str]) -> Format:
    chosen, name = first["chosen"], "preference pairs"
    loses = "of each pair the chosen answer is learnt"
    if isinstance(chosen, Mapping):
        pairs = _sharegpt(first.get("conversations"), columns, ", r['chosen']")
        return Format(name, pairs.messages, loses=loses)
    asked = next((n for n in ("prompt", "instruction", "question", "input") if n in columns), None)
    if isinstance(chosen, list):
        opening = chosen[0] if chosen and isinstance(chosen[0], Mapping) else {}
        whole = opening.get("role") != "assistant"
        if whole or asked is None:
            return Format(name, "r['chosen']", loses=loses)
        before = f"*r['{asked}']"
        if isinstance(first.get(asked), str):
            before = f"{{'role': 'user', 'content': r['{asked}']}}"
        return Format(name, f"[{before}, *r['chosen']]", loses=loses)
    if asked is None:
        return Format(f"{name} (Human and Assistant)", _HH, loses=loses)
    turns = _turns(*_before(columns), ("user", f"r['{asked}']"), ("assistant", "r['chosen']"))
    return Format(name, turns, loses=loses)


def _openai(rows: Sequence[Any], columns: set[str]) -> Format | None:
    turns = [
        {key: value for key, value in turn.items() if value is not None}
        for row in rows
        if isinstance(row, Mapping) and isinstance(row.get("messages"), list)
        for turn in row["messages"]
        if isinstance(turn, Mapping)
    ]
    keys = {key for turn in turns for key in turn} - _TURN
    roles = {role for turn in turns if isinstance(role := turn.get("role"), str)}
    parts = any(isinstance(turn.get("content"), list) for turn in turns)
    others, strange = sorted(columns - _OWN), {"tool", "function", "developer"} & roles
    if not (keys or parts or others or strange):
        return None
    calls = bool({"tool_calls", "function_call"} & keys) or bool({"tool", "function"} & roles)
    seen = [
        ("tool calls", calls),
        ("weights of turns", "weight" in keys),
        ("content in parts", parts),
        ("turns of a developer", "developer" in roles),
        (f"columns that nothing reads ({', '.join(others)})", bool(others)),
        (f"fields that nothing reads ({', '.join(sorted(keys))})", bool(keys)),
    ]
    name = "OpenAI's messages with " + next(words for words, there in seen if there)
    return Format(
        name, _openai_turns(keys, strange, parts, turns), loses=_lost(calls, keys, others)
    )


def _openai_turns(
    keys: Collection[str], strange: Collection[str], parts: bool, turns: Sequence[Mapping[str, Any]]
) -> str:
    others = {"tool": "user", "function": "user", "developer": "system"}
    named = {name: others[name] for name in sorted(strange)}
    role = f"{named}.get(m['role'], m['role'])" if named else "m['role']"
    content = "m['content']"
    if {"tool_calls", "function_call"} & set(keys):
        calls = "json.dumps(m.get('tool_calls') or m.get('function_call'))"
        content = f"m.get('content') or {calls}"
    if parts:
        joined = "''.join(p['text'] for p in m['content'])"
        content = f"{joined} if isinstance(m.get('content'), list) else {content}"
    thought = next((name for name in THOUGHTS if any(name in turn for turn in turns)), None)
    more = f", '{thought}': m.get('{thought}')" if thought else ""
    written = f"{{'role': {role}, 'content': {content}{more}}}"
    if "weight" not in keys:
        return f"[{written} for m in r['messages']]"
    # A turn that is not to be learnt goes, and so does what asked for it.
    kept = "m.get('weight', 1) and [*r['messages'][i + 1:], m][0].get('weight', 1)"
    return f"[{written} for i, m in enumerate(r['messages']) if {kept}]"


def _lost(calls: bool, keys: Collection[str], others: Sequence[str]) -> str:
    lost = [
        "tool calls become text" if calls else "",
        "turns of weight 0 and what asked for them are left out" if "weight" in keys else "",
        f"without {', '.join(others)}" if others else "",
    ]
    return "; ".join(filter(None, lost))
