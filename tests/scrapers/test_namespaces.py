from __future__ import annotations

from scrapers.namespaces import Namespaces, is_test_module, parsed


def public(texts: dict[str, str], root: str = "lib") -> dict[str, list[str]]:
    return Namespaces(parsed(texts), parsed(texts, ".pyi")).public_paths(root)


def test_function_hides_the_submodule_of_its_name() -> None:
    """`from lib.bridges import *` makes `lib.bridges` the function, as `networkx.bridges` is."""
    texts = {
        "lib/__init__.py": "from lib.algorithms import *\n",
        "lib/algorithms/__init__.py": "from lib.algorithms.bridges import *\n",
        "lib/algorithms/bridges.py": "__all__ = ['bridges']\ndef bridges(): ...\n",
    }
    assert public(texts)["lib.algorithms.bridges.bridges"][0] == "lib.bridges"


def test_star_import_keeps_to_all() -> None:
    """What a module does not export is no name of the package that imports its star."""
    texts = {
        "lib/__init__.py": "from .a import *\n",
        "lib/a.py": "__all__ = ['f']\n__all__ += ['g']\n__all__.extend(['h'])\ndef f(): ...\ndef g(): ...\n"
        "def h(): ...\ndef i(): ...\n",
    }
    found = public(texts)
    assert [p for p in found if p.startswith("lib.a.")] == ["lib.a.f", "lib.a.g", "lib.a.h"]
    assert found["lib.a.f"] == ["lib.f", "lib.a.f"]


def test_private_module_is_public_where_it_is_re_exported() -> None:
    """The path through a private module is no public one; that of the re-export is."""
    texts = {"lib/__init__.py": "from lib._impl import f as g\n", "lib/_impl.py": "def f(): ...\ndef h(): ...\n"}
    assert public(texts) == {"lib": ["lib"], "lib._impl.f": ["lib.g"]}


def test_imports_of_a_plain_module_are_not_public() -> None:
    """`import x` in a module is no API of it."""
    texts = {"lib/__init__.py": "", "lib/a.py": "def f(): ...\n", "lib/b.py": "from lib.a import f\nimport lib as l\n"}
    assert public(texts)["lib.a.f"] == ["lib.a.f"]


def test_circular_relative_and_guarded_imports_are_followed() -> None:
    """Circular and relative imports, try and TYPE_CHECKING blocks bind what they bind at run time."""
    texts = {
        "lib/__init__.py": "from . import a\nfrom .b import g\n",
        "lib/a.py": "from lib.b import g\ntry:\n    import no\nexcept ImportError:\n    no = None\ndef f(): ...\n",
        "lib/b.py": "if TYPE_CHECKING:\n    from lib.a import f as g\nfrom lib import a\ndef g(): ...\n",
    }
    found = public(texts)
    assert found["lib.b.g"] == ["lib.g", "lib.b.g"]
    assert found["lib.a.f"] == ["lib.a.f"]


def test_assignment_is_an_alias_of_what_it_names() -> None:
    """`old = new` makes `old` another name of `new`."""
    assert public({"lib/__init__.py": "def new(): ...\nold = new\n"})["lib.new"] == ["lib.new", "lib.old"]


def test_lazy_names_of_a_module_are_found() -> None:
    """`if name == "f": from .m import f` in a module's `__getattr__` binds f."""
    texts = {
        "lib/__init__.py": "def __getattr__(name):\n    if name == 'f':\n        from .m import f\n        return f\n",
        "lib/m.py": "def f(): ...\n",
    }
    assert public(texts)["lib.m.f"] == ["lib.f", "lib.m.f"]


def test_names_are_resolved_to_where_they_are_defined() -> None:
    """A dotted path through re-exports and module aliases leads to the definition."""
    texts = {
        "lib/__init__.py": "from lib.sub import deep as short\n",
        "lib/sub/__init__.py": "",
        "lib/sub/deep.py": "class C:\n    def m(self): ...\n",
    }
    spaces = Namespaces(parsed(texts))
    assert spaces.resolve("lib.short.C.m") == "lib.sub.deep.C.m"
    assert spaces.resolve("lib.nothing") is None
    assert spaces.resolve("other.C") is None


