"""Contamination: a row that holds a task of a benchmark is found however it is written, and no other row is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from registry.records import Example, Program
from validators.curation.contamination import Benchmarks, Task, tasks_of
from validators.curation.forms import Forms

PROMPT = '''from typing import List


def has_close_elements(numbers: List[float], threshold: float) -> bool:
    """Check if in given list of numbers, are any two numbers closer to each other than given threshold.

    >>> has_close_elements([1.0, 2.0, 3.0], 0.5)
    False
    """
'''
SOLUTION = """    for idx, elem in enumerate(numbers):
        for idx2, elem2 in enumerate(numbers):
            if idx != idx2:
                distance = abs(elem - elem2)
                if distance < threshold:
                    return True

    return False
"""
CHECK = "def check(candidate):\n    assert candidate([1.0, 2.0, 3.9, 4.0, 5.0, 2.2], 0.3) == True\n"
CHECK += "    assert candidate([1.1, 2.2, 3.1, 4.1, 5.1], 0.5) == False\n"
LINE = json.dumps({"task_id": "H/0", "prompt": PROMPT, "canonical_solution": SOLUTION, "test": CHECK, "n": 3})
TASKS = tasks_of(
    "h.jsonl", f"{LINE}\n\n" + json.dumps({"text": "Write a function.", "test_list": ["assert f(1) == 2"]})
)

RENAMED = """
def near(values, limit):
    for i, a in enumerate(values):
        for j, b in enumerate(values):
            if i != j:
                gap = abs(a - b)  # how far
                if (gap < limit):
                    return True
    return False
"""


def held(code: str = "x = 1\n", kind: str = "test", tasks: Sequence[Task] = TASKS, **parts: Any) -> str:
    """What a row with this answer and these texts is found to hold of these tasks."""
    program = Program(code=code, test="assert x\n")
    row = Example(
        domain="d", kind=kind, releases=("r",), parts={"programs": {"answer": program.id}, **parts}, file="a.py",
        root="r", generator="g", generator_version="1",
    )  # fmt: skip
    programs = {program.id: program}
    return Benchmarks(tasks, programs, Forms(programs)).held_by(row)


@pytest.mark.parametrize(
    "code",
    [
        PROMPT + SOLUTION,
        RENAMED,
        "import lib\n" + "\n".join(f"x{n} = lib.f({n})" for n in range(40)) + RENAMED + "print(near([1], 2))\n",
        "class Box:\n" + RENAMED.replace("\n", "\n    ").replace("near(values", "near(self, values") + "\n",
        "# Check if in given list of numbers, are any two numbers closer to each\n# other than given threshold.\n",
        SOLUTION.replace("    for idx, elem in", "def f(numbers, threshold):\n    for idx, elem in", 1),
        CHECK.replace("candidate", "near"),
    ],
)
def test_a_task_is_found_in_a_program(code: str) -> None:
    """Copied, reformatted, renamed, embedded, as a comment, its body or its tests alone: the task is named."""
    assert held(code) == "H/0 of h.jsonl"


def test_a_task_is_found_in_a_prompt_and_a_page() -> None:
    """The words of a task in a row's prompt, or its solution in a page's code block, are found."""
    words = "Check if, in given list of numbers, are any two numbers closer to each other than given threshold?"
    assert held(prompt=words) == "H/0 of h.jsonl"
    assert held(kind="text", text=f"# Title\n\nSome words.\n\n```python\n{RENAMED}```\n") == "H/0 of h.jsonl"
    assert held(kind="text", text="Words.\n" + "\n".join(f">>> {x}" for x in RENAMED.splitlines())) == "H/0 of h.jsonl"


@pytest.mark.parametrize(
    "code",
    [
        "def f(a, b):\n    for i, x in enumerate(a):\n        if x < b:\n            return True\n    return False",
        "x = [1.0, 2.0, 3.9, 4.0, 5.0, 2.2]\n",
        "from typing import List\n# Check if two numbers are equal\nassert f(1) == 2\n",
        "def check(candidate):\n    assert candidate(1) == 2\n",
        "f(",
    ],
)  # fmt: skip
def test_what_tasks_share_with_everything_is_no_task(code: str) -> None:
    """A usual loop, a list of numbers, a few words, or code that doesn't parse is no task."""
    assert held(code) == ""


def test_files_of_any_form_are_read() -> None:
    """JSON lines name their tasks, a Python or text file is one task, and a broken line is named."""
    assert [t.name for t in TASKS] == ["H/0 of h.jsonl", "line 3 of h.jsonl"]
    assert TASKS[1].texts == ("Write a function.", "assert f(1) == 2", "assert f(1) == 2")
    assert tasks_of("b.py", RENAMED) == [Task("b.py", (RENAMED,), "b.py")]
    assert tasks_of("b.txt", "One.\n\nTwo.") == [Task("b.txt", ("One.\n\nTwo.", "One.", "Two."), "b.txt")]
    with pytest.raises(ValueError, match=r"^line 2 is no JSON"):
        tasks_of("b.jsonl", "{}\n{\n")


LICENCE = "Permission is hereby granted, free of charge, to any person who obtains a copy of this software"
ASKED = "Write a Python function that does what is described below and return nothing but its code, without tests,"
ASKED += " without any words before it or after it, and without any more imports than those that you need:"
OWN = ("count the vowels of every second word and add them", "rotate a square matrix by ninety degrees without a copy")
HEAD = (
    "def load(path, mode):\n    with open(path, mode) as opened:\n        lines = [line.strip() for line in opened]\n"
)
HEAD += "    return {line.split('=')[0]: line.split('=')[1] for line in lines if line and '=' in line}\n"


def sharing(count: int, repeated: int = 1) -> list[Task]:
    """Tasks of one file that share a licence, an introduction and a helper, each so many times in it."""
    rows = [
        {"id": n, "license": LICENCE, "prompt": f"{ASKED} {OWN[n % 2]} {n} times", "helper": HEAD} for n in range(count)
    ]
    return tasks_of("s.jsonl", "\n".join(json.dumps(row) for row in rows * repeated))


@pytest.mark.parametrize("row", [{"note": LICENCE}, {"prompt": f"{ASKED} sort it"}, {"code": HEAD}])
def test_what_the_tasks_of_a_file_share_is_no_task(row: dict[str, str]) -> None:
    """A licence, an introduction or a helper in three tasks or more is none's own; in two, or repeated, it still is."""
    assert held(**row, tasks=sharing(3)) == ""
    assert held(**row, tasks=sharing(2)) == "0 of s.jsonl"
    assert held(**row, tasks=sharing(1, repeated=4)) == "0 of s.jsonl"
    assert held(**row, tasks=[*sharing(1), *(Task(t.name, t.texts, f"{n}") for n in range(3) for t in sharing(1))])


def test_what_a_task_says_itself_is_found_beside_what_all_share() -> None:
    """The words that only one task has are found, with and without what all tasks have before them."""
    tasks = sharing(9)
    assert held(prompt=f"{ASKED} {OWN[0]} 4 times", tasks=tasks) == "4 of s.jsonl"
    own = "find the longest path in a tree of words that are anagrams of each other, where every word may be used once"
    own += " and no two words that follow one another begin with the same letter"
    assert held(prompt=f"Please {own}", tasks=[*tasks, Task("own", (f"{ASKED} {own}",), "s.jsonl")]) == "own"
