"""One benchmark to run, with its data and settings; and how another process opens the same one.

A benchmark is made of functions, which no other process can be sent. So a task is named instead, by
plain values that JSON holds (`TaskRef`), and opened again where it is worked on.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Benchmark, LoadRequest, Settings
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.records import Json, Sample


@dataclass(frozen=True)
class TaskRef:
    """The name of a task, from which another process opens the same one.

    Attributes:
        benchmark: A benchmark's name, or the path of a user's own TOML.
        version: The benchmark's version; of a user's own it is a digest of all its files.
        settings: What a person chose.
        subset: Part of the benchmark; None for all of it.
        data: Path of the items; None where the benchmark finds them by itself.
        reads_chats: Whether answers are graded as replies to a chat, whatever the settings say.
    """

    benchmark: str
    version: str
    settings: Settings
    subset: str | None = None
    data: str | None = None
    reads_chats: bool = False

    def as_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Task:
    """One benchmark to run: the benchmark, the part of it, its data and the settings.

    Attributes:
        benchmark: What is asked, and how it is graded.
        subset: Part of it; None for all of it.
        data: Where its items are; None where it finds them by itself.
        settings: What a person chose.
        found_as: The name or path by which the benchmark was found.
        reads_chats: Whether answers are graded as replies to a chat, whatever the settings say.
    """

    benchmark: Benchmark
    subset: str | None
    data: Path | None
    settings: Settings
    found_as: str
    reads_chats: bool = False

    @property
    def title(self) -> str:
        """Benchmark and subset as typed."""
        return f"{self.benchmark.name}:{self.subset}" if self.subset else self.benchmark.name

    def items(self, settings: Settings) -> Iterable[Sample]:
        """Read its items, which may be a stream."""
        return self.benchmark.asking.load(LoadRequest(self.data, self.subset, settings))

    def reading_chats(self) -> "Task":
        """Return the task with its answers graded as replies to a chat."""
        return replace(self, benchmark=self.benchmark.reading_chats(), reads_chats=True)

    @property
    def ref(self) -> TaskRef:
        """The name by which another process on this machine opens the same task."""
        own = self.found_as.endswith(".toml")
        return TaskRef(
            benchmark=str(Path(self.found_as).absolute()) if own else self.found_as,
            version=self.benchmark.version,
            settings=self.settings,
            subset=self.subset,
            data=str(self.data.absolute()) if self.data is not None else None,
            reads_chats=self.reads_chats,
        )


def open_task(ref: TaskRef) -> Task:
    """Open the task that a name stands for.

    Raises:
        InputError: The benchmark is another version here, its own files have changed since, or it
            is asked with worked examples, which the name does not hold; UnknownName where it is
            not known here.
    """
    if ref.settings.examples:
        raise InputError(
            f"{ref.benchmark} with worked examples of a project",
            "a task that its name tells whole",
            "ask it in the process that has the examples",
        )
    benchmark = find_benchmark(ref.benchmark)
    if benchmark.version != ref.version:
        raise InputError(
            f"{ref.benchmark} is version {benchmark.version}",
            f"version {ref.version}, with which the work began",
            "leave its files, and the installed Weighbridge, as they are until a run has ended",
        )
    data = Path(ref.data) if ref.data is not None else None
    task = Task(benchmark, ref.subset, data, ref.settings, ref.benchmark)
    return task.reading_chats() if ref.reads_chats else task


def read_ref(text: str) -> TaskRef:
    """Read a task's name from JSON, as `TaskRef.as_json` gives it.

    Raises:
        InputError: It is not one.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(TaskRef).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole text"
        raise InputError(f"a task's name: {where}: {first['msg']}", "what TaskRef holds") from error


def as_graded(benchmark: Benchmark, settings: Settings, *, weaker_sandbox: bool) -> Benchmark:
    """Return a benchmark with the grading that a run's answers get.

    Args:
        benchmark: The benchmark.
        settings: The run's: they say whether answers are replies to a chat.
        weaker_sandbox: Whether model-written code runs at a level at which verdicts can be faked,
            as a person allowed; every run of it says so.

    Raises:
        InputError: The benchmark can't be graded at that level.
    """
    if benchmark.asking.in_chat(settings):
        benchmark = benchmark.reading_chats()
    if not (benchmark.grading.executes_code and weaker_sandbox):
        return benchmark
    if benchmark.grading.grade_weaker is None:
        raise InputError(
            f"{benchmark.name} can't be judged at a weaker level of the sandbox",
            "a machine that reaches the full one",
            "see: weighbridge doctor",
        )
    note = (
        "Model-written code was run and tested in one process (--allow-weaker-sandbox), where "
        "hostile code can fake its verdict."
    )
    return replace(
        benchmark,
        about=replace(benchmark.about, notes=lambda _: (note,)),
        grading=replace(benchmark.grading, grade=benchmark.grading.grade_weaker),
    )
