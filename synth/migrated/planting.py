"""More call sites: a real call statement in another program that has what it needs, and varied literals.

A planted site takes the statement of one site (`cores = nx.core_number(G)`) to a program of another file in which the
variables it reads (`G`) have been set up; above it stands the first sentence of the function's documentation. What it
yields there is not known before it runs: `Planter` gives probes, `synth.migrated.recording` writes the values that
came out.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from registry.names import SymbolIndex
from registry.records import Program, Verdict
from synth.dataflow import BUILTINS, flow, flow_all, needed
from synth.folding import is_literal
from synth.material import Piece, draw
from synth.migrated.calls import Script
from synth.migrated.recording import Check, probing, recorded, values_of
from synth.migrated.site import Site, comment_of
from synth.migrated.slices import joined

MOST_NUMBER = 3
"""Larger numbers in a call speak of the data that it was written for."""

_RESULT = "result"
_IMPORTS = (ast.Import, ast.ImportFrom)
_FILLING = (ast.Expr, ast.Assign, ast.AugAssign, ast.For)
"""Statements that go on setting up what the one before them made; a `try` only looks at it."""


@dataclass(frozen=True)
class Probe:
    """A site whose values are not known yet.

    Attributes:
        site: The site; its test holds placeholders.
        checks: Its checks.
        receiver: The variable that its call is a method of; empty where it is of none.
    """

    site: Site
    checks: tuple[Check, ...]
    receiver: str = ""

    @property
    def program(self) -> Program:
        """What is run, at the new release."""
        return self.site.program()

    @property
    def idle(self) -> Program | None:
        """The same with the receiver in the place of its call: where that gives as much, the call does nothing."""
        return self.site.program(self.site.text(self.receiver)) if self.receiver else None

    @property
    def programs(self) -> list[Program]:
        """All that is run."""
        return [self.program, *([self.idle] if self.idle is not None else [])]


@dataclass(frozen=True)
class Host:
    """The beginning of a program, with names that later statements may use.

    Attributes:
        piece: The program's example.
        script: Its code.
        ready: Name -> the statement after which it is set up.
    """

    piece: Piece
    script: Script
    ready: dict[str, int]


@dataclass(frozen=True)
class Cutting:
    """The statement of a site, as it is planted elsewhere.

    Attributes:
        site: Where it comes from.
        statement: Its text.
        at: Where the call stands in it.
        reads: Names it needs, imported modules apart.
        imports: Import lines it needs.
        follow: Statements after it that the checks need.
        binds: Names that these bind.
        checks: Checks of what they bind.
    """

    site: Site
    statement: str
    at: int
    reads: tuple[str, ...]
    imports: tuple[str, ...]
    follow: str
    binds: frozenset[str]
    checks: tuple[Check, ...]


def settled(probes: Iterable[Probe], verdicts: Mapping[str, Verdict]) -> Iterator[Site]:
    """The sites of probes with the values that their runs told, without calls that do nothing to what they stand on.

    Args:
        probes: What was run at the new release.
        verdicts: Id of a probe's program -> its verdict.
    """
    for probe in probes:
        verdict, idle = (verdicts.get(p.id) if p is not None else None for p in (probe.program, probe.idle))
        test = recorded(probe.checks, values_of(verdict)) if verdict is not None else None
        if verdict is not None and idle is not None and values_of(idle) == values_of(verdict):
            continue  # a gap filled where there is none
        untrue = probe.site.operator == "varied" and test is not None and "== False" in test  # what held holds no more
        if test is not None and not untrue and "is None" not in test and "== None" not in test:
            yield replace(probe.site, test=test).numbered()


class Planter:
    """Plants call statements in programs of other files.

    Args:
        index: Symbols of the new release.
        seed: Seed of the choice of programs.
        hosts: Most programs tried for a statement.
        statements: Most statements planted of a family.
        enough: Families with this many sites in this many files get none; it takes twice as many with an old form.
    """

    def __init__(
        self,
        index: SymbolIndex,
        seed: int = 0,
        hosts: int = 5,
        statements: int = 2,
        enough: tuple[int, int] = (10, 4),
    ) -> None:
        self.index, self.seed = index, seed
        self.hosts_of, self.statements, self.enough = hosts, statements, enough

    def probes(self, sites: Sequence[Site], hosts: Iterable[Piece]) -> list[Probe]:
        """Sites in other files, to be run once at the new release.

        Args:
            sites: Sites that were found.
            hosts: Programs that pass at the new release.
        """
        ready = [host for piece in _distinct(hosts) if (host := self._host(piece)) is not None]
        having: dict[str, list[Host]] = {}
        for host in ready:
            for name in host.ready:
                having.setdefault(name, []).append(host)
        families: dict[str, list[Site]] = {}
        for site in sorted(sites, key=lambda s: s.root):
            families.setdefault(site.family, []).append(site)
        found: dict[str, Probe] = {}
        for family, members in sorted(families.items()):
            files = {s.piece.example.file for s in members}
            scarce = 2 if any(s.stale for s in members) else 1
            if len(members) >= scarce * self.enough[0] and len(files) >= scarce * self.enough[1]:
                continue
            for cutting in self._cuttings(family, members):
                rarest = min((having.get(n, []) for n in cutting.reads), key=len, default=ready)
                for probe in self._planted(cutting, rarest, files, scarce * self.hosts_of):
                    found.setdefault(probe.site.root, probe)
        return list(found.values())

    def _host(self, piece: Piece) -> Host | None:
        try:
            script = Script(piece.program.code, self.index.roots)
        except (SyntaxError, ValueError, RecursionError):
            return None
        ready: dict[str, int] = {}
        for position, statement in enumerate(script.body):
            if isinstance(statement, _IMPORTS):
                continue
            what = flow(statement)
            made = what.binds if _makes(statement) else frozenset()
            fills = {n for n in what.changes if n in ready} if isinstance(statement, _FILLING) else frozenset()
            for name in sorted(made | fills):
                before = ready.get(name)
                if before is None or before == position - 1:
                    ready[name] = position
        return Host(piece, script, ready)

    def _cuttings(self, family: str, sites: Sequence[Site]) -> list[Cutting]:
        """Statements of a family's sites that can stand elsewhere: one name bound, few names read; stale ones first."""
        options: dict[str, Cutting] = {}
        for site in sites:
            cutting = self._cutting(site)
            if cutting is not None:
                options.setdefault(cutting.statement.partition("=")[2], cutting)
        found = sorted(
            options.values(),
            key=lambda c: (not c.site.stale, len(c.reads), draw(self.seed, family, c.statement)),
        )
        return found[: self.statements + (1 if found and found[0].site.stale else 0)]

    def _cutting(self, site: Site) -> Cutting | None:
        try:
            script = Script(site.prompt + site.chosen + site.suffix, self.index.roots)
        except (SyntaxError, ValueError, RecursionError):
            return None
        offset = len(site.prompt)
        at = next((i for i, s in enumerate(script.body) if _holds(script, s, offset)), None)
        statement = script.body[at] if at is not None else None
        if at is None or not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            return self._bare(site, script)
        result = statement.targets[0].id
        reads = flow(statement).reads - BUILTINS
        imports = [s for s in script.body if isinstance(s, _IMPORTS)]
        others = sorted(reads - flow_all(imports).binds)
        if not _can_move(others, statement, script):
            return None
        follow = _following(script, at, result)
        bound = flow_all(script.body[i] for i in follow).binds | {result}
        checks = tuple(c for c in _literal_checks(site.test) if _reads(c) <= bound | BUILTINS and _reads(c) & bound)
        start, end = script.source.span(statement)
        needs = flow_all([statement, *(script.body[i] for i in follow)]).reads
        return Cutting(
            site,
            script.code[start:end],
            offset - start,
            tuple(others),
            tuple(ast.unparse(s) for s in imports if flow(s).binds & needs),
            "".join("\n" + script.source.block([script.body[i]]).rstrip() for i in follow) + "\n",
            bound,
            checks[:3] or (Check(result),),
        )

    @staticmethod
    def _bare(site: Site, script: Script) -> Cutting | None:
        """The call alone, its result given a name: where a site's own statement can't stand elsewhere."""
        if site.chosen != site.lead + site.call:
            return None
        try:
            call = ast.parse(site.chosen, mode="eval").body
        except SyntaxError:
            return None  # it stands on several lines by brackets around it
        reads = flow(call).reads - BUILTINS
        imports = [s for s in script.body if isinstance(s, _IMPORTS)]
        others = sorted(reads - flow_all(imports).binds)
        if not _can_move(others, call, script):
            return None
        lines = tuple(ast.unparse(s) for s in imports if flow(s).binds & reads)
        start = len(f"{_RESULT} = ")
        return Cutting(
            site, f"{_RESULT} = {site.chosen}", start, tuple(others), lines, "\n", frozenset({_RESULT}),
            (Check(_RESULT),),
        )  # fmt: skip

    def _planted(self, cutting: Cutting, hosts: Sequence[Host], files: set[str], most: int) -> Iterator[Probe]:
        able: dict[str, list[Host]] = {}
        for host in hosts:
            file = host.piece.example.file
            if file not in files and host.ready and all(n in host.ready for n in cutting.reads):
                able.setdefault(file, []).append(host)
        planted = 0
        for file in sorted(able, key=lambda f: draw(self.seed, cutting.site.root, f)):
            if planted == most:
                return
            order = sorted(able[file], key=lambda h: draw(self.seed, cutting.site.root, h.piece.program.id))
            site = next((made for host in order if (made := self._in(cutting, host)) is not None), None)
            if site is not None:
                planted += 1
                yield site

    def _in(self, cutting: Cutting, host: Host) -> Probe | None:
        script, names = host.script, cutting.reads
        position = max(host.ready[n] for n in names)
        part = [s for s in script.body[: position + 1] if isinstance(s, (*_IMPORTS, *_FILLING)) or _defines(s)]
        fixed = flow_all(s for s in part if isinstance(s, _IMPORTS)).binds
        keep = [script.body.index(part[i]) for i in needed(part, names, fixed)]
        part = script.body[: position + 1]
        if len(keep) > 12 or cutting.binds & (flow_all(part[i] for i in keep).binds | set(cutting.reads)):
            return None
        if any(_long_text(n) for i in keep for n in ast.walk(script.body[i])):
            return None  # attributes and files are what its own program is about
        text, _ = joined(script.source, keep)
        lines = [line for line in cutting.imports if line not in text.splitlines()]
        body = text
        if lines:
            body = "\n".join(lines) + "\n" + ("" if text.startswith(("import ", "from ")) else "\n") + text
        prompt = body + comment_of(self.index.by_path.get(cutting.site.path)) + cutting.statement[: cutting.at]
        chosen = cutting.statement[cutting.at :]
        if len(prompt) > 1200:
            return None
        site = replace(
            cutting.site,
            piece=host.piece,
            donor=cutting.site.piece,
            prompt=prompt,
            chosen=chosen,
            suffix=cutting.follow,
            test=probing(cutting.checks),
            operator="planted",
        )
        return Probe(site, cutting.checks, _receiver(site.call, names))


