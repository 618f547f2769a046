"""`bug` pairs: a proven program with one mistake in it, made by a mutation operator, and the program itself."""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import libcst as cst

from registry.names import SymbolIndex, imported_names
from registry.records import Change, Example, Program
from synth.operators import OPERATORS, Mutation, Scope

GENERATOR, VERSION = "bugs", "1"

_WORDS = ("get", "find", "compute", "all", "is", "make", "calculate")
_MARKS = ("result", "raised", "warned", "printed", "caught")


class Library:
    """What mistakes are made with: a release's names, and what they were called before.

    Args:
        index: The release's symbols.
        changes: Changes to this release; renamed and moved symbols give stale names.
        old: Symbols of the release before.
    """

    def __init__(self, index: SymbolIndex, changes: Iterable[Change] = (), old: SymbolIndex | None = None) -> None:
        self.index = index
        self.stale: dict[str, str] = {}
        for change in sorted(changes, key=lambda c: c.id):
            new = index.canonical(change.replacement) if change.replacement else None
            if new is not None and old is not None and change.kind in ("renamed", "moved", "removed"):
                former = old.public(change.symbol)
                if index.canonical(former) is None and index.by_path[new].kind == "function":
                    self.stale.setdefault(new, former)

    @cached_property
    def members(self) -> Mapping[str, list[str]]:
        """Owner (module or class, canonical) -> names of its functions or methods."""
        found: dict[str, list[str]] = {}
        for path, symbol in sorted(self.index.by_path.items()):
            if symbol.kind in ("function", "method"):
                owner, _, name = path.rpartition(".")
                if not name.startswith("_"):
                    found.setdefault(owner, []).append(name)
        return found

    @cached_property
    def methods(self) -> Mapping[str, list[str]]:
        """Name of a method -> names of its classes' other methods."""
        found: dict[str, set[str]] = {}
        for owner, names in self.members.items():
            if self.index.by_path.get(owner) is not None and self.index.by_path[owner].kind == "class":
                for name in names:
                    found.setdefault(name, set()).update(n for n in names if n != name)
        return {name: _nearest(name, others) for name, others in sorted(found.items())}

    def siblings(self, path: str) -> list[str]:
        """Names of functions of the same module as the canonical `path`, the most alike first."""
        owner, _, name = path.rpartition(".")
        return _nearest(name, (n for n in self.members.get(owner, ()) if n != name))

    def exists(self, path: str) -> bool:
        """Whether a dotted public path means a symbol."""
        return self.index.canonical(path) is not None


def mutate(
    example: Example,
    programs: Mapping[str, Program],
    library: Library | SymbolIndex,
    *,
    seed: int = 0,
    limit: int = 3,
) -> Iterator[Program | Example]:
    """Up to `limit` bugs of a proven `doc` or `test` example, each by another operator.

    Args:
        example: The source; its answer is what the bug's fix is.
        programs: Programs by id; the example's answer is looked up.
        library: The release's names (an index alone gives no stale names).
        seed: Other bugs for another seed; the same for the same.
        limit: Most bugs.

    Yields:
        For each bug the buggy Program, then the Example; the fixed Program is the example's own answer.
    """
    fixed = programs.get(example.parts["programs"]["answer"])
    if fixed is None:
        return
    if isinstance(library, SymbolIndex):
        library = Library(library)
    module = cst.parse_module(fixed.code)
    rng = random.Random(f"{seed}:{example.id}")
    mutations = _mutations(module, _scope(fixed.code, library, rng))
    done: set[str] = {ast.dump(ast.parse(fixed.code))}
    made = 0
    for mutation in _drawn(mutations, rng):
        buggy = _applied(module, mutation)
        if buggy is None or (tree := _dump(buggy)) is None or tree in done:
            continue
        done.add(tree)
        program = Program(code=buggy, test=fixed.test, files=fixed.files, entry_point=fixed.entry_point)
        yield program
        yield _example(example, program, fixed, mutation.operator, seed)
        made += 1
        if made == limit:
            return


def _mutations(module: cst.Module, scope: Scope) -> dict[str, list[Mutation]]:
    """All mistakes that the operators see, by operator; imports and the recording of results stay as they are."""
    found: dict[str, list[Mutation]] = {}
    for statement in module.body:
        stack: list[cst.CSTNode] = [statement]
        while stack:
            node = stack.pop()
            if isinstance(node, (cst.Import, cst.ImportFrom)) or _records(node):
                continue
            for name, (operator, _, _) in OPERATORS.items():
                for replacement in operator(node, scope):
                    found.setdefault(name, []).append(Mutation(name, node, replacement))
            children = [node.body] if isinstance(node, cst.Try) else node.children
            stack += reversed(children)
        scope.variables += _bound(statement)
    return found


def _bound(statement: cst.CSTNode) -> tuple[str, ...]:
    """Names that a statement of the top level binds, but those of results."""
    targets: list[cst.BaseExpression] = []
    if isinstance(statement, cst.SimpleStatementLine):
        targets = [t.target for s in statement.body if isinstance(s, cst.Assign) for t in s.targets]
    names = [t.value for t in targets if isinstance(t, cst.Name)]
    for target in targets:
        if isinstance(target, cst.Tuple):
            names += [e.value.value for e in target.elements if isinstance(e.value, cst.Name)]
    return tuple(n for n in names if not n.startswith(_MARKS))


