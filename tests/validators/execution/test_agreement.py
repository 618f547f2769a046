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
from validators.execution import pool as pool_module
from validators.execution.environments import resolve
from validators.execution.pool import Pool
from validators.execution.rewrite import NotRewritable, rewrite


@pytest.mark.slow
def test_strong_and_weak_proof_agree(pool: Pool, sandbox_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of networkx's own tests that can be rewritten, every one ends the same way with its asserts left as they are."""
    wheel = next(w.path for w in resolve(["networkx==3.6.1"], sandbox_cache))
    where = pool.build(["networkx==3.6.1", "pytest==9.2.0"], sandbox_cache)
    programs = [p for p in sorted(_tests(wheel), key=lambda p: p.id)[:500] if _is_rewritable(p)]
    strong = list(pool.run(where, programs, attempts=1))
    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "rewrite", _refuse)
        weak = list(pool.run(where, programs, attempts=1))
    differ = [
        (p.test, s.detail, w.detail) for p, s, w in zip(programs, strong, weak, strict=True) if s.outcome != w.outcome
    ]
    assert differ == []
    proofs = Counter(v.proof for v in strong if v.outcome == "passed")
    assert {v.proof for v in weak if v.outcome == "passed"} == {"weak"}
    assert proofs["strong"] > 50
    assert proofs["strong"] > 20 * proofs["weak"], "hardly any value turns out not to be a literal"


def _is_rewritable(program: Program) -> bool:
    try:
        return bool(rewrite(program.test, program.code).checks)
    except NotRewritable:
        return False


def _refuse(test: str, code: str = "") -> None:
    raise NotRewritable(f"{len(test) + len(code)} characters are left as they are")


def _tests(wheel: Path) -> Iterator[Program]:
    """The test functions without fixtures, with the module's other statements before them."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(n for n in archive.namelist() if "/tests/test_" in n and n.endswith(".py")):
            source = archive.read(name).decode()
            lines = source.splitlines()
            before = []
            for node in ast.parse(source).body:
                if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test"):
                    if not isinstance(node, ast.ClassDef):
                        before.append(ast.get_source_segment(source, node) or "")
                elif not node.args.args and not node.decorator_list:
                    body = "\n".join(lines[node.body[0].lineno - 1 : node.end_lineno])
                    yield Program(code="\n".join(before), test=textwrap.dedent(body) + "\n")