def test_broken_module_is_left_out() -> None:
    """A module that is no Python 3 hides nothing else."""
    assert list(public({"lib/__init__.py": "from lib.a import f\n", "lib/a.py": "print 'two'\n"})) == ["lib"]


def test_test_modules_are_known_by_name() -> None:
    """Test packages, test files and conftest are a test suite; `lib.testing` is none."""
    names = ["lib.tests.a", "lib.test_a", "lib.a_test", "lib.conftest", "lib.testing.utils", "lib.latest", "lib.test.a"]
    assert [is_test_module(n) for n in names] == [True, True, True, True, False, False, True]


def test_a_stub_says_what_compiled_code_binds() -> None:
    """Names of a module without source, or that its source leaves out, are those of its stub; its imports are not."""
    texts = {
        "lib/__init__.py": "from lib._core import dot, value\nfrom lib import half\n",
        "lib/_core.pyi": "import os\nfrom typing import Any\nvalue: int\ndef dot(a: Any): ...\nclass Array: ...\n",
        "lib/half.py": "from lib._c import *\ndef own(): ...\n",
        "lib/half.pyi": "from lib._core import Array as Array\nfrom lib._core import dot\ndef made() -> int: ...\n",
    }
    found = public(texts)
    assert {"lib._core.dot", "lib._core.value"} <= set(found)
    assert {"lib.half.own", "lib.half.made"} <= set(found)
    assert not any("typing" in path or path.endswith("os") for path in found)


def test_what_is_exported_may_be_put_together() -> None:
    """`__all__` may unite lists that have names of their own, as sets."""
    code = "_more = ['g']\n__all__ = list({'f'} | set(_more))\ndef f(): ...\ndef g(): ...\ndef h(): ...\n"
    assert [p for p in public({"lib/__init__.py": code}) if p != "lib"] == ["lib.f", "lib.g"]


def test_an_export_list_that_syntax_does_not_show_hides_nothing() -> None:
    """`__all__` may be a copy, or made by a function; where it can't be read all public names are exported."""
    texts = {
        "lib/__init__.py": "from .a import *\nfrom .b import *\nfrom . import c\n",
        "lib/a.py": "from . import c\nfrom .c import *\n__all__ = c.__all__.copy()\n",
        "lib/b.py": "__all__ = [n for n in dir() if n[0] != '_']\ndef made(): ...\n",
        "lib/c.py": "__all__ = ['f']\ndef f(): ...\ndef g(): ...\n",
    }
    assert public(texts)["lib.c.f"][0] == "lib.f"
    assert public(texts)["lib.b.made"][0] == "lib.made"
    extended = (
        "from . import d\nfrom .d import *\n__all__ = []\n"
        "def extend_all(module):\n    for name in module.__all__:\n        __all__.append(name)\nextend_all(d)\n"
    )
    texts = {
        "lib/__init__.py": "from .n import *\n",
        "lib/n.py": extended,
        "lib/d.py": "__all__ = ['k']\ndef k(): ...\n",
    }
    assert public(texts)["lib.d.k"][0] == "lib.k"


def test_what_a_stub_passes_on_is_public_beside_an_export_list() -> None:
    """A package's `__all__` may be put together at run time; its stub says what came of it, `import f as f`."""
    texts = {
        "lib/__init__.py": "from lib.core import *\n__all__ = ['one']\n__all__ += unknown()\ndef one(): ...\n",
        "lib/__init__.pyi": "from lib.core import f as f\nfrom lib.core import g\n__all__: list[str]\nname_: int\n",
        "lib/core.py": "def f(): ...\ndef g(): ...\n",
    }
    found = public(texts)
    assert found["lib.core.f"][0] == "lib.f"
    assert "lib.name_" in found
    assert "lib.g" not in found["lib.core.g"]
