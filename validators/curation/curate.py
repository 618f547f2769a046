"""The curation of a domain: every row gets into the snapshot, or is a Removal with its rule.

Rules in order, the first that applies: `rejected` (by a person), `outdated` (a row of an older release), the proof's
(`registry.catalogue.PROOF_RULES`), `licence`, `terms` and `forbidden-model` (of what an LLM wrote), `private`,
`injection`, `contaminated`, `too-long`, `duplicate`, `near-duplicate`, `held-out`, `cap`, `mix`.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from sys import intern
from typing import Any

from registry.domain import Domain
from registry.families import Families
from registry.identity import sha256_of
from registry.names import SymbolIndex
from registry.records import Example, Program, Removal, Snapshot, SnapshotRow
from registry.shelf import Shelf, some
from registry.text import defined_in
from validators.briefs import Brief
from validators.curation.contamination import Benchmarks, Task
from validators.curation.copies import Copies, last
from validators.curation.cutting import Cutter
from validators.curation.duplicates import duplicates
from validators.curation.forms import Forms
from validators.curation.injected import injected
from validators.curation.licences import LicenceGate
from validators.curation.limits import above_cap, above_share, tokens
from validators.curation.near import near_duplicates
from validators.curation.private import Privacy
from validators.curation.rejected import REJECTED, alike, rejected_rows
from validators.curation.terms import refused
from validators.parts import answers, obligations, programs_of, quoted, scouting, shown, turns
from validators.proofs import Verdicts, prove
from validators.references import Reader
from validators.snapshot import freeze
from validators.splits import DEV, TRAIN, Plan, assign, hubs, is_site, is_task, plan

VERSION = "19"
"""Goes up when the same rows could come to another snapshot."""

CUT = "cut"
"""Operator of the text rows that curation makes: what it held out is cut from them."""

_AT_ONCE = 1000
"""Rows that are in memory with all that they say."""

_SAYS_NOTHING = ("text", "fim", "edit", "locate")
"""Kinds that say nothing of how often a family is called: those with several rows of one program, or none."""


@dataclass(frozen=True)
class Lot:
    """What one curation reads.

    Attributes:
        domain: The domain: its name, licences and split settings are used.
        examples: Its examples by id; those that an earlier curation cut are passed over.
        programs: Program id -> program.
        verdicts: (program id, release id) -> verdict.
        families: The families of the domain's releases.
        indexes: Release id -> its symbols.
        current: Id of the release that is trained for: the newest.
        tasks: What models are evaluated on elsewhere: rows that hold one of these are removed.
        rejections: Id of a row that a person looked at -> why it was rejected.
        looked_at: These rows, also where they are of releases that are worked on no more.
        folder: Where shelves are made; the system's folder for such files where None.
    """

    domain: Domain
    examples: Mapping[str, Example]
    programs: Mapping[str, Program]
    verdicts: Verdicts
    families: Families
    indexes: Mapping[str, SymbolIndex]
    current: str
    tasks: Sequence[Task] = ()
    rejections: Mapping[str, str] = field(default_factory=dict)
    looked_at: Sequence[Example] = ()
    folder: Path | None = None


@dataclass
class _Part:
    """Some rows, whole: those still in, and why the others are out. All pairs of a call site are in one part."""

    rows: dict[str, Example]
    out: dict[str, Removal] = field(default_factory=dict)
    curation: str = ""

    def remove(self, example: Example, rule: str, detail: str = "", kept_instead: str | None = None) -> None:
        del self.rows[example.id]
        self.out[example.id] = Removal(
            example=example.id, rule=rule, curation=self.curation, domain=example.domain, detail=detail[:300],
            kept_instead=kept_instead,
        )  # fmt: skip

    def remove_whole(self, reasons: Mapping[str, str], rule: str) -> None:
        """Removes rows (id -> why), and with a pair all pairs of its call site: fewer choices would be easier ones."""
        pairs: dict[str, list[Example]] = {}
        for row in self.rows.values():
            if row.kind == "preference":
                pairs.setdefault(row.root, []).append(row)
        rows = [self.rows[name] for name in sorted(reasons) if name in self.rows]
        for row in rows:
            self.remove(row, rule, reasons[row.id])
        for row in rows:
            for pair in pairs.get(row.root, ()) if row.kind == "preference" else ():
                if pair.id in self.rows:
                    self.remove(pair, rule, f"Of the same call site: {reasons[row.id]}")


class _Sieve:
    """Rows still in, in brief, and why the others are out.

    Args:
        lot: What is curated.
        curation: Work key of this curation.
    """

    def __init__(self, lot: Lot, curation: str) -> None:
        self.rows: dict[str, Brief] = {}
        self.out: Shelf[Removal] = Shelf(lot.folder)
        self.curation = curation
        self._examples = lot.examples

    def take(self, part: _Part) -> None:
        """Takes over what became of a part."""
        self.rows |= {name: Brief.of(example) for name, example in part.rows.items()}
        self.out.put(part.out.items())

    def remove(self, name: str, rule: str, detail: str, kept_instead: str | None = None) -> None:
        part = _Part({name: self._examples[name]}, curation=self.curation)
        part.remove(part.rows[name], rule, detail, kept_instead)
        self.out.put(part.out.items())
        del self.rows[name]

    def whole(self) -> Iterator[Example]:
        """The rows still in with all that they say, those of one root one after another."""
        names = [row.id for row in sorted(self.rows.values(), key=lambda row: (row.root, row.id))]
        for start in range(0, len(names), _AT_ONCE):
            yield from some(self._examples, names[start : start + _AT_ONCE]).values()


def curate(lot: Lot, curation: str, parent: str | None = None) -> Iterator[Removal | Example | Snapshot | SnapshotRow]:
    """Curates a domain: its removals, the text rows cut on the way, the snapshot and its rows, in this order.

    Args:
        lot: What is curated.
        curation: Work key of this curation.
        parent: Id of the domain's snapshot before it.
    """
    sieve = _Sieve(lot, curation)
    forms = Forms(lot.programs, lot.folder)
    rejected, reasons = _rejected(lot)
    benchmarks = Benchmarks(lot.tasks, lot.programs, forms)
    fresh = answers((e for e in lot.examples.values() if e.id not in reasons), lot.current)
    for part in _parts(lot, curation):
        _judge(part, _near(lot, part), reasons, fresh, benchmarks)
        sieve.take(part)
    sieve.rows = dict(sorted(sieve.rows.items()))
    for name, kept in duplicates(sieve.whole(), lot.programs, lot.current).items():
        sieve.remove(name, "duplicate", "Another row says the same", kept)
    examples = ChainMap({e.id: e for e in rejected}, lot.examples)  # type: ignore[arg-type]  # it is only read
    likeness = near_duplicates([*sieve.rows, *(e.id for e in rejected)], examples, forms, lot.current)
    for name, why in alike({e.id: reasons[e.id] for e in rejected}, likeness).items():
        sieve.remove(name, REJECTED, why)
    for name, kept in likeness.items():
        if name in sieve.rows:
            sieve.remove(name, "near-duplicate", "Another row says the same in other words", kept)
    reader = Reader(lot.families, tuple(lot.indexes[name] for name in sorted(lot.indexes)))
    naming = _naming(sieve.whole(), lot, reader)
    drawn = _plan(sieve.rows, lot, naming)
    held = {e.id: e for e in sieve.rows.values() if is_site(e) and drawn.of_site(e) != TRAIN}
    copies = Copies(held.values(), lot.programs, forms)
    copied = _copied(sieve, held, copies)
    cut = {e.id: e for e in _cut(sieve, lot, Cutter(lot.families, reader), drawn, copies)}
    made = {name: Brief.of(e) for name, e in cut.items()}
    naming |= dict.fromkeys(cut, frozenset())
    assigned = assign([*sieve.rows.values(), *made.values()], naming, drawn, _Roots(lot.examples), copied)
    for name, why in assigned.left_out.items():
        if name in sieve.rows:
            sieve.remove(name, "held-out", why)
    _limit(sieve, lot, assigned.split)
    sieve.rows |= made
    _shown(sieve, assigned.split, _names(naming, copied, held, drawn), lot, forms, cut)
    yield from sieve.out.values()
    yield from cut.values()
    split = {name: where for name, where in assigned.split.items() if name in sieve.rows}
    yield from freeze(lot.domain.name, split, sieve.rows, _filters(lot), parent)


class _Roots(Mapping[str, str]):
    """Example id -> root, of all examples that rows may have been made from."""

    def __init__(self, examples: Mapping[str, Example]) -> None:
        self._examples = examples

    def __getitem__(self, name: str) -> str:
        return self._examples[name].root

    def __contains__(self, name: object) -> bool:
        return name in self._examples and not _is_cut(self._examples[str(name)])

    def __iter__(self) -> Iterator[str]:
        return (e.id for e in self._examples.values() if not _is_cut(e))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _is_cut(example: Example) -> bool:
    """Whether a row is one that an earlier curation made."""
    return example.kind == "text" and example.operator == CUT


def _parts(lot: Lot, curation: str) -> Iterator[_Part]:
    """All rows, those of one root one after another and in one part: most programs are those of one root's rows."""
    told = sorted((intern(e.root), e.id) for e in lot.examples.values() if not _is_cut(e))
    part = _Part({}, curation=curation)
    for _, group in groupby(told, key=lambda row: row[0]):
        part.rows |= some(lot.examples, [name for _, name in group])
        if len(part.rows) >= _AT_ONCE:
            yield part
            part = _Part({}, curation=curation)
    yield part


