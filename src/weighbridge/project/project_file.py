"""The project file: what to weigh, what to tune on, what must not get worse.

Every key must be known, and every value of the right kind: a misspelt key is an error, never a
silent default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.registry import benchmark_names, find_benchmark
from weighbridge.models.endpoint.address import EndpointAddress, at_provider
from weighbridge.records import BenchmarkRole, BenchmarkSpec, Price, Rate
from weighbridge.records.charge import MOST_USD_PER_MILLION_TOKENS
from weighbridge.records.scale import Scale
from weighbridge.sources.documents import read_toml
from weighbridge.statistics import check_margin
from weighbridge.tuning.mixing import Mix, Mixing
from weighbridge.tuning.settings import TuneSettings
from weighbridge.verdict.economics import Economics
from weighbridge.verdict.replacement import Use


@dataclass(frozen=True)
class About:
    """`[project]`: what the report is called and asks.

    Attributes:
        name: Title of the report, and its folder's name.
        question: What it answers.
        use: What becomes of a model that passes: used, or its weights released, which needs gates.
    """

    name: str
    question: str = ""
    use: Use = "in house"


@dataclass(frozen=True)
class BaseModel:
    """`[model]`: the open model to start from."""

    base: str


@dataclass(frozen=True)
class StatedPrice:
    """`price = { … }` of an incumbent, in USD per million tokens."""

    input_usd_per_million_tokens: float
    output_usd_per_million_tokens: float
    cached_input_usd_per_million_tokens: float | None = None

    @property
    def price(self) -> Price:
        """The price as runs record it."""
        cached = self.cached_input_usd_per_million_tokens
        whole = self.input_usd_per_million_tokens
        rate = Rate(
            -1, whole, self.output_usd_per_million_tokens, whole if cached is None else cached
        )
        return Price((rate,), "the project file")


@dataclass(frozen=True)
class Incumbent:
    """`[incumbent]`: the model that is paid for, at its endpoint.

    Attributes:
        endpoint: A provider's name (`openai`), or where its API begins (`https://HOST/v1`).
        model: What the endpoint calls the model.
        api_key_env: The environment variable that holds the key; "" takes a provider's usual one.
        price: Where no list states it, or another one was agreed on.
        max_at_a_time: Requests at a time, at most.
        request_seconds: How long one request may take.
    """

    endpoint: str
    model: str
    api_key_env: str = ""
    price: StatedPrice | None = None
    max_at_a_time: int = 64
    request_seconds: float = 600.0

    @property
    def address(self) -> EndpointAddress:
        """Where it is."""
        price = self.price.price if self.price else None
        if "://" in self.endpoint:
            return EndpointAddress(self.endpoint, self.model, self.api_key_env, price)
        return replace(at_provider(self.endpoint, self.model, self.api_key_env), price=price)


@dataclass(frozen=True)
class Tune:
    """`[tune]`: conversations to learn from, and how.

    Attributes:
        train: A file in any format that is known, beside the project file.
        validation: Likewise, for watching the loss; "" for none.
        allow_overlap: Whether items of a benchmark of one's own may stand in the training data.
        merge: Folder for the tuned model as one of merged weights, which is measured in place of
            adapter on base; "" for none.
        licence: Of the training data, an SPDX identifier or a name; "" takes a Hub data set's own.
        mixing: Safety examples and other data that are mixed in: `safety_share`, `safety_data` and
            tables `[[tune.mix]]`.
        settings: All other keys of the table are fields of these.
    """

    train: str
    validation: str = ""
    allow_overlap: bool = False
    merge: str = ""
    licence: str = ""
    mixing: Mixing = field(default_factory=Mixing)
    settings: TuneSettings = field(default_factory=TuneSettings)


_NOT_SETTINGS = ("train", "validation", "allow_overlap", "merge", "licence")
_MIXING = ("safety_share", "safety_data", "mix")


@dataclass(frozen=True)
class Prompting:
    """`[prompting]`: the prompts that tuning has to beat, in which the base gets worked examples.

    Attributes:
        shots: Numbers of examples to try; the base as it is is always tried, too.
        draws: How many sets of examples to try of each number.
        validation: Rows to choose on, in the benchmark's own format; "" takes those of `[tune]`,
            or else holds rows of the training file back from the examples.
        rows: How many of them, at most.
        seed: Of the draws.
    """

    shots: tuple[int, ...] = (1, 2, 4, 8)
    draws: int = 1
    validation: str = ""
    rows: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        different = len(set(self.shots)) == len(self.shots)
        if not self.shots or min(self.shots) < 1 or not different:
            raise InputError(f"shots = {list(self.shots)}", "different numbers, each 1 or more")
        for name in ("draws", "rows"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}", "1 or more")


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
class RedTeam:
    """`[redteam]`: the campaign of attacks that base and tuned model go through.

    Attributes:
        campaign: Its name, or a file (.toml) beside the project file.
    """

    campaign: str = "quick"


@dataclass(frozen=True)
class Project:
    """A whole project file; `path` is where it was read from."""

    project: About
    model: BaseModel
    evaluate: tuple[BenchmarkSpec, ...]
    tune: Tune | None = None
    prompting: Prompting | None = None
    judge: JudgedBy | None = None
    redteam: RedTeam | None = None
    incumbent: Incumbent | None = None
    economics: Economics | None = None
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


_UNWRITTEN = ("settings", "mixing")
"""Parts of `Tune` that are no tables of the file."""

_TABLES: dict[str, type] = {
    "project": About,
    "model": BaseModel,
    "tune": Tune,
    "prompting": Prompting,
    "judge": JudgedBy,
    "redteam": RedTeam,
    "evaluate": BenchmarkSpec,
    "incumbent": Incumbent,
    "economics": Economics,
}


def read_project(path: Path) -> Project:
    """Read a project file.

    Raises:
        InputError: Missing, not TOML, or a value of the wrong kind; UnknownName for a wrong key.
    """
    if path.is_dir():
        path = path / "weighbridge.toml"
    if not path.exists():
        do = "write one with: weighbridge init"
        raise InputError(f"no project file at {path}", "a weighbridge.toml", do)
    document = read_toml(path, "a weighbridge.toml")
    _check_keys(path, document)
    if "tune" in document:
        document["tune"] = _as_tune(document["tune"])
    try:
        return TypeAdapter(Project).validate_python({**document, "path": path})
    except InputError as error:  # of a table's own settings
        raise InputError(f"{path}: {error.saw}", error.expected, error.do) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in _UNWRITTEN)
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
                names = _keys_of(key)
                if name not in names:
                    raise UnknownName(f"key in [{key}] of {path}", name, names)
    _check_mix(path, document.get("tune", {}).get("mix", []))
    for row in document.get("evaluate", []):
        _check_margin(path, row)
    _check_figures(path, document)
    roles = get_args(BenchmarkRole)
    for row in document.get("evaluate", []):
        if row.get("role", "target") not in roles:
            raise UnknownName(f"role in {path}", str(row["role"]), roles)


def _keys_of(table: str) -> list[str]:
    """Return the keys that a table may have."""
    if table == "tune":
        return [*_NOT_SETTINGS, *_MIXING, *(f.name for f in fields(TuneSettings))]
    return [f.name for f in fields(_TABLES[table])]


def _as_tune(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return `[tune]` in the form of `Tune`."""
    apart = (*_NOT_SETTINGS, *_MIXING)
    settings = {name: value for name, value in table.items() if name not in apart}
    mixing = {name: table[name] for name in _MIXING if name in table}
    own = {name: table[name] for name in _NOT_SETTINGS if name in table}
    return own | {"mixing": mixing, "settings": settings}


