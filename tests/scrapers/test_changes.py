from __future__ import annotations

from typing import Any

import pytest

from registry.records import Change
from scrapers.changes import by_kind, find_changes
from scrapers.sources import Scraped
from tests.scrapers.conftest import scraped

DOC = '"""Returns the edges of the graph that lie between the given nodes, with their data."""'
OLD = f"""
import warnings

def kept(a, b=1): ...
def partly(value=None, how=None): ...
def gone(a): ...
def named(G):
    {DOC}
    warnings.warn("named is deprecated. Use better_named instead", DeprecationWarning)
def quietly(G, nodes, data):
    {DOC}
def promised():
    warnings.warn("promised will return a list in 2.0", FutureWarning)
def _private(a): ...
class Gone:
    def method(self): ...
class Kept:
    def away(self): ...
    def still(self, x): ...
"""
NEW = f'''
import warnings

def kept(a, *, b=1): ...
def better_named(G):
    {DOC}
def quietly_renamed(G, nodes, data):
    {DOC}
def promised(): ...
def fresh(a): ...
def later():
    """.. deprecated:: 2.0

       Use fresh instead.
    """
def partly(value=None, how=None):
    """Does it.

    .. deprecated:: 2.0
       Passing None for *value* is deprecated, use `fresh` instead.

    .. deprecated:: 2.0
       *how* is deprecated.
    """
def _private(a, b): ...
class Kept:
    def still(self, x, y): ...
class Fresh:
    def method(self): ...
'''


@pytest.fixture(scope="module")
def changes() -> dict[tuple[str, str], Change]:
    moved = "def mover(G, key):\n    " + DOC + "\n"
    old = scraped(
        "1.0",
        {"lib/__init__.py": "from lib.core import *\nfrom lib.a import mover\n", "lib/core.py": OLD, "lib/a.py": moved},
    )
    texts = {
        "lib/__init__.py": "from lib.core import *\nfrom lib.b import mover\n",
        "lib/core.py": NEW,
        "lib/b.py": moved,
    }
    new = scraped(
        "2.0",
        texts,
        "# Changes\n\n## 2.0\n\n- `gone` was removed in favor of `fresh`\n- `kept` no longer sorts\n"
        "- `partly` is deprecated, use `fresh` instead\n",
    )
    return {(c.symbol, c.kind): c for c in find_changes(old, new)}  # fmt: skip


def test_every_kind_of_change_is_found(changes: dict[tuple[str, str], Change]) -> None:
    """Each change of the pair is found once, and nothing that stayed, is private, or came with its class."""
    assert {k: c.replacement for k, c in changes.items()} == {
        ("lib.a", "removed"): None,
        ("lib.a.mover", "moved"): "lib.b.mover",
        ("lib.b", "added"): None,
        ("lib.core.Fresh", "added"): None,
        ("lib.core.Gone", "removed"): None,
        ("lib.core.Kept.away", "removed"): None,
        ("lib.core.Kept.still", "signature"): None,
        ("lib.core.fresh", "added"): None,
        ("lib.core.gone", "removed"): "lib.core.fresh",
        ("lib.core.kept", "behaviour"): None,
        ("lib.core.kept", "signature"): None,
        ("lib.core.later", "added"): None,
        ("lib.core.later", "deprecated"): "lib.core.fresh",
        ("lib.core.named", "renamed"): "lib.core.better_named",
        ("lib.core.partly", "deprecated"): None,
        ("lib.core.promised", "behaviour"): None,
        ("lib.core.quietly", "renamed"): "lib.core.quietly_renamed",
    }


@pytest.mark.parametrize(
    ("symbol", "kind", "source"),
    [
        ("lib.core.gone", "removed", "griffe"),
        ("lib.core.gone", "removed", "CHANGELOG.md"),
        ("lib.core.kept", "signature", "griffe"),
        ("lib.core.kept", "signature", "CHANGELOG.md"),
        ("lib.core.named", "renamed", "warning"),
        ("lib.core.quietly", "renamed", "likeness"),
        ("lib.core.promised", "behaviour", "warning"),
        ("lib.core.later", "deprecated", "docstring"),
    ],
)
def test_evidence_says_who_found_it(
    changes: dict[tuple[str, str], Change], symbol: str, kind: str, source: str
) -> None:
    """The evidence of a change names griffe's finder, the note, the changelog and the likeness it rests on."""
    assert source in [e["source"] for e in changes[symbol, kind].evidence]


