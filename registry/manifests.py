"""What is said of a version: its publication, its manifest, and what a folder of it must hold."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rfc8785

from registry.contents import MAX_FILES, check_file, check_names, check_plain, legible
from registry.errors import RegistryError, TrustError
from registry.identity import is_canonical, sha256_of, sha256_of_file
from registry.records import Adapter, Report

MANIFEST = "manifest.json"
CARD = "README.md"
CANARY = "canary.json"
SIGNATURES = "signatures.json"
"""Who vouches for the manifest, in a folder that was pulled."""
_APART = (MANIFEST, SIGNATURES)
"""What lies in a pulled folder beside the version's own files."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_MANIFEST = 4 << 20
"""Bytes of a manifest at most: they are some thousand, with the gate's table."""
_MAX_SIZE = 1 << 40
_FAULTS = {"is missing": "missing", "doesn't belong there": "extra"}
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
        held = legible(json.loads(manifest))
        columns = {**held["adapter"], "licences": tuple(held["adapter"]["licences"])}
        adapter = Adapter(**columns)
        said = held["id"]
        _check_types(adapter)
        if not is_canonical(held, manifest):
            raise ValueError("it isn't canonical JSON: it was changed, or says a thing twice")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RegistryError(
            f"No readable {MANIFEST} in {where}: {str(error)[:200]}. Pull the adapter again", fault="manifest"
        ) from error
    if adapter.id != said:
        raise RegistryError(
            f"The manifest in {where} was changed: its id is {adapter.id}, it says {said}", fault="manifest"
        )
    check_names([*_APART, *hashes(adapter)], f"The manifest in {where}")
    return adapter


def _check_types(adapter: Adapter) -> None:
    """Refuse a manifest whose values are of other types than the record's: what comes later relies on them.

    Raises:
        TypeError: One is.
    """
    for column in dataclasses.fields(adapter):
        if column.type == "str" and not isinstance(getattr(adapter, column.name), str):
            raise TypeError(f"{column.name} is no text")
    if type(adapter.version) is not int or adapter.version < 1 or not all(isinstance(e, str) for e in adapter.licences):
        raise TypeError("its version is no number from 1 on, or a licence no text")
    if not isinstance(adapter.report, Mapping) or not isinstance(adapter.written, list | tuple):
        raise TypeError("its report is no object, or written no list")
    names = [row["path"] for row in adapter.files]
    if len(set(names)) < len(names):
        raise TypeError("a file is there twice")
    for row in adapter.files:
        if set(row) != {"path", "sha256", "size"} or not _SHA256.fullmatch(row["sha256"]):
            raise TypeError(f"a file is described by {str(row)[:80]}")
        if type(row["size"]) is not int or not 0 <= row["size"] < _MAX_SIZE:
            raise TypeError(f"a file has the size {str(row['size'])[:40]}")


def read_manifest(folder: Path) -> Adapter:
    """The adapter that a folder holds, as a pull leaves it.

    Raises:
        RegistryError: There is no manifest, or it isn't what was written.
    """
    return parsed(manifest_in(folder), folder)


def manifest_in(folder: Path) -> bytes:
    """The bytes of the manifest that a folder holds, as a pull leaves it.

    Raises:
        RegistryError: There is none.
    """
    path = folder / MANIFEST
    check_plain(path)
    try:
        with path.open("rb") as file:
            manifest = file.read(MAX_MANIFEST + 1)
    except OSError as error:
        raise RegistryError(f"No readable {MANIFEST} in {folder}: {error}. Pull the adapter again") from error
    if len(manifest) > MAX_MANIFEST:
        raise TrustError(f"{path} has more than {MAX_MANIFEST:,} bytes", fault="size")
    return manifest


def verify_folder(folder: Path, adapter: Adapter) -> None:
    """Compare every file of a pulled version with its manifest.

    Raises:
        RegistryError: A file is missing, changed or one too many.
    """
    wanted = {str(row["path"]): row for row in adapter.files}
    there = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    for name in sorted({*wanted, *there}):
        if name not in there:
            raise damaged(adapter, name, folder, "is missing")
        if name not in wanted:
            raise damaged(adapter, name, folder, "doesn't belong there")
        path, row = there[name], wanted[name]
        if path.stat().st_size != row["size"] or sha256_of_file(path) != row["sha256"]:
            raise damaged(adapter, name, folder, "was changed")
        check_file(path, name)


def damaged(adapter: Adapter, path: str, where: Path | str, fault: str) -> RegistryError:
    """The error of a version that isn't what was published."""
    name = f"{adapter.domain} v{adapter.version}"
    told = f"{name} is damaged: {path} in {where} {fault}. Publish or pull it again"
    return RegistryError(told, path=path, fault=_FAULTS.get(fault, "changed"))


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
    """The files of a version, but its manifest and signatures.

    Raises:
        TrustError: Something there is neither a file nor a folder, or there is no end of them.
    """
    for count, path in enumerate(folder.rglob("*")):
        if count > 2 * MAX_FILES:
            raise TrustError(f"{folder} holds more than {2 * MAX_FILES:,} files and folders", fault="size")
        if path.is_symlink() or not path.is_dir():
            check_plain(path)
            if path.parent != folder or path.name not in _APART:
                yield path
