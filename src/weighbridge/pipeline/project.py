"""The project file: what to weigh, what to tune on, what must not get worse.

Every key must be known, and every value of the right kind: a misspelt key is an error, never a
silent default.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.registry import benchmark_names, find_benchmark
from weighbridge.records.scale import SHARE
from weighbridge.statistics import check_margin

Role = Literal["target", "guard"]


@dataclass(frozen=True)
class About:
    """`[project]`: what the report is called and asks."""

    name: str
    question: str = ""


@dataclass(frozen=True)
class BaseModel:
    """`[model]`: the open model to start from."""

    base: str


@dataclass(frozen=True)
class Tune:
    """`[tune]`: conversations to learn from, and how. See `weighbridge.tuning.TuneSettings`."""

    train: str
    validation: str = ""
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    target: str | list[str] = "all-linear"
    learning_rate: float = 5e-4
    schedule: str = "cosine"
    warmup_share: float = 0.05
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    epochs: int = 1
    max_steps: int | None = None
    batch_size: int = 8
    accumulation: int = 1
    max_tokens: int | None = None
    overflow: str = "refuse"
    seed: int = 0
    checkpoint_steps: int = 10


@dataclass(frozen=True)
class Weigh:
    """`[[evaluate]]`: one benchmark, before and after.

    Attributes:
        benchmark: NAME, NAME:SUBSET, or a .toml beside the project file.
        role: `target` should improve; `guard` must not get worse.
        margin: How much worse still counts as no worse, in the units of the benchmark's scale; None
            takes 2 % of it.
        required: A guard that is skipped or can't decide then leaves the verdict open.
        protocol: How answers are obtained; "" takes the benchmark's first.
    """

    benchmark: str
    role: Role = "target"
    margin: float | None = None
    required: bool = False
    protocol: str = ""
    shots: int | None = None
    limit: int | None = None
    repeats: int = 1
    seed: int = 0
    temperature: float | None = None
    max_tokens: int | None = None
    chat_template: bool | None = None


@dataclass(frozen=True)
class JudgedBy:
    """`[judge]`: who judges the answers of benchmarks that no program can grade.

    Attributes:
        model: As a model is named anywhere.
        repeats: Judgements of each answer; with two or more the judge's noise is measured.
        max_tokens: Longest judgement; None takes the method's own.
        baseline: A run or a JSONL file of answers, for protocol "pairwise".
        human: A JSONL file of people's ratings or preferences, which the judge is audited with.
    """

    model: str
    repeats: int = 1
    max_tokens: int | None = None
    baseline: str = ""
    human: str = ""


@dataclass(frozen=True)
class Project:
    """A whole project file; `path` is where it was read from."""

    project: About
    model: BaseModel
    evaluate: tuple[Weigh, ...]
    tune: Tune | None = None
    judge: JudgedBy | None = None
    data: dict[str, str] = field(default_factory=dict)
    path: Path = Path("weighbridge.toml")

    @property
    def folder(self) -> Path:
        """The project file's folder: relative paths in it start here."""
        return self.path.parent

    @property
    def named_data(self) -> dict[str, Path]:
        """`[data]` as paths."""
        return {name: self.folder / Path(at).expanduser() for name, at in self.data.items()}


_TABLES: dict[str, type] = {
    "project": About, "model": BaseModel, "tune": Tune, "judge": JudgedBy, "evaluate": Weigh,
}  # fmt: skip


def read_project(path: Path) -> Project:
    """Read a project file.

    Raises:
        InputError: Missing, not TOML, or a value of the wrong kind; UnknownName for a wrong key.
    """
    if path.is_dir():
        path = path / "weighbridge.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        do = "write one with: weighbridge init"
        raise InputError(f"no project file at {path}", "a weighbridge.toml", do) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}", "TOML", "correct the line") from error
    _check_keys(path, document)
    try:
        return TypeAdapter(Project).validate_python({**document, "path": path})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {where} = {first['input']!r}"[:200], first["msg"]) from error


def _check_keys(path: Path, document: Mapping[str, Any]) -> None:
    known = [f.name for f in fields(Project) if f.name != "path"]
    for key, value in document.items():
        if key not in known:
            raise UnknownName(f"table in {path}", key, known)
        if key not in _TABLES:
            continue
        rows = value if key == "evaluate" else [value]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            form = "[[evaluate]]" if key == "evaluate" else f"[{key}]"
            raise InputError(f"{path}: {key} = {value!r}"[:200], f"a table {form}")
        for row in rows:
            for name in row:
                names = [f.name for f in fields(_TABLES[key])]
                if name not in names:
                    raise UnknownName(f"key in [{key}] of {path}", name, names)
    for row in document.get("evaluate", []):
        _check_margin(path, row)
    roles = get_args(Role)
    for row in document.get("evaluate", []):
        if row.get("role", "target") not in roles:
            raise UnknownName(f"role in {path}", str(row["role"]), roles)


def _check_margin(path: Path, row: Mapping[str, Any]) -> None:
    """Refuse a margin off the benchmark's scale; a benchmark that is not known is told of later."""
    margin, name = row.get("margin"), str(row.get("benchmark", "")).partition(":")[0]
    if not isinstance(margin, (int, float)):
        return
    scale = SHARE
    if name in benchmark_names():
        scale = find_benchmark(name).scale(str(row.get("protocol", "")))
    try:
        check_margin(margin, scale)
    except InputError as error:
        raise InputError(f"{path}: {error.saw} for {name}", error.expected, error.do) from error
