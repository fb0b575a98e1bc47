"""Mutants: what of the journal and of the statistics could be wrong without a test noticing.

    python -m tests.benchmarks.mutants journal [--sample N] [--seed S]
    python -m tests.benchmarks.mutants statistics --sample 150
    python -m tests.benchmarks.mutants gazekit/stats/paired.py

One change at a time: comparisons, sums, and/or, numbers, truth values, texts of the program (not those of messages),
conditions turned round, returned values left out, keywords left out, statements left out. A mutant that none of the
tests named here kills is printed. Each is tried in a fork, so that numpy, pandas and h5py are read once.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import record

ROOT = Path(__file__).resolve().parents[2]
SLOW = (  # tests that are tried last
    "harmed or survives or before_its_journal or panel_put_in or by_category or rarely_claimed or cannot_be_compared "
    "or models_are_compared or too_few_permutations or margin_answers or perfect_network or active_pairing"
)
LIMIT_S = {"journal": 300, "statistics": 3600}  # of a fork that waits for ever; the latter's tests wait for nothing
LIMIT_CPU_S = 240  # of one that runs for ever
_HEAVY = ("numpy", "pandas", "h5py", "scipy.stats", "cv2", "pytest", "pydantic", "hypothesis", "anyio", "xdist")
_CLAIMS = "stats/test_comparison stats/test_claims"
TESTS = {
    "journal": {
        "gazekit/session/journal.py": "session/test_journal session/test_failures session/test_every_way "
        "session/test_power_loss",
    },
    "statistics": {
        "gazekit/stats/metrics.py": "stats/test_metrics",
        "gazekit/stats/weighted_metrics.py": "stats/test_weighted_metrics",
        "gazekit/stats/multiple_comparisons.py": "stats/test_multiple_comparisons",
        "gazekit/stats/resampling.py": "stats/test_resampling",
        "gazekit/stats/standard_error.py": "stats/test_standard_error",
        "gazekit/stats/training_luck.py": "stats/test_standard_error",
        "gazekit/stats/noise_ceiling.py": "stats/test_metrics stats/test_worth",
        "gazekit/stats/rater_model.py": "stats/test_rater_model stats/test_worth",
        "gazekit/stats/worth.py": "stats/test_worth",
        "gazekit/stats/power.py": "stats/test_power",
        "gazekit/stats/groups.py": "stats/test_groups",
        "gazekit/stats/estimates.py": f"stats/test_estimates stats/test_paired stats/test_power {_CLAIMS}",
        "gazekit/stats/paired.py": f"stats/test_paired {_CLAIMS}",
        "gazekit/stats/contrasts.py": f"stats/test_contrasts {_CLAIMS}",
        "gazekit/stats/conclusion.py": f"stats/test_conclusion {_CLAIMS}",
        "gazekit/stats/own_answers.py": "stats/test_own_answers",
        "gazekit/stats/own_gaze.py": "attention/test_own_gaze",
        "gazekit/measures/ratings.py": "measures/test_answers",
        "survey/aggregation.py": "survey/test_aggregation",
        "survey/reliability.py": "survey/test_reliability",
        "survey/screening.py": "survey/test_screening",
        "survey/anytime.py": "survey/test_anytime",
        "survey/choice_scores.py": "survey/test_choice_scores survey/test_comparisons",
    },
}
ROOM = {"journal": "capture", "statistics": "stats"}
COMMAND = "python -m tests.benchmarks.mutants"
_OTHER = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.LShift: ast.RShift, ast.BitOr: ast.BitAnd, ast.And: ast.Or,
    ast.Or: ast.And, ast.Mod: ast.Mult,
}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[int, str, Callable[[], str]]]:
    """Yield line, what was changed, and what makes the changed source."""
    tree = ast.parse(source)
    left = {id(part) for node in ast.walk(tree) for part in _left_as_it_is(node)}
    for number, node in enumerate(ast.walk(tree)):
        for what, change in _changes(node) if id(node) not in left else ():
            yield getattr(node, "lineno", 0), what, partial(_changed, tree, number, change)


def _changed(tree: ast.Module, number: int, change: Callable[[Any], None]) -> str:
    other = copy.deepcopy(tree)
    change(next(twin for k, twin in enumerate(ast.walk(other)) if k == number))
    return ast.unparse(ast.fix_missing_locations(other))


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[Any], None]]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _OTHER:
        yield ast.unparse(node), lambda n: n.ops.__setitem__(0, _OTHER[type(n.ops[0])]())
    elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in _OTHER:
        if not _is_type(node):
            yield ast.unparse(node), lambda n: setattr(n, "op", _OTHER[type(n.op)]())
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield f"turned round: {ast.unparse(node.test)}", _turn_round
    elif isinstance(node, ast.Return) and ast.unparse(node) not in ("return", "return None"):
        yield f"returns nothing: {ast.unparse(node)}", lambda n: setattr(n, "value", ast.Constant(None))
    elif isinstance(node, ast.Call) and node.keywords:
        yield f"without a keyword: {ast.unparse(node)}", lambda n: n.keywords.pop()
    if isinstance(node, (ast.FunctionDef, ast.For, ast.While, ast.If, ast.With, ast.Try)):
        for place, statement in enumerate(node.body):
            if isinstance(statement, (ast.Expr, ast.AugAssign)) and not _is_docstring(statement):
                yield f"left out: {ast.unparse(statement)}", lambda n, k=place: n.body.__setitem__(k, ast.Pass())
    if isinstance(node, ast.Constant) and not isinstance(node.value, (str, type(None), type(...))):
        yield f"other value: {node.value!r}", lambda n: setattr(n, "value", _other_value(n.value))


def _left_as_it_is(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what makes a message, and guards that fire in no run: an unchanging dataclass, a ``zip`` of one length."""
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "dataclass"):
        yield from ast.walk(node)
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == "zip":
        yield node
        yield from (part for keyword in node.keywords for part in ast.walk(keyword))


