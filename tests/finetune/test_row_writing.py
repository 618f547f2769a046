"""Rows that models write answers to: what was written is run, read and compared, and what can't be asked isn't."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from finetune.portions import scored
from finetune.recipe import Judge
from finetune.row_metrics import METRICS, WRITTEN, Measured
from finetune.row_writing import Checks, portions, similarity, writer
from finetune.scoring import Scorer
from registry.names import SymbolIndex
from registry.records import Example, Program, Score, Symbol, Verdict
from registry.text import distance
from tests.finetune.chained import chained

FIM = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
RIGHT, WRONG = "import lib\nx = lib.other(1)", "import lib\nx = lib.zap(1) + lib.other(2)"
MENDED = "a = 1\nb = 2"
STEPS = {
    "alpha": f"```python\n{RIGHT}\n",
    "beta": f"```python\n{WRONG}\n```",
    "`": f"```python\n{MENDED}\n",
    "<|fim_middle|>": "lib.other(1)",
    "gamma": f"Here it is:\n```python\n{RIGHT}\n```\nAnd so on",
    "delta": f"\n```python\n{RIGHT}\n",
    "epsilon": RIGHT,
    "zeta": f"{RIGHT}\n```\n\nIs it right?\n```python\nx = 1\n```",
}
"""The last token that is shown -> what is written then: a word of the question, or the fence of the code in it."""
BEFORE = ("gamma", "delta", "epsilon", "zeta")
"""What is asked where something else than a fence comes first: a sentence, an empty line, the program itself."""
INDEX = SymbolIndex(
    [Symbol(release="n", path="lib", kind="module"), Symbol(release="n", path="lib.other", kind="function")]
)
PROGRAMS: dict[str, Program] = {}


def row(kind: str, test: str = "", codes: dict[str, str] | None = None, **parts: Any) -> Example:
    named = {role: Program(code=code, test=test) for role, code in (codes or {}).items()}
    PROGRAMS.update({p.id: p for p in named.values()})
    return Example(
        domain="lib", kind=kind, releases=("n",), parts=parts | {"programs": {r: p.id for r, p in named.items()}},
        root=str(parts), file="f.py", generator="test", generator_version="1",
    )  # fmt: skip


DOC = row("doc", "assert 'other(1)' in code", {"answer": RIGHT}, prompt="alpha")
TEST = row("test", "assert 'other(1)' in code", {"answer": RIGHT}, prompt="beta")
BUG = row("bug", "assert code.endswith('b = 2')", {"buggy": "a = 1\nb = 3", "fixed": MENDED}, prompt="Fix.")
SAID = [row("doc", "assert 'other(1)' in code and 'Here' not in code", {"answer": RIGHT}, prompt=p) for p in BEFORE]
EDIT = row("edit", "", {"before": "a = 1\nb = 0\n", "after": MENDED}, prompt="Edit.", scope=[[2, 2]])
OUTSIDE = row("edit", "", {"before": "a = 0\nb = 0\n", "after": MENDED}, prompt="Edit.", scope=[[2, 2]])
LONG = row("doc", "", {"answer": RIGHT}, prompt="9" * 400 + " alpha")
FILLED = row("fim", "", {"whole": RIGHT}, prefix="import lib\nx = ", middle="lib.other(1)", suffix="\ny = 1\n")
OTHERWISE = row("fim", "", {"whole": RIGHT}, prefix="import lib\nx = ", middle="lib.other(12)", suffix="\ny = 2\n")
ALL = [DOC, TEST, BUG, EDIT, OUTSIDE, LONG, FILLED, OTHERWISE]


def judge(programs: Sequence[Program]) -> list[Verdict]:
    """Verdicts of tests that look at the program's text, in an order of their own."""
    found = []
    for program in programs:
        outcome = "passed"
        try:
            exec(program.test, {"code": program.code.strip()})
        except AssertionError:
            outcome = "failed"
        made = {"program": program.id, "environment": "e", "harness": "1", "policy": "k=1", "proof": "strong"}
        found.append(Verdict(**made, outcome=outcome))
    return found[::-1]


def scope_fault(before: str, after: str, lines: Sequence[Sequence[int]]) -> str:
    """Why lines outside the ranges differ; empty where they don't."""
    pairs = enumerate(zip(before.splitlines(), after.splitlines(), strict=True), 1)
    return "".join(str(n) for n, (one, two) in pairs if one != two and not any(a <= n <= b for a, b in lines))


def written(
    rows: Sequence[Example], special: Sequence[str] = FIM, judge: Judge | None = judge
) -> dict[tuple[str, str], float]:
    steps = {last: text for last, text in STEPS.items() if last in special or not last.startswith("<|")}
    model, tokenizer = chained(steps, special, context=1024)
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    of = Measured("r", "symbol", {})
    checks = Checks(judge, scope_fault, INDEX)
    asked = portions(rows, PROGRAMS, writer(model, tokenizer, 600), of, checks)
    found: list[Score] = list(scored(asked, Scorer(model, tokenizer), "base"))
    assert {s.metric for s in found} <= {*WRITTEN} <= {*METRICS}
    return {(s.metric, s.item): s.value for s in found}


def test_what_is_written_is_run_and_compared() -> None:
    """Programs pass or don't, gaps are filled or nearly, edits keep to their lines or don't, names exist or don't."""
    found = written(ALL)
    assert found.pop(("fim_similarity", OTHERWISE.id)) == pytest.approx(1 - 1 / 13)
    assert found == {
        ("pass@1_doc", DOC.id): 1.0,
        ("pass@1_test", TEST.id): 0.0,
        ("pass@1_bug", BUG.id): 1.0,
        ("edit_scope", EDIT.id): 1.0,
        ("edit_scope", OUTSIDE.id): 0.0,
        ("names", DOC.id): 1.0,
        ("names", TEST.id): 0.5,
        **{("form", one.id): float(one is TEST) for one in (DOC, TEST, BUG, EDIT, OUTSIDE)},
        ("fim_exact", FILLED.id): 1.0,
        ("fim_similarity", FILLED.id): 1.0,
        ("fim_exact", OTHERWISE.id): 0.0,
    }


def test_a_program_counts_whatever_stands_before_it() -> None:
    """A sentence or an empty line before the code block, and what is said behind it, is no part of the program."""
    assert written(SAID) == {(metric, row.id): 1.0 for metric in ("pass@1_doc", "names") for row in SAID} | {
        ("form", row.id): 0.0 for row in SAID
    }


def test_without_a_sandbox_all_else_is_measured() -> None:
    """What is read and compared needs none; nothing is said of whether programs pass."""
    found = written(ALL, judge=None)
    assert {metric for metric, _ in found} == {"edit_scope", "form", "names", "fim_exact", "fim_similarity"}


def test_a_base_without_gaps_is_asked_for_none() -> None:
    """Its other rows are written as ever; with control tokens missing, nothing is said of gaps."""
    found = written([DOC, FILLED], special=())
    assert {metric for metric, _ in found} == {"pass@1_doc", "form", "names"}


def test_similarity_is_one_for_equal_texts_and_none_for_others() -> None:
    """Levenshtein's distance over the longer length; two empty texts are equal."""
    assert [distance("kitten", "sitting"), distance("", "ab"), distance("same", "same")] == [3, 2, 0]
    assert [similarity("", ""), similarity("ab", "cd"), similarity("ab", "abcd")] == [1.0, 0.0, 0.5]
