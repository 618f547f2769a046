"""A release's public API from its source text, by griffe, without importing it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.records import Page, Symbol
from scrapers.namespaces import Namespaces, is_test_module, module_name, parsed
from scrapers.notes import deprecation_of
from scrapers.stubs import with_overloads, without_aliases
from scrapers.texts import cleaned
from scrapers.tree_cache import kept_trees

if TYPE_CHECKING:
    import griffe

TREES = "trees"
"""What the folder of griffe's trees is called among the packages."""
_MOST_BASES = 50
MAX_ALIASES = 12
"""Public paths kept beside the canonical one, the shortest."""


def find_symbols(release: str, pages: Sequence[Page], trees: Path | None = None) -> list[Symbol]:
    """The public symbols of a release, sorted by canonical path; those of its test suite are left out.

    Args:
        release: Id of the release.
        pages: Its pages; those of kind `source` are read.
        trees: Folder where griffe's trees are kept.
    """
    sources = {p.path: p for p in pages if p.kind == "source"}
    texts = {path: page.markdown for path, page in sources.items()}
    namespaces = _namespaces(texts)
    if trees is not None:
        kept_trees(texts, lambda _: _bound(namespaces), trees, "names")
    symbols: dict[str, Symbol] = {}
    for package, tree in packages_of(texts, trees).items():
        public = namespaces.public_paths(package)
        objects = dict(_objects(tree))
        offered = {p: names for path, names in public.items() if (p := _told(path, names, objects))}
        for path, aliases in offered.items():
            for symbol in _symbols(release, objects[path], aliases, sources, offered.keys()):
                symbols.setdefault(symbol.path, symbol)
    return [symbols[path] for path in sorted(symbols)]


def _told(path: str, names: Iterable[str], objects: Mapping[str, griffe.Object]) -> str | None:
    """Under which of its paths more is known of an object: a stub tells of a class what source has as an attribute."""
    known = [p for p in (path, *names) if p in objects]
    return min(known, key=lambda p: objects[p].is_attribute, default=None)


def packages_of(texts: Mapping[str, str], trees: Path | None) -> dict[str, griffe.Module]:
    """What `load_packages` gives; from a folder where it was given before, where one is named."""
    return kept_trees(texts, load_packages, trees) if trees is not None else load_packages(texts)


def names_bound(texts: Mapping[str, str], folder: Path | None) -> dict[str, dict[str, str | None]]:
    """What each module of {path: text} binds: {module: {name: canonical path}}, None for what comes from elsewhere."""

    def read(texts: Mapping[str, str]) -> dict[str, dict[str, str | None]]:
        return _bound(_namespaces(texts))

    return kept_trees(texts, read, folder, "names") if folder is not None else read(texts)


def _namespaces(texts: Mapping[str, str]) -> Namespaces:
    return Namespaces(parsed(texts), parsed(texts, ".pyi"))


def _bound(namespaces: Namespaces) -> dict[str, dict[str, str | None]]:
    return {name: {n: t.path if t else None for n, t in m.names.items()} for name, m in namespaces.modules.items()}


def load_packages(texts: Mapping[str, str]) -> dict[str, griffe.Module]:
    """The trees by griffe of the packages that {path: text} holds, by name; test modules left out.

    The texts are written to a folder that is gone when this returns, so the trees' `filepath` is no longer there.
    """
    import griffe

    kept = {p: t for p, t in texts.items() if not is_test_module(p.rpartition(".")[0].replace("/", "."))}
    known = parsed(kept)  # griffe gives up a whole package for one module that is nested too deeply
    kept = {p: t for p, t in kept.items() if not p.endswith(".py") or module_name(p)[0] in known}
    trees: dict[str, griffe.Module] = {}
    with tempfile.TemporaryDirectory(prefix="driftune-") as folder:
        for path in kept:
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_for_griffe(path, kept), encoding="utf-8")
        files = griffe.load_extensions(_files_of(Path(folder)))
        loader = griffe.GriffeLoader(search_paths=[folder], extensions=files, allow_inspection=False)
        for name in sorted({p.split("/")[0].removesuffix(".py").removesuffix(".pyi") for p in kept}):
            try:
                tree = loader.load(name, try_relative_path=False)
            except (griffe.GriffeError, ImportError, SyntaxError, RecursionError):
                continue  # no package of its own, or no Python
            if isinstance(tree, griffe.Module):
                trees[name] = tree
    return trees


