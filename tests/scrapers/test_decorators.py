from __future__ import annotations

import ast
import textwrap

import pytest

from scrapers.decorators import Keyword, keywords_of, refused_names


@pytest.mark.parametrize(
    ("decorator", "found"),
    [
        ("deprecate_renamed_parameter('by', 'group_by', version='0.20.14')", [Keyword("by", "group_by")]),
        ("deprecate_kwarg(old_arg_name='line_terminator', new_arg_name='lineterminator')",
         [Keyword("line_terminator", "lineterminator")]),
        ("deprecate_kwarg(old_arg_name='errors', new_arg_name=None)", [Keyword("errors")]),
        ("_api.rename_parameter('3.5', 'old', 'new')", [Keyword("old", "new")]),
        ("removed_parameters(RemovedParameter(name='future', removed_in='2.0', hint='Use `level`.'))",
         [Keyword("future", None, "Use `level`.", gone=True)]),
        ("removed_parameters(RenamedParameter(name='a', new_name='b', removed_in='2.0'), *MORE)",
         [Keyword("a", "b", gone=True)]),
        ("deprecate_nonkeyword_arguments(allowed_args=['self'])", []),
        ("deprecated('use g')", []),
        ("deprecate_parameter(f())", []),
        ("lru_cache(maxsize=3)", []),
    ],
)  # fmt: skip
def test_decorator_speaks_of_keywords(decorator: str, found: list[Keyword]) -> None:
    """A decorator that renames, deprecates or refuses a keyword is read, under the names that libraries use."""
    node = ast.parse(f"@{decorator}\ndef f(x): ...").body[0]
    assert isinstance(node, ast.FunctionDef)
    assert list(keywords_of(node).values()) == found


def test_constructor_speaks_for_its_class() -> None:
    """What stands at `__init__` is what a call of the class takes."""
    node = ast.parse("class A:\n    @deprecate_renamed_parameter('a', 'b')\n    def __init__(self, b): ...").body[0]
    assert isinstance(node, ast.ClassDef)
    assert keywords_of(node) == {"a": Keyword("a", "b")}


def test_refused_names_come_with_their_hints() -> None:
    """Tables and branches of a `__getattr__`, also of one under a condition, give the names that are gone."""
    text = """
    if not TYPE_CHECKING:
        def __getattr__(name):
            raise_for_removed(name, {"melt": "use `unpivot` instead", "profile": None})
            if name == "random_tree":
                raise AttributeError("random_tree was removed. Use `random_labeled_tree`.")
            if name in {"f", "g"}:
                return 1
            raise AttributeError(name)
    """
    assert refused_names(ast.parse(textwrap.dedent(text)).body) == {
        "melt": "use `unpivot` instead",
        "profile": "",
        "random_tree": "random_tree was removed. Use `random_labeled_tree`.",
    }
