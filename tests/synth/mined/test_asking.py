"""What the row of a test asks: what its subject does, the case that the test makes of it, and what must hold."""

from __future__ import annotations

from typing import Any

import pytest

from registry.names import SymbolIndex
from synth.mined import test_examples
from tests.synth.conftest import page, parted, symbol

SYMBOLS = [
    symbol("lib", "module"),
    symbol("lib.gather", doc="Returns the things of an empty box,\nin order.\n\nMore of it: spread, one by one."),
    symbol("lib.spread", doc="Spreads things."),
    symbol("lib.Box", "class", doc="A box of things."),
    symbol("lib.Box.add_thing", "method", doc="Add a thing to the box."),
    symbol("lib.BoxError", "class", doc="Exception of boxes."),
]


def asked(test: str) -> list[str]:
    """The prompts of a module of tests."""
    examples, _ = parted(
        test_examples.mine([page("lib/tests/test_a.py", test)], SymbolIndex(SYMBOLS), domain="d", release="lib 1")
    )
    parts: list[Any] = [e.parts for e in examples]
    return [str(p["prompt"]) for p in parts]


HEADS = {
    "the subject's sentence, and the case of the name": (
        "def test_gather_empty_box():\n    x = lib.gather([])\n    assert x == []\n",
        "Return the things of an empty box, in order. The case: empty box.",
    ),
    "a name that says no more, or nothing that the docs know": (
        "def test_gather_gh123():\n    x = lib.gather([])\n    assert x == []\n",
        "Return the things of an empty box, in order.",
    ),
    "what the docstring says that it checks": (
        'def test_gather():\n    """Tests that things stay in their order."""\n    assert lib.gather([1]) == [1]\n',
        "Return the things of an empty box, in order. Show that things stay in their order.",
    ),
    "a docstring that names what isn't shown is not quoted": (
        'def test_gather():\n    """Tests that it does what `spread` does."""\n    assert lib.gather([1]) == [1]\n',
        "Return the things of an empty box, in order.",
    ),
    "the error, where nothing else is checked": (
        "def test_gather():\n    with pytest.raises(lib.BoxError):\n        lib.gather(None)\n",
        "Return the things of an empty box, in order. Show that `lib.BoxError` is raised.",
    ),
    "the method that the name says, not the class": (
        "def test_add_thing():\n    b = lib.Box()\n    b.add_thing(1)\n    assert b.things == [1]\n",
        "Add a thing to the box.",
    ),
    "a class that is only made": (
        "def test_things():\n    b = lib.Box([1])\n    assert b.things == [1]\n",
        "Use `lib.Box`: A box of things. The case: things.",
    ),
}


@pytest.mark.parametrize(("test", "head"), HEADS.values(), ids=HEADS.keys())
def test_task_says_what_is_done(test: str, head: str) -> None:
    """No mangled name, nothing cut off, nothing of the library that the row doesn't show."""
    [prompt] = asked(f"import lib\nimport pytest\n\n\n{test}")
    assert prompt.splitlines()[0] == head


def test_task_shows_inputs_and_checks() -> None:
    """All of the program but the subject's call stands in the task, and the checks do."""
    code = "def test_gather():\n    box = [2, 1]\n    x = lib.gather(box, key=len)\n    assert x == [1, 2]\n"
    [prompt] = asked(f"import lib\n\n\n{code}")
    assert prompt.partition("\n\n")[2] == (
        "Complete this program for lib 1 where it has `...`, with `lib.gather`:\n"
        "```python\nimport lib\n\nbox = [2, 1]\nx = ...  # from box, key=len\n```\n"
        "Write the whole program. This must hold afterwards:\n```python\nassert x == [1, 2]\n```"
    )


def test_an_object_that_is_only_there_to_be_asked_is_no_subject() -> None:
    """A test named for an attribute, of whatever class it is, isn't one of making the object that is asked."""
    listed = symbol("lib.Listed.first", "method", doc="The first thing.")
    test = "import lib\n\n\ndef test_first_of_{}():\n    b = lib.Box([1])\n    assert b.first == 1\n"
    index = SymbolIndex([*SYMBOLS, listed])

    def rows(name: str) -> int:
        made = test_examples.mine([page("lib/tests/test_a.py", test.format(name))], index, domain="d")
        return len(parted(made)[0])

    assert (rows("all"), rows("box")) == (0, 1)


def test_row_with_more_checks_than_a_task_shows_is_none() -> None:
    """A test of many lines can't be told in a task."""
    lines = "".join(f"        {i}: 'a long enough value {i}',\n" for i in range(40))
    assert asked(f"import lib\n\n\ndef test_gather():\n    x = lib.gather()\n    assert x == {{\n{lines}    }}\n") == []


def test_function_of_the_module_that_the_file_is_named_for_comes_first() -> None:
    """A test that is named for what it is set up with asks for what its file is about."""
    named = {"lib.make.path": "Make a path.", "lib.size.width": "Get the width."}
    symbols = [symbol("lib", "module"), *(symbol(path, doc=doc) for path, doc in named.items())]
    test = "import lib\n\n\ndef test_path():\n    x = lib.size.width(lib.make.path(1))\n    assert x == 1\n"
    heads = []
    for file in ("test_size", "test_make"):
        rows = test_examples.mine([page(f"lib/tests/{file}.py", test)], SymbolIndex(symbols), domain="d")
        parts: Any = parted(rows)[0][0].parts
        heads.append(parts["prompt"].partition(".")[0])
    assert heads == ["Get the width", "Make a path"]


def test_what_the_code_calls_is_what_is_named() -> None:
    """A symbol with a shorter alias goes by the name that the answer's code has for it."""
    known = [symbol("lib", "module"), symbol("lib.io", "module")]
    write = symbol("lib.io.write_fast", "function", "lib.write", doc="Writes things.")
    test = "import lib.io\ndef test_write():\n    x = lib.io.write_fast([1])\n    assert x == [1]\n"
    examples, _ = parted(
        test_examples.mine([page("lib/tests/test_a.py", test)], SymbolIndex([*known, write]), domain="d", release="")
    )
    [prompt] = [str(e.parts["prompt"]) for e in examples]
    assert "with `lib.io.write_fast`" in prompt


def test_a_test_that_calls_its_subject_is_none() -> None:
    """Checks that call what is asked for give it away, and test themselves."""
    check = "def test_gather():\n    x = lib.gather([1])\n    for i in (1, 2):\n        assert x == lib.gather([i])\n"
    assert asked(check) == []
