"""Of a large suite a part is read: the same tests of both releases, those first that their maintainers changed."""

from __future__ import annotations

from registry.names import SymbolIndex
from registry.records import Example, Page, Program, Symbol
from synth.mined.suites import changed
from synth.mined.test_examples import mine


def page(text: str, path: str = "lib/tests/test_a.py") -> Page:
    return Page(release="r", url=f"x://{path}", content_hash="0", kind="test", path=path, title=path, markdown=text)


def function(name: str, value: int) -> str:
    return f"import lib\ndef {name}():\n    assert lib.f({value}) == {value}\n"


INDEX = SymbolIndex(
    [Symbol(release="r", path=p, kind="function", signature="(x)") for p in ("lib.f", "lib._testing.g")]
)


def names(pages: list[Page], **options: object) -> list[object]:
    made = mine(pages, INDEX, domain="lib", **options)  # type: ignore[arg-type]
    return [row.parts["name"] for row in made if isinstance(row, Example)]


def test_changed_tests_are_those_of_one_name_and_another_text() -> None:
    """Layout and comments don't count, nor do tests that only one release has."""
    old = [page("def test_a():\n    f('x')\ndef test_b():\n    g(1)\ndef test_c():\n    h()\n")]
    new = [
        page(
            'def test_a():  # same\n    f(\n        "x",\n    )\n\n\ndef test_b():\n    g(2)\ndef test_d():\n    h()\n'
        )
    ]
    assert changed(old, new) == {"test_b"}


def test_limit_draws_the_same_tests_of_two_releases() -> None:
    """The draw goes by names, wherever the tests stand."""
    tests = [(f"test_{i}", i) for i in range(20)]
    one = [page("\n".join(function(*t) for t in tests))]
    other = [page(function(*t), f"lib/tests/test_{i % 3}.py") for i, t in enumerate(tests)]
    assert len(names(one, limit=5)) == 5
    assert sorted(map(str, names(one, limit=5))) == sorted(map(str, names([_joined(other)], limit=5)))


def _joined(pages: list[Page]) -> Page:
    return page("\n".join(p.markdown for p in reversed(pages)), "lib/tests/test_moved.py")


def test_changed_tests_come_first() -> None:
    """What maintainers changed is taken before anything else."""
    pages = [page("\n".join(function(f"test_{i}", i) for i in range(20)))]
    assert {"test_7", "test_3"} <= set(names(pages, limit=3, first={"test_7", "test_3"}))


def test_names_out_of_private_modules_come_out_of_public_twins() -> None:
    """`import lib._testing as tm` becomes `import lib.testing as tm` where the public module has what is used."""
    public = Symbol(
        release="r", path="lib._testing.same", aliases=("lib.testing.same",), kind="function", signature="()"
    )
    index = SymbolIndex([*INDEX.by_path.values(), public])
    text = "import lib\nimport lib._testing as tm\ndef test_a():\n    x = lib.f(1)\n    assert tm.{}(x) == 1\n"
    codes = []
    for name in ("same", "other"):
        made = mine([page(text.format(name))], index, domain="lib")
        codes.append([row.code for row in made if isinstance(row, Program)])
    assert "import lib.testing as tm" in codes[0][0]
    assert codes[1] == []  # what has no public twin is nobody's example


def test_what_the_library_keeps_to_itself_is_no_example() -> None:
    """What is public elsewhere is imported from there; a test that names what is public nowhere is left out."""
    inner = [Symbol(release="r", path="lib.core.f", kind="function", signature="(x)", aliases=("lib.f",))]
    inner += [Symbol(release="r", path="lib.core.g", kind="function", signature="(x)")]
    index = SymbolIndex(inner, ["lib.core"])
    text = "from lib.core import f\ndef test_f():\n    result = f(1)\n    assert result == 1\n"
    other = text.replace("f(", "g(").replace("import f", "import g").replace("test_f", "test_g")
    through = "import lib\ndef test_h():\n    result = lib.core.f(1)\n    assert result == 1\n"
    found = list(mine([page(text + other), page(through, "lib/tests/test_h.py")], index, domain="lib"))
    assert [row.parts["name"] for row in found if isinstance(row, Example)] == ["test_f"]
    assert isinstance(found[0], Program)
    assert found[0].code == "from lib import f\n\nresult = f(1)\n"
