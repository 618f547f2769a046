"""What is said of a version: its publication, its manifest, and what a folder of it must hold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rfc8785

from registry.errors import RegistryError
from registry.identity import sha256_of, sha256_of_file
from registry.records import Adapter, Report

MANIFEST = "manifest.json"
CARD = "README.md"
CANARY = "canary.json"
WEIGHTS = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is said of an adapter when it is published; the fields are `Adapter`'s.

    Attributes:
        canary: Token ids with their log-probability under the adapter; see `registry.client`.
        notices: Further files to travel with it: {name: text}, as licence texts.
        reports: The gate's rows.
    """

    domain: str
    library_range: str
    base: str
    base_revision: str
    fingerprint: str
    snapshot: str
    run: str
    licences: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()
    canary: tuple[Mapping[str, Any], ...] = ()
    notices: Mapping[str, str] = field(default_factory=dict)
    started_from: str | None = None
    written: tuple[Mapping[str, Any], ...] = ()

    def draft(self, version: int) -> Adapter:
        """The adapter that it is to become, its files not yet told."""
        apart = ("reports", "canary", "notices")
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in apart}
        place = location(self.domain, version)
        return Adapter(**facts, version=version, files=(), report=report_table(self.reports), location=place)


def location(domain: str, version: int) -> str:
    """Where the manifest of a version lies in a registry."""
    return f"{domain}/versions/{version:08d}"


def manifest_bytes(adapter: Adapter) -> bytes:
    """The manifest of a version: canonical JSON."""
    columns = {f.name: getattr(adapter, f.name) for f in dataclasses.fields(adapter)}
    return rfc8785.dumps({"id": adapter.id, "adapter": columns})


def parsed(manifest: bytes, where: Path | str) -> Adapter:
    """The adapter that a manifest is of.

    Args:
        manifest: Its bytes.
        where: Where it lies, for a person.

    Raises:
        RegistryError: It isn't what was written.
    """
    try:
        held = json.loads(manifest)
        columns = {**held["adapter"], "licences": tuple(held["adapter"]["licences"])}
        adapter = Adapter(**columns)
        said = held["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"No readable {MANIFEST} in {where}: {error}. Pull the adapter again") from error
    if adapter.id != said:
        raise RegistryError(f"The manifest in {where} was changed: its id is {adapter.id}, it says {said}")
    return adapter


def read_manifest(folder: Path) -> Adapter:
    """The adapter that a folder holds, as a pull leaves it.

    Raises:
        RegistryError: There is no manifest, or it isn't what was written.
    """
    try:
        manifest = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise RegistryError(f"No readable {MANIFEST} in {folder}: {error}. Pull the adapter again") from error
    return parsed(manifest, folder)


def verify_folder(folder: Path, adapter: Adapter) -> None:
    """Compare every file of a pulled version with its manifest.

    Raises:
        RegistryError: A file is missing, changed or one too many.
    """
    wanted = hashes(adapter)
    there = {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in _files(folder)}
    for path in sorted({*wanted, *there}):
        if wanted.get(path) != there.get(path):
            fault = "is missing" if path not in there else "was changed" if path in wanted else "doesn't belong there"
            raise damaged(adapter, path, folder, fault)


def damaged(adapter: Adapter, path: str, where: Path | str, fault: str) -> RegistryError:
    """The error of a version that isn't what was published."""
    name = f"{adapter.domain} v{adapter.version}"
    return RegistryError(f"{name} is damaged: {path} in {where} {fault}. Publish or pull it again", path=path)


def hashes(adapter: Adapter) -> dict[str, str]:
    """The SHA-256 of each file of a version, by its path."""
    return {str(f["path"]): str(f["sha256"]) for f in adapter.files if isinstance(f, Mapping)}


def weights(folder: Path) -> dict[str, str]:
    """The SHA-256 of an adapter's config and of its weights, by name."""
    return {name: sha256_of_file(folder / name) for name in WEIGHTS}


def content_hash(folder: Path) -> str:
    """One hash over an adapter's config and weights: what `Run.adapter_sha256` holds."""
    return sha256_of([[name, found] for name, found in weights(folder).items()])


def report_table(reports: Iterable[Report]) -> dict[str, Any]:
    """The gate's rows as `Adapter.report` keeps them."""
    rows = sorted(reports, key=lambda r: (r.split, r.metric, r.arm))
    if not rows:
        return {}
    names = ("arm", "split", "metric", "value", "ci_low", "ci_high", "p", "n", "clusters")
    table = [{name: getattr(row, name) for name in names} for row in rows]
    return {"decision": rows[0].decision, "reason": rows[0].reason, "rows": table}


def _files(folder: Path) -> Iterator[Path]:
    """The files of a version, but its manifest."""
    return (path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