def test_detail_tells_what_still_works(changes: dict[tuple[str, str], Change]) -> None:
    """A function that moved inside the library lists the public paths that lead to it as before."""
    assert changes["lib.a.mover", "moved"].detail == {"still_works": ["lib.mover"]}
    assert changes["lib.core.kept", "signature"].detail["kinds"] == {"b": ["positional or keyword", "keyword-only"]}


def test_a_case_of_use_that_goes_names_no_replacement(changes: dict[tuple[str, str], Change]) -> None:
    """What is deprecated of a function is in the detail, and nothing takes the place of the function."""
    change = changes["lib.core.partly", "deprecated"]
    case = "Passing None for *value* is deprecated, use `fresh` instead."
    assert (change.replacement, change.detail) == (None, {"case": case, "parameters": ["how"]})


BEFORE = """
from lib.io import read
class Base:
    def both(self, a): ...
class Child(Base):
    def both(self, a): ...
    def melt(self): ...
    @renamed_parameter("by", "group_by", version="0.9")
    def roll(self, group_by): ...
    def take(self, min_periods, fill=no_default): ...
    def count(self):
        '''
        >>> c.count()
        3
        '''
"""
AFTER = """
from lib.io.core import read
class Base:
    def both(self, a): ...
class Child(Base):
    def melted(self): ...
    def roll(self, group_by): ...
    @removed_parameters(Removed(name="fill", hint="Use `how=\'x\'` instead."))
    def take(self, min_samples, how):
        '''
        .. versionchanged:: 1.5
            The `min_periods` parameter was renamed `min_samples`.
        '''
    def count(self):
        '''
        >>> c.count()
        4
        '''
    def __getattr__(self, name):
        removed(name, {"melt": "use `melted` instead"})
"""


def test_what_decorators_refusals_and_examples_say_is_found() -> None:
    """Decorators, `__getattr__` and examples tell of changes; what is inherited or imported now is none."""
    old = scraped("1.0", {"lib/__init__.py": BEFORE, "lib/io.py": "def read(path): ...\n"})
    core = {"lib/io/__init__.py": "from lib.io.core import read\n", "lib/io/core.py": "def read(path): ...\n"}
    new = scraped("2.0", {"lib/__init__.py": AFTER, **core})
    found = {(c.symbol, c.kind): c for c in find_changes(old, new)}
    assert set(found) == {
        ("lib.Child.count", "behaviour"),
        ("lib.Child.melt", "renamed"),
        ("lib.Child.roll", "signature"),
        ("lib.Child.take", "signature"),
        ("lib.io.core", "added"),
    }
    assert found["lib.Child.melt", "renamed"].replacement == "lib.Child.melted"
    assert found["lib.Child.roll", "signature"].detail["renamed"] == {"by": "group_by"}
    take = found["lib.Child.take", "signature"].detail
    assert take["renamed"] == {"min_periods": "min_samples"}
    assert take["removed"] == ["fill"]
    assert take["replacements"] == {"fill": "how='x'"}


UNWEIGHTED = "networkx.algorithms.shortest_paths.unweighted.all_pairs_shortest_path_length"
NETWORKX = [
    ("networkx.convert_matrix.to_numpy_matrix", "renamed", "networkx.convert_matrix.to_numpy_array"),
    ("networkx.convert_matrix.to_scipy_sparse_matrix", "renamed", "networkx.convert_matrix.to_scipy_sparse_array"),
    ("networkx.linalg.graphmatrix.adj_matrix", "removed", "networkx.linalg.graphmatrix.adjacency_matrix"),
    ("networkx.classes.ordered.OrderedGraph", "removed", "networkx.classes.graph.Graph"),
    ("networkx.algorithms.tree.operations.join", "removed", "networkx.algorithms.tree.operations.join_trees"),
    ("networkx.utils.misc.consume", "removed", "collections.deque(iterator, maxlen=0)"),
    ("networkx.readwrite.gpickle.read_gpickle", "removed", "pickle.load(path)"),
    ("networkx.testing.utils.assert_graphs_equal", "removed", "networkx.utils.misc.graphs_equal"),
    ("networkx.algorithms.approximation.steinertree.metric_closure", "deprecated", UNWEIGHTED),
    ("networkx.algorithms.shortest_paths.generic.shortest_path", "behaviour", None),
    ("networkx.algorithms.chordal.chordal_graph_cliques", "behaviour", None),
]  # fmt: skip


