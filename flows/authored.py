"""What an LLM is to write about, and which of it is done: dialogues by their work keys.

Which subjects are chosen hangs on what the lake holds without an LLM's rows, and on the settings: that something was
written is no reason to write more. The choice is remembered (`choice_key`), as making it reads nearly all there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from flows.house import House
from flows.running import verdicts
from flows.scraping import indexed, releases, scraped, source_keys
from flows.synthesis import changes, packages, unwritten
from registry.identity import sha256_of, work_key
from registry.records import Example, Work
from synth.material import Piece
from synth.written import writers
from synth.written.dialogue import Desk, Subject
from validators.curation.licences import LicenceGate
from validators.parts import obligations, programs_of
from validators.proofs import prove

CHOICE = "choice@1"
"""The part that chooses subjects; its version goes up when the same lake gives another choice."""

SUBJECTS = 50
"""Subjects of each writer, where a model is named and no writers are."""

_MATERIAL = ("drift", "bug", "edit")
"""Kinds of proven rows that writers see beside mined ones."""

_DIALOGUES = "stage = 'synth' AND domain = $d AND (result ->> '$.dialogue') = \"key\""
"""Of what is remembered: dialogues that ended for good; one that was left has another key than its own."""


@dataclass(frozen=True)
class Chosen:
    """A dialogue that is to be held.

    Attributes:
        writer: Name of its writer.
        subject: Name of its subject.
        key: Its work key.
    """

    writer: str
    subject: str
    key: str


def wanted(house: House) -> dict[str, int]:
    """Writer -> of how many subjects it is to write at most; none without a model."""
    spec = house.domain.llm
    if not spec.model:
        return {}
    return {name: count for name, count in (spec.writers or dict.fromkeys(writers.names(), SUBJECTS)).items() if count}


def write_part(house: House) -> str:
    """What writes, with its versions; empty where nothing does."""
    return "+".join(map(writers.part, sorted(wanted(house))))


def choice_key(house: House) -> str:
    """The work key of the choice: all that subjects may be chosen by."""
    return house.kept("choice", lambda: _choice_key(house))


def _choice_key(house: House) -> str:
    rows, ran = unwritten(house).values(), verdicts(house)
    runs = sorted({run for row in rows for run in obligations(row)})
    read = (
        sorted(row.digest for row in rows),
        [[*run, ran[run].digest] for run in runs if run in ran],
        sorted(change.digest for change in changes(house)),
        [name for release in releases(house) for name in (release.digest, *source_keys(house, release))],
    )
    parameters = {
        **_settings(house),
        "writers": wanted(house),
        "licences": list(house.domain.licences),
        "private": list(house.library.private),
        "packages": list(packages(house)),
    }
    part = f"{CHOICE}+{write_part(house)}"
    return work_key([sha256_of(names) for names in read], part, parameters, house.domain.synth.seed)


def _settings(house: House) -> dict[str, Any]:
    """What decides, beside its subject, what a dialogue comes to."""
    spec = house.domain.llm
    return {"domain": house.owner, "model": spec.model, "trainable": spec.trainable, "rounds": spec.rounds}


def key_of(house: House, writer: str, subject: Subject) -> str:
    """The work key of a dialogue."""
    parameters = {**_settings(house), "subject": subject.name}
    return work_key(list(subject.inputs), writers.part(writer), parameters, house.domain.synth.seed)


def desk_of(house: House) -> Desk:
    """What writers have before them: what is proven, and under a licence that the domain allows; nothing written."""
    old, new = releases(house)
    ran, gate = verdicts(house), LicenceGate(house.domain.licences)
    indexes = {release.id: indexed(house, release) for release in (old, new)}
    rows = [row for row in unwritten(house).values() if row.releases[-1] == new.id and not gate.refuses(row.licence)]
    rows = [row for row in rows if row.kind in ("doc", "test", *_MATERIAL)]
    programs = house.programs({name for row in rows for name in programs_of(row).values()})
    proven = [row for row in rows if prove(row, ran, programs, indexes).proven]
    mined = [row for row in proven if row.kind in ("doc", "test")]
    answers = [(row, programs_of(row)["answer"]) for row in mined]
    named = {name for row in proven for name in programs_of(row).values()}
    spec = house.domain.llm
    return Desk(
        domain=house.owner,
        model=spec.model,
        trainable=spec.trainable,
        old=old,
        new=new,
        indexes=(indexes[old.id], indexes[new.id]),
        pages=[page for page in scraped(house, new).pages if not gate.refuses(page.licence)],
        changes=changes(house),
        pieces=[Piece(row, programs[name], ran[name, new.id].symbols_called) for row, name in answers],
        examples=[row for row in proven if row.kind in _MATERIAL],
        programs={name: programs[name] for name in sorted(named)},
        packages=packages(house),
        seed=house.domain.synth.seed,
        rounds=spec.rounds,
    )


def subjects(house: House, desk: Desk) -> Iterator[tuple[Chosen, Subject]]:
    """The dialogues that are to be held, those of each writer in its order."""
    for name, count in sorted(wanted(house).items()):
        for subject in islice(writers.load(name).subjects(desk), count):
            yield Chosen(name, subject.name, key_of(house, name, subject)), subject


def chosen(house: House) -> list[Chosen] | None:
    """The dialogues that were chosen, as settings and lake are now; None where they aren't yet."""
    if not wanted(house):
        return []
    made = house.result(choice_key(house))
    return None if made is None else [Chosen(**each) for each in made["dialogues"]]


def done(house: House) -> dict[str, Work]:
    """Key -> the memory of each dialogue that has ended, of any settings."""
    of = {"d": house.owner}
    return house.kept("dialogues", lambda: {w.key: w for w in house.lake.read(Work, _DIALOGUES, of)})


def left(house: House) -> list[Chosen]:
    """Those of the chosen dialogues that haven't ended for good: they are held by the next run."""
    known = done(house)
    return [each for each in chosen(house) or () if each.key not in known]


def is_written(house: House) -> bool:
    """Whether it is chosen what an LLM is to write, or none is: dialogues that were left come later."""
    return chosen(house) is not None


def written(house: House) -> list[Example]:
    """The rows that ended dialogues came to, of those that are chosen now, by id."""
    known = done(house)
    works = [known[each.key] for each in chosen(house) or () if each.key in known]
    keys = tuple(work.key for work in works)
    ids = {name for work in works for name in work.result["rows"]}
    rows = house.kept(("written", keys), lambda: house.lake.read(Example, work=keys)) if ids else []
    return [row for row in rows if row.id in ids]
