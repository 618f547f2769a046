"""Adapters that lie as an earlier driftune put them, `<domain>/vN/`: published again under their numbers.

That folder goes to `.former/<domain>` in the registry first, so that nobody takes half of what is done for the whole;
killed in between, the same call goes on. It stays there: who needs it no more removes it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.errors import RegistryError
from registry.manifests import CANARY, MANIFEST, Publication
from registry.records import Adapter
from registry.storage import storage
from registry.store import Store

FORMER = ".former"
_FOLDER = re.compile(r"v([1-9][0-9]{0,7})")
_DONE = "migrated"


def former_domains(place: str) -> dict[str, int]:
    """Domain -> how many versions of it lie as an earlier driftune put them; none on an object store."""
    root = Path(place)
    if "://" in place or not root.is_dir():
        return {}
    found = {
        folder.name: len(_versions(folder)) for folder in sorted(root.iterdir()) if not folder.name.startswith(".")
    }
    begun = {folder.name: len(_versions(folder)) for folder in _begun(root)}
    return {name: count for name, count in (found | begun).items() if count}


def republish(place: str, domain: str) -> list[Adapter]:
    """Publishes a domain's former versions again, in their order, and moves its channels as they were moved.

    Args:
        place: The registry, a folder.
        domain: The domain.

    Returns:
        The versions as they are now.

    Raises:
        RegistryError: A version isn't what was published, or can't keep its number, as today's driftune has given it;
            or an earlier driftune has published again since.
    """
    root, store = Path(place), Store(place)
    folder = root / FORMER / domain
    if folder.exists() and _versions(root / domain):
        raise RegistryError(
            f"An earlier driftune has published {domain} again, beside what was taken along from it: upgrade whoever"
            f" did that, move the folders v1, v2, … of {root / domain} away, and run driftune run {domain}"
        )
    if not folder.exists():
        if (root / domain / "versions").exists():  # they would be put aside with the former ones
            raise RegistryError(
                f"Versions of {domain} that today's driftune has published lie beside former ones of the same numbers: "
                f"move the folders v1, v2, … of {root / domain} out of the registry"
            )
        with storage("the registry", root):
            folder.parent.mkdir(exist_ok=True)
            (root / domain).rename(folder)
    made: dict[int, Adapter] = {}
    ids: dict[str, str] = {}
    for number, version in sorted(_versions(folder).items()):
        held = _held(version)
        adapter = store.publish(version, _publication(version, held["adapter"], ids), channel=None)
        if adapter.version != number:
            raise RegistryError(
                f"{domain} v{number} of an earlier driftune would be v{adapter.version}: a version before it is "
                f"missing in {folder}. Move {folder} out of the registry, then run driftune run {domain}"
            )
        made[number], ids[held["id"]] = adapter, adapter.id
    for channel in sorted((folder / "channels").glob("*")):
        _move_again(store, domain, channel)
    (folder / _DONE).touch()
    return list(made.values())


def _begun(root: Path) -> list[Path]:
    """Folders that were put aside, and not published again to their end."""
    folder = root / FORMER
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return [each for each in there if not (each / _DONE).exists()]


def _versions(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    found = {path: _FOLDER.fullmatch(path.name) for path in folder.iterdir() if (path / MANIFEST).is_file()}
    return {int(match[1]): path for path, match in found.items() if match is not None}


def _held(version: Path) -> dict[str, Any]:
    try:
        held: dict[str, Any] = json.loads((version / MANIFEST).read_text())
        dict(held["adapter"]), str(held["id"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"No readable {MANIFEST} in {version}: {error}. Move that folder away") from error
    return held


def _publication(version: Path, said: Mapping[str, Any], ids: Mapping[str, str]) -> Publication:
    """What is said of a version; the adapter that it went on from has another id now."""
    facts = {f.name: said[f.name] for f in dataclasses.fields(Publication) if f.name in said}
    texts = {path.name: path.read_text() for path in sorted(version.glob("notices-*"))}
    canary = json.loads((version / CANARY).read_text())
    before = said.get("started_from")
    return _Former(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
        | {"canary": tuple(canary), "notices": texts, "started_from": ids.get(before or "", before)},
        table=said.get("report", {}),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Former(Publication):
    """A publication whose gate's table is there already.

    Attributes:
        table: As `Adapter.report` keeps it.
    """

    table: Mapping[str, Any]

    def draft(self, version: int) -> Adapter:
        """The adapter that it is to become."""
        plain = Publication(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Publication)})
        return dataclasses.replace(plain.draft(version), report=self.table)


def _move_again(store: Store, domain: str, channel: Path) -> None:
    """Appends a channel's moves that aren't there yet; each says when it was made first."""
    entries = [json.loads(path.read_text()) for path in sorted(channel.glob("*.json"))]
    done = len(store.history(domain, channel.name))
    for entry in entries[done:]:
        why = "; ".join(filter(None, (entry.get("reason"), f"moved at {entry['at']}, before driftune migrate")))
        store.promote(domain, int(entry["version"]), channel.name, reason=why, by=entry.get("by", ""))