def _for_griffe(path: str, texts: Mapping[str, str]) -> str:
    """A text as griffe is to read it: it takes some of what stubs say for something else."""
    if not path.endswith(".pyi"):
        return texts[path]
    return with_overloads(without_aliases(texts[path], texts.get(path.removesuffix("i"), "")))


def _files_of(folder: Path) -> griffe.Extension:
    """What notes each object's file, relative to the folder: a stub's is not that of the module it is merged into."""
    import griffe

    class Files(griffe.Extension):
        def on_instance(self, *, obj: griffe.Object, agent: Any, **_: Any) -> None:
            file = agent.filepath
            if not obj.is_alias and isinstance(file, Path) and file.is_relative_to(folder):
                obj.extra["driftune"]["file"] = file.relative_to(folder).as_posix()

    return Files()


def _objects(tree: griffe.Object) -> Iterator[tuple[str, griffe.Object]]:
    """Every object that is defined in a tree, by canonical path, modules first."""
    yield tree.path, tree
    for member in tree.members.values():
        if not member.is_alias:
            yield from _objects(member)  # type: ignore[arg-type]


def _symbols(
    release: str, found: griffe.Object, aliases: Sequence[str], sources: Mapping[str, Page], public: Collection[str]
) -> Iterator[Symbol]:
    """The symbol of an object, and of a class's members: its own, and what it has of classes that aren't public."""
    yield _symbol(release, found, _public(found, aliases), aliases, sources)
    if not found.is_class:
        return
    for name, member in sorted(found.members.items()):
        if not name.startswith("_") and not member.is_alias and member.runtime:
            yield from _symbols(release, member, [f"{a}.{name}" for a in aliases], sources, public)  # type: ignore[arg-type]
    for name, member in sorted(handed_down(found, public).items()):  # type: ignore[arg-type]
        path = f"{_public(found, aliases)}.{name}"
        yield _symbol(release, member, path, [f"{a}.{name}" for a in aliases], sources)


def handed_down(cls: griffe.Class, public: Collection[str]) -> dict[str, griffe.Object]:
    """What a class has of base classes that no public class stands for: nobody knows it under another class's name.

    Args:
        cls: The class.
        public: Canonical paths of all that is public.
    """
    found: dict[str, griffe.Object] = {}
    seen = set(cls.members)
    bases = base_classes(cls)
    elsewhere = {b.path for base in bases if base.path in public for b in [base, *base_classes(base)]}
    for base in bases:
        own = {n: m for n, m in base.members.items() if n not in seen}
        seen |= own.keys()
        if base.path not in elsewhere:
            found |= {n: m for n, m in own.items() if n[0] != "_" and not m.is_alias and m.runtime and not m.is_class}  # type: ignore[misc]
    return found


def _symbol(
    release: str, found: griffe.Object, path: str, aliases: Sequence[str], sources: Mapping[str, Page]
) -> Symbol:
    page = sources.get(str(found.extra["driftune"].get("file", "")))
    function = callable_of(found)
    doc = docstring_of(found)
    lines = (found.lineno or 0, found.endlineno or 0)
    parameters = parameters_of(function, bound=found is not function) if function else ()
    defined = page and lines[0] and (_kind(found) in {"function", "method", "class"} or "property" in found.labels)
    source = "\n".join(page.markdown.split("\n")[lines[0] - 1 : lines[1]]) if page and defined else ""
    return Symbol(
        release=release,
        path=path,
        kind=_kind(found),
        aliases=tuple([a for a in aliases if a != path][:MAX_ALIASES]),
        signature=signature_of(function, bound=found is not function) if function else None,
        parameters=parameters,
        doc=doc,
        deprecated=deprecation_of(doc, source, path, [p["name"] for p in parameters]),
        line=1 if found.is_module else lines[0],
        page=page.id if page else None,
    )


