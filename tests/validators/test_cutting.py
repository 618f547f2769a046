"""What is left of modules and prose from which something is cut holds together."""

from __future__ import annotations

import ast

import pytest

from validators.curation import modules, prose
from validators.curation.cutting import codes_in


def cut(text: str) -> str | None:
    """The module without all that says `secret`, and its definition."""
    return modules.without(text, ["secret"], lambda piece: "secret" in piece)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            '__all__ = ["f", "secret", "g"]\n\n\ndef secret():\n    pass\n\n\ndef f():\n    pass\n\n\n'
            "def g():\n    pass\n",
            '__all__ = ["f", "g"]\n\n\ndef f():\n    pass\n\n\ndef g():\n    pass\n',
            id="a definition goes, and out of __all__",
        ),
        pytest.param(
            'from lib import x\n\n__all__ = ["f", "secret"] + x.__all__ + ["g", *x.more]\n\n\ndef secret():\n    pass\n'
            "\n\ndef f():\n    pass\n\n\ndef g():\n    pass\n",
            'from lib import x\n\n__all__ = ["f"] + x.__all__ + ["g", *x.more]\n\n\n'
            "def f():\n    pass\n\n\ndef g():\n    pass\n",
            id="the names of others stay in __all__",
        ),
        pytest.param(
            'from lib import secret, x\n\n__all__ = [\n    "f",\n    "secret",\n] + secret.__all__\n'
            '__all__ += sorted(["x", "secret"])\n\n\ndef f():\n    pass\n',
            'from lib import x\n\n__all__ = [\n    "f",\n]\n__all__ += ["x"]\n\n\ndef f():\n    pass\n',
            id="unless they went",
        ),
        pytest.param(
            '__all__ = [\n    "f",\n    "use",\n]\nfrom lib import (\n    g,\n    secret,\n)\n\n\ndef use():\n'
            "    return secret()\n\n\ndef f():\n    return g()\n",
            '__all__ = [\n    "f",\n]\nfrom lib import g\n\n\ndef f():\n    return g()\n',
            id="an import goes, what it is used by, and that out of __all__",
        ),
        pytest.param(
            "import math\nimport os\n\n\ndef _a():\n    return secret(math)\n\n\ndef _b():\n    return _a()"
            "\n\n\n"
            "def _c():\n    return os.sep\n\n\ndef d():\n    return _b() + _c()\n\n\ndef e():\n    return 1\n",
            "def e():\n    return 1\n",
            id="users of users go, and the helpers and imports that only they needed",
        ),
        pytest.param(
            'def f():\n    """Do.\n\n    See Also\n    --------\n    secret\n\n    Notes\n    -----\n    Fast.\n'
            '    """\n    return 1\n',
            'def f():\n    """Do.\n\n    Notes\n    -----\n    Fast.\n    """\n    return 1\n',
            id="what only its docstring says goes out of the docstring, with the emptied section",
        ),
        pytest.param(
            "class A:\n    def f(self):\n        return secret()\n\n    def g(self):\n        return self.f()\n\n"
            "    def h(self):\n        return 1\n\n    def i(self):\n        return self.h()\n",
            "class A:\n    def h(self):\n        return 1\n\n    def i(self):\n        return self.h()\n",
            id="methods go with those that call them",
        ),
        pytest.param(
            "def f():\n    return secret()\n\n\ndef g():\n    return f()\n\n\ndef h():\n    pass\n",
            "",
            id="of a module that lost more than half nothing stays",
        ),
        pytest.param(
            "def secret():\n    pass\n\n\ndef _f():\n    pass\n", "", id="nor of one with nothing public left"
        ),
        pytest.param(
            'def f():\n    """\n    """\n    return secret()\n\n\ndef g():\n    return 1\n',
            "def g():\n    return 1\n",
            id="one whose docstring says nothing goes",
        ),
        pytest.param(
            "import lib.secret\n\n\ndef f():\n    return lib.g()\n\n\ndef g():\n    return 1\n",
            "def g():\n    return 1\n",
            id="the import of a module goes with what uses the package that it binds",
        ),
        pytest.param(
            "import os\nif TYPE_CHECKING:\n    from a import T\n    from b import secret\n\n\ndef _a() -> T:\n"
            "    return secret(os)\n\n\ndef b() -> T:\n    return 1\n",
            "if TYPE_CHECKING:\n    from a import T\n\n\ndef b() -> T:\n    return 1\n",
            id="imports go out of their block, those that annotations need stay",
        ),
        pytest.param(
            "import os\n\n\nclass A:\n    def f(self):\n        return secret(os)\n\n    def g(self):\n"
            "        return 1\n",
            "class A:\n    def g(self):\n        return 1\n",
            id="imports go that only a method needed which went",
        ),
        pytest.param(
            "@overload\ndef f(x: int) -> int: ...\n\n\n@overload\ndef f(x: str) -> str: ...\n\n\ndef f(x):\n"
            "    return secret(x)\n\n\ndef g():\n    return 1\n",
            "def g():\n    return 1\n",
            id="overloads go with what they are of",
        ),
        pytest.param(
            "class A:\n    def __next__(self):\n        return secret()\n\n    def f(self):\n        return 1\n\n\n"
            "def g():\n    return 1\n",
            "def g():\n    return 1\n",
            id="a class goes with one of Python's own methods",
        ),
        pytest.param("f(secret)\n\n\ndef g():\n    return 1\n", "", id="a module does all that it did, or goes"),
        pytest.param(
            "# lib/a.py, continued; elsewhere it defines f, secret\n\nimport os\n\n\ndef g():\n    return f(os)\n\n\n"
            "# lib/a.py goes on, and defines secret\n",
            "# lib/a.py, continued; elsewhere it defines f\n\nimport os\n\n\ndef g():\n    return f(os)\n\n\n"
            "# lib/a.py goes on\n",
            id="what a portion says of the others is cut too",
        ),
        pytest.param("Prose.\n", None, id="prose is no module"),
    ],
)
def test_what_is_left_of_a_module_holds_together(before: str, after: str | None) -> None:
    """Nothing that stays names or uses what went."""
    assert cut(before) == after
    if after:
        ast.parse(after)
        assert cut(after) == after


def test_all_code_that_a_text_quotes_is_found() -> None:
    """Doctests, fenced and indented blocks; a doctest that is no Python hides none of the others."""
    text = (
        "Say::\n\n    a.one()\n\n```python\nb.two()\n```\n\n>>> for x in c:\n...     x.three()\n1\n\n"
        "    >>> %timeit d\n    >>> d.four()\n"
    )
    assert codes_in(text) == ["b.two()\n", "a.one()\n\n", "for x in c:\n    x.three()", "d.four()"]


def test_entries_go_from_lists_and_emptied_sections_from_prose() -> None:
    """Of a list of contents entries are cut, not the list; a heading goes with all that stood under it."""
    text = (
        "Title\n=====\n\n.. autosummary::\n\n   f\n   secret\n   g\n\nOne\n---\n\nA secret.\n\nTwo\n---\n\nOpen.\n\n"
        "Three\n-----\n\n>>> secret()\n"
    )
    assert prose.without(text, lambda piece: "secret" in piece) == (
        "Title\n=====\n\n.. autosummary::\n\n   f\n   g\n\nTwo\n---\n\nOpen.\n\n"
    )


def test_long_blocks_are_taken_apart_in_one_pass() -> None:
    """The longest block of code is read once, not once for each of its lines."""
    text = "Table::\n\n" + "".join(f"    {n} words of a row\n" for n in range(30_000))
    assert prose.without(text, lambda piece: False) == text
