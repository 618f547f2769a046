"""Plug-ins of `benchmarks/memory.py`: a library, as many rows as are asked for, and a sandbox that costs little.

The rows are honest: programs of about the size that networkx's have, no two alike, with tests that tell right from
wrong, of the kinds that most rows are of. They are run here, in this process and without a wall, as they are made here:
it is not for anybody else's.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.records import Environment, Example, Page, Program, Release, Symbol, Verdict
from scrapers.sources import Scraped
from synth.generators import Material
from validators.execution.cache import Lease
from validators.execution.environments import BuiltEnvironment
from validators.execution.interpreters import Interpreter
from validators.execution.pool import HARNESS
from validators.execution.wall import Limits

ROWS = "PLENTIFUL_ROWS"
"""The environment variable that says how many rows are made."""

GROUP = 20
"""Rows that are made of three programs."""

BUGS, PAIRS = 11, 4
"""Of a group: bugs of one program, pairs of one call site; the others are edits."""

FAMILIES = 60

_WORDS = (
    "amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "knoll", "ledge",
    "marsh", "niche", "orbit", "plume", "quarry", "ridge", "shoal", "thicket", "umber", "valley", "willow", "yonder",
    "zephyr", "anchor", "beacon", "cobble", "drift", "eddy", "flint", "gully", "harbor", "islet",
)  # fmt: skip

_STATEMENTS = (
    "    total += sum(item * {a} for item in items if item % {k})",
    "    total ^= {a}",
    '    total -= len("{w} {v}") * {a}',
    "    for item in items:\n        total += (item + {a}) % {b}",
    "    if total > {b}:\n        total -= {a}\n    else:\n        total += {k}",
    '    table = {{"{w}": {b}, "{v}": {a}}}\n    total += table.get("{w}", {k}) - table["{v}"]',
    "    total += sorted(items, reverse=True)[{k}] * {a}",
    "    total += int(str({a}).zfill({k})[::-1]) - factor",
    '    text = "{w}-{v}".upper().replace("A", "{w}")\n    total += len(text) + {a}',
    "    total += max(items) // {k} + {a}",
    "    while abs(total) > {b}:\n        total = total // {k} + {a} % 7",
    "    total = abs(total - {a}) + min(items)",
    "    pairs = list(zip(items, items[1:]))\n    total += sum(x * y for x, y in pairs) % {a}",
    '    total += "{w}{v}".find("{v}") * {a}',
    "    total += {a} if factor in items else {b}",
    "    items = [item + {a} for item in items]",
    "    total += sum(divmod(total, {b})) - {a}",
    "    total *= factor + {k}\n    total %= {b} * {a}",
)


class Library:
    """A library whose old release has functions that its new one hasn't."""

    def scrape(self, spec: Mapping[str, Any], library: str, version: str, cache: Path) -> Scraped:
        """See `scrapers.sources.Source`."""
        del spec, cache
        release = Release(library=library, version=version, artifact_sha256=f"{version:0>64}", licence="MIT")
        prose = " ".join(f"The function {_name(n)} measures a row of numbers." for n in range(FAMILIES))
        page = Page(
            release=release.id, url=f"pypi://{library}/{version}/api", content_hash=f"{version:0>64}", kind="api",
            path="api.py", title="API", markdown=prose, licence="MIT",
        )  # fmt: skip
        names = [_name(n) for n in range(FAMILIES)] if version == "1.0" else []
        names += [f"kept_{word}" for word in _WORDS]
        found = [
            Symbol(release=release.id, path=f"{library}.{name}", kind="function", signature="(items, factor)",
                   doc=f"Measures by {name}", page=page.id)
            for name in names
        ]  # fmt: skip
        return Scraped(release=release, pages=(page,), symbols=tuple(sorted(found, key=lambda s: s.path)))