def _records(node: cst.CSTNode) -> bool:
    """Bookkeeping of the checks: `results1 = []`, `warnings.simplefilter(...)`, `warned1 = ...`."""
    if not isinstance(node, cst.SimpleStatementLine) or len(node.body) != 1:
        return False
    statement = node.body[0]
    if isinstance(statement, cst.Expr) and isinstance(statement.value, cst.Call):
        function = statement.value.func
        if isinstance(function, cst.Attribute) and isinstance(function.value, cst.Name):
            return function.value.value == "warnings"
    if isinstance(statement, cst.Assign) and isinstance(statement.targets[0].target, cst.Name):
        name = statement.targets[0].target.value
        return name.startswith("warned") or (name.startswith("results") and isinstance(statement.value, cst.List))
    return False


def _drawn(mutations: Mapping[str, list[Mutation]], rng: random.Random) -> Iterator[Mutation]:
    """Mutations in the order in which they are tried: operators by weighted draw, of each a few at random."""
    left = {name: OPERATORS[name][2] for name in sorted(mutations)}
    while left:
        name = rng.choices(list(left), weights=list(left.values()))[0]
        del left[name]
        yield rng.choice(mutations[name])


def _applied(module: cst.Module, mutation: Mutation) -> str | None:
    """The program's text with the mistake; None where it can't be written."""
    changed: cst.CSTNode | cst.RemovalSentinel
    if isinstance(mutation.replacement, cst.RemovalSentinel):
        changed = module.deep_remove(mutation.node)
    else:
        changed = module.deep_replace(mutation.node, mutation.replacement)
    return changed.code if isinstance(changed, cst.Module) else None


def _dump(code: str) -> str | None:
    try:
        compile(code, "code", "exec", dont_inherit=True)
        return ast.dump(ast.parse(code))
    except (SyntaxError, ValueError):
        return None


def _scope(code: str, library: Library, rng: random.Random) -> Scope:
    """What the operators may know about a program."""
    tree = ast.parse(code)
    names = imported_names(tree, library.index.roots)

    def full(name: str) -> str:
        head, dot, rest = name.partition(".")
        return names.get(head, head) + dot + rest

    def siblings(name: str) -> list[str]:
        path = library.index.canonical(full(name))
        if path is None:
            return []
        owner = full(name).rpartition(".")[0]
        return [n for n in library.siblings(path) if library.exists(f"{owner}.{n}")][:3]

    def invented(name: str, random_: random.Random) -> str | None:
        owner, _, last = full(name).rpartition(".")
        if last[:1].isupper():
            return None
        choices = [n for n in _inventions(last) if not library.exists(f"{owner}.{n}")]
        return random_.choice(choices) if choices else None

    def stale(name: str) -> str | None:
        path = library.index.canonical(full(name))
        former = library.stale.get(path) if path is not None else None
        if former is None:
            return None
        root = former.partition(".")[0]
        alias = next((a for a, target in sorted(names.items()) if target == root), None)
        return None if alias is None else alias + former[len(root) :]

    return Scope(
        siblings=siblings,
        invented=invented,
        stale=stale,
        methods=lambda name: library.methods.get(name, [])[:3],
        library=frozenset(names),
        variables=(),
        rng=rng,
    )


def _nearest(name: str, others: Iterable[str]) -> list[str]:
    """Names most like `name` first."""
    words = set(name.split("_"))

    def likeness(other: str) -> tuple[float, str]:
        shared = len(words & set(other.split("_")))
        return (-shared - difflib.SequenceMatcher(None, name, other).quick_ratio(), other)

    return sorted(others, key=likeness)[:6]


def _inventions(name: str) -> list[str]:
    """Names that read as if they belonged: words turned round, a verb put before, a word left out, a plural."""
    words = name.split("_")
    made = [f"{verb}_{name}" for verb in _WORDS if verb != words[0]]
    if len(words) > 1:
        made += ["_".join([words[-1], *words[:-1]]), "_".join(words[:-1]), "".join(words)]
    made.append(name[:-1] if name.endswith("s") else name + "s")
    return sorted({n for n in made if n.isidentifier() and n != name})


def _example(example: Example, buggy: Program, fixed: Program, operator: str, seed: int) -> Example:
    return Example(
        domain=example.domain,
        kind="bug",
        releases=example.releases,
        parts={"programs": {"buggy": buggy.id, "fixed": fixed.id}, "prompt": "Fix the bug."},
        change=example.change,
        family=example.family,
        symbols=example.symbols,
        file=example.file,
        root=example.root,
        generator=GENERATOR,
        generator_version=VERSION,
        seed=seed,
        parents=(example.id,),
        licence=example.licence,
        source_url=example.source_url,
        bug_kind=OPERATORS[operator][1],
        operator=operator,
    )
