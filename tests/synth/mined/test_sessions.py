"""Doctest sessions become programs: what is shown is bound and checked, what it depends on comes along."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType

import pytest

from synth.mined.sessions import sessions

CASES = {
    "a value is bound and compared": (
        ">>> import lib\n>>> x = lib.f(1)\n>>> x + 1\n3\n",
        ("import lib", "x = lib.f(1)\nresult1 = x + 1\n", "assert result1 == 3\n"),
    ),
    "another form than a literal is compared as text": (
        ">>> lib.view(1)\nView([1])\n",
        ("", "result1 = lib.view(1)\n", "assert repr(result1) == 'View([1])'\n"),
    ),
    "a printed value is bound itself": (
        ">>> print(lib.f(1))\n1.5\n",
        ("", "result1 = lib.f(1)\n", "assert result1 == 1.5\n"),
    ),
    "of a printed object the text is compared": (
        ">>> from pprint import pprint\n>>> print(lib.f(1))\nGraph of 2\n",
        ("", "result1 = lib.f(1)\n", "assert str(result1) == 'Graph of 2'\n"),
    ),
    "what a loop prints is a list": (
        ">>> for x in lib.f(1):\n...     print(x)\n1\n2\n",
        ("", "result1 = list(lib.f(1))\n", "assert result1 == [1, 2]\n"),
    ),
    "text that a loop prints is a list of texts": (
        ">>> for x, y in lib.f(1):\n...     print(f'{x}-{y}')\n1-a\n2-b\n",
        ("", "result1 = [f'{x}-{y}' for x, y in lib.f(1)]\n", "assert result1 == ['1-a', '2-b']\n"),
    ),
    "what a block prints at its end is bound there": (
        ">>> with lib.open() as f:\n...     f.go()\n...     print(f.read())\nb'x'\n",
        ("", "with lib.open() as f:\n    f.go()\n    result1 = f.read()\n", "assert result1 == b'x'\n"),
    ),
    "comments stay above what they are of": (
        ">>> # one more\n... # than f\n... lib.f(1) + 1\n3\n",
        ("", "# one more\n# than f\nresult1 = lib.f(1) + 1\n", "assert result1 == 3\n"),
    ),
    "a name is its own result": (
        ">>> flow = lib.f(1)\n>>> flow\n{1: 2}\n",
        ("", "flow = lib.f(1)\n", "assert flow == {1: 2}\n"),
    ),
    "a call whose value is thrown away stays for its effect": (
        ">>> d = lib.g(1)\n>>> _ = lib.f(d)\n>>> lib.size(d)\n1\n",
        ("", "d = lib.g(1)\n_ = lib.f(d)\nresult1 = lib.size(d)\n", "assert result1 == 1\n"),
    ),
    "calls that no result depends on are left out": (
        ">>> d = lib.g(1)\n>>> e = lib.g(2)\n>>> e.add(3)\n>>> lib.size(d)\n1\n",
        ("", "d = lib.g(1)\nresult1 = lib.size(d)\n", "assert result1 == 1\n"),
    ),
    "an error is caught by its name, and its message is compared": (
        ">>> lib.f(-1)\nTraceback (most recent call last):\n    ...\nValueError: no\n",
        (
            "",
            "try:\n    lib.f(-1)\nexcept ValueError as error:\n    raised1 = str(error)\nelse:\n    raised1 = None\n",
            "assert raised1 == 'no'\n",
        ),
    ),
    "an error without a message is noted": (
        ">>> lib.f(-1)\nTraceback (most recent call last):\n    ...\nValueError: ...\n",
        (
            "",
            "try:\n    lib.f(-1)\nexcept ValueError:\n    raised1 = True\nelse:\n    raised1 = False\n",
            "assert raised1 is True\n",
        ),
    ),
    "truth is compared by identity": (
        ">>> lib.f(1)\nTrue\n",
        ("", "result1 = lib.f(1)\n", "assert result1 is True\n"),
    ),
    "what is skipped is left out, and directives with it": (
        ">>> lib.plot()  # doctest: +SKIP\n>>> lib.f(1)  # doctest: +NORMALIZE_WHITESPACE\n[1,\n 2]\n",
        ("", "result1 = lib.f(1)\n", "assert result1 == [1, 2]\n"),
    ),
    "a table is compared line by line, up to white space": (
        ">>> lib.table(1)\n   a  b\n0  1  2\n",
        (
            "",
            "result1 = lib.table(1)\n",
            'assert [" ".join(line.split()) for line in repr(result1).splitlines()] == [\n'
            "    'a b',\n    '0 1 2',\n]\n",
        ),
    ),
    "an object that is shown as it was made checks nothing beside another check": (
        ">>> d = lib.Table(1)\n>>> d\n   a\n0  1\n>>> d.size\n1\n",
        ("", "d = lib.Table(1)\nresult1 = d.size\n", "assert result1 == 1\n"),
    ),
    "a project's own directive leaves the output unchecked": (
        ">>> d = lib.f(1)\n>>> d.noise()  # doctest: +IGNORE_RESULT\n7\n>>> d.size()\n1\n",
        ("", "d = lib.f(1)\nd.noise()\nresult1 = d.size()\n", "assert result1 == 1\n"),
    ),
}


@pytest.mark.parametrize(("text", "wanted"), CASES.values(), ids=CASES.keys())
def test_session_becomes_a_program(text: str, wanted: tuple[str, str, str]) -> None:
    """Stated output becomes checks of the right form."""
    [made] = sessions(text)
    assert (made.imports, made.body, made.test) == wanted


def test_output_with_an_ellipsis_is_not_checked() -> None:
    """A statement with only part of its output stated has no check, and a session without checks is none."""
    assert list(sessions(">>> lib.f(1)\n[1, ...]\n")) == []


def test_what_shows_a_whole_object_changes_none() -> None:
    """`set_index` that shows a table made that; `add` that gives a number and `pop` change what they are called on."""
    text = ">>> t = table([1])\n>>> t.{}\n{}\n\nThen:\n\n>>> t.size()\n1\n"

    def code(call: str, output: str) -> str:
        return next(s for s in sessions(text.format(call, output)) if "size" in s.body).body

    assert "set_index" not in code("set_index(2)", "   a\n2  1")
    assert "add(2)" in code("add(2)", "0")
    assert "pop(2)" in code("pop(2)", "   a\n2  1")


def test_prose_separates_sessions_which_bring_what_they_need() -> None:
    """Each run of prompts is a session of its own, with the earlier statements that its names depend on."""
    text = "First:\n\n>>> G = lib.f(1)\n>>> H = lib.g(2)\n>>> lib.size(G)\n1\n\n"
    text += "Then:\n\n>>> G.add(2)\n>>> lib.size(G)\n2\n"
    first, second = sessions(text)
    assert first.body == "G = lib.f(1)\nresult1 = lib.size(G)\n"
    assert second.body == "G = lib.f(1)\nG.add(2)\nresult1 = lib.size(G)\n"
    assert first.unbound == second.unbound == ("lib",)


def test_an_object_as_it_was_constructed_may_count_or_not() -> None:
    """The docs of a class show what its constructor makes; those of a function only set the scene so."""
    text = ">>> d = lib.Table(1)\n>>> d\n a\n 1\n"
    assert len(list(sessions(text))) == 1
    assert list(sessions(text, echoes=False)) == []


def test_what_is_shown_before_a_change_is_a_session_of_its_own() -> None:
    """An object that is shown, changed and shown again gives two sessions, as one program sees only its end."""
    text = ">>> d = lib.table(1)\n>>> d\n a\n 1\n>>> d.add(2)\n>>> d\n a\n 3\n"
    first, second = sessions(text)
    assert (first.body, second.body) == ("d = lib.table(1)\n", "d = lib.table(1)\nd.add(2)\n")
    assert "'1'" in first.test
    assert "'3'" in second.test


def test_what_a_loop_binds_itself_is_not_looked_for_above_it() -> None:
    """A loop's variable that an earlier loop has too doesn't bring the earlier one along."""
    text = ">>> G = lib.f(1)\n>>> for x in lib.g(G):\n...     print(x)\n1\n\nThen:\n\n"
    text += ">>> G = lib.f(2)\n>>> for x in lib.g(G):\n...     print(x)\n2\n"
    assert [s.body for s in sessions(text)] == [f"G = lib.f({n})\nresult1 = list(lib.g(G))\n" for n in (1, 2)]


def test_what_changed_an_object_of_that_name_before_is_left_out() -> None:
    """A call on an object whose name stands for another one at the end says nothing of that one."""
    text = ">>> G = lib.f(1)\n>>> G.add(3)\n>>> G = lib.f(2)\n>>> G.add(4)\n>>> lib.size(G)\n2\n"
    [made] = sessions(text)
    assert made.body == "G = lib.f(2)\nG.add(4)\nresult1 = lib.size(G)\n"


def test_a_view_before_a_change_is_a_session_of_its_own() -> None:
    """What is no literal may show later changes too; a number doesn't."""
    view = ">>> d = lib.table(1)\n>>> d.view()\nView(1)\n>>> d.add(2)\n>>> d.view()\nView(2)\n"
    assert len(list(sessions(view))) == 2
    assert len(list(sessions(view.replace("View(1)", "1").replace("View(2)", "2")))) == 1


