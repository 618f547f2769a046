"""Two runs of one program: what differs, what is forgiven, and by which rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import validators
from registry.records import Program, Verdict
from validators.execution.differential import Differential, bound_names, explain
from validators.execution.environments import BuiltEnvironment
from validators.execution.likeness import RULES, alike, read
from validators.execution.pool import Pool

ALIKE: list[tuple[str, str, str, tuple[str, ...] | None]] = [
    # what, old, new, the rules needed (all in force); None: not even by all of them
    ("the same", "[1, 'a']", "[1, 'a']", ()),
    ("another number", "1", "2", None),
    ("another text", "'a'", "'b'", None),
    ("an address", "'<object at 0x7f12ab34cd56>'", "'<object at 0x7f99ab34cd00>'", ("address",)),
    ("a text that is no address", "'mask 0xdeadbeef'", "'mask 0xdeadbeee'", None),
    ("an address in no literal", "<f at 0x...>", "<f at 0x7f99ab34cd00>", ("address",)),
    ("a duration", "'done in 0.31s'", "'done in 1.2s'", ("timing",)),
    ("a time of day", "'at 2026-11-21 12:00:01'", "'at 2026-11-22 08:30:00'", ("timing",)),
    ("a scalar's repr", "'1.5'", "'np.float64(1.5)'", ("numpy-repr",)),
    ("scalars in a list", "'[1, 2.0]'", "'[np.int64(1), np.float64(2.0)]'", ("numpy-repr",)),
    ("a nested scalar", "'(3, 4)'", "'(np.int64((3)), np.int64(4))'", None),
    ("a bool's repr", "'True'", "'np.True_'", ("numpy-repr",)),
    ("a text scalar", "\"'a'\"", "\"np.str_('a')\"", ("numpy-repr",)),
    ("no literal against a literal", "2.0", "np.float64(2.0)", ("numpy-repr",)),
    ("a moved module", "'numpy.core.multiarray'", "'numpy._core.multiarray'", ("numpy-core",)),
    ("a dtype", "'0 a\\ndtype: object'", "'0 a\\ndtype: str'", ("pandas-str",)),
    ("alignment", "'[1.  2.]'", "'[ 1. 2. ]'", ("whitespace",)),
    ("a rounding error", "0.30000000000000004", "0.3", ("float",)),
    ("rounding errors in a text", "array([0.30000000000000004, 1.])", "array([0.3, 1.])", ("float",)),
    ("a real change of a float", "0.31", "0.3", None),
    ("a float for an int", "1", "1.0", ("number-kind",)),
    ("a bool for an int", "1", "True", None),
    ("the order of keys", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", ("dict-order",)),
    ("the order of a list", "[(1, 2), (3, 4)]", "[(3, 4), (1, 2)]", ("list-order",)),
    ("a tuple for a list", "[1, 2]", "(1, 2)", ("container",)),
    ("a frozenset for a set", "{1}", "{2}", None),
    ("one fewer", "[1, 2]", "[1]", None),
    ("several at once", "{'a': 1, 'b': [0.3]}", "{'b': [0.30000000000000004], 'a': 1.0}",
     ("float", "number-kind", "dict-order")),
    ("a number for a text", "1", "'1'", None),
    ("a text for no literal", "'<f>'", "<f>", None),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rules"), [case[1:] for case in ALIKE], ids=[case[0] for case in ALIKE])
def test_rules_say_what_they_forgive(old: str, new: str, rules: tuple[str, ...] | None) -> None:
    """Each rule forgives its own kind of difference and is named where, and only where, it is needed."""
    assert alike(read(old), read(new), RULES) == rules
    assert alike(read(new), read(old), RULES) == rules
    for rule in rules or ():
        assert alike(read(old), read(new), [r for r in RULES if r != rule]) is None


def test_nan_is_itself() -> None:
    """NaN is the same as NaN, by a rule of its own."""
    assert alike([float("nan")], [float("nan")], RULES) == ("nan",)


def verdict(outcome: str = "passed", **more: Any) -> Verdict:
    return Verdict(program="p", environment="e", harness="1", policy="k=1", outcome=outcome, proof="weak", **more)


def test_effects() -> None:
    """Each pair of verdicts has its effect, in the words that drift is counted by."""
    deprecated = ({"category": "DeprecationWarning", "message": "old", "line": 1},)
    pairs = {
        "same": (verdict(), verdict()),
        "fails": (verdict(), verdict("error", exception={"type": "E", "message": "m"})),
        "differs": (verdict(), verdict("failed")),
        "warns": (verdict(), verdict(warnings=deprecated)),
        "mended": (verdict("error"), verdict()),
        "unknown": (verdict(), verdict("unavailable")),
    }
    assert {name: explain(*pair).effect for name, pair in pairs.items()} == {name: name for name in pairs}
    assert explain(verdict(warnings=deprecated), verdict()).effect == "same"
    changed = explain(verdict(values={"x": {"actual": "1"}}), verdict(values={"x": {"actual": "2"}}))
    assert (changed.effect, changed.explanation) == ("differs", "Value x: 1 -> 2")


def test_variables_are_those_of_the_top_level() -> None:
    """What functions, classes and comprehensions bind is their own; imports are no values."""
    code = "import a\nx, (y, *z) = f()\nfor i in x:\n    w = [k for k in i]\ndef g():\n    v = 1\nwith o as p: _q = 1\n"
    assert bound_names(code) == ["x", "y", "z", "i", "w", "p"]


def test_importing_validators_is_cheap() -> None:
    """The sandbox is loaded when it is first asked for."""
    code = "import sys, validators\nassert not any(n.startswith('validators.') for n in sys.modules)\nvalidators.differential"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = validators.other


@pytest.fixture(scope="module")
def two(pool: Pool, sandbox_cache: Path) -> tuple[BuiltEnvironment, BuiltEnvironment]:
    """The releases 2.8.8 and 3.6.1 of networkx."""
    return pool.build(["networkx==2.8.8"], sandbox_cache), pool.build(["networkx==3.6.1"], sandbox_cache)


def run(pool: Pool, two: tuple[BuiltEnvironment, BuiltEnvironment], code: str, test: str = "") -> Differential:
    return validators.differential(Program(code=code, test=test), *two, pool=pool, attempts=1)


def test_real_drift_of_networkx(pool: Pool, two: tuple[BuiltEnvironment, BuiltEnvironment]) -> None:
    """A removed function, a changed default, a new warning and what stayed the same, on the real releases."""
    gone = run(pool, two, "import networkx as nx\nx = nx.OrderedGraph([(1, 2)]).number_of_nodes()")
    assert gone.effect == "fails"
    assert "module 'networkx' has no attribute 'OrderedGraph'" in gone.explanation
    assert {d.name for d in gone.forgiven} == set()

    links = "import networkx as nx\nG = nx.path_graph(2)\nx = sorted(nx.node_link_data(G))"
    renamed = run(pool, two, links, "assert 'links' in x")
    assert renamed.effect == "differs"
    (value,) = (d for d in renamed.differences if (d.subject, d.name) == ("value", "x"))
    assert ("links" in value.old, "edges" in value.new) == (True, True)

    warned = run(pool, two, "import networkx as nx\nx = nx.node_link_data(nx.path_graph(2), link='links') and 1")
    assert {d.subject for d in warned.differences} & {"warning", "exception"}

    same = run(pool, two, "import networkx as nx\nG = nx.path_graph(3)\nx = list(G.edges)\no = object()")
    assert (same.effect, same.explanation) == ("same", "Nothing differs")


@pytest.mark.slow
def test_the_page_tells_what_is_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The block of the how-to runs and prints what the page says; its table has every rule."""
    page = (Path(validators.__file__).parents[1] / "docs" / "how-to" / "compare.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(page.partition("```python\n")[2].partition("```")[0], {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "differs"
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "Outcome",
        "Exception only at new",
        "Value 0",
        "Value paths",
        "Value kind",
    ]
    rules = [line.split("`")[1] for line in page.partition("## Rules")[2].splitlines() if line.startswith("| `")]
    assert sorted(rules) == sorted(RULES)