def test_a_stub_that_loses_what_it_imported_is_compared() -> None:
    """A name that a stub imported from another package, and that is gone, is no change and no crash."""
    stub = "import builtins\nfrom typing import Any\n__all__ = ['builtins', 'f']\ndef f(a: Any) -> builtins.int: ...\n"
    old = scraped("1.0", {"lib/__init__.pyi": stub, "lib/__init__.py": ""})
    new = scraped("2.0", {"lib/__init__.pyi": "def f(a, b) -> int: ...\n", "lib/__init__.py": ""})
    assert [(c.symbol, c.kind) for c in find_changes(old, new)] == [("lib.f", "signature")]


def test_what_went_elsewhere_and_is_imported_as_before_is_compared() -> None:
    """A function in another module is still the same under the package's name; its old module may hand it out."""
    old = {"lib/__init__.py": "from lib.core import f\n", "lib/core.py": "def f(x, y): ...\n"}
    new = {"lib/__init__.py": "from lib._core import f\n", "lib/_core.py": "def f(x): ...\n"}
    found = find_changes(scraped("1.0", old), scraped("2.0", new))
    kinds = {(c.symbol, c.kind) for c in found}
    assert kinds == {("lib.core", "removed"), ("lib.core.f", "moved"), ("lib.core.f", "signature")}
    new["lib/core.py"] = "from lib import _core\ndef __getattr__(name):\n    return getattr(_core, name)\n"
    found = find_changes(scraped("1.0", old), scraped("2.0", new))
    assert [(c.symbol, c.kind, c.detail["removed"]) for c in found] == [("lib.core.f", "signature", ["y"])]
    found = find_changes(scraped("1.0", old), scraped("2.0", {**new, "lib/__init__.py": "", "lib/_core.py": ""}))
    assert [(c.symbol, c.kind) for c in found] == [("lib.core.f", "removed")]  # its usual name is gone


def test_what_was_made_at_run_time_or_for_itself_is_not_added() -> None:
    """A member that old's own words give to the class, and a name that a module had for its own use, aren't new."""
    box = "__all__ = ['Box']\nclass Box:\n    def first(self): ...\n"
    old = {"lib/__init__.py": "from lib.box import Box\n", "lib/box.py": box + "def kept(x): ...\n# see Box.sum\n"}
    new = {
        **old,
        "lib/box.py": box + "    def sum(self): ...\n    def fresh(self): ...\n__all__ += ['kept']\ndef kept(x): ...\n",
    }
    found = find_changes(scraped("1.0", old), scraped("2.0", new))
    assert [(c.symbol, c.kind) for c in found] == [("lib.box.Box.fresh", "added")]


def test_a_use_that_old_warned_of_and_new_takes_no_more_is_another_behaviour() -> None:
    """A warning about a case of use that is gone, and not its parameter, says that the case is."""
    case = "    if how == 'a':\n        warnings.warn('a is deprecated', FutureWarning)\n"
    warned = f"import warnings\ndef f(x, how=None):\n{case}"
    gone = "def f(x, how=None): ...\n"
    found = find_changes(scraped("1.0", {"lib.py": warned}), scraped("2.0", {"lib.py": gone}))
    assert [(c.symbol, c.kind) for c in found] == [("lib.f", "behaviour")]
    assert find_changes(scraped("1.0", {"lib.py": warned}), scraped("2.0", {"lib.py": warned})) == []


def test_release_notes_deprecate_what_the_source_does_not() -> None:
    """A symbol or its parameter that notes call deprecated is, with what to use instead; one that is gone is not."""
    code = "def f(x): ...\ndef g(x, order=None): ...\ndef h(x): ...\n"
    log = "## 2.0\n\n- ``f`` is deprecated in favor of ``h``\n- The `order` keyword of ``g`` is deprecated\n"
    log += "- The `size` keyword of ``h`` is deprecated\n"
    found = find_changes(scraped("1.0", {"lib.py": code}), scraped("2.0", {"lib.py": code}, log))
    told = [(c.symbol, c.kind, c.replacement, c.detail) for c in found]
    assert told == [
        ("lib.f", "deprecated", "lib.h", {}),
        ("lib.g", "deprecated", None, {"parameters": ["order"]}),
    ]


@pytest.fixture(scope="module")
def real(networkx_old: Scraped, networkx_new: Scraped) -> dict[tuple[str, str], Change]:
    return {(c.symbol, c.kind): c for c in find_changes(networkx_old, networkx_new)}


@pytest.mark.parametrize(("symbol", "kind", "replacement"), NETWORKX)
def test_change_of_networkx(real: dict[Any, Change], symbol: str, kind: str, replacement: str | None) -> None:
    """What networkx's own notes and release notes say changed from 2.8.8 to 3.6.1 is found, with its replacement."""
    assert real[symbol, kind].replacement == replacement
    assert real[symbol, kind].evidence


