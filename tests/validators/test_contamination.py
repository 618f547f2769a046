"""Contamination: a row that holds a task of a benchmark is found however it is written, and no other row is."""

from __future__ import annotations

import json
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


def held(code: str = "x = 1\n", kind: str = "test", **parts: Any) -> str:
    """What a row with this answer and these texts is found to hold."""
    program = Program(code=code, test="assert x\n")
    row = Example(
        domain="d", kind=kind, releases=("r",), parts={"programs": {"answer": program.id}, **parts}, file="a.py",
        root="r", generator="g", generator_version="1",
    )  # fmt: skip
    programs = {program.id: program}
    return Benchmarks(TASKS, programs, Forms(programs)).held_by(row)


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
    assert tasks_of("b.py", RENAMED) == [Task("b.py", (RENAMED,))]
    assert tasks_of("b.txt", "One.\n\nTwo.") == [Task("b.txt", ("One.\n\nTwo.", "One.", "Two."))]
    with pytest.raises(ValueError, match=r"^line 2 is no JSON"):
        tasks_of("b.jsonl", "{}\n{\n")