def _near(lot: Lot, part: _Part) -> Lot:
    """The lot with what the rows of a part need of programs and verdicts in memory, and no more."""
    names = {name for e in part.rows.values() for name in programs_of(e).values()}
    runs = {run for e in part.rows.values() for run in (*obligations(e), *scouting(e, lot.current))}
    verdicts = {run: found for run in runs if (found := lot.verdicts.get(run)) is not None}
    return replace(lot, programs=some(lot.programs, names), verdicts=verdicts)


def _judge(
    part: _Part, lot: Lot, rejected: Mapping[str, str], fresh: Mapping[str, str], benchmarks: Benchmarks
) -> None:
    """Removes rows by the rules that look at each alone, or at the pairs of one call site."""
    part.remove_whole({name: rejected[name] for name in part.rows if name in rejected}, REJECTED)
    _current(part, lot, fresh)
    _prove(part, lot)
    _licence(part, lot)
    _terms(part, lot)
    _private(part, lot)
    _injected(part, lot)
    rows = part.rows.values() if lot.tasks else ()
    part.remove_whole({e.id: f"It holds {task}" for e in rows if (task := benchmarks.held_by(e))}, "contaminated")
    _too_long(part, lot)


def _rejected(lot: Lot) -> tuple[list[Example], dict[str, str]]:
    """The rejected rows, those of other releases too, and of all that say the same why they are.

    Near ones are compared with these rows; pairs are like one another, so they are not among them.
    """
    if not lot.rejections:
        return [], {}
    rows = ChainMap({e.id: e for e in lot.looked_at}, lot.examples)  # type: ignore[arg-type]  # it is only read
    found = rejected_rows(rows.values(), lot.programs, lot.rejections)
    return [rows[name] for name in sorted(found) if rows[name].kind != "preference"], found


