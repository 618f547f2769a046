"""Methods of objects, templates and texts are rewritten where a run shows what is meant."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from registry.names import SymbolIndex
from registry.records import Change, Example, Program, Symbol
from synth.material import Piece
from synth.migrated.calls import Receivers, Script
from synth.migrated.messages import Said, literals_in, renames_in, rules_from_messages
from synth.migrated.migrate import Migration
from synth.migrated.rules import ANY, Rule, rules_of
from synth.migrated.spelling import Speller
from synth.migrated.templates import guessed, learnt
from tests.synth.conftest import RELEASE, symbol


def method(path: str, *names: str, kind: str = "method") -> Symbol:
    parameters = [{"name": n, "kind": "positional or keyword", "default": None} for n in names]
    return dataclasses.replace(symbol(path, kind), parameters=parameters)


FRAME = [symbol("pd.frame", "module"), symbol("pd.frame.Frame", "class", "pd.Frame")]
OLD = SymbolIndex(
    [
        *FRAME,
        method("pd.frame.Frame.melt", "self", "id_vars", "value_vars"),
        method("pd.frame.Frame.append", "self", "other"),
        method("pd.frame.Frame.width", kind="attribute"),
        method("pd.frame.Frame.resample", "self", "freq"),
    ]
)
NEW = SymbolIndex(
    [
        *FRAME,
        method("pd.frame.Frame.unpivot", "self", "index", "on"),
        symbol("pd.tools.concat", "function", "pd.concat"),
        method("pd.frame.Frame.width", "self"),
        method("pd.frame.Frame.resample", "self", "rule"),
    ]
)
CALLED = tuple(p for p in OLD.by_path if p.startswith("pd.frame.Frame."))


def change(name: str, kind: str, **more: object) -> Change:
    return Change(old="o", new="n", symbol=f"pd.frame.Frame.{name}", kind=kind, **more)  # type: ignore[arg-type]


MELT = change("melt", "removed", replacement="pd.frame.Frame.unpivot")
APPEND = change("append", "removed", replacement="pd.concat")
WIDTH = change("width", "signature")


def piece(code: str, called: tuple[str, ...] = CALLED) -> Piece:
    program = Program(code=code, test="assert a\n")
    example = Example(
        domain="d", kind="test", releases=(RELEASE,), parts={"programs": {"answer": program.id}}, file="t.py",
        root="r", generator="g", generator_version="1",
    )  # fmt: skip
    return Piece(example, program, called)


def rewritten(code: str, rules: list[Rule], called: tuple[str, ...] = CALLED) -> list[str]:
    ways = Migration(rules, Speller([], OLD, NEW), OLD, NEW).variants(piece(code, called))
    return [made.program.code for made in ways]


def test_a_method_and_its_keywords_change_together() -> None:
    """`melt(id_vars, value_vars)` becomes `unpivot(index, on)`: the name by the note, the keywords by their places."""
    rules = rules_of([MELT], OLD, NEW, {})
    assert rewritten("a = b.melt(id_vars=1, value_vars=2)\n", rules)[0] == "a = b.unpivot(index=1, on=2)\n"


def test_a_name_that_the_run_never_called_is_left_alone() -> None:
    """`x.append` of a list is no method of the library."""
    rules = guessed(APPEND, OLD.by_path[APPEND.symbol], OLD, NEW, {"pd": "pd"})
    assert rewritten("a = []\na.append(1)\n", rules, ()) == []


def test_a_function_takes_a_methods_place() -> None:
    """A note that names a function gives the ways to call it; what it needs is imported."""
    rules = guessed(APPEND, OLD.by_path[APPEND.symbol], OLD, NEW, {"pd": "pd"})
    assert rewritten("a = b.append(c)\n", rules) == [
        "import pd\na = pd.concat(b, c)\n",
        "import pd\na = pd.concat([b, c])\n",
    ]


def test_what_was_read_is_called() -> None:
    """An attribute that became a method gets its brackets, once."""
    assert rewritten("a = b.width + 1\n", rules_of([WIDTH], OLD, NEW, {})) == ["a = b.width() + 1\n"]


@pytest.mark.parametrize(
    ("message", "code", "now"),
    [
        ("'T' is deprecated, please use 'min' instead.", "a = b.resample('T')\n", "a = b.resample('min')\n"),
        ("Invalid frequency: T, what? Did you mean min?", "a = b.resample('5T')\n", "a = b.resample('5min')\n"),
    ],
)  # fmt: skip
def test_texts_that_messages_name_are_swapped(message: str, code: str, now: str) -> None:
    """A literal is swapped where a message says so, the number in front of it kept."""
    ((before, after),) = literals_in([message])
    assert rewritten(code, [Rule("literal", ANY, ANY, "", "", values=(repr(before), repr(after)))]) == [now]


def test_a_template_is_learnt_from_what_stands_there_now() -> None:
    """Receiver and arguments become holes; something of that test alone makes no template."""
    old = Script("b.append(c)", ["pd"]).body[0].value  # type: ignore[attr-defined]
    new = Script("pd.concat([b, c])", ["pd"]).body[0].value  # type: ignore[attr-defined]
    found = learnt(old, new, "import pd\npd.concat([b, c])\n", method=True)
    assert found is not None
    assert (found.text, found.imports) == ("pd.concat([_hole_self, _hole_0])", (("pd", "pd"),))
    assert learnt(old, new, "pd.concat([b, c])\n", method=True) is None


def test_a_template_is_filled() -> None:
    """What is torn apart by the template gets parentheses."""
    rule = Rule("expression", APPEND.symbol, "pd.tools.concat", "", "", template="_hole_self.stack(_hole_0)")
    assert rewritten("a = (b + c).append(d)\n", [rule]) == ["a = (b + c).stack(d)\n"]


def test_one_observed_method_is_what_a_name_means() -> None:
    """A name is looked up among what the run called; where it called none of that name it means nothing."""
    receivers = Receivers(OLD)
    assert receivers.of(CALLED)("melt") == ("pd.frame.Frame.melt",)
    assert receivers.of(("pd.base.Base.melt",))("melt") == ("pd.frame.Frame.melt",)
    assert receivers.of(())("melt") == ()


def test_messages_of_many_forms_name_replacements() -> None:
    """Quoted or not, removed, deprecated or renamed."""
    texts = [
        "DataFrame.applymap has been deprecated. Use DataFrame.map instead.",
        "`np.string_` was removed in the NumPy 2.0 release. Use `np.bytes_` instead.",
        "`a` was renamed to `b`",
    ]
    assert list(renames_in(texts)) == [("DataFrame.applymap", "DataFrame.map"), ("np.string_", "np.bytes_"), ("a", "b")]


def test_a_message_names_a_method_and_its_keywords() -> None:
    """An error that names the successor gives the codemods for the class whose method the program called."""
    text = (
        "`melt` was removed in version 2.0; use `Frame.unpivot` instead, "
        "with `index` instead of `id_vars` and `on` instead of `value_vars`"
    )
    rules = rules_from_messages([Said(text, CALLED)], [], OLD, NEW)
    assert rewritten("a = b.melt(id_vars=1, value_vars=2)\n", rules)[0] == "a = b.unpivot(index=1, on=2)\n"
    text = "the argument 'freq' for 'resample' was deprecated and has been removed. It was renamed to 'rule'."
    rules = rules_from_messages([Said(text, CALLED)], [], OLD, NEW)
    assert rewritten("a = b.resample(freq='T')\n", rules) == ["a = b.resample(rule='T')\n"]


def test_a_parameter_that_went_may_ask_for_another_method() -> None:
    """`append(other=…)` is written with the method that a message names, where that parameter is given."""
    text = "the argument 'freq' for 'resample' has been removed. Use `unpivot` instead to set it."
    rules = rules_from_messages([Said(text, CALLED)], [], OLD, NEW)
    assert rewritten("a = b.resample(freq='T')\nc = b.resample()\n", rules) == [
        "a = b.unpivot(freq='T')\nc = b.resample()\n"
    ]


def test_a_name_that_the_symbols_lack_moves_by_a_message() -> None:
    """What is compiled has no symbol: a message says where it is imported from."""
    text = (
        "accessing `Oops` from the top-level `pd` module was deprecated in version 1.0.0. Import it directly from "
        "the `pd.errors` module instead, e.g.: `from pd.errors import Oops`"
    )
    rules = rules_from_messages([Said(text)], [], OLD, NEW)
    assert rewritten("import pd\n\na = pd.Oops\n", rules) == ["import pd\n\na = pd.errors.Oops\n"]


class Counted(list[Change]):
    """Changes that count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[Change]:
        self.times += 1
        return super().__iter__()


