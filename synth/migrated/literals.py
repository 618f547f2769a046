"""More call sites by varied literals: the same program with other node counts, labels, seeds or elements.

What such a program yields is not known before it runs: `varied` gives probes, `synth.migrated.planting.settled`
writes the values that came out.
"""

from __future__ import annotations

import ast
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from registry.records import Program
from synth.migrated.planting import Probe
from synth.migrated.recording import checks_of, probing
from synth.migrated.site import Site
from synth.source import Edit, Source, applied

FEW = 4
"""Constants in a collection that still may be changed one by one: more are data."""

_COMMENT = re.compile(r"\S[ \t]+# ", re.MULTILINE)
"""A comment behind code: one on a line of its own may be that of the call's function."""

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def varied(sites: Sequence[Site], seed: int = 0, each: int = 2, enough: int = 8) -> list[Probe]:
    """Probes of sites with one literal changed throughout.

    Args:
        sites: Sites whose checks are known.
        seed: Seed of the choices.
        each: Most variants of a site.
        enough: Families with this many sites get none.
    """
    members = Counter(site.family for site in sites)
    found: dict[str, Probe] = {}
    for site in sorted(sites, key=lambda s: s.root):
        if members[site.family] >= enough:
            continue
        rng = random.Random(f"{seed}:{site.root}")
        for probe in _variants(site, rng, each):
            found.setdefault(probe.site.root, probe)
    return list(found.values())


def _variants(site: Site, rng: random.Random, each: int) -> Iterator[Probe]:
    checks = checks_of(Program(code="", test=site.test))
    code = site.prompt + site.chosen + site.suffix
    if checks is None or holds_data(code):
        return
    options = changes_of(code, rng)
    rng.shuffle(options)
    for edits in options[:each]:
        parts = _split(site, edits)
        if parts is not None:
            prompt, chosen, suffix, call = parts
            start = len(site.prompt)
            own = [(a - start, b - start, new) for a, b, new in edits if start <= a < start + len(site.chosen)]
            if own and site.stale:
                continue  # the old form holds the literal too: vary what stands before
            made = replace(
                site, prompt=prompt, chosen=chosen, suffix=suffix, call=call, test=probing(checks), operator="varied"
            )
            yield Probe(made, tuple(checks))


def holds_data(code: str) -> bool:
    """Whether a script holds values that belong together, as an expected result does to the size it is of.

    Nor are loops and handlers varied: what they go through and catch is meant as it is; nor what a comment speaks of.
    """
    if _COMMENT.search(code):
        return True
    nodes = list(ast.walk(ast.parse(code)))
    displays = (n for n in nodes if isinstance(n, (ast.List, ast.Tuple, ast.Set, ast.Dict)))
    return any(isinstance(n, (ast.Compare, ast.For, ast.Try)) for n in nodes) or any(
        sum(isinstance(n, ast.Constant) for n in ast.walk(d)) > FEW for d in displays
    )


def changes_of(code: str, rng: random.Random) -> list[list[Edit]]:
    """Ways to change one literal of a script wherever it stands: the edits of each."""
    source = Source(code)
    places: dict[tuple[str, object], list[ast.Constant]] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and _variable(node) and not _in_string(source, node):
            places.setdefault((type(node.value).__name__, node.value), []).append(node)
    taken = {value for _, value in places}
    found = []
    for (kind, value), nodes in sorted(places.items(), key=lambda kv: (kv[0][0], repr(kv[0][1]))):
        new = _OTHER[kind](value, taken, rng)
        if new is not None:
            found.append([(*source.span(node), repr(new)) for node in nodes])
    return found


def _variable(node: ast.Constant) -> bool:
    if isinstance(node.value, bool) or not isinstance(node.value, (int, float, str)):
        return False
    if isinstance(node.value, str):
        return len(node.value) == 1 and node.value in LETTERS
    return 2 <= node.value <= 500


def _in_string(source: Source, node: ast.Constant) -> bool:
    """Whether the text there is not the literal itself (part of an f-string, an implicit concatenation)."""
    try:
        return bool(ast.literal_eval(source.segment(node)) != node.value)
    except (ValueError, SyntaxError):
        return True


def _other_int(value: object, taken: set[object], rng: random.Random) -> object:
    assert isinstance(value, int)
    near = [n for n in (value + 1, value + 2, value - 1, value + 3) if n > 1 and n not in taken]
    return rng.choice(near) if near else None


def _other_float(value: object, taken: set[object], rng: random.Random) -> object:
    assert isinstance(value, float)
    return value + rng.choice((0.5, 1.0, 2.0))


def _other_letter(value: object, taken: set[object], rng: random.Random) -> object:
    free = [c for c in LETTERS if c not in taken]
    return rng.choice(free) if free else None


_OTHER: dict[str, Callable[[object, set[object], random.Random], object]] = {
    "int": _other_int,
    "float": _other_float,
    "str": _other_letter,
}


def _split(site: Site, edits: Sequence[Edit]) -> tuple[str, str, str, str] | None:
    """Prompt, chosen, suffix and call with edits to the whole code; None where an edit crosses a border."""
    before, after = site.prompt + site.lead, site.chosen[len(site.lead) + len(site.call) :]
    borders = [0, len(before), len(before) + len(site.call), len(site.prompt) + len(site.chosen)]
    texts = [before, site.call, after, site.suffix]
    made = []
    for i, (start, text) in enumerate(zip(borders, texts, strict=True)):
        own = [(a - start, b - start, new) for a, b, new in edits if start <= a and b <= start + len(text)]
        made.append((applied(text, own), len(own), i))
    if sum(n for _, n, _ in made) != len(edits):
        return None
    before, call, rest, suffix = (text for text, _, _ in made)
    if not before.endswith(site.lead):
        return None
    prompt = before[: len(before) - len(site.lead)]
    return prompt, site.lead + call + rest, suffix, call
