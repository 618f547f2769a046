"""Source `pypi`: a release from the package index, wheel and sdist, downloaded and unpacked, never built or run."""

from __future__ import annotations

import email.parser
import email.policy
import json
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from registry.credentials import without_login
from registry.errors import SourceError
from registry.identity import sha256_of_file
from registry.records import Page, Release
from scrapers.archives import unpack
from scrapers.index import Index, index_of, normalised_name, parsed_version, pick_sdist, pick_wheel
from scrapers.licences import Licence, release_licence
from scrapers.pages import Artifact, is_readme, licence_texts, sdist_pages, text_page, wheel_pages
from scrapers.sources import Scraped
from scrapers.symbols import TREES, find_symbols
from scrapers.texts import cleaned

_CHANGELOGS = {"changelog", "changes", "whatsnew", "history", "releasenotes"}

Fetched = list[dict[str, Any]]
"""The artifacts of a release: `[{name, sha256, kind, released_at}]`, the wheel first."""


class PyPISource:
    """Reads releases of a library from a package index.

    Args:
        index: The index; by default that of the source's table, else the configured one.
    """

    def __init__(self, index: Index | None = None) -> None:
        self._index = index

    def scrape(self, spec: Mapping[str, Any], library: str, version: str, cache: Path) -> Scraped:
        """Reads one release; `spec` may name `where` a person sets versions (for errors)."""
        name, number = normalised_name(library), str(parsed_version(version))
        files = cache / "pypi" / name
        index = self._index or index_of([{"kind": "pypi", **spec}])
        fetched = self.fetch(index, name, number, files, str(spec.get("where", "the domain file")))
        return _read(name, number, fetched, files, cache / TREES)

    def fetch(self, index: Index, library: str, version: str, folder: Path, where: str = "the domain file") -> Fetched:
        """Downloads the wheel that fits this Python, and the sdist; what `folder` has already is not asked for again.

        Args:
            index: Where from.
            library: Name of the distribution.
            version: Version.
            folder: Where the files go; a manifest beside them is written last.
            where: Where a person sets versions, for errors.
        """
        python = "".join(platform.python_version_tuple()[:2])
        manifest = folder / f"{version}-cp{python}{index.mark}.json"
        if (fetched := _known(manifest)) is not None:
            return fetched
        files = index.files_of(library, version, where)
        chosen = [("wheel", pick_wheel(files, library, version)), ("sdist", pick_sdist(files))]
        fetched = []
        for kind, file in chosen:
            if file is not None:
                path, digest = index.download(file, folder)
                when = file.upload_time.isoformat() if file.upload_time else None
                python_range = file.requires_python
                row = {"name": path.name, "sha256": digest, "kind": kind, "released_at": when}
                fetched.append(row | {"requires_python": python_range})
        part = manifest.with_suffix(".part")
        part.write_text(json.dumps(fetched, indent=1), encoding="utf-8")
        part.replace(manifest)
        return fetched


def _known(manifest: Path) -> Fetched | None:
    """What an earlier download left, if every file is still what it was."""
    try:
        fetched: Fetched = json.loads(manifest.read_text(encoding="utf-8"))
        whole = all(sha256_of_file(manifest.parent / f["name"]) == f["sha256"] for f in fetched)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return fetched if whole and fetched else None


def _read(library: str, version: str, fetched: Fetched, folder: Path, trees: Path) -> Scraped:
    wheel = _unpacked(fetched, "wheel", folder, library, version)
    sdist = _unpacked(fetched, "sdist", folder, library, version)
    if wheel is None:
        raise SourceError(f"No wheel of {library} {version} in {folder}: delete the folder and run again")
    metadata, description = _metadata(wheel.folder)
    texts = (licence_texts(sdist.folder) if sdist else {}) or licence_texts(wheel.folder)
    licence = release_licence(metadata, texts)
    release = _release(library, version, fetched, metadata, licence)
    pages = wheel_pages(wheel, release.id, licence)
    if sdist:
        pages += sdist_pages(sdist, release.id, licence, {p.path for p in pages})
    if description.strip() and not any(is_readme(p.path) for p in pages):
        name = "README.md" if "markdown" in " ".join(metadata.get("description-content-type", [])) else "README.rst"
        url = f"{wheel.prefix}/METADATA"
        pages.append(text_page(description, name, "guide", url, release.id, licence.expression))
    symbols = find_symbols(release.id, pages, trees)
    return Scraped(release=release, pages=_sorted(pages), symbols=tuple(symbols))


def _sorted(pages: list[Page]) -> tuple[Page, ...]:
    return tuple(sorted(pages, key=lambda p: p.url))


def _release(
    library: str, version: str, fetched: Fetched, metadata: Mapping[str, list[str]], licence: Licence
) -> Release:
    import datetime as dt

    times = [dt.datetime.fromisoformat(f["released_at"]) for f in fetched if f.get("released_at")]
    return Release(
        library=library,
        version=version,
        artifact_sha256=fetched[0]["sha256"],
        artifacts=[{k: f[k] for k in ("name", "sha256", "kind")} for f in fetched],
        released_at=min(times, default=None),
        requires_python=next(iter(metadata.get("requires-python", [])), None),
        licence=licence.expression,
        licence_evidence=list(licence.evidence),
        changelog_url=_changelog_url(metadata.get("project-url", [])),
    )


def _changelog_url(urls: Iterable[str]) -> str | None:
    """The address that a project gives for its changelog, by the labels of PEP 753."""
    for label, _, url in (text.partition(",") for text in urls):
        address = without_login(url.strip())
        plain = re.sub(r"[\W_]", "", label).lower()
        if plain in _CHANGELOGS and address.startswith(("https://", "http://")) and len(address) <= 500:
            return address
    return None


def _unpacked(fetched: Fetched, kind: str, folder: Path, library: str, version: str) -> Artifact | None:
    row = next((f for f in fetched if f["kind"] == kind), None)
    if row is None:
        return None
    where = unpack(folder / row["name"], folder / "unpacked" / row["sha256"])
    prefix = f"pypi://{library}/{version}/{row['name']}"
    tops = sorted(p for p in where.iterdir() if p.is_dir())
    if kind == "sdist" and len(tops) == 1:
        where = tops[0]
    return Artifact(where, prefix)


def _metadata(wheel: Path) -> tuple[dict[str, list[str]], str]:
    """The core metadata's values by lower-case field, and the long description."""
    fields: dict[str, list[str]] = {}
    for file in sorted(wheel.glob("*.dist-info/METADATA")):
        text = cleaned(file.read_bytes().decode("utf-8", "replace"))
        message = email.parser.Parser(policy=email.policy.compat32).parsestr(text)
        for name, value in message.items():
            fields.setdefault(name.lower(), []).append(str(value))
        payload = message.get_payload()
        return fields, payload if isinstance(payload, str) else ""
    return fields, ""