def test_many_checks_are_told_apart_by_what_they_call() -> None:
    """A run with more than three checks is several sessions, each of one function."""
    text = ">>> G = lib.f(1)\n" + "".join(f">>> lib.{f}(G, {i})\n{i}\n" for f in "gh" for i in (1, 2))
    first, second = sessions(text)
    assert first.body == "G = lib.f(1)\nresult1 = lib.g(G, 1)\nresult2 = lib.g(G, 2)\n"
    assert second.body == "G = lib.f(1)\nresult1 = lib.h(G, 1)\nresult2 = lib.h(G, 2)\n"


def test_an_error_that_a_program_cannot_name_is_no_check() -> None:
    """What the library's error is called is asked for; without an answer nothing is caught."""
    text = ">>> lib.f(-1)\nTraceback (most recent call last):\n    ...\nlib.errors.Wrong: no\n"
    assert list(sessions(text)) == []
    [made] = sessions(text, errors=lambda name: f"lib.{name}")
    assert "except lib.Wrong as error:" in made.body


@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("apart", ["\n", "\nThen this.\n\n"])
def test_twice_the_prompts_cost_twice_as_much(apart: str, chained: bool) -> None:
    """What is done for a long page grows with its prompts, whether they stand together or depend on one another."""

    def calls(prompts: int) -> int:
        lines = [">>> import lib\n"]
        for n in range(prompts):
            base = f"a{n - 1}" if chained and n else str(n)
            lines.append(f"{apart}>>> a{n} = lib.f({base})\n>>> a{n}.g{n}({n})\n{n}\n")
        counted: Counter[str] = Counter()

        def count(_frame: FrameType, event: str, _argument: object) -> None:
            counted[event] += 1

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            assert list(sessions("".join(lines)))
        finally:
            sys.setprofile(before)
        return counted["call"]

    assert calls(160) < 2.6 * calls(80)