def _prove(part: _Part, lot: Lot) -> None:
    for example in list(part.rows.values()):
        proof = prove(example, lot.verdicts, lot.programs, lot.indexes)
        if not proof.proven:
            part.remove(example, proof.rule, proof.detail)


def _licence(part: _Part, lot: Lot) -> None:
    gate = LicenceGate(lot.domain.licences)
    for example in list(part.rows.values()):
        if why := gate.refuses(example.licence):
            part.remove(example, "licence", why)


def _terms(part: _Part, lot: Lot) -> None:
    """Removes what an LLM wrote that may not be trained on."""
    for example in list(part.rows.values()):
        if why := refused(example, lot.domain.llm):
            part.remove(example, *why)


def _private(part: _Part, lot: Lot) -> None:
    """Removes rows with a secret or personal data; in pages it is masked later, except for private keys."""
    named = {e.id: _texts(e, lot.programs) for e in part.rows.values()}
    privacy = Privacy({text for texts in named.values() for text in texts})
    reasons = {}
    for example in part.rows.values():
        found = [what for text in named[example.id] if (what := privacy.found_in(text))]
        barred = found if example.kind != "text" else [what for what in found if not what.is_masked]
        if barred:
            reasons[example.id] = f"It holds {barred[0].what}"
    part.remove_whole(reasons, "private")


def _injected(part: _Part, lot: Lot) -> None:
    """Removes rows with a passage that addresses a model: who reads the row in a prompt would be told what to do."""
    known: dict[str, str] = {}
    reasons = {e.id: why for e in part.rows.values() if (why := injected(_texts(e, lot.programs), known))}
    part.remove_whole(reasons, "injection")


