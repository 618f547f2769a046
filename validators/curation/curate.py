"""The curation of a domain: every row gets into the snapshot, or is a Removal with its rule.

Rules in order, the first that applies: `rejected` (by a person), `outdated` (a row of an older release), the proof's
(`registry.catalogue.PROOF_RULES`), `licence`, `terms` and `forbidden-model` (of what an LLM wrote), `private`,
`injection`, `contaminated`, `too-long`, `duplicate`, `near-duplicate`, `held-out`, `cap`, `mix`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from registry.domain import Domain
from registry.families import Families
from registry.identity import sha256_of
from registry.names import SymbolIndex
from registry.records import Example, Program, Removal, Snapshot, SnapshotRow
from registry.text import defined_in
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
from validators.parts import answers, measured, programs_of, quoted, shown, turns
from validators.proofs import Verdicts, prove
from validators.references import Reader
from validators.snapshot import freeze
from validators.splits import DEV, TRAIN, Plan, assign, hubs, is_site, is_task, plan

VERSION = "19"
"""Goes up when the same rows could come to another snapshot."""

CUT = "cut"
"""Operator of the text rows that curation makes: what it held out is cut from them."""

_SAYS_NOTHING = ("text", "fim", "edit", "locate")
"""Kinds that say nothing of how often a family is called: those with several rows of one program, or none."""


@dataclass(frozen=True)
class Lot:
    """What one curation reads.

    Attributes:
        domain: The domain: its name, licences and split settings are used.
        examples: Its examples; those that an earlier curation cut are passed over.
        programs: Program id -> program.
        verdicts: (program id, release id) -> verdict.
        families: The families of the domain's releases.
        indexes: Release id -> its symbols.
        current: Id of the release that is trained for: the newest.
        tasks: What models are evaluated on elsewhere: rows that hold one of these are removed.
        rejections: Id of a row that a person looked at -> why it was rejected.
        looked_at: These rows, also where they are of releases that are worked on no more.
    """

    domain: Domain
    examples: Iterable[Example]
    programs: Mapping[str, Program]
    verdicts: Verdicts
    families: Families
    indexes: Mapping[str, SymbolIndex]
    current: str
    tasks: Sequence[Task] = ()
    rejections: Mapping[str, str] = field(default_factory=dict)
    looked_at: Iterable[Example] = ()


@dataclass
class _Sieve:
    """Rows still in, and why the others are out."""

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


def curate(lot: Lot, curation: str, parent: str | None = None) -> Iterator[Removal | Example | Snapshot | SnapshotRow]:
    """Curates a domain: its removals, the text rows cut on the way, the snapshot and its rows, in this order.

    Args:
        lot: What is curated.
        curation: Work key of this curation.
        parent: Id of the domain's snapshot before it.
    """
    given = {e.id: e for e in lot.examples if not (e.kind == "text" and e.operator == CUT)}
    sieve = _Sieve(dict(sorted(given.items())), curation=curation)
    forms = Forms(lot.programs)
    rejected, reasons = _reject(sieve, lot)
    _current(sieve, lot)
    _prove(sieve, lot)
    _licence(sieve, lot)
    _terms(sieve, lot)
    privacy = _private(sieve, lot)
    _injected(sieve, lot)
    _contaminated(sieve, lot, forms)
    _too_long(sieve, lot)
    for name, kept in duplicates(sieve.rows.values(), lot.programs, lot.current).items():
        sieve.remove(sieve.rows[name], "duplicate", "Another row says the same", kept)
    likeness = near_duplicates([*sieve.rows.values(), *rejected], forms, lot.current)
    for name, why in alike(reasons, likeness).items():
        sieve.remove(sieve.rows[name], REJECTED, why)
    for name, kept in likeness.items():
        if name in sieve.rows:
            sieve.remove(sieve.rows[name], "near-duplicate", "Another row says the same in other words", kept)
    reader = Reader(lot.families, tuple(lot.indexes[name] for name in sorted(lot.indexes)))
    naming = _naming(sieve.rows, lot, reader)
    drawn = _plan(sieve.rows, lot, naming)
    held = {e.id: e for e in sieve.rows.values() if is_site(e) and drawn.of_site(e) != TRAIN}
    copies = Copies(held.values(), lot.programs, forms)
    copied = _copied(sieve, held, copies)
    cut = _cut(sieve, Cutter(lot.families, reader), drawn, copies, privacy)
    naming |= {e.id: frozenset() for e in cut}
    roots = {e.id: e.root for e in given.values()}
    assigned = assign([*sieve.rows.values(), *cut], naming, drawn, roots, copied)
    for name, why in assigned.left_out.items():
        if name in sieve.rows:
            sieve.remove(sieve.rows[name], "held-out", why)
    _limit(sieve, lot, assigned.split)
    rows = sieve.rows | {e.id: e for e in cut}
    _shown(sieve, rows, assigned.split, _names(naming, copied, held, drawn), lot, forms)
    yield from (sieve.out[name] for name in sorted(sieve.out))
    yield from cut
    rows = sieve.rows | {e.id: e for e in cut}
    split = {name: where for name, where in assigned.split.items() if name in rows}
    yield from freeze(lot.domain.name, split, rows, _filters(lot), parent)


def _reject(sieve: _Sieve, lot: Lot) -> tuple[list[Example], dict[str, str]]:
    """Removes what a person rejected, before any other rule has a say.

    Returns:
        The rejected rows, those of other releases too, and why each was: near ones are compared with them.
    """
    rows = {**sieve.rows, **{e.id: e for e in lot.looked_at}}
    found = rejected_rows(rows.values(), lot.programs, lot.rejections)
    sieve.remove_whole(found, REJECTED)
    ones = [rows[name] for name in sorted(found) if rows[name].kind != "preference"]  # pairs are like one another
    return ones, {e.id: found[e.id] for e in ones}


def _prove(sieve: _Sieve, lot: Lot) -> None:
    for example in list(sieve.rows.values()):
        proof = prove(example, lot.verdicts, lot.programs, lot.indexes)
        if not proof.proven:
            sieve.remove(example, proof.rule, proof.detail)


def _licence(sieve: _Sieve, lot: Lot) -> None:
    gate = LicenceGate(lot.domain.licences)
    for example in list(sieve.rows.values()):
        if why := gate.refuses(example.licence):
            sieve.remove(example, "licence", why)


def _terms(sieve: _Sieve, lot: Lot) -> None:
    """Removes what an LLM wrote that may not be trained on."""
    for example in list(sieve.rows.values()):
        if why := refused(example, lot.domain.llm):
            sieve.remove(example, *why)


def _private(sieve: _Sieve, lot: Lot) -> Privacy:
    """Removes rows with a secret or personal data; in pages it is masked later, except for private keys."""
    named = {e.id: _texts(e, lot.programs) for e in sieve.rows.values()}
    privacy = Privacy({text for texts in named.values() for text in texts})
    reasons = {}
    for example in sieve.rows.values():
        found = [what for text in named[example.id] if (what := privacy.found_in(text))]
        barred = found if example.kind != "text" else [what for what in found if not what.is_masked]
        if barred:
            reasons[example.id] = f"It holds {barred[0].what}"
    sieve.remove_whole(reasons, "private")
    return privacy


def _injected(sieve: _Sieve, lot: Lot) -> None:
    """Removes rows with a passage that addresses a model: who reads the row in a prompt would be told what to do."""
    known: dict[str, str] = {}
    reasons = {e.id: why for e in sieve.rows.values() if (why := injected(_texts(e, lot.programs), known))}
    sieve.remove_whole(reasons, "injection")


def _texts(example: Example, programs: Mapping[str, Program]) -> list[str]:
    """All that a row says: its texts, what it quotes, its programs and their files."""
    named = [programs[name] for name in programs_of(example).values() if name in programs]
    own = [str(part) for part in example.parts.values() if isinstance(part, str)]
    own += [text for _, text in turns(example)]
    return [*own, shown(example), *(t for p in named for t in (p.code, p.test, *map(str, dict(p.files).values())))]


def _contaminated(sieve: _Sieve, lot: Lot, forms: Forms) -> None:
    benchmarks = Benchmarks(lot.tasks, lot.programs, forms)
    rows = sieve.rows.values() if lot.tasks else ()
    sieve.remove_whole({e.id: f"It holds {task}" for e in rows if (task := benchmarks.held_by(e))}, "contaminated")


def _too_long(sieve: _Sieve, lot: Lot) -> None:
    most = lot.domain.curation.max_tokens
    sizes = {e.id: tokens(e, lot.programs) for e in sieve.rows.values() if e.kind != "text"}
    sieve.remove_whole(
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
        sieve.remove(
            sieve.rows[name], "cap", f"[curation] cap: {spec.cap:,} rows of its kind about {symbol} are enough"
        )
    for name, kind in above_share(_trained(sieve, split), spec.shares, salt).items():
        sieve.remove(sieve.rows[name], "mix", f"[curation] shares: {kind} rows have their share")


def _trained(sieve: _Sieve, split: Mapping[str, str]) -> list[Example]:
    return [e for e in sieve.rows.values() if split.get(e.id) == TRAIN]


def _current(sieve: _Sieve, lot: Lot) -> None:
    """Removes rows of older releases: what they ask is how it was done, also where that still works."""
    fresh = answers(sieve.rows.values(), lot.current)
    for example in list(sieve.rows.values()):
        if example.releases and example.releases[-1] != lot.current:
            twin = fresh.get(programs_of(example).get("answer", ""))
            why = "The current release has the same" if twin is not None else "It is of an older release"
            sieve.remove(example, "outdated", why, twin)


def _naming(rows: Mapping[str, Example], lot: Lot, reader: Reader) -> dict[str, frozenset[str]]:
    """Example id -> the families that its claimed symbols, its programs, what it asks and what it quotes may name."""
    of_program: dict[str, frozenset[str]] = {}
    cutter = Cutter(lot.families, reader)
    naming = {}
    for example in rows.values():
        found = set(lot.families.calling(example.symbols))
        if example.family:
            found.add(example.family)
        for name in programs_of(example).values():
            if name not in of_program:
                of_program[name] = _of_program(lot.programs.get(name), reader)
            found |= of_program[name]
        naming[example.id] = frozenset(found) | cutter.mentions(quoted(example)) | cutter.named(shown(example))
    return naming


def _of_program(program: Program | None, reader: Reader) -> frozenset[str]:
    if program is None:
        return frozenset()
    whole = reader.families_of(f"{program.code}\n{program.test}")
    files: Any = program.files
    return whole | {f for text in files.values() for f in reader.families_of(str(text))}


def _plan(rows: Mapping[str, Example], lot: Lot, naming: Mapping[str, frozenset[str]]) -> Plan:
    """Draws what is held out.

    Hubs are counted over rows that are no sites (a family's own sites say nothing) and that no LLM wrote: how much it
    writes moves no family to another split.
    """
    spec = lot.domain.splits
    mined = (e for e in rows.values() if not (is_site(e) or e.written or e.kind in _SAYS_NOTHING))
    others = {e.id: naming[e.id] for e in mined}
    sites = [e for e in rows.values() if is_site(e)]
    return plan(spec.salt, sites, hubs(others, spec.hub_share))


def _copied(sieve: _Sieve, held: Mapping[str, Example], copies: Copies) -> dict[str, frozenset[str]]:
    """Id of each row that copies held-out sites, whatever it names and wherever it stands -> these sites' ids."""
    roots = {e.root for e in held.values()}
    return copies.of_rows(e for e in sieve.rows.values() if e.id not in held and e.root not in roots)


def _names(
    naming: Mapping[str, frozenset[str]], copied: Mapping[str, frozenset[str]], held: Mapping[str, Example], drawn: Plan
) -> dict[str, frozenset[str]]:
    """Id of a row -> last parts of the names of what is held out in it: of families, and of sites that it copies."""
    files = {family for family, _ in drawn.files}
    found = {}
    for name, families in naming.items():
        sites = [held[site] for site in copied.get(name, ())]
        of_sites = (last(path) for e in sites for path in (e.family, *e.symbols[:1]))
        found[name] = frozenset({*(last(f) for f in families & (drawn.unseen | files)), *of_sites})
    return found


def _shown(
    sieve: _Sieve,
    rows: Mapping[str, Example],
    split: Mapping[str, str],
    names: Mapping[str, frozenset[str]],
    lot: Lot,
    forms: Forms,
) -> None:
    """Removes what would be evaluated on and is no call site, where what is trained or tuned on shows it.

    That is: where a row to train on has the same program or nearly, or where rows of `dev` and of another split have
    the same. Of sites the training row goes, as they are few; of these rows there are enough.
    """
    evaluated = [rows[name] for name, where in sorted(split.items()) if where != TRAIN and name in rows]
    tasks = {e.id: e for e in evaluated if is_task(e)}
    splits: dict[str, set[str]] = {}
    for e in evaluated:
        splits.setdefault(measured(e), set()).add(split[e.id])
    copies = Copies(tasks.values(), lot.programs, forms, names)
    train = [e for name, e in rows.items() if split.get(name) == TRAIN]
    copied_by: dict[str, str] = {}  # by program: of several rows with one, all go
    for name, copied in sorted(copies.of_rows(train).items()):
        copied_by |= {measured(tasks[one]): name for one in copied}
    for e in train:
        texts = [str(e.parts["text"])] if e.kind == "text" else []
        copied_by |= {measured(task): e.id for text in texts for task in copies.in_text(text)}
    for task in tasks.values():
        if (copy := copied_by.get(measured(task))) is not None:
            sieve.remove(task, "held-out", f"{copy}, which is trained on, copies it")
        elif DEV in (found := splits[measured(task)]) and len(found) > 1:
            sieve.remove(task, "held-out", f"Its program stands in {' and '.join(sorted(found))}")


def _cut(sieve: _Sieve, cutter: Cutter, drawn: Plan, copies: Copies, privacy: Privacy) -> list[Example]:
    """Replaces text rows that name what is held out, or hold personal data, by rows that don't.

    Those of which nothing is left just go.
    """
    made = []
    for example in [e for e in sieve.rows.values() if e.kind == "text"]:
        parts: Any = example.parts
        text = str(parts.get("text", ""))
        told = cutter.mentions(text) | cutter.called(text)
        named = {f for f in told if f in drawn.unseen or (f, example.file) in drawn.files}
        held = named | {e.family or "" for e in copies.in_text(text)}
        rest = privacy.masked(cutter.cut(text, frozenset(held)) if held else text)
        if rest == text:
            continue
        new = None
        if rest.strip():
            new = replace(
                example,
                parts=dict(parts) | {"text": rest},
                symbols=defined_in(rest, example.symbols) if parts.get("page") == "source" else example.symbols,
                operator=CUT,
                parents=(*example.parents, example.id),
            )
            made.append(new)
        rule, what = (
            ("held-out", f"Cut what names {', '.join(sorted(held))}")
            if held
            else ("private", "Secrets, and addresses and numbers of people, are masked")
        )
        sieve.remove(example, rule, what, new.id if new is not None else None)
    return sorted(made, key=lambda e: e.id)


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
