"""The stage `publish`: an adapter that the gate let through becomes a version, and `stable` moves to it.

Where promotion hangs on tasks, `candidate` moves to it instead, and `flows.promotion` decides about `stable`.
"""

from __future__ import annotations

import dataclasses
import random
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from email import message_from_bytes
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.version import Version

from finetune import quiet, tuning
from finetune.bases import BaseModel
from finetune.loading import PLAIN
from flows import continuing
from flows.bases import replayed
from flows.batches import Batch
from flows.curation import snapshot_id
from flows.evaluation import decision_of, evaluate_key
from flows.events import happened
from flows.house import House
from flows.rehearsal import gone_on_from
from flows.scraping import releases
from flows.training import rows_of, run_id, trained, tuned_adapter
from registry.canary import canary
from registry.client import load_adapter
from registry.errors import ConfigurationError
from registry.identity import work_key
from registry.lake import Lake
from registry.lock import check_held
from registry.records import Adapter, Example, Release, Report, Work
from registry.store import CANDIDATE, STABLE, Publication, Store, weights

PUBLISH_PART = "store@1"
CANARIES = 8
"""Texts whose log-probabilities a right loading must reproduce."""
NOTICES = "notices"
"""How the names of licence files begin that travel with an adapter."""
BESIDE = "; "
"""Stands between the libraries that a merged adapter speaks; that of a domain speaks one."""


def publish_key(house: House) -> str:
    """The work key of the publication."""
    run = trained(house)
    return work_key([run.id, run.adapter_sha256], PUBLISH_PART, {})


def publish_stage(house: House) -> list[Batch]:
    """One batch where the gate said publish, else none."""
    if decision_of(house)["decision"] != "publish":
        return []
    key = publish_key(house)
    known = house.result(key)
    if known is not None and Store(house.settings.registry_url).at(str(known["location"])) is not None:
        return []

    def run() -> int:
        since = time.monotonic()
        base, folder = tuned_adapter(house)
        _, new = releases(house)
        version, rows = Version(new.version), rows_of(house, "train")
        store, before = Store(house.settings.registry_url), continuing.line(house, gone_on_from(trained(house)))
        licences = {*(e.licence for e in rows if e.licence), *base.licences, *replayed(house)}
        about = Publication(
            domain=house.domain.name,
            library_range=f"{new.library}>={version.major}.{version.minor},<{version.major}.{version.minor + 1}",
            base=base.name,
            base_revision=base.revision,
            fingerprint=base.fingerprint,
            snapshot=snapshot_id(house),
            run=run_id(house),
            licences=tuple(sorted(licences.union(*(a.licences for a in before)))),
            reports=tuple(house.made(Report, evaluate_key(house))),
            notices={**notices_in([store.folder(a) for a in before]), **notices(house)},
            started_from=before[0].id if before else None,
            written=written_by(rows, before),
        )
        channel = CANDIDATE if house.domain.gate.tasks else STABLE
        fence = partial(check_held, house.run)  # who has lost the domain publishes nothing either
        fence()
        if (same := published_before(store, folder, about)) is not None:
            _move(store, same, channel)
            told = {"location": same.location, "channel": channel, "run": about.run, "same_as": same.version}
            return _told(house, house.finish("publish", PUBLISH_PART, [key], [], since, told), told)
        with quiet.threads(house.threads):
            adapter = published(store, folder, base, about, canary_texts(rows, CANARIES), channel, fence)
        result = {"location": adapter.location, "channel": channel}
        return _told(house, house.finish("publish", PUBLISH_PART, [key], [adapter], since, result), result)

    return [Batch("Publish the adapter", 1, run)]


def _told(house: House, rows: int, result: Mapping[str, Any]) -> int:
    """Tells of a publication that is remembered now; the number of rows."""
    happened(house, "driftune.published", location=result["location"], channel=result["channel"])
    return rows


def published(
    store: Store,
    folder: Path,
    base: BaseModel,
    about: Publication,
    texts: Sequence[str],
    channel: str = STABLE,
    fence: Callable[[], None] = lambda: None,
) -> Adapter:
    """Publish an adapter, load it as a subscriber does, and only then move a channel to it.

    Where that has pointed to it before it stays where it is now.

    Args:
        store: Where it goes.
        folder: The adapter.
        base: What it was made for.
        about: What is said of it; its canary is made here.
        texts: What the canary is made of.
        channel: The channel.
        fence: Called before the version is there, and before the channel moves; it raises where the caller may not
            publish any more: loading takes minutes, and a machine may sleep meanwhile.

    Raises:
        ConfigurationError: What is published under its name is of another kind, or none of the texts has two tokens, so
            that a wrong loading couldn't be told.
        WrongBaseError: It doesn't fit that base, or doesn't give what is stored; the channel stays where it was.
    """
    check_kind(store, about.domain, merged=BESIDE in about.library_range)
    exact = dataclasses.replace(base, loading=PLAIN)  # a canary in 16 bits would fit nobody else's
    model, tokenizer = tuning.load_with(exact, folder)
    stored = canary(model, tokenizer, texts)
    del model  # the next one takes as much memory
    if not stored:
        raise ConfigurationError(
            f"Can't publish {about.domain}: its snapshot has no call site in train whose prompt a canary could be made "
            f"of. Run driftune curate {about.domain} with more rows"
        )
    adapter = store.publish(folder, dataclasses.replace(about, canary=stored), channel=None, fence=fence)
    load_adapter(base.path, f"{adapter.domain}@v{adapter.version}", registry=store.url)
    fence()
    _move(store, adapter, channel)
    return adapter


