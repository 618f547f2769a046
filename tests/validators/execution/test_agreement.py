"""Both proofs agree on a real library's own tests: rewriting changes what is proven, never what happens."""

from __future__ import annotations

import ast
import textwrap
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.records import Program
from validators.execution import interpreters
from validators.execution import pool as pool_module
from validators.execution.pool import Pool
from validators.execution.resolution import resolve
from validators.execution.rewrite import NotRewritable, rewrite


@pytest.fixture
def pool() -> Iterator[Pool]:
    """One wall is enough: what is compared is two ways to judge behind the same."""
    with Pool(2) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "taken", "proven"),
    [("networkx==3.6.1", 250, 80), ("numpy==2.4.6", 400, 50)],
    ids=["networkx", "numpy"],
)
def test_strong_and_weak_proof_agree(
    library: str, taken: int, proven: int, pool: Pool, sandbox_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a library's own tests that can be rewritten, every one ends the same way with its asserts left as they are."""
    wheels = resolve([library], sandbox_cache, interpreters.find())
    wheel = next(w.path(sandbox_cache) for w in wheels if w.name.startswith(library.partition("=")[0]))
    where = pool.build([library, "pytest==9.2.0"], sandbox_cache)
    drawn = sorted(_tests(wheel), key=lambda p: p.id)[:taken]
    programs = [p for p in drawn if _is_rewritable(p)]
    strong = list(pool.run(where, programs, attempts=1))
    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "rewrite", _refuse)
        weak = list(pool.run(where, programs, attempts=1))
    differ = [
        (p.test, s.detail, w.detail)
        for p, s, w in zip(programs, strong, weak, strict=True)
        if s.outcome != w.outcome and {s.outcome, w.outcome} != {"failed", "error"}
    ]
    assert not differ, "\n\n".join("\n".join(d) for d in differ)
    proofs = Counter(v.proof for v in strong if v.outcome == "passed")
    assert {v.proof for v in weak if v.outcome == "passed"} == {"weak"}
    assert proofs["strong"] > proven
    assert proofs["strong"] > 8 * proofs["weak"], "hardly any value turns out not to be a literal"


def _is_rewritable(program: Program) -> bool:
    try:
        return bool(rewrite(program.test, program.code).checks)
    except NotRewritable:
        return False


def _refuse(test: str, code: str = "") -> None:
    raise NotRewritable(f"{len(test) + len(code)} characters are left as they are")


def _tests(wheel: Path) -> Iterator[Program]:
    """The test functions and methods without fixtures, with the module's other statements before them."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(n for n in archive.namelist() if "/tests/" in n and "/test_" in n and n.endswith(".py")):
            source = archive.read(name).decode()
            lines = source.splitlines()
            before = []
            found: list[ast.FunctionDef] = []
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                    found.append(node)
                elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                    found += [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test")]
                elif not isinstance(node, ast.ClassDef):
                    before += lines[node.lineno - 1 : node.end_lineno]
            code = "\n".join(before)
            for test in found:
                uses_self = any(isinstance(n, ast.Name) and n.id == "self" for n in ast.walk(test))
                if not uses_self and {a.arg for a in test.args.args} <= {"self"} and not test.decorator_list:
                    body = "\n".join(lines[test.body[0].lineno - 1 : test.end_lineno])
                    if len(code) < 20000:
                        yield Program(code=code, test=textwrap.dedent(body) + "\n")