def test_changed_keyword_of_networkx(real: dict[Any, Change]) -> None:
    """`node_link_data` lost `attrs`, and its `link` is now called `edges`."""
    detail = real["networkx.readwrite.json_graph.node_link.node_link_data", "signature"].detail
    assert detail["removed"] == ["attrs"]
    assert detail["renamed"] == {"link": "edges"}
    assert "attrs" in detail["notes"]


def test_changes_of_networkx_in_numbers(real: dict[Any, Change], networkx_old: Scraped, networkx_new: Scraped) -> None:
    """There are dozens of each of the large kinds, and finding them again gives the same ids and digests."""
    counts = by_kind(real.values())
    assert counts["removed"] + counts["renamed"] + counts["moved"] >= 80
    assert counts["signature"] >= 80
    assert counts["added"] >= 100
    again = find_changes(networkx_old, networkx_new)
    assert [(c.id, c.digest) for c in again] == [(c.id, c.digest) for c in real.values()]


def test_what_can_still_be_imported_is_not_removed() -> None:
    """A public module that imports a name from where it went still has it; one that is private never counted."""
    old = {
        "lib/__init__.py": "from lib._hidden import g\n",
        "lib/format.py": "def f(x): ...\n",
        "lib/_hidden.py": "def g(x): ...\n",
    }
    new = {
        "lib/__init__.py": "",
        "lib/format.py": "from lib._format_impl import f\n",
        "lib/_format_impl.py": "def f(x): ...\n",
        "lib/_hidden.py": "def g(x): ...\n",
    }
    found = find_changes(scraped("1.0", old), scraped("2.0", new))
    assert [(c.symbol, c.kind) for c in found] == [("lib._hidden.g", "removed")]


def test_members_of_what_was_another_name_are_not_added() -> None:
    """What was an attribute, perhaps a name of a class, and is a class: nobody knows what it had."""
    old = {"lib/__init__.py": "class Base:\n    def f(self): ...\nKind = make(Base)\n"}
    new = {"lib/__init__.py": "class Base:\n    def f(self): ...\nclass Kind:\n    def f(self): ...\n"}
    assert not [c for c in find_changes(scraped("1.0", old), scraped("2.0", new)) if c.kind == "added"]


def _told(old: dict[str, str], new: dict[str, str], log: str = "") -> list[tuple[str, str, str | None, dict[str, Any]]]:
    """(symbol, kind, replacement, detail) of what is found between two small libraries."""
    found = find_changes(scraped("1.0", old), scraped("2.0", new, log) if log else scraped("2.0", new))
    return [(c.symbol, c.kind, c.replacement, dict(c.detail)) for c in found]


def test_a_parameter_that_is_now_called_otherwise_is_renamed_and_not_removed() -> None:
    """What a note, release notes or a deprecated name for another parameter say of names goes before their places."""
    old = {"lib.py": "def f(x, limit=None, other=1): ...\n"}
    doc = '    """.. versionchanged:: 2.0\n       The ``limit`` is now called ``most``.\n    """\n'
    told = _told(old, {"lib.py": f"def f(x, *, other=1, most=None):\n{doc}"})
    assert [(kind, detail["renamed"], "removed" in detail) for _, kind, _, detail in told] == [
        ("signature", {"limit": "most"}, False)
    ]
    told = _told(
        old, {"lib.py": "def f(x, *, other=1, most=None): ...\n"}, "## 2.0\n\n- `f`: renamed `limit` to `most`\n"
    )
    assert told[0][3]["renamed"] == {"limit": "most"}


def test_a_deprecated_parameter_that_went_is_not_another_one_at_its_place() -> None:
    """A new parameter at the place of one that was to go isn't it; what it was another name of is told."""
    doc = (
        '    """Do.\n\n    Parameters\n    ----------\n    old : int\n        Deprecated name for the how argument.\n\n'
    )
    doc += '        .. deprecated:: 1.0\n    """\n'
    told = _told({"lib.py": f"def f(x, how=1, old=None):\n{doc}"}, {"lib.py": "def f(x, how=1, weight=None): ...\n"})
    detail = next(detail for _, kind, _, detail in told if kind == "signature")
    assert (detail["removed"], detail["replacements"], "renamed" in detail) == (["old"], {"old": "how"}, False)


