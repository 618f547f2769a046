"""`text` rows: guides, then source with imports before what imports them."""

from __future__ import annotations

import ast

import pytest

from registry.names import SymbolIndex
from registry.prose import says_enough
from synth.mined.portions import LONGEST, portions
from synth.mined.text import dependencies_first, mine
from tests.synth.conftest import page, symbol

FILLER = "# " + "word " * 30 + "\n"
SAID = "A page of prose. " * 10 + "\n"


def test_imported_modules_come_first() -> None:
    """A module stands after those it imports, relative imports and packages too; a cycle ends."""
    pages = [
        page("lib/__init__.py", "from lib.a import f\n", "source"),
        page("lib/a.py", "from .sub import b\n", "source"),
        page("lib/sub/__init__.py", "", "source"),
        page("lib/sub/b.py", "from lib import z\n", "source"),
        page("lib/z.py", "import os\n", "source"),
    ]
    ordered = [(p.path, depth) for p, depth in dependencies_first(pages)]
    order = [path for path, _ in ordered]
    assert sorted(order) == sorted(p.path for p in pages)
    depths = dict(ordered)
    assert depths["lib/z.py"] < depths["lib/sub/b.py"] < depths["lib/a.py"]
    assert order.index("lib/z.py") < order.index("lib/sub/b.py") < order.index("lib/a.py")


def test_rows_carry_text_licence_and_defined_symbols() -> None:
    """Guides come before source; tests, short pages and those of other projects are no text."""
    source = page("lib/a.py", FILLER + "def f(): pass\n", "source")
    pages = [
        source,
        page("doc/guide.rst", SAID, "guide"),
        page("lib/tests/test_a.py", FILLER),
        page("e.rst", "", "guide"),
        page("subprojects/other/doc/guide.rst", SAID, "guide"),
        page("lib/_vendor/b.py", FILLER + "def g(): pass\n", "source"),
    ]
    rows = list(mine(pages, SymbolIndex([symbol("lib.a.f", on=source)]), domain="d"))
    assert [(r.file, r.parts["depth"], r.language) for r in rows] == [  # type: ignore[call-overload]
        ("doc/guide.rst", 0, "text"),
        ("lib/a.py", 0, "python"),
    ]
    assert rows[1].symbols == ("lib.a.f",)
    assert {r.licence for r in rows} == {"MIT"}
    assert rows[1].parts["text"] == source.markdown  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        (SAID, True),
        (
            "****\nFlow\n****\n\n.. automodule:: lib.flow\n.. autosummary::\n   :toctree: generated/\n\n   f\n   g\n"
            * 9,
            False,
        ),
        (".. _tree:\n\nTree\n====\n\nRecognition\n-----------\n" * 9, False),
        (".. toctree::\n   :maxdepth: 2\n\n" + "   one\n   two\n" * 20 + f"\n{SAID}", True),
        ("# A title of a page that says nothing\n\n" * 9, False),
        ("Install\n=======\n\n.. code-block:: bash\n\n" + "   pip install lib\n" * 12, True),
    ],
)
def test_page_needs_prose_or_code(text: str, enough: bool) -> None:
    """Headings, labels and lists of contents say nothing; paragraphs and code do."""
    assert says_enough(text) is enough
    assert len(list(mine([page("doc/a.rst", text, "guide")], SymbolIndex([]), domain="d"))) == enough


def test_packages_that_only_import_are_no_text() -> None:
    """Source defines something, or is documented."""
    bare = page("lib/__init__.py", "from lib.a import *\n" * 9, "source")
    told = page("lib/b/__init__.py", f'"""{SAID}"""\nfrom lib.b.a import *\n', "source")
    assert [row.file for row in mine([bare, told], SymbolIndex([]), domain="d")] == [told.path]


def test_long_module_comes_in_portions() -> None:
    """Each has whole definitions, says of what it is a part, and has the imports and the constants that it reads."""
    long = "    # " + "x" * (LONGEST // 2) + "\n"
    code = (
        '"""Long."""\nimport math\nimport os.path as p\n\nfrom lib.a import b, c\n\n__all__ = ["f", "g"]\nONE = 1\n\n\n'
        f"# says f\ndef f(x):\n{long}    return math.sqrt(b(x)) + ONE\n\n\n#    as f\n#    def e(x):\n#        pass\n\n"
        f"# says g\n@c\ndef g(f):\n{long}    return f\n\n\ndef h():\n{long}    return p.join(f(ONE), c)\n\n\n"
        f"TWO = 2\n\n\ndef i():\n{long}    return TWO\n"
    )
    first, second, third, last = portions(code, "lib/long.py")
    assert first == code[: code.index("\n# says g")].rstrip() + "\n\n\n# lib/long.py goes on\n"
    assert second.startswith("# lib/long.py, continued\n\nfrom lib.a import c\n\n\n# says g\n@c\ndef g(f):")
    assert third.startswith(
        "# lib/long.py, continued; elsewhere it defines f\n\nimport os.path as p\n\nfrom lib.a import c\n\n"
        "ONE = 1\n\n\ndef h():"
    )
    assert last.startswith("# lib/long.py, continued\n\n\nTWO = 2\n\n\ndef i():")
    assert portions(code.replace("x" * 100, ""), "lib/long.py") == [code.replace("x" * 100, "")]
    for portion in (first, second, third, last):
        ast.parse(portion)


def test_first_portion_is_more_than_imports() -> None:
    """A definition shorter than the imports above it stays with the next ones; a block is carried without the rest."""
    long = "    # " + "x" * (LONGEST // 2) + "\n"
    imports = "".join(f"from lib.a{n} import name_{n}\n" for n in range(9))
    block = f"if name_1:\n    from lib.b import b\n\n    def helper():\n{long}        return 1\n"
    code = f"{imports}{block}\n\ndef a():\n    return 1\n\n\ndef f():\n{long}{long}    return 1\n\n\ndef g():\n"
    first, second = portions(f"{code}{long}    return b\n", "lib/long.py")
    assert "def f()" in first
    assert second.startswith(
        "# lib/long.py, continued\n\nfrom lib.a1 import name_1\nif name_1:\n    from lib.b import b"
    )
    assert "helper" not in second


def test_portion_has_what_its_annotations_read() -> None:
    """Blocks of imports come with the names that are used, and with what the blocks themselves use; overloads stay."""
    long = "    # " + "x" * (LONGEST // 2) + "\n"
    code = (
        "from __future__ import annotations\n\nimport contextlib\nimport os\nfrom typing import TYPE_CHECKING, Any, "
        "overload\n\nwith contextlib.suppress(ImportError):\n    import lib._fast as fast\n\nif TYPE_CHECKING:\n"
        f"    import re\n\n    from lib.a import A, B\n\n\ndef f() -> A:\n{long}    return os\n\n\n"
        f"@overload\ndef g(x: int) -> B: ...\n\n\n"
        f"@overload\ndef g(x: 'Any') -> B: ...\n\n\ndef g(x):\n{long}    return fast.g(x)\n"
    )
    first, second = portions(code, "lib/long.py")
    assert first.endswith("# lib/long.py goes on\n")
    assert second.startswith(
        "# lib/long.py, continued\n\nfrom __future__ import annotations\n\nimport contextlib\nfrom typing import "
        "TYPE_CHECKING, Any, overload\n\nwith contextlib.suppress(ImportError):\n    import lib._fast as fast\n\n"
        "if TYPE_CHECKING:\n    from lib.a import B\n\n\n@overload\ndef g(x: int) -> B: ..."
    )