def _texts(example: Example, programs: Mapping[str, Program]) -> list[str]:
    """All that a row says: its texts, what it quotes, its programs and their files."""
    named = [programs[name] for name in programs_of(example).values() if name in programs]
    own = [str(part) for part in example.parts.values() if isinstance(part, str)]
    own += [text for _, text in turns(example)]
    return [*own, shown(example), *(t for p in named for t in (p.code, p.test, *map(str, dict(p.files).values())))]


def _too_long(part: _Part, lot: Lot) -> None:
    most = lot.domain.curation.max_tokens
    sizes = {e.id: tokens(e, lot.programs) for e in part.rows.values() if e.kind != "text"}
    part.remove_whole(
        {
            name: f"About {size:,} tokens, more than the {most:,} of [curation] max_tokens"
            for name, size in sizes.items()
            if size > most
        },
        "too-long",
    )


def _limit(sieve: _Sieve, lot: Lot, split: Mapping[str, str]) -> None:
    """Caps of symbols and shares of kinds: in training only, as what is measured is not for us to choose."""
    spec, salt = lot.domain.curation, lot.domain.splits.salt
    for name, symbol in above_cap(_trained(sieve, split), spec.cap, salt).items():
        sieve.remove(name, "cap", f"[curation] cap: {spec.cap:,} rows of its kind about {symbol} are enough")
    for name, kind in above_share(_trained(sieve, split), spec.shares, salt).items():
        sieve.remove(name, "mix", f"[curation] shares: {kind} rows have their share")


def _trained(sieve: _Sieve, split: Mapping[str, str]) -> list[Brief]:
    return [e for e in sieve.rows.values() if split.get(e.id) == TRAIN]


def _current(part: _Part, lot: Lot, fresh: Mapping[str, str]) -> None:
    """Removes rows of older releases: what they ask is how it was done, also where that still works."""
    for example in list(part.rows.values()):
        if example.releases and example.releases[-1] != lot.current:
            twin = fresh.get(programs_of(example).get("answer", ""))
            why = "The current release has the same" if twin is not None else "It is of an older release"
            part.remove(example, "outdated", why, twin)


def _naming(rows: Iterable[Example], lot: Lot, reader: Reader) -> dict[str, frozenset[str]]:
    """Example id -> the families that its claimed symbols, its programs, what it asks and what it quotes may name.

    Rows that share programs should come one after another.
    """
    of_program = lru_cache(maxsize=_AT_ONCE)(lambda name: _of_program(lot.programs.get(name), reader))
    cutter = Cutter(lot.families, reader)
    naming: dict[str, frozenset[str]] = {}
    known: dict[frozenset[str], frozenset[str]] = {}
    for example in rows:
        found = set(lot.families.calling(example.symbols))
        if example.family:
            found.add(example.family)
        for name in programs_of(example).values():
            found |= of_program(name)
        named = frozenset(found) | cutter.mentions(quoted(example)) | cutter.named(shown(example))
        naming[example.id] = known.setdefault(named, named)
    return naming


def _of_program(program: Program | None, reader: Reader) -> frozenset[str]:
    if program is None:
        return frozenset()
    whole = reader.families_of(f"{program.code}\n{program.test}")
    files: Any = program.files
    return whole | {f for text in files.values() for f in reader.families_of(str(text))}


def _plan(rows: Mapping[str, Brief], lot: Lot, naming: Mapping[str, frozenset[str]]) -> Plan:
    """Draws what is held out.

    Hubs are counted over rows that are no sites (a family's own sites say nothing) and that no LLM wrote: how much it
    writes moves no family to another split.
    """
    spec = lot.domain.splits
    mined = (e for e in rows.values() if not (is_site(e) or e.is_written or e.kind in _SAYS_NOTHING))
    others = {e.id: naming[e.id] for e in mined}
    sites = [e for e in rows.values() if is_site(e)]
    return plan(spec.salt, sites, hubs(others, spec.hub_share))


def _copied(sieve: _Sieve, held: Mapping[str, Brief], copies: Copies) -> dict[str, frozenset[str]]:
    """Id of each row that copies held-out sites, whatever it names and wherever it stands -> these sites' ids."""
    roots = {e.root for e in held.values()}
    return copies.of_rows(e for e in sieve.rows.values() if e.id not in held and e.root not in roots)