def _move(store: Store, adapter: Adapter, channel: str) -> None:
    """Moves a channel to a version, but never a second time: a person may have rolled back from it."""
    if adapter.version not in {entry.version for entry in store.history(adapter.domain, channel)}:
        store.promote(adapter.domain, adapter.version, channel)


def published_before(store: Store, folder: Path, about: Publication) -> Adapter | None:
    """The version of another run with the same weights, for the same base and releases: it needs no second one."""
    own = weights(folder)
    for adapter in store.versions(about.domain):
        alike = (adapter.fingerprint, adapter.library_range) == (about.fingerprint, about.library_range)
        if alike and adapter.run != about.run and store.holds(adapter, own):
            return adapter
    return None


def last_same(lake: Lake, domain: str, run: str) -> int:
    """The version whose weights a run's adapter has, where it was published with none of its own; else 0."""
    done = lake.read(Work, "stage = 'publish' AND domain = $d", {"d": domain}, latest=1)
    return int(done[0].result.get("same_as", 0)) if done and done[0].result.get("run") == run else 0


def check_kind(store: Store, name: str, *, merged: bool) -> None:
    """Who follows a domain never gets a merged adapter, and who follows a merged one never that of a domain.

    Args:
        store: The registry, which may be that of many.
        name: What is to be published under.
        merged: Whether that is merged of several.

    Raises:
        ConfigurationError: What is published under that name is of the other kind.
    """
    for adapter in store.versions(name):
        if (BESIDE in adapter.library_range) != merged:
            kind = "a domain's own" if merged else "merged of several"
            raise ConfigurationError(
                f"Can't publish as {name!r}: {name} v{adapter.version} in {store.url} is {kind}, and whoever follows "
                "it would get the other kind. Choose another name"
            )


def written_by(rows: Iterable[Example], before: Iterable[Adapter] = ()) -> tuple[Mapping[str, Any], ...]:
    """The LLMs that wrote training rows, and how many: of an adapter, and of those that it goes on from."""
    found: Counter[tuple[str, bool]] = Counter()
    for row in rows:
        if row.written:
            found[str(row.written["model"]), bool(row.written["trainable"])] += 1
    for adapter in before:
        for each in adapter.written:
            found[each["model"], each["trainable"]] += each["rows"]
    return tuple({"model": m, "rows": count, "trainable": may} for (m, may), count in sorted(found.items()))


def canary_texts(rows: Iterable[Example], count: int) -> list[str]:
    """Prompts of call sites for a canary: always the same ones, but drawn, as those next to each other begin alike."""
    found = sorted({str(e.parts["prompt"]) for e in rows if e.kind == "preference"})
    return random.Random(0).sample(found, min(count, len(found)))


def notices_in(folders: Iterable[Path]) -> dict[str, str]:
    """The licence files that travel with published adapters: they do with what is made of these."""
    return {path.name: path.read_bytes().decode() for folder in folders for path in sorted(folder.glob(f"{NOTICES}-*"))}


def notices(house: House) -> dict[str, str]:
    """The licence files of the library's wheels: they travel with what was made from it.

    Raises:
        ConfigurationError: A wheel that was read isn't there any more, nor on the package index.
        SourceError: It isn't there any more, and can't be fetched.
    """
    found: dict[str, str] = {}
    for release in releases(house):
        for artifact in release.artifacts:
            if artifact["kind"] == "wheel":
                path = _wheel(house, release, artifact)
                found |= licence_files(path, f"{NOTICES}-{release.library}-{release.version}")
    return found


def _wheel(house: House, release: Release, artifact: Mapping[str, str]) -> Path:
    """A wheel that was read, fetched again where it was on another machine, or removed: downloads are only a cache."""
    folder = house.folder("packages") / "pypi" / release.library
    path = folder / artifact["name"]
    if not path.is_file():
        index = house.index
        folder.mkdir(parents=True, exist_ok=True)
        for file in index.files_of(release.library, release.version, house.reference):
            if (file.filename, file.digests.get("sha256")) == (path.name, artifact["sha256"]):
                index.download(file, folder)
    return path


def licence_files(wheel: Path, prefix: str) -> dict[str, str]:
    """What a wheel holds of licences and notices: {prefix and path within its metadata: text}.

    Raises:
        ConfigurationError: It isn't there, nor on the package index.
    """
    if not wheel.is_file():
        raise ConfigurationError(
            f"No {wheel.name} in {wheel.parent}, whose licence files travel with the adapter, nor on the package "
            "index: put it back there"
        )
    with zipfile.ZipFile(wheel) as archive:
        files = {PurePosixPath(member.filename): member for member in archive.infolist() if not member.is_dir()}
        own = {p: m for p, m in files.items() if len(p.parts) > 1 and p.parts[0].endswith(".dist-info")}
        heads = (message_from_bytes(archive.read(m)) for p, m in own.items() if p.parts[1:] == ("METADATA",))
        listed = {str(name) for head in heads for name in head.get_all("License-File", [])}
        return {
            f"{prefix}-{'--'.join(path.parts[1:])}": archive.read(member).decode("utf-8", "replace")
            for path, member in own.items()
            if _is_notice(path, listed)
        }


def _is_notice(path: PurePosixPath, listed: Collection[str]) -> bool:
    """Whether a file of a wheel's metadata is a licence or a notice: by its folder (PEP 639), METADATA, or its name."""
    if len(path.parts) > 2 and path.parts[1] in ("licenses", "license_files"):
        return True
    named = {PurePosixPath(name).name for name in listed}  # before PEP 639 their folders weren't kept
    return path.name in named or path.name.upper().startswith(("LICEN", "COPYING", "NOTICE"))
