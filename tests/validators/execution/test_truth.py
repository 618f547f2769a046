"""Verdicts agree with a truth that nobody here wrote: pytest's, in a plain environment."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import truth
from benchmarks.plain_pytest import COLLECTOR, Suite
from benchmarks.truth import Case, Compared, compare

SAMPLE = 150


@pytest.mark.slow
def test_verdicts_agree_with_pytest(sandbox_cache: Path) -> None:
    """more-itertools' tests of one release end at a later one as they do without a sandbox, in every form."""
    found = compare(Case("more-itertools", "8.14.0", "11.2.1"), sandbox_cache, workers=2, limit=SAMPLE)
    assert {form: compared.differing for form, compared in found.items()} == {"node": {}, "row": {}, "weak": {}}
    assert all(len(compared.verdicts) == SAMPLE for compared in found.values())
    assert set(found["node"].verdicts.values()) == {"passed", "failed"}


def test_a_disagreement_is_shown_and_fails(
    sandbox_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command's exit status, its table and its objects say when, where and how one differs."""
    found = Compared()
    found.add("a::test_x", "passed", "passed")
    found.add("a::test_y", "failed", "passed")
    monkeypatch.setattr(truth, "compare", lambda *_: {"node": found})
    monkeypatch.setattr(sys, "argv", ["truth", "--library", "bottleneck"])
    assert truth.main() == 1
    shown = capsys.readouterr().out
    assert "1 of 2 agree" in shown
    assert "a::test_y: pytest failed, sandbox passed" in shown
    monkeypatch.setattr(sys, "argv", ["truth", "--library", "bottleneck", "--json"])
    assert truth.main() == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(r["value"], r["wanted"], r["better"], r["n"]) for r in rows] == [(0.5, 1.0, "higher", 2)] * 2


def test_outcomes_of_all_kinds_are_collected(tmp_path: Path) -> None:
    """What pytest says of a node, in any of its phases, is one word."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_passed(): pass\n"
        "def test_failed(): assert 0\n"
        "@pytest.fixture\ndef broken(): 1 / 0\n"
        "def test_error(broken): pass\n"
        "@pytest.fixture\ndef late():\n    yield\n    1 / 0\n"
        "def test_error_after(late): pass\n"
        "@pytest.mark.skip\ndef test_skipped(): pass\n"
        "@pytest.mark.xfail\ndef test_xfailed(): assert 0\n"
        "@pytest.mark.xfail\ndef test_xpassed(): pass\n",
        encoding="utf-8",
    )
    space: dict[str, type] = {}
    exec(COLLECTOR, space)
    seen = space["Outcomes"]()
    pytest.main(["-q", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={tmp_path}", str(tmp_path)], [seen])
    words = {node.partition("::test_")[2]: outcome for node, outcome in seen.found.items()}
    assert words == {name: name.removesuffix("_after") for name in words}
    assert len(words) == 7


def test_a_module_comes_with_what_it_imports(tmp_path: Path) -> None:
    """Relative imports are followed, also through others; data beside the module comes along, other tests don't."""
    files = {
        "suite_a/__init__.py": "", "suite_a/tests/__init__.py": "", "suite_a/conftest.py": "",
        "suite_a/tests/test_x.py": "from .base import Base\nfrom ..other.tests import test_z\n",
        "suite_a/tests/base.py": "from . import deeper\n", "suite_a/tests/deeper.py": "",
        "suite_a/tests/test_y.py": "", "suite_a/tests/data/x.bin": "1",
        "suite_a/other/__init__.py": "", "suite_a/other/tests/__init__.py": "", "suite_a/other/tests/test_z.py": "",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    suite = Suite(tmp_path)
    assert suite.top == "suite_a"
    assert set(suite.needed_by("suite_a/tests/test_x.py")) == set(files) - {"suite_a/tests/test_y.py"}