def test_members_of_a_private_base_class_are_the_members_of_its_heirs() -> None:
    """A method, and a parameter of one, that a public class has of a private one goes under the public class's name."""
    top = "from lib._impl import Model\n__all__ = ['Model']\n"
    base = "class _Base:\n    def fit(self, x, y=None): ...\n    def score(self): ...\n\nclass Model(_Base): ...\n"
    later = "class _Base:\n    def fit(self, x): ...\n\nclass Model(_Base): ...\n"
    told = _told({"lib/__init__.py": top, "lib/_impl.py": base}, {"lib/__init__.py": top, "lib/_impl.py": later})
    assert [(symbol, kind) for symbol, kind, _, _ in told] == [
        ("lib._impl.Model.fit", "signature"),
        ("lib._impl.Model.score", "removed"),
    ]


def test_methods_tell_what_becomes_of_constructor_parameters() -> None:
    """A warning about `self.name`, and a default that says so, deprecate the parameter that the class is made with."""
    init = "    def __init__(self, a=1, b=2):\n        self.a, self.b = a, b\n"
    warned = "        if self.b != 2:\n            warnings.warn('`b` is deprecated, use `a`', FutureWarning)\n"
    now = init.replace("a=1", "a='deprecated'")
    new = f"import warnings\nclass M:\n{now}    def fit(self):\n{warned}"
    told = _told({"lib.py": f"class M:\n{init}    def fit(self): ...\n"}, {"lib.py": new})
    deprecated = [detail for symbol, kind, _, detail in told if (symbol, kind) == ("lib.M", "deprecated")]
    assert deprecated == [{"parameters": ["a", "b"], "replacements": {"b": "a"}}]


def test_an_attribute_that_keeps_an_argument_goes_and_comes_with_its_parameter() -> None:
    """What a class is made with is told once, by its signature."""
    one = "class M:\n    def __init__(self, a=1):\n        self.a = a\n"
    told = _told({"lib.py": one}, {"lib.py": one.replace("a=1", "b='x'").replace("self.a = a", "self.b = b")})
    assert [(symbol, kind) for symbol, kind, _, _ in told] == [("lib.M", "signature")]


def test_what_is_compiled_by_now_is_still_there() -> None:
    """A name that a package imports from where nobody can look is neither removed nor added."""
    python = {"lib/__init__.py": "from lib._impl import f\n__all__ = ['f']\n", "lib/_impl.py": "def f(x): ...\n"}
    compiled = {"lib/__init__.py": "from lib._fast import f\n__all__ = ['f']\n", "lib/_impl.py": ""}
    assert _told(python, compiled) == []
    assert _told(compiled, python) == []


def test_items_of_a_list_are_what_its_beginning_is_about() -> None:
    """An item that is but a name is spoken of by the words above it; one of a class's members is that member."""
    code = {"lib.py": "def f(x): ...\ndef g(x): ...\nclass M:\n    def out(self): ...\n    def fit(self): ...\n"}
    log = "## 2.0\n\n- These now raise an error:\n\n  - `f`\n  - `g`\n\n- The `out` method of `M` now returns a list\n"
    told = [(symbol, kind) for symbol, kind, _, _ in _told(code, code, log)]
    assert told == [("lib.M", "behaviour"), ("lib.M.out", "behaviour"), ("lib.f", "behaviour"), ("lib.g", "behaviour")]


def test_a_lost_name_is_told_where_another_one_stays() -> None:
    """Of two names of one function the one that went is told, with the one that stays."""
    core = "def equal(x): ...\nsame = equal\n"
    old = {"lib/__init__.py": "from lib._core import equal, same\n", "lib/_core.py": core}
    told = _told(old, {**old, "lib/__init__.py": "from lib._core import equal\n"})
    assert told == [("lib._core.equal", "moved", "lib.equal", {"lost": ["lib.same"]})]


def test_release_notes_deprecate_what_their_sentence_is_about() -> None:
    """What is to be used instead, what was to go by now and what came in between isn't deprecated."""
    old = {"lib.py": "def f(x, size=1): ...\ndef g(x): ...\n"}
    new = {"lib.py": old["lib.py"] + 'def h(x):\n    """.. versionadded:: 2.0"""\n'}
    log = "## 2.0\n\n- Deprecates `length` in favor of `size` in `f`\n- `g` is deprecated and will be removed in 1.5\n"
    assert [(symbol, kind) for symbol, kind, _, _ in _told(old, new, log)] == [("lib.h", "added")]


def test_what_is_said_to_type_checkers_alone_is_not_there() -> None:
    """A method under `TYPE_CHECKING` is none that can be called."""
    code = "from typing import TYPE_CHECKING\nclass M:\n    def fit(self): ...\n"
    told = _told({"lib.py": code}, {"lib.py": f"{code}    if TYPE_CHECKING:\n        def route(self): ...\n"})
    assert told == []