@pytest.mark.slow
def test_real_drift_of_numpy(pool: Pool, sandbox_cache: Path) -> None:
    """NumPy 2's reprs are forgiven by their rule; what it removed, and a new kind of container, are not."""
    pair = (pool.build(["numpy==1.26.4"], sandbox_cache), pool.build(["numpy==2.2.6"], sandbox_cache))
    code = (
        "import numpy as np\nx = repr([np.float64(1.5), np.True_])\ny = np.float64(2.5)\nz = float(np.sum([0.1] * 3))"
    )
    forms = run(pool, pair, code)
    assert forms.effect == "same", forms.explanation
    assert {(d.name, d.rules) for d in forms.forgiven} >= {("x", ("numpy-repr",))}

    gone = run(pool, pair, "import numpy as np\nx = np.string_('a')")
    assert gone.effect == "fails"
    assert "np.bytes_" in gone.explanation

    code = "import numpy as np\nx = type(np.atleast_1d(1, 2)).__name__\ny = np.arange(3).__reduce__()[0].__module__"
    tupled = run(pool, pair, code)
    assert [d.name for d in tupled.differences if d.subject == "value"] == ["x"]
    assert {(d.name, d.rules) for d in tupled.forgiven} == {("y", ("numpy-core",))}


@pytest.mark.slow
def test_real_drift_of_pandas(pool: Pool, sandbox_cache: Path) -> None:
    """A text column is of another dtype in pandas 3, which a rule forgives; a method that is gone is told with its hint."""
    pair = (
        pool.build(["pandas==1.5.3", "numpy==1.26.4"], sandbox_cache),
        pool.build(["pandas==3.0.0", "numpy==1.26.4"], sandbox_cache),
    )
    code = "import pandas as pd\ns = pd.Series(['a', 'b'])\nx = str(s)\nn = int(s.count())"
    forms = run(pool, pair, code)
    assert forms.effect == "same", forms.explanation
    assert ("x", ("pandas-str",)) in {(d.name, d.rules) for d in forms.forgiven}
    gone = run(
        pool, pair, "import pandas as pd\nx = pd.DataFrame({'a': [1]}).append({'a': 2}, ignore_index=True).a.tolist()"
    )
    assert gone.effect == "fails"
    assert "has no attribute 'append'" in gone.explanation