def _turn_round(node: Any) -> None:
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + b"X" if isinstance(value, bytes) else value + 1


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_type(node: ast.AST) -> bool:
    """Whether it is the ``|`` of an annotation, which nothing runs."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads another source for one module."""

    def __init__(self, name: str, source: str, file: Path) -> None:
        self._name, self._source, self._file = name, source, file

    def find_spec(self, name: str, path: object, target: object = None) -> Any:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._file, loader=self)

    def exec_module(self, module: Any) -> None:
        exec(compile(self._source, str(self._file), "exec"), module.__dict__)


def survives(module: str, source: str, tests: str, limit_s: int) -> bool:
    """Run the tests in a fork; one that hangs is killed, and it is said."""
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, Mutated(module.removesuffix(".py").replace("/", "."), source, ROOT / module))
        import pytest

        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_CPU_S, LIMIT_CPU_S))
        files = [str(ROOT / "tests" / f"{test}.py") for test in tests.split()]
        options = ["-x", "-q", "-n", "0", "--assert=plain", "-p", "no:cacheprovider", "-o", "timeout=0", *files]
        fast = pytest.main([*options, "-k", f"not ({SLOW})"])
        none_is_slow = pytest.ExitCode.NO_TESTS_COLLECTED
        os._exit(int(fast or pytest.main([*options, "-k", SLOW]) not in (0, none_is_slow)))
    begin = time.monotonic()
    while time.monotonic() - begin < limit_s:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if os.WIFSIGNALED(status):
                print(f"the next one was stopped by {signal.Signals(os.WTERMSIG(status)).name}", flush=True)
            return status == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(f"the next one was stopped after {limit_s} s", flush=True)
    return False


def main() -> None:
    """Try the mutants and record how many the tests killed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", help=f"{', '.join(TESTS)}, or one of their modules")
    parser.add_argument("--sample", type=int, help="so many, drawn by chance")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    every = {module: tests for tested in TESTS.values() for module, tests in tested.items()}
    modules = TESTS.get(options.what) or {options.what: every[options.what]}
    group = next(group for group in TESTS if modules.keys() <= TESTS[group].keys())
    for heavy in _HEAVY:
        importlib.import_module(heavy)
    found = [(module, *mutant) for module in modules for mutant in mutants((ROOT / module).read_text("utf-8"))]
    random.Random(options.seed).shuffle(found)  # a run that is ended early is a sample as well
    chosen, lived, alive = found[: options.sample], set[str](), 0
    for tried, (module, line, what, changed) in enumerate(chosen, 1):
        if survives(module, changed(), modules[module], LIMIT_S[group]):
            alive += 1
            lived.add(module)
            print(f"{module}:{line} lives: {what}", flush=True)
        print(f"{tried} of {len(chosen)} tried, {alive} live", end="\n" if tried % 10 == 0 else "\r", flush=True)
    for module in {module for module, *_ in chosen} - lived:  # tests that fail anyway would kill all
        unchanged = (ROOT / module).read_text("utf-8")
        assert survives(module, unchanged, modules[module], LIMIT_S[group]), f"{module}: its tests fail"
    killed = len(chosen) - alive
    record(
        ROOM[group],
        f"mutants of {options.what} that the tests kill",
        f"{killed} of {len(chosen)} tried ({killed / len(chosen):.0%}) of {len(found)}",
        data=f"one change each, {'seed ' + str(options.seed) if options.sample else 'all'}; texts of messages are left "
        "as they are",
        command=f"{COMMAND} {options.what}" + (f" --sample {options.sample}" if options.sample else ""),
        bar=">= 85 %",
    )


if __name__ == "__main__":
    main()