def _names(
    naming: Mapping[str, frozenset[str]], copied: Mapping[str, frozenset[str]], held: Mapping[str, Brief], drawn: Plan
) -> dict[str, frozenset[str]]:
    """Id of a row -> last parts of the names of what is held out in it: of families, and of sites that it copies."""
    held_out = drawn.unseen | {family for family, _ in drawn.files}
    found: dict[str, frozenset[str]] = {}
    known: dict[frozenset[str], frozenset[str]] = {}
    for name, families in naming.items():
        sites = [held[site] for site in copied.get(name, ())]
        of_sites = (last(path) for e in sites for path in (e.family, *e.symbols[:1]))
        told = frozenset({*(last(f) for f in families & held_out), *of_sites})
        found[name] = known.setdefault(told, told)
    return found


def _shown(
    sieve: _Sieve,
    split: Mapping[str, str],
    names: Mapping[str, frozenset[str]],
    lot: Lot,
    forms: Forms,
    cut: Mapping[str, Example],
) -> None:
    """Removes what would be evaluated on and is no call site, where what is trained or tuned on shows it.

    That is: where a row to train on has the same program or nearly, or where rows of `dev` and of another split have
    the same. Of sites the training row goes, as they are few; of these rows there are enough.
    """
    rows = sieve.rows
    evaluated = [rows[name] for name, where in sorted(split.items()) if where != TRAIN and name in rows]
    tasks = {e.id: e for e in evaluated if is_task(e)}
    splits: dict[str, set[str]] = {}
    for e in evaluated:
        splits.setdefault(e.program, set()).add(split[e.id])
    copies = Copies(tasks.values(), lot.programs, forms, names)
    train = [e for name, e in rows.items() if split.get(name) == TRAIN]
    copied_by: dict[str, str] = {}  # by program: of several rows with one, all go
    for name, copied in sorted(copies.of_rows(train).items()):
        copied_by |= {tasks[one].program: name for one in copied}
    for name in (e.id for e in train if e.kind == "text"):
        text = cut[name] if name in cut else lot.examples[name]
        copied_by |= {task.program: name for task in copies.in_text(str(text.parts["text"]))}
    for task in tasks.values():
        if (copy := copied_by.get(task.program)) is not None:
            sieve.remove(task.id, "held-out", f"{copy}, which is trained on, copies it")
        elif DEV in (found := splits[task.program]) and len(found) > 1:
            sieve.remove(task.id, "held-out", f"Its program stands in {' and '.join(sorted(found))}")


def _cut(sieve: _Sieve, lot: Lot, cutter: Cutter, drawn: Plan, copies: Copies) -> list[Example]:
    """Replaces text rows that name what is held out, or hold personal data, by rows that don't.

    Those of which nothing is left just go.
    """
    made = []
    texts = [e.id for e in sieve.rows.values() if e.kind == "text"]
    for start in range(0, len(texts), _AT_ONCE):
        examples = [lot.examples[name] for name in texts[start : start + _AT_ONCE]]
        privacy = Privacy({said for e in examples for said in _texts(e, lot.programs)})
        for example in examples:
            parts: Any = example.parts
            text = str(parts.get("text", ""))
            told = cutter.mentions(text) | cutter.called(text)
            named = {f for f in told if f in drawn.unseen or (f, example.file) in drawn.files}
            held = named | {e.family or "" for e in copies.in_text(text)}
            rest = privacy.masked(cutter.cut(text, frozenset(held)) if held else text)
            if rest == text:
                continue
            new = _with_text(example, rest) if rest.strip() else None
            made += [new] if new is not None else []
            rule, what = (
                ("held-out", f"Cut what names {', '.join(sorted(held))}")
                if held
                else ("private", "Secrets, and addresses and numbers of people, are masked")
            )
            sieve.remove(example.id, rule, what, new.id if new is not None else None)
    return sorted(made, key=lambda e: e.id)


def _with_text(example: Example, text: str) -> Example:
    parts: Any = example.parts
    return replace(
        example,
        parts=dict(parts) | {"text": text},
        symbols=defined_in(text, example.symbols) if parts.get("page") == "source" else example.symbols,
        operator=CUT,
        parents=(*example.parents, example.id),
    )


def _filters(lot: Lot) -> dict[str, Any]:
    spec = lot.domain.splits
    return {
        "curation": VERSION,
        "licences": sorted(lot.domain.licences),
        "salt": spec.salt,
        "hub_share": str(spec.hub_share),
        **lot.domain.curation.as_text(),
        "tasks": sha256_of([[task.name, *task.texts] for task in lot.tasks]),
        "current": lot.current,
    }