def _receiver(call: str, names: Collection[str]) -> str:
    """The one of some variables that a call is a method of, through others (`df.groupby(level=0).bfill()`), or none."""
    node: ast.expr = ast.parse(call, mode="eval").body
    while isinstance(node, (ast.Call, ast.Attribute)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) and node.id in names else ""


def _distinct(hosts: Iterable[Piece]) -> list[Piece]:
    """One piece for each code, the first by key; short ones only."""
    found: dict[str, Piece] = {}
    for piece in sorted(hosts, key=lambda p: (p.key, p.program.id)):
        if len(piece.program.code) < 4000:
            found.setdefault(piece.program.code, piece)
    return list(found.values())


def _holds(script: Script, statement: ast.stmt, offset: int) -> bool:
    start, end = script.source.span(statement)
    return start <= offset < end


def _following(script: Script, at: int, result: str) -> list[int]:
    """Up to three assignments after a statement that read its result and nothing else that is not imported."""
    bound = {result}
    found: list[int] = []
    for position in range(at + 1, len(script.body)):
        statement = script.body[position]
        if not isinstance(statement, ast.Assign) or len(found) == 3:
            break
        what = flow(statement)
        if what.reads & bound and what.reads <= bound | BUILTINS | script.names.keys():
            found.append(position)
            bound |= what.binds
    return found


