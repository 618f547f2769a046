"""A second pair of eyes on a snapshot: looks for leaks with other means than the splitter (tokens, not syntax trees).

It trusts nothing the splitter says but the rows' splits: what is held out follows from the rows themselves.
"""

from __future__ import annotations

import functools
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping

from registry.families import Families, Family
from registry.records import Example, Program
from validators.parts import measured, programs_of, right, shown
from validators.splits import CONTEXT, DEV, SITES, TRAIN, is_task

_WORD = re.compile(r"[^\W\d]\w*")
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
    return (line for _, line in leaking(splits, examples, programs, families))


def leaking(
    splits: Mapping[str, str],
    examples: Mapping[str, Example],
    programs: Mapping[str, Program],
    families: Families,
) -> Iterator[tuple[str, str]]:
    """Id of a training row that leaks, and the line that says how; no id where it is no single row's.

    Args:
        splits: Example id -> split.
        examples: Example id -> example, for every row.
        programs: Program id -> program.
        families: The families of the domain's releases.
    """
    unseen: set[str] = set()
    by_file: dict[str, set[str]] = {}
    for e, s in ((examples[i], s) for i, s in splits.items() if s != TRAIN):
        if e.kind in SITES and e.family and s == CONTEXT:
            by_file.setdefault(e.file, set()).add(e.family)
        elif e.kind in SITES and e.family:
            unseen.add(e.family)
    yield from (("", line) for line in (*_shared_roots(splits, examples), *_shown_to_tuning(splits, examples)))
    evaluated = {measured(examples[i]): i for i, s in sorted(splits.items()) if s != TRAIN}
    held_out = sorted(unseen.union(*by_file.values()))
    for family in held_out:
        if family not in families.by_name:
            yield "", f"{family} is held out, and no such family is known: what names it can't be looked for"
    looks = {f: _Look(families.by_name[f]) for f in held_out if f in families.by_name}
    for name, split in sorted(splits.items()):
        if split != TRAIN:
            continue
        example = examples[name]
        held = unseen | by_file.get(example.file, set())
        for other in sorted({evaluated[p] for p in right(example) if p in evaluated}):
            yield name, f"{name} holds the program of {other}, which is held out"
        if example.family in held:
            yield name, f"{name} trains on {example.family}, which is held out"
        texts = _Texts(example, programs)
        for family in sorted(held & looks.keys()):
            if word := looks[family].found(texts):
                yield name, f"{name} ({example.kind}, {example.file}) names {word} of {family}, which is held out"


def named_families(
    rows: Iterable[Example], programs: Mapping[str, Program], names: Iterable[str], families: Families
) -> frozenset[str]:
    """Which of some families rows are of, or name in their programs or texts.

    Args:
        rows: The rows.
        programs: Program id -> program, of theirs.
        names: The families that are looked for; of one that isn't known, only what is of it is found.
        families: The families of the domain's releases.
    """
    left = {name: _Look(families.by_name[name]) if name in families.by_name else None for name in names}
    found: set[str] = set()
    for row in rows:
        if not left:
            break
        texts = _Texts(row, programs)
        here = {name for name, look in left.items() if row.family == name or (look is not None and look.found(texts))}
        found |= here
        for name in here:
            del left[name]
    return frozenset(found)


def _shared_roots(splits: Mapping[str, str], examples: Mapping[str, Example]) -> Iterator[str]:
    of_root: dict[str, str] = {}
    apart: dict[str, set[str]] = {}
    for name, split in splits.items():
        root = examples[name].root
        if of_root.setdefault(root, split) != split:
            apart.setdefault(root, {of_root[root]}).add(split)
    for root, found in sorted(apart.items()):
        yield f"Rows of root {root} stand in {', '.join(sorted(found))}"


def _shown_to_tuning(splits: Mapping[str, str], examples: Mapping[str, Example]) -> Iterator[str]:
    """Rows that are no call sites with the program of a row in another split, where one of the two splits is dev."""
    of_program: dict[str, dict[str, str]] = {}
    for name, split in sorted(splits.items()):
        if split != TRAIN and programs_of(examples[name]):
            of_program.setdefault(measured(examples[name]), {})[split] = name
    for name, split in sorted(splits.items()):
        others = of_program.get(measured(examples[name]), {}) if split != TRAIN and is_task(examples[name]) else {}
        for other in sorted(others.keys() - {split}):
            if DEV in (split, other):
                yield f"{name} of {split} holds the program of {others[other]} of {other}: tuning sees dev alone"


class _Texts:
    """What an example holds, read no further than is asked for."""

    def __init__(self, example: Example, programs: Mapping[str, Program]) -> None:
        rows = [programs[p] for p in programs_of(example).values() if p in programs]
        self.prose = f"{example.parts.get('text', '')}\n{shown(example)}".strip()
        self._code = [f"{p.code}\n{p.test}" for p in rows]
        self.words = {w for text in (*self._code, self.prose) for w in _WORD.findall(text)}

    @functools.cached_property
    def names(self) -> set[str]:
        """Dotted names in its programs."""
        return {name for text in self._code for name in _dotted_names(text)}


class _Look:
    """What gives one family away.

    Args:
        family: The family.
    """

    def __init__(self, family: Family) -> None:
        self._paths = sorted(p for p in family.paths if p.rpartition(".")[0] not in family.paths)
        self._words = {p.rpartition(".")[2] for p in self._paths}
        self._telling = sorted(w for w in self._words if "_" in w or any(c.isdigit() or c.isupper() for c in w))

    def found(self, texts: _Texts) -> str:
        """The first name of the family in an example's programs or text, empty where there is none."""
        if not texts.words & self._words:
            return ""
        for path in self._paths:
            if any(name == path or name.startswith(path + ".") for name in texts.names):
                return path
        if not texts.prose:
            return ""
        spelled = [*self._telling, *self._paths]
        return next((w for w in spelled if re.search(rf"\b{re.escape(w)}\b", texts.prose)), "")


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
    lines = io.StringIO(text).readlines()  # as `tokenize` counts them: a form feed ends none
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