def _public(found: griffe.Object, aliases: Sequence[str]) -> str:
    """Where it is defined; for `public = _private` in one module the public name."""
    beside = [a for a in aliases if a.rpartition(".")[0] == found.path.rpartition(".")[0]]
    return beside[0] if found.name.startswith("_") and beside else found.path


def docstring_of(found: griffe.Object) -> str:
    """The docstring, dedented (griffe does it) and clean; empty where none."""
    return cleaned(found.docstring.value) if found.docstring else ""


def callable_of(found: griffe.Object) -> griffe.Function | None:
    """The function that a call runs: the object itself, or a class's `__init__` or `__new__` (inherited ones too)."""
    import griffe

    if isinstance(found, griffe.Function):
        return found
    if isinstance(found, griffe.Class):
        for cls in [found, *base_classes(found)]:
            for name in ("__init__", "__new__"):
                if isinstance(init := cls.members.get(name), griffe.Function):
                    return init
    return None


def base_classes(cls: griffe.Class) -> list[griffe.Class]:
    """The classes that a class inherits from, as far as they are in its packages, in the order of a look-up."""
    import griffe

    try:
        return cls.mro()
    except (ValueError, griffe.GriffeError):  # of what can't be put into an order, as where a base is not read well
        found: list[griffe.Class] = []
        queue = [cls]
        while queue and len(found) < _MOST_BASES:
            bases = [b for b in _bases_of(queue.pop(0)) if b not in found and b is not cls]
            found += bases
            queue += bases
        return found


def _bases_of(cls: griffe.Class) -> list[griffe.Class]:
    import griffe

    with contextlib.suppress(ValueError, griffe.GriffeError):
        return [base for base in cls.resolved_bases if isinstance(base, griffe.Class)]
    return []


def _kind(found: griffe.Object) -> str:
    if found.is_function and found.parent is not None and found.parent.is_class:
        return "method"
    return str(found.kind.value)


def parameters_of(function: griffe.Function, *, bound: bool = False) -> list[dict[str, Any]]:
    """`[{name, kind, default}]`, kind and default as griffe gives them; without the first where it is bound."""
    parameters = [
        {
            "name": p.name,
            "kind": p.kind.value if p.kind else "positional or keyword",
            "default": None if p.default is None else cleaned(str(p.default)),
        }
        for p in function.parameters
    ]
    return parameters[1:] if bound else parameters


def signature_of(function: griffe.Function, *, bound: bool = False) -> str:
    """The signature as source text with annotations, such as `(G: Graph, *, weight=None) -> int`."""
    import griffe

    kinds = griffe.ParameterKind
    written: list[str] = []
    parameters = list(function.parameters)[1 if bound else 0 :]
    for i, p in enumerate(parameters):
        before = parameters[i - 1].kind if i else None
        if before is kinds.positional_only and p.kind is not kinds.positional_only:
            written.append("/")
        if p.kind is kinds.keyword_only and before not in {kinds.keyword_only, kinds.var_positional}:
            written.append("*")
        written.append(_parameter(p))
    if parameters and parameters[-1].kind is kinds.positional_only:
        written.append("/")
    returned = f" -> {function.returns}" if function.returns is not None and not bound else ""
    return cleaned(f"({', '.join(written)}){returned}")


def _parameter(parameter: griffe.Parameter) -> str:
    import griffe

    stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
    star = stars.get(parameter.kind, "") if parameter.kind else ""
    text = star + parameter.name
    if parameter.annotation is not None:
        text += f": {parameter.annotation}"
    if parameter.default is not None and not star:
        text += f" = {parameter.default}" if parameter.annotation is not None else f"={parameter.default}"
    return text
