"""Code blocks of any form become prompts, with the outputs that docs state beside them."""

from __future__ import annotations

import pytest

from synth.mined.blocks import prompted
from synth.mined.sessions import sessions

CASES = {
    "a fence, the value in a comment behind": (
        "Text.\n\n```python\nimport lib\nx = lib.f(1)\nlib.g(x)  # -> [1, 2]\n```\n",
        ("import lib", "x = lib.f(1)\nresult1 = lib.g(x)\n", "assert result1 == [1, 2]\n"),
    ),
    "a directive, printed text in the next block": (
        ".. code-block:: python\n   :caption: One\n\n   import lib\n   print(lib.f(1))\n\n"
        "prints:\n\n.. code-block:: text\n\n   a b\n",
        ("import lib", "result1 = lib.f(1)\n", "assert str(result1) == 'a b'\n"),
    ),
    "test code and its output, a line to each print": (
        ".. testcode::\n\n   import lib\n   print(lib.f(1))\n   print(lib.f(2))\n\n.. testoutput::\n\n   1\n   2\n",
        (
            "import lib",
            "result1 = lib.f(1)\nresult2 = lib.f(2)\n",
            "assert result1 == 1\nassert result2 == 2\n",
        ),
    ),
    "a literal block": (
        "For example::\n\n    import lib\n    lib.f(1)  # 3\n\nAnd so on.\n",
        ("import lib", "result1 = lib.f(1)\n", "assert result1 == 3\n"),
    ),
    "IPython's prompts": (
        "In [1]: import lib\n\nIn [2]: lib.f(\n   ...:     1)\nOut[2]: 3\n",
        ("import lib", "result1 = lib.f(\n    1)\n", "assert result1 == 3\n"),
    ),
    "a cell of MyST, comments below a print": (
        "```{code-cell} ipython3\n---\ntags: [x]\n---\nimport lib\nprint(lib.f(1))\n# Output: a\n```\n",
        ("import lib", "result1 = lib.f(1)\n", "assert str(result1) == 'a'\n"),
    ),
    "an assert of a literal": (
        "```py\nimport lib\nassert lib.f(1) == {'a': 2}\n```\n",
        ("import lib", "result1 = lib.f(1)\n", "assert result1 == {'a': 2}\n"),
    ),
}


@pytest.mark.parametrize(("text", "wanted"), CASES.values(), ids=CASES.keys())
def test_block_becomes_a_session(text: str, wanted: tuple[str, str, str]) -> None:
    """Stated output becomes a check, whatever the form of the block."""
    [made] = sessions(prompted(text))
    assert (made.imports, made.body, made.test) == wanted


def test_later_block_brings_what_it_needs_of_earlier_ones() -> None:
    """A page's blocks are one script, sliced to what an example uses."""
    text = "```python\nimport lib\nx = lib.f(1)\ny = lib.f(2)\n```\nThen:\n\n```python\nlib.g(x)  # -> 1\n```\n"
    [made] = sessions(prompted(text))
    assert (made.imports, made.body) == ("import lib", "x = lib.f(1)\nresult1 = lib.g(x)\n")


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ pip install lib\n```\n",
        "```python\nlib.f(1)  # makes a graph\n```\n",
        "```python\nif x\n```\n",
        ".. math::\n\n   a = b\n",
        "Text with no code: nothing.\n",
    ],
)
def test_what_states_no_output_is_no_session(text: str) -> None:
    """Remarks, other languages and text that doesn't parse make no example."""
    assert list(sessions(prompted(text))) == []


def test_prompts_stay_as_they_are() -> None:
    """A block that has prompts already is the same session as before."""
    text = "::\n\n    >>> import lib\n    >>> lib.f(1)\n    3\n\nDone.\n"
    assert list(sessions(prompted(text))) == list(sessions(text))
