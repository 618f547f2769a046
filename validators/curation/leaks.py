"""A second pair of eyes on a snapshot: looks for leaks with other means than the splitter (tokens, not syntax trees).

It trusts nothing the splitter says but the rows' splits: what is held out follows from the rows themselves.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from typing import Any

from registry.families import Families, Family
from registry.records import Example, Program
from validators.proofs import programs_of
from validators.splits import CONTEXT, DEV, SITES, SYMBOL, TRAIN

_CHAIN = re.compile(r"[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*")
_IMPORT = re.compile(r"^[ \t]*import[ \t]+(.+)$", re.MULTILINE)
_FROM = re.compile(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|.+)$", re.MULTILINE)
_AS = re.compile(r"([\w.]+)(?:\s+as\s+(\w+))?")


def leaks(
    splits: Mapping[str, str],
    examples: Mapping[str, Example],
    programs: Mapping[str, Program],
    families: Families,
) -> Iterator[str]:
    """One line for each leak from an evaluation split into another split; none where the snapshot is clean.

    Args:
        splits: Example id -> split.
        examples: Example id -> example, for every row.
        programs: Program id -> program.
        families: The families of the domain's releases.
    """
    sites = [(examples[i], s) for i, s in sorted(splits.items()) if examples[i].kind in SITES and examples[i].family]
    unseen = {e.family or "" for e, s in sites if s in (SYMBOL, DEV)}
    by_file: dict[str, set[str]] = {}
    for e, s in sites:
        if s == CONTEXT:
            by_file.setdefault(e.file, set()).add(e.family or "")
    yield from _shared_roots(splits, examples)
    for name, split in sorted(splits.items()):
        if split != TRAIN:
            continue
        example = examples[name]
        held = unseen | by_file.get(example.file, set())
        if example.family in held:
            yield f"{name} trains on {example.family}, which is held out"
        for family in sorted(held):
            word = _named(example, programs, families.by_name.get(family))
            if word:
                yield f"{name} ({example.kind}, {example.file}) names {word} of {family}, which is held out"


def _shared_roots(splits: Mapping[str, str], examples: Mapping[str, Example]) -> Iterator[str]:
    of_root: dict[str, set[str]] = {}
    for name, split in splits.items():
        of_root.setdefault(examples[name].root, set()).add(split)
    for root, found in sorted(of_root.items()):
        if len(found) > 1:
            yield f"Rows of root {root} stand in {', '.join(sorted(found))}"


def _named(example: Example, programs: Mapping[str, Program], family: Family | None) -> str:
    """The first name of a family that an example's programs or text hold, empty where there is none."""
    if family is None:
        return ""
    paths = sorted(p for p in family.paths if p.rpartition(".")[0] not in family.paths)
    words = {p.rpartition(".")[2] for p in paths}
    rows = [programs[p] for p in programs_of(example).values() if p in programs]
    for text in [f"{p.code}\n{p.test}" for p in rows]:
        if any(word in text for word in words):
            found = _dotted_names(text)
            for path in paths:
                if any(name == path or name.startswith(path + ".") for name in found):
                    return path
    parts: Any = example.parts
    text = str(parts.get("text", ""))
    telling = sorted(w for w in words if "_" in w or any(c.isdigit() or c.isupper() for c in w))
    hit = next((w for w in telling if re.search(rf"\b{re.escape(w)}\b", text)), "")
    return hit or next((p for p in paths if re.search(rf"\b{re.escape(p)}\b", text)), "")


def _dotted_names(text: str) -> set[str]:
    """Dotted names in code, with the names that imports bind replaced by what they stand for."""
    code = _without_strings(text)
    names: dict[str, str] = {}
    for listed in _IMPORT.findall(code):
        for path, alias in _AS.findall(listed):
            names[alias or path.partition(".")[0]] = path if alias else path.partition(".")[0]
    for module, listed in _FROM.findall(code):
        for name, alias in _AS.findall(listed):
            names[alias or name] = f"{module}.{name}"
    found = set(names.values())
    for chain in _CHAIN.findall(code):
        head, _, rest = re.sub(r"\s", "", chain).partition(".")
        if head in names:
            found.add(f"{names[head]}.{rest}" if rest else names[head])
    return found


def _without_strings(text: str) -> str:
    """Code with its strings and comments blanked, as far as it can be tokenised."""
    lines = text.splitlines(keepends=True)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT):
                (top, left), (bottom, right) = token.start, token.end
                for row in range(top, bottom + 1):
                    line = lines[row - 1]
                    start, end = left if row == top else 0, right if row == bottom else len(line.rstrip("\n"))
                    lines[row - 1] = line[:start] + " " * (end - start) + line[end:]
    except (tokenize.TokenError, SyntaxError, IndexError):
        return "".join(lines)
    return "".join(lines)
