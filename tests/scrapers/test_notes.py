from __future__ import annotations

import pytest

from scrapers.notes import Note, deprecation_of, keyword_in, notes_of, passed_on, renamed_parameters, replacement_in

KNOWN = {
    "g": "lib.core.g", "nx.g": "lib.core.g", "lib.core.g": "lib.core.g", "new_g": "lib.core.new_g",
    "networkx.utils.edges_equal": "lib.utils.edges_equal",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "replacement"),
    [
        ("f is deprecated. Use `g` instead.", "lib.core.g"),
        ("f is deprecated, use nx.g instead", "lib.core.g"),
        ("Use :func:`~lib.core.g` instead", "lib.core.g"),
        ("Use :func:`the new one <lib.core.g>` instead", "lib.core.g"),
        ("f is replaced by new_g", "lib.core.new_g"),
        ("The f function is renamed new_g", "lib.core.new_g"),
        ("f --> new_g", "lib.core.new_g"),
        ("Deprecated in favor of ``isinstance(obj, Iterator)``", "isinstance(obj, Iterator)"),
        ("will be removed in 3.0.Use ``pickle.load(path)``", "pickle.load(path)"),
        ("Use ``nx.to_array(G, dtype=d).view(np.recarray)`` instead", "nx.to_array(G, dtype=d).view(np.recarray)"),
        ("make_str is deprecated. Use str instead.", "str"),
        ("Use `from networkx.utils import edges_equal` and `assert edges_equal` instead", "lib.utils.edges_equal"),
        ("use uuid.uuid4 instead", "uuid.uuid4"),
        ("f has been moved, it should be imported from lib.core.g", "lib.core.g"),
        ("Check lib.kind directly instead", "lib.kind"),
        ("Use 'astype(str)' instead.", "astype(str)"),
        ("f: it is still available as ``nx.g``", "lib.core.g"),
        ("f is deprecated and will be removed in 3.0.", None),
        ("Use it with care.", None),
        ("See the documentation for more.", None),
        ("f is deprecated. Use the `limit` keyword instead", None),
    ],
)  # fmt: skip
def test_replacement_is_what_the_note_names(text: str, replacement: str | None) -> None:
    """A note's replacement is a known path, else the expression it gives, else nothing."""
    assert replacement_in(text, KNOWN.get) == replacement


DOC = """Summary.

.. deprecated:: 2.7

   f is deprecated and will be removed.
   Use `g`.

Parameters
----------
order : str
    .. deprecated:: 2.6
        Order goes.

x : int
    Stays.

.. versionchanged:: 3.0
   Raises now.
"""


def test_directives_of_a_docstring_are_read_with_their_subject() -> None:
    """A directive is about the symbol, or about the parameter that it is indented under."""
    found = [(n.category, n.version, n.subject, n.whole, n.text) for n in notes_of(DOC, "")]
    assert found == [
        ("deprecated", "2.7", "", True, "f is deprecated and will be removed. Use `g`."),
        ("deprecated", "2.6", "order", False, "Order goes."),
        ("versionchanged", "3.0", "", True, "Raises now."),
    ]


SOURCE = '''
@deprecated("Gone soon")
def f(a, attrs=None):
    """Doc."""
    import warnings
    msg = (
        "f is deprecated.\\n"
        f"Use {name} instead."
    )
    warnings.warn(msg, DeprecationWarning, stacklevel=2)
    if attrs is not None:
        warnings.warn("attrs is replaced by a", category=DeprecationWarning)
    if a:
        warnings.warn("careful", UserWarning)
'''


def test_warnings_of_a_function_are_read_with_their_subject() -> None:
    """A warning at the top of a body is about the function, one under a condition about what is looked at."""
    found = [(n.source, n.subject, n.whole, n.text) for n in notes_of("", SOURCE)]
    assert found == [
        ("decorator", "", True, "Gone soon"),
        ("warning", "", True, "f is deprecated. Use {name} instead."),
        ("warning", "attrs", False, "attrs is replaced by a"),
    ]


def test_deprecation_is_of_the_whole_symbol() -> None:
    """A deprecated parameter does not make its function deprecated; a promised change does not either."""
    assert deprecation_of("Doc.\n\nx : int\n    .. deprecated:: 1.0\n       Gone.", "") is None
    promise = "def f():\n    warnings.warn('This will return a generator in 3.0.', DeprecationWarning)\n"
    assert deprecation_of("", promise) is None
    assert [n.promises for n in notes_of("", promise)] == [True]
    assert deprecation_of("DEPRECATED: use g.\n\nMore.", "") == "DEPRECATED: use g."


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("The `min_periods` parameter was renamed `min_samples`.", {"min_periods": "min_samples"}),
        ("The ``a`` and ``b`` parameters were renamed to ``c`` and ``d``.", {"a": "c", "b": "d"}),
        ("The `a` and `b` parameters were renamed to `c`.", {}),
        ("The `a` parameter was removed.", {}),
    ],
)
def test_renamed_parameters_are_paired(text: str, renamed: dict[str, str]) -> None:
    """A note that says that parameters were renamed gives pairs, where there are as many new names as old ones."""
    assert renamed_parameters(text) == renamed


@pytest.mark.parametrize(
    ("text", "of_signature"),
    [
        ("The `a` parameter was renamed `b`.", True),
        ("Parameters after `n` should now be passed as keyword arguments.", True),
        ("Added support for durations.", True),
        ("Default engine is now calamine.", False),
        ("An exception is raised for directed graphs.", False),
    ],
)
def test_note_of_a_signature_is_no_other_behaviour(text: str, of_signature: bool) -> None:
    """What a directive says of parameters is told apart from what the call does now."""
    assert Note(text, "docstring", "versionchanged").of_signature is of_signature


def test_argument_to_give_is_read() -> None:
    """A hint that names an argument with its value gives both."""
    assert keyword_in('Use `engine="streaming"` instead.') == 'engine="streaming"'
    assert keyword_in("Use `engine` instead.") is None


@pytest.mark.parametrize(
    ("decorator", "about"),
    [
        ('@deprecate_nonkeyword_arguments(allowed_args=["self"], name="max")', []),
        ("@_deprecate_positional_args(version='4.0')", []),
        ('@deprecate_renamed_parameter("rtol", "rel_tol", version="1.32.3")', ["rtol"]),
        ('@deprecate_kwarg("order", None)', ["order"]),
        ('@deprecated("Use `g`")', [""]),
    ],
)
def test_a_decorator_deprecates_what_it_is_about(decorator: str, about: list[str]) -> None:
    """One about arguments by position deprecates nothing that stays; one about a keyword that keyword alone."""
    found = [note for note in notes_of("", f"{decorator}\ndef f(x): ...") if note.deprecates]
    assert [note.subject for note in found] == about
    assert [note.whole for note in found] == [not name for name in about]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("def pad(self, limit=None):\n    'Fills.'\n    return self.fill(limit=limit)", "self.fill"),
        ("@property\ndef week(self):\n    warn('old')\n    return self.calendar().week", "self.calendar"),
        ("def old(*args, **kw):\n    return new(*args, **kw)", "new"),
        ("def some(self):\n    return self.apply('some')", None),
        ("def most(x):\n    y = x + 1\n    return new(x)", None),
        ("def none(x):\n    pass", None),
        ("def (", None),
    ],
)
def test_a_function_that_only_passes_on_says_to_what(source: str, name: str | None) -> None:
    """One whose whole body is a call of another with its own arguments is another name of that one."""
    assert passed_on(source) == name