def _check_mix(path: Path, tables: Any) -> None:
    """Refuse another form than tables `[[tune.mix]]` of a data set and its share."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InputError(
            f"{path}: mix = {tables!r}"[:200], "tables [[tune.mix]], each with data and share"
        )
    names = [f.name for f in fields(Mix)]
    for table in tables:
        for name in table:
            if name not in names:
                raise UnknownName(f"key in [[tune.mix]] of {path}", name, names)


def _check_margin(path: Path, row: Mapping[str, Any]) -> None:
    """Refuse a margin off the scale of a benchmark that is known by name.

    Of a user's own benchmark (a .toml), whose scale only its file tells, the plan checks it.
    """
    margin, name = row.get("margin"), str(row.get("benchmark", "")).partition(":")[0]
    if isinstance(margin, bool):
        raise InputError(f"{path}: margin = {str(margin).lower()}", "a number")
    if isinstance(margin, str):
        raise InputError(
            f"{path}: margin = {margin!r}",
            "a number in the units of the benchmark's scale, without quotes",
            "0.02 is 2 points where answers count 0 to 1",
        )
    if isinstance(margin, (int, float)) and name in benchmark_names():
        settings = Settings(protocol=str(row.get("protocol", "")))
        refuse_margin(path, name, margin, find_benchmark(name).scale_for(settings))


def refuse_margin(path: Path, benchmark: str, margin: float, scale: Scale) -> None:
    """Refuse a margin outside a benchmark's scale; the error names the project file.

    Raises:
        InputError: It is none.
    """
    try:
        check_margin(margin, scale)
    except InputError as error:
        saw = f"{path}: {error.saw} for {benchmark}"
        raise InputError(saw, error.expected, error.do) from error


_MORE_THAN_0 = (
    "machine_usd_per_hour", "utilization", "months_in_use", "max_at_a_time", "request_seconds",
)  # fmt: skip


def _check_figures(path: Path, document: Mapping[str, Any]) -> None:
    """Refuse figures out of their range, such as negative prices."""
    stated = document.get("incumbent", {})
    price = stated.get("price", {})
    if not isinstance(price, dict):
        raise InputError(
            f"{path}: price = {price!r}"[:200], "a table { … } of USD per million tokens"
        )
    names = [f.name for f in fields(StatedPrice)]
    for name in price:
        if name not in names:
            raise UnknownName(f"key in price of {path}", name, names)
    for name, value in {**stated, **document.get("economics", {}), **price}.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if not -MOST_USD_PER_MILLION_TOKENS <= value <= MOST_USD_PER_MILLION_TOKENS:
            raise InputError(f"{path}: {name} = {value}", "a finite number")
        if value < 0 or (name in _MORE_THAN_0 and value == 0):
            least = "more than 0" if name in _MORE_THAN_0 else "0 or more"
            raise InputError(f"{path}: {name} = {value:g}", least)
        if name == "utilization" and value > 1:
            raise InputError(f"{path}: {name} = {value:g}", "a share of at most 1")