def _literal_checks(test: str) -> list[Check]:
    """What checks compare with literals, or hold to be true."""
    found = []
    for statement in ast.parse(test).body:
        if isinstance(statement, ast.Assert):
            tested = statement.test
            if isinstance(tested, ast.Compare) and len(tested.ops) == 1 and is_literal(tested.comparators[0]):
                found.append(Check(ast.unparse(tested.left)))
            elif isinstance(tested, ast.UnaryOp) and isinstance(tested.operand, ast.Name):
                found.append(Check(tested.operand.id))
            elif isinstance(tested, ast.Name):
                found.append(Check(tested.id))
    return list(dict.fromkeys(found))


def _reads(check: Check) -> frozenset[str]:
    return flow(ast.parse(check.expression, mode="eval").body).reads


def _can_move(reads: Sequence[str], node: ast.AST, script: Script) -> bool:
    """Whether something can stand in another program: it needs one thing or few of it, no functions, and no data.

    What needs nothing has nothing to do with the lines it would stand among; a text names what only its own program
    has (`weight="cost"`), and so do collections of values, and numbers that are not small.
    """
    own = any(_defines(s) and flow(s).binds & set(reads) for s in script.body)
    return 0 < len(reads) <= 3 and not own and not any(map(_is_data, ast.walk(node)))


def _is_data(node: ast.AST) -> bool:
    """Whether a node is a text, a number over `MOST_NUMBER`, or a collection of values."""
    if isinstance(node, (ast.List, ast.Set, ast.Tuple, ast.Dict)):
        return isinstance(getattr(node, "ctx", ast.Load()), ast.Load) and any(
            isinstance(n, ast.Constant) for n in ast.walk(node)
        )
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) or (isinstance(value, (int, float)) and value > MOST_NUMBER)


def _makes(statement: ast.stmt) -> bool:
    """Whether a statement names what a call gave: a plain value of that name means something else elsewhere."""
    value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
    return value is not None and any(isinstance(n, ast.Call) for n in ast.walk(value))


def _long_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 3


def _defines(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.FunctionDef, ast.ClassDef))