def test_changes_are_gone_through_once_for_all_messages() -> None:
    """A library has thousands of changes, and its runs say thousands of things."""
    text = "accessing `{}` from the top-level `pd` module is odd. Import it directly from the `pd.errors` module"
    said = [Said(text.format(name)) for name in "abc"]
    said += [Said(f"Use it {n} times: `melt` was removed; use `Frame.unpivot` instead", CALLED) for n in range(3)]
    changes = Counted([Change(old="o", new="n", symbol="pd.frame.Frame.melt", kind="removed")])
    rules = rules_from_messages(said, changes, OLD, NEW)
    assert [r.change for r in rules if r.kind == "rename"] == [changes[0].id]
    assert [r.new for r in rules if r.kind == "move"] == ["pd.errors.a", "pd.errors.b", "pd.errors.c"]
    assert changes.times == 1


def test_guesses_about_one_call_never_stand_in_each_other() -> None:
    """Of two ways to wrap a call each way to rewrite a program takes one, and wraps it once."""
    path = "pd.frame.Frame.melt"
    rules = [Rule("wrap", path, path, "", "", around=("", tail), guess=True) for tail in ("[0]", ".astype({})")]
    assert rewritten("a = b.melt(1)\n", rules) == ["a = b.melt(1)[0]\n", "a = b.melt(1).astype({})\n"]
