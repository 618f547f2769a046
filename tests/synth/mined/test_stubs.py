"""A stub takes a symbol away under every path that a program can reach it by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from registry.names import SymbolIndex
from registry.records import Program
from synth.mined.stubs import stub
from tests.synth.conftest import symbol

PROGRAMS = [
    ("lib.deep.mod.f", "import lib\nresult1 = lib.f(1)\n"),
    ("lib.deep.mod.f", "from lib import f as g\nresult1 = g(1)\n"),
    ("lib.deep.mod.f", "from lib.deep.mod import f\nresult1 = f(1)\n"),
    ("lib.deep.mod.f", "import lib.deep.mod as m\nresult1 = m.f(1)\n"),
    ("lib.deep.mod.f", "import lib\nresult1 = lib.other(1)\n"),
    ("lib.deep.mod.C.m", "import lib\nresult1 = lib.C().m()\n"),
    ("lib.deep.mod.C", "import lib\nresult1 = lib.C().m()\n"),
]


@pytest.mark.parametrize(("path", "code"), PROGRAMS)
def test_program_fails_on_its_stub(path: str, code: str, tmp_path: Path) -> None:
    """The answer passes its test; the same program on the stub does not."""
    package = tmp_path / "lib" / "deep"
    package.mkdir(parents=True)
    (tmp_path / "lib" / "__init__.py").write_text("from lib.deep.mod import f, C\n\nother = f\n", encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    text = "def f(x): return x\n\n\nclass C:\n    def m(self): return 1\n"
    (package / "mod.py").write_text(text, encoding="utf-8")
    index = SymbolIndex(
        [
            symbol("lib.deep.mod.f", "function", "lib.f", "lib.other"),
            symbol("lib.deep.mod.C", "class", "lib.C"),
            symbol("lib.deep.mod.C.m", "method", "lib.C.m"),
        ]
    )
    program = Program(code=code, test="assert result1 == 1\n")
    exits = [
        subprocess.run([sys.executable, "-c", p.code + p.test], cwd=tmp_path, capture_output=True).returncode
        for p in (program, stub(program, path, index))
    ]
    assert exits == [0, 1]
