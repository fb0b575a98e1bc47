"""Mutants of the journal: what of its code could be wrong without a test noticing.

    python -m tests.benchmarks.journal_mutants [--every N] [--module gazekit/session/journal.py]

One change at a time: comparisons, sums, and/or, numbers, truth values, texts of the program (not those of messages),
conditions turned round, returned values left out, statements left out. A mutant that no test of tests/session kills is
printed. Each is tried in a fork, so that numpy, pandas and h5py are read once.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import record

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("test_journal", "test_failures", "test_every_way", "test_power_loss")
SLOW = "harmed or survives or before_its_journal"  # tests that are tried last
LIMIT_S = 600  # of a fork that waits for ever
LIMIT_CPU_S = 60  # of one that runs for ever
_HEAVY = ("numpy", "pandas", "h5py", "scipy.stats", "cv2", "pytest", "pydantic", "hypothesis", "anyio", "xdist")
COMMAND = "python -m tests.benchmarks.journal_mutants"
_OTHER = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.LShift: ast.RShift, ast.BitOr: ast.BitAnd, ast.And: ast.Or,
    ast.Or: ast.And, ast.Mod: ast.Mult,
}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, what was changed, and the changed source."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        for what, change in _changes(node):
            other = copy.deepcopy(tree)
            change(next(twin for k, twin in enumerate(ast.walk(other)) if k == number))
            yield getattr(node, "lineno", 0), what, ast.unparse(ast.fix_missing_locations(other))


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
    elif isinstance(node, ast.Call) and node.keywords and not _is_frozen(node):
        yield f"without a keyword: {ast.unparse(node)}", lambda n: n.keywords.pop()
    if isinstance(node, (ast.FunctionDef, ast.For, ast.While, ast.If, ast.With, ast.Try)):
        for place, statement in enumerate(node.body):
            if isinstance(statement, (ast.Expr, ast.AugAssign)) and not _is_docstring(statement):
                yield f"left out: {ast.unparse(statement)}", lambda n, k=place: n.body.__setitem__(k, ast.Pass())
    if isinstance(node, ast.Constant) and not isinstance(node.value, (str, type(None), type(...))):
        yield f"other value: {node.value!r}", lambda n: setattr(n, "value", _other_value(n.value))


def _turn_round(node: Any) -> None:
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + b"X" if isinstance(value, bytes) else value + 1


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_frozen(node: ast.AST) -> bool:
    """Whether it says that a dataclass is not to be changed, which nothing does."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "dataclass"


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


def survives(name: str, source: str, file: Path) -> bool:
    """Run the tests in a fork; one that hangs is killed."""
    child = os.fork()
    if not child:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.meta_path.insert(0, Mutated(name, source, file))
        import pytest

        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_CPU_S, LIMIT_CPU_S))
        tests = [str(ROOT / "tests" / "session" / f"{test}.py") for test in TESTS]
        options = ["-x", "-q", "-n", "0", "--assert=plain", "-p", "no:cacheprovider", *tests]
        failed = pytest.main([*options, "-k", f"not ({SLOW})"]) or pytest.main([*options, "-k", SLOW])
        os._exit(int(failed))
    begin = time.monotonic()
    while time.monotonic() - begin < LIMIT_S:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def main() -> None:
    """Try the mutants and record how many the tests killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only each Nth")
    parser.add_argument("--module", type=Path, default=Path("gazekit/session/journal.py"))
    options = parser.parse_args()
    for heavy in _HEAVY:
        importlib.import_module(heavy)
    file = ROOT / options.module
    name = ".".join(options.module.with_suffix("").parts)
    assert survives(name, file.read_text("utf-8"), file), "the tests fail without any change"
    tried, alive = 0, 0
    chosen = list(mutants(file.read_text("utf-8")))[:: options.every]
    for line, what, source in chosen:
        tried += 1
        if survives(name, source, file):
            alive += 1
            print(f"{options.module}:{line} lives: {what}", flush=True)
        if tried % 10 == 0:
            print(f"{tried} of {len(chosen)} tried, {alive} live", flush=True)
    killed = tried - alive
    print(f"{killed} of {tried} killed ({killed / tried:.0%})")
    record(
        "capture",
        f"mutants of {options.module.as_posix()} that the tests kill",
        f"{killed} of {tried} ({killed / tried:.0%})",
        data="one change each; texts of messages are left as they are",
        command=COMMAND + (f" --every {options.every}" if options.every > 1 else ""),
        bar=">= 85 %",
        developed_on=False,
    )


if __name__ == "__main__":
    main()
