"""What a row is made of: its programs, what it shows, and the runs that its proof needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.records import Example
from validators.parts import answers, blocks_of, has_bare_code, obligations, quoted, scouting, shown

OLD, NEW = "old-release", "new-release"


def example(kind: str, releases: tuple[str, ...] = (NEW,), **parts: Any) -> Example:
    """A row of a kind with these parts."""
    return Example(
        domain="d", kind=kind, releases=releases, parts=parts, symbols=("lib.f",), file="t.py", root="x",
        generator="g", generator_version="1",
    )  # fmt: skip


RUNS: list[tuple[str, tuple[str, ...], dict[str, str], list[tuple[str, str]]]] = [
    ("doc", (NEW,), {"answer": "a", "stub": "s"}, [("a", NEW), ("s", NEW)]),
    ("drift", (OLD, NEW), {"old": "o", "new": "n"}, [("o", OLD), ("o", NEW), ("n", NEW)]),
    ("bug", (NEW,), {"buggy": "b", "fixed": "f", "alone1": "c"}, [("b", NEW), ("f", NEW), ("c", NEW)]),
    ("edit", (NEW,), {"before": "b", "after": "a"}, [("b", NEW), ("a", NEW)]),
    ("edit", (OLD, NEW), {"before": "b", "after": "a"}, [("b", NEW), ("a", NEW), ("b", OLD)]),
    ("syntax", (NEW,), {"buggy": "b", "fixed": "f"}, [("f", NEW)]),
    ("doc", (NEW,), {"answer": "a"}, [("a", NEW)]),
    ("poem", (NEW,), {"answer": "a"}, []),
]


@pytest.mark.parametrize(("kind", "releases", "programs", "runs"), RUNS)
def test_obligations_are_the_programs_where_they_have_to_run(
    kind: str, releases: tuple[str, ...], programs: dict[str, str], runs: list[tuple[str, str]]
) -> None:
    """Each kind's programs run at the releases of its table entry, those of single mistakes too."""
    assert obligations(example(kind, releases, programs=programs)) == runs


def test_scouting_runs_old_answers_at_the_new_release() -> None:
    """Mined rows of the old release are run at the new one to find drift, rows of the new release are not."""
    new = example("test", programs={"answer": "a", "stub": "s"})
    old = replace(new, releases=(OLD,))
    assert scouting(old, NEW) == [("a", NEW)]
    assert scouting(new, NEW) == []
    assert scouting(replace(old, kind="bug"), NEW) == []
    assert answers([old, new], OLD) == {"a": old.id}


def test_prose_that_is_shown_has_no_code_of_programs() -> None:
    """What a row asks and quotes is prose; fenced code in it is a program's, and a preference's prompt is all code."""
    context = [{"path": "lib/core.py", "text": "def g(): ..."}]
    prompt = "Call `f`:\n```python\nlib.h()\n```\nand return it"
    row = example("fim", prompt=prompt, context=context)
    assert quoted(row) == "def g(): ..."
    assert [word in shown(row) for word in ("`f`", "return it", "lib/core.py", "def g", "lib.h")] == [True] * 4 + [
        False
    ]
    assert shown(example("preference", prompt="lib.h(")) == ""


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("No code, but ```x``` in a line", []),
        ("```python\na\n```\nand\n~~~\nb\n~~~", ["a", "b"]),
        ("1. so:\n   ```py\n   if a:\n       b\n   ```\n", ["if a:\n    b"]),
        ("````\n```\na\n```\n````", ["```\na\n```"]),
        ("```python\nnever closed", ["never closed"]),
        ("```\na\n``` python\nb\n```", ["a\n``` python\nb"]),
        ("> ```\n> a\n> ```", ["> a"]),
    ],
)
def test_all_code_of_an_answer_is_found(text: str, blocks: list[str]) -> None:
    """Fenced as Markdown does, however it is indented, quoted or left open: what isn't found would go unrun."""
    assert blocks_of(text) == blocks


def test_code_that_no_fence_holds_is_seen() -> None:
    """Behind an empty line an indent makes code, and so does a tag; within a fence both are its code's own."""
    assert all(map(has_bare_code, ("So:\n\n    lib.f()\n", "So:\n\n\tlib.f()", "<pre>lib.f()</pre>", "    lib.f()")))
    assert not any(map(has_bare_code, ("```python\n\n    f()\n```", "So\n    it goes on", "- a\n\n  b", "a < code")))