class Generator:
    """As many rows as `PLENTIFUL_ROWS` says, of the newest release."""

    name, version = "plentiful", "1"

    def generate(self, material: Material) -> Iterator[Program | Example]:
        """See `synth.generators.Generator`."""
        if material.latest:
            for group in range(int(os.environ[ROWS]) // GROUP):
                yield from _group(material, group)


class Sandbox:
    """Runs programs in this process.

    Args:
        workers: How many at once; it is one in any case.
    """

    def __init__(self, workers: int) -> None:
        del workers

    def available(self) -> str | None:
        """It always is."""
        return None

    def build(self, requirements: Sequence[str], cache: Path, **_: Any) -> BuiltEnvironment:
        """An environment with nothing in it."""
        root = cache / "plentiful"
        root.mkdir(parents=True, exist_ok=True)
        lease = Lease.of(root)
        assert lease is not None
        record = Environment(python="3.11.0", requirements=tuple(requirements), settings={"wall": "plentiful"})
        return BuiltEnvironment(record, root, Limits(), Interpreter(root, "3.11.0", root), "", lease)

    def run(
        self, environment: BuiltEnvironment, programs: Iterable[Program], *, timeout_s: float = 10.0,
        attempts: int = 2, trace: Sequence[str] = (), watch: Sequence[str] = (),
    ) -> Iterator[Verdict]:  # fmt: skip
        """A verdict for each program, in their order."""
        del trace, watch
        policy = f"k={attempts},timeout={timeout_s:g}"
        return (_verdict(program, environment.record.id, policy) for program in programs)

    def close(self) -> None:
        """There is nothing to end."""


def _verdict(program: Program, environment: str, policy: str) -> Verdict:
    space: dict[str, Any] = {}
    found: dict[str, Any] = {"outcome": "passed", "proof": "strong"}
    try:
        exec(compile(program.code, "code", "exec"), space)
        exec(compile(program.test, "test", "exec"), space)
    except AssertionError:
        found = {"outcome": "failed", "proof": "strong", "detail": "AssertionError: line 2"}
    except Exception as error:
        raised = {"type": type(error).__name__, "message": str(error), "line": 2, "in": "code"}
        found = {"outcome": "error", "proof": "strong", "detail": str(error), "exception": raised}
    values = {"0": {"expected": repr(space.get("wanted")), "actual": repr(space.get("got"))}}
    called = tuple(f"plenty.kept_{word}" for word in _WORDS[:8])
    return Verdict(
        program=program.id, environment=environment, harness=HARNESS, policy=policy, values=values,
        symbols_called=called, duration_s=0.01, **found,
    )  # fmt: skip


def _name(number: int) -> str:
    return f"{_WORDS[number % len(_WORDS)]}_{number}"


def _group(material: Material, number: int) -> Iterator[Program | Example]:
    """The rows of a group; the same each time."""
    chance = random.Random(number)
    first = number * GROUP
    yield from _bugs(material, chance, first)
    yield from _pairs(material, chance, number)
    for n in range(first + BUGS + PAIRS, first + GROUP):
        yield from _edit(material, chance, n)
    if number % 5 == 0:
        said = " ".join(chance.choice(_WORDS) for _ in range(150))
        texts = {"text": f"# {number}\n\n{said}\n", "page": "guide"}
        yield _example(material, "text", f"text {number}", first, {}, texts)


def _bugs(material: Material, chance: random.Random, first: int) -> Iterator[Program | Example]:
    lines, test = _program(chance, first)
    fixed = _made(lines, test)
    yield fixed
    for n in range(BUGS):
        buggy = _made(_changed(lines, n, chance), test)
        yield buggy
        named = {"buggy": buggy.id, "fixed": fixed.id}
        asked = {"prompt": f"Mend what is wrong in row {first + n}"}
        yield _example(material, "bug", fixed.id, first + n, named, asked, operator="constant")


def _pairs(material: Material, chance: random.Random, number: int) -> Iterator[Program | Example]:
    first = number * GROUP + BUGS
    lines, test = _program(chance, first)
    chosen = _made(lines, test)
    yield chosen
    at = next(n for n, line in enumerate(lines) if line.startswith("    total"))
    prompt, suffix = "\n".join([*lines[:at], "    "]), "\n" + "\n".join(lines[at + 1 :]) + "\n"
    for n in range(PAIRS):
        wrong = f"total += {_name(n)}({chance.randrange(9999)}, {first})"
        rejected = Program(code=prompt + wrong + suffix, test=test)
        yield rejected
        texts = {"prompt": prompt, "chosen": lines[at].strip(), "rejected": wrong, "suffix": suffix}
        yield _example(
            material, "preference", chosen.id, first + n, {"chosen": chosen.id, "rejected": rejected.id}, texts,
            family=f"plenty.{_name(number % FAMILIES)}", bug_kind="stale" if n % 2 else "invented",
        )  # fmt: skip


def _edit(material: Material, chance: random.Random, number: int) -> Iterator[Program | Example]:
    lines, test = _program(chance, number)
    after, before = _made(lines, test), _made(_changed(lines, number, chance), test)
    yield before
    yield after
    texts = {"prompt": f"Make it give {number}", "scope": [[len(lines), len(lines)]]}
    yield _example(material, "edit", after.id, number, {"before": before.id, "after": after.id}, texts)


def _program(chance: random.Random, number: int) -> tuple[list[str], str]:
    """The lines of a function, and a test that holds for it."""
    lines = ["def measure(items, factor):", f"    total = {number}"]
    for statement in chance.sample(_STATEMENTS, 6):
        said = statement.format(
            a=chance.randrange(100, 9999), b=chance.randrange(10_000, 99_999), k=chance.randrange(2, 5),
            w=chance.choice(_WORDS), v=chance.choice(_WORDS),
        )  # fmt: skip
        lines += said.split("\n")
    lines.append("    return total")
    items, factor = [chance.randrange(1, 99) for _ in range(6)], chance.randrange(2, 9)
    test = f"got = measure({items}, {factor})\nwanted = {_value(lines, items, factor)}\nassert got == wanted"
    return lines, test


def _value(lines: Sequence[str], items: list[int], factor: int) -> int:
    space: dict[str, Any] = {}
    exec("\n".join(lines), space)
    return int(space["measure"](items, factor))


def _made(lines: Sequence[str], test: str) -> Program:
    return Program(code="\n".join(lines) + "\n", test=test)


def _changed(lines: Sequence[str], number: int, chance: random.Random) -> list[str]:
    """The function with one line that makes it give another value, or nothing."""
    changed = list(lines)
    changed[-1] = f"    return total + {chance.randrange(1, 10**6)}" if number % 3 else f"    return totals_{number}"
    return changed


def _example(
    material: Material, kind: str, root: str, number: int, programs: Mapping[str, str],
    texts: Mapping[str, Any] | None = None, **more: Any,
) -> Example:  # fmt: skip
    parts: dict[str, Any] = {**({"programs": dict(programs)} if programs else {}), **(texts or {})}
    releases = (material.release.id,)
    return Example(
        domain=material.domain, kind=kind, releases=releases, parts=parts, file=f"module_{number % 397}.py", root=root,
        symbols=(f"plenty.kept_{_WORDS[number % len(_WORDS)]}",), generator="plentiful", generator_version="1",
        parents=(root,), licence="MIT", source_url=f"https://example.org/module_{number % 397}.py", **more,
    )  # fmt: skip
