"""Statements that set up a module, with fewer names."""

from __future__ import annotations

import ast

import pytest

from registry.imports import narrowed

GUARDED = "try:\n    import a\nexcept ImportError:\n    b = None\n"


@pytest.mark.parametrize(
    ("text", "wanted", "left"),
    [
        ("import a, b\n", "b", "import b\n"),
        ("from m import a, b as c\n", "c", "from m import b as c\n"),
        ("import a\n", "b", ""),
        ("if X:\n    import a\n    import b\n", "b", "if X:\n    import b\n"),
        ("if X:\n\tfrom m import a, b\n", "b", "if X:\n\tfrom m import b\n"),
        ("if X:\n    import a\nelse:\n    import b as c\n", "c", "if X:\n    pass\nelse:\n    import b as c\n"),
        ("if X:\n    import b\nelse:\n    import a\n", "b", "if X:\n    import b\nelse:\n    pass\n"),
        ("if X:\n    import b\nelif Y:\n    import a\n", "b", "if X:\n    import b\n"),
        ("if X:\n    import a\nelif Y:\n    import b\n", "b", "if X:\n    pass\nelif Y:\n    import b\n"),
        ("import a; import b\n", "b", "import a; import b\n"),
        ("import a; import b\n", "c", ""),
        ("if X: import a, b\n", "b", "if X: import a, b\n"),
        (GUARDED, "b", "try:\n    pass\nexcept ImportError:\n    b = None\n"),
        (GUARDED, "a", "try:\n    import a\nexcept ImportError:\n    pass\n"),
        (GUARDED, "c", ""),
        ("try:\n    import a\nexcept ImportError:\n    raise\n", "b", ""),
        ("try:\n    import a\nexcept ImportError:\n    pass  # none\n", "a",
         "try:\n    import a\nexcept ImportError:\n    pass  # none\n"),
        ("try:\n    import a\nexcept E:\n    pass\nelse:\n    b = 1\nfinally:\n    c = 2\n", "b",
         "try:\n    pass\nexcept E:\n    pass\nelse:\n    b = 1\nfinally:\n    pass\n"),
        ("with f() as b:\n    import a\n", "b", "with f() as b:\n    pass\n"),
        ("if X:\n    @d\n    def a(): ...\n    def b(): ...\n", "b", "if X:\n    def b(): ...\n"),
    ],
)  # fmt: skip
def test_wanted_names_stay_and_what_is_left_is_python(text: str, wanted: str, left: str) -> None:
    """Whichever suite binds it, a wanted name stays bound; the others go, but for what shares a line with another."""
    assert narrowed(text, lambda name: name == wanted) == left
    ast.parse(left)
