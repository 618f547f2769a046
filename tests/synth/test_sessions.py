"""Doctest sessions become programs: what is shown is bound and checked, what it depends on comes along."""

from __future__ import annotations

import pytest

from synth.sessions import sessions

CASES = {
    "a value is bound and compared": (
        ">>> import lib\n>>> x = lib.f(1)\n>>> x + 1\n3\n",
        ("import lib", "x = lib.f(1)\nresult1 = x + 1\n", "assert result1 == 3\n"),
    ),
    "another form than a literal is compared as text": (
        ">>> lib.view(1)\nView([1])\n",
        ("", "result1 = lib.view(1)\n", "assert repr(result1) == 'View([1])'\n"),
    ),
    "printed text is compared as text": (
        ">>> print(lib.f(1))\n1.5\n",
        ("", "printed1 = str(lib.f(1))\n", "assert printed1 == '1.5'\n"),
    ),
    "text printed in a loop is caught": (
        ">>> for x in lib.f(1):\n...     print(x)\n1\n2\n",
        (
            "import contextlib\nimport io",
            "with contextlib.redirect_stdout(io.StringIO()) as printed1:\n    for x in lib.f(1):\n        print(x)\n",
            "assert printed1.getvalue() == '1\\n2\\n'\n",
        ),
    ),
    "an exception is noted by name": (
        ">>> lib.f(-1)\nTraceback (most recent call last):\n    ...\nlib.errors.Wrong: no\n",
        (
            "",
            "try:\n    lib.f(-1)\nexcept Exception as error:\n    raised1 = type(error).__name__\n"
            "else:\n    raised1 = None\n",
            'assert raised1 == "Wrong"\n',
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
    "what later steps change is written down at once": (
        ">>> d = lib.table(1)\n>>> d\n a\n 1\n>>> d.add(2)\n>>> d\n a\n 3\n",
        (
            "",
            "d = lib.table(1)\nprinted1 = repr(d)\nd.add(2)\nresult1 = d\n",
            "assert [\" \".join(line.split()) for line in printed1.splitlines()] == [\n    'a',\n    '1',\n]\n"
            'assert [" ".join(line.split()) for line in repr(result1).splitlines()] == [\n'
            "    'a',\n    '3',\n]\n",
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
