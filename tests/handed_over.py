"""What a process makes of a task that it was handed by name; as a program it reads names."""

import json
import sys
from dataclasses import asdict

from weighbridge.evaluation.grading import grade
from weighbridge.evaluation.protocols import complete
from weighbridge.evaluation.task import Task, open_task, read_ref
from weighbridge.records import Generation, canonical_digest

REPLIES = ("", "The answer is B.", "7", '{"category": "billing"}')


def digests(task: Task) -> dict[str, str]:
    """Digests of a task's items, of how they are asked, and of the grades that replies get."""
    settings = complete(task.settings, task.benchmark)
    asking, grading = task.benchmark.asking, task.benchmark.grading
    items = list(task.items(settings))
    turns = [turn for item in items for turn in asking.turns_of(item)]
    asked = [asdict(asking.prompt(turn, settings)) for turn in turns]
    asked += [asdict(asking.sampling_for(settings, item)) for item in items]
    if asking.continuations is not None:
        asked += [list(asking.continuations(turn, settings)) for turn in turns]
    grades: list[object] = []
    for turn in turns:
        replies = (*REPLIES, grading.gold(turn))
        if grading.grade is not None:
            written = [Generation(turn.id, 0, text, "end", 0, 0, 0) for text in replies]
            grades += [asdict(grade(task.benchmark, turn, one)) for one in written]
        if (method := task.benchmark.judge_for(settings)) is not None:
            answers = ["An answer." for message in turn.messages if message.role == "user"]
            prompts = method.prompts(turn, answers, answers)
            grades += [asdict(prompt) for prompt in prompts]
            grades.append(asdict(method.read(["[[2]] [[A]]"] * len(prompts))))
    found = {"items": [item.digest for item in items], "asked": asked, "grades": grades}
    return {name: canonical_digest(json.loads(json.dumps(it))) for name, it in found.items()}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(digests(open_task(read_ref(line)))), flush=True)
