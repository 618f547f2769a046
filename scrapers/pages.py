"""Files of an unpacked wheel or sdist as Pages: guides, changelogs, source, tests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from registry.identity import sha256_of_bytes
from registry.injection import screened
from registry.records import Page
from scrapers.licences import Licence, file_licence, is_licence_file, recognised
from scrapers.namespaces import is_test_module
from scrapers.texts import decoded

MAX_BYTES = 4 << 20
"""Files larger than this are data, not documentation or source."""

_PROSE = {".rst", ".md", ".txt", ""}
_DOCS = {"doc", "docs", "documentation"}
_README = re.compile(r"(?i)^readme(\.(rst|md|txt))?$")
_CHANGES = re.compile(
    r"(?i)^(change(s|log|logs)?|history|news|release(s|[-_ ]?notes?|[-_]?\d.*)?|what'?s[-_ ]?new.*|.*migrat.*"
    r"|deprecations?|upgrad.*|v?\d+(\.\d+)+.*)(\.(rst|md|txt))?$"
)
_LOG = re.compile(r"(?i)^(change(s|log|logs)?|history|news|release[-_]?notes?)\.(rst|md|txt)$")
"""What a changelog is called inside a package, where other text files are data."""
_LOGS = {"changelog", "changelogs", "changes", "history", "news", "release-notes", "release_notes", "releases"}
"""Folders beside `docs` that hold a file a release."""
_SKIPPED = {"_templates", "_static", "_build", "node_modules", ".github", "requirements"}


@dataclass(frozen=True)
class Artifact:
    """An unpacked artifact of a release.

    Attributes:
        folder: Where its files are (of an sdist: below its top folder).
        prefix: What a page's URL has before the path.
    """

    folder: Path
    prefix: str


def wheel_pages(wheel: Artifact, release: str, licence: Licence) -> list[Page]:
    """Every Python module of a wheel as a page of kind `source` or `test`, and changelogs in it, sorted by path."""
    vendored = _vendored(wheel.folder)
    pages = []
    for path in _files(wheel.folder):
        if path.parts[0].endswith((".dist-info", ".data", ".libs")):
            continue
        if path.suffix in {".py", ".pyi"}:
            pages.append(_page(wheel, path, "test" if _is_test(path) else "source", release, licence, vendored))
        elif _is_log_of_package(wheel.folder, path):
            pages.append(_page(wheel, path, "changelog", release, licence, vendored))
    return pages


def sdist_pages(sdist: Artifact, release: str, licence: Licence, known: set[str]) -> list[Page]:
    """The guides, changelogs and tests of an sdist, sorted by path.

    Args:
        sdist: The unpacked sdist.
        release: Id of the release.
        licence: Licence of the release.
        known: Paths that the wheel has given already.
    """
    vendored = _vendored(sdist.folder)
    pages = []
    for path in _files(sdist.folder):
        kind = _kind_in_sdist(path) or ("changelog" if _is_log_of_package(sdist.folder, path) else None)
        inside = path.relative_to("src") if path.parts[0] == "src" else path
        if kind and inside.as_posix() not in known:
            pages.append(_page(sdist, path, kind, release, licence, vendored))
    return pages


def text_page(text: str, name: str, kind: str, url: str, release: str, licence: str | None) -> Page:
    """A page of a text that is no file of its own, such as the description in a wheel's metadata."""
    text, injections = screened(text, source=kind in {"source", "test"})
    return Page(
        release=release,
        url=url,
        content_hash=sha256_of_bytes(text.encode()),
        kind=kind,
        path=name,
        title=_title(text, PurePosixPath(name), kind),
        markdown=text,
        licence=licence,
        injections=injections,
    )


def licence_texts(folder: Path) -> dict[str, str]:
    """The project's own licence files: in an sdist's top folder, or a wheel's dist-info; {path: text}."""
    found = {}
    for path in _files(folder):
        at_top = len(path.parts) == 1 or path.parts[0].endswith(".dist-info")
        if at_top and is_licence_file(path.name) and not re.search(r"(?i)vendor|bundled|third", path.as_posix()):
            found[path.as_posix()] = decoded((folder / path).read_bytes())
    return found


def _kind_in_sdist(path: PurePosixPath) -> str | None:
    """The kind of page a file of an sdist makes, None for none."""
    if any(p in _SKIPPED or p.startswith(".") or p.endswith(".egg-info") for p in path.parts):
        return None
    if path.suffix == ".py":
        return "test" if _is_test(path) else None
    if path.suffix not in _PROSE:
        return None
    if len(path.parts) == 1:
        return "guide" if _README.match(path.name) else "changelog" if _CHANGES.match(path.name) else None
    if path.suffix in {".rst", ".md"} and len(path.parts) == 2 and path.parts[0].lower() in _LOGS:
        return "changelog" if _CHANGES.match(path.name) else None
    if path.suffix not in {".rst", ".md"} or not _DOCS.intersection(path.parts):
        return None
    inner = path.parts[min(i for i, p in enumerate(path.parts) if p in _DOCS) + 1 :]
    return "changelog" if any(_CHANGES.match(p) for p in inner) else "guide"


def is_readme(path: str) -> bool:
    """Whether a page is a project's README."""
    return _README.match(path) is not None


def _is_log_of_package(folder: Path, path: PurePosixPath) -> bool:
    """Whether a file is a changelog beside the modules of a package of its own: not of one that it ships."""
    inside = path.parts[1:] if path.parts[0] == "src" else path.parts
    return len(inside) == 2 and bool(_LOG.match(path.name)) and (folder / path.parent / "__init__.py").is_file()


def _is_test(path: PurePosixPath) -> bool:
    dotted = ".".join(path.with_suffix("").parts)
    return is_test_module(dotted) or path.parts[0] in {"tests", "test"}


def _page(
    artifact: Artifact,
    path: PurePosixPath,
    kind: str,
    release: str,
    licence: Licence,
    vendored: Mapping[PurePosixPath, Licence],
) -> Page:
    text = decoded((artifact.folder / path).read_bytes(), python=path.suffix in {".py", ".pyi"})
    folder = next((vendored[p] for p in path.parents if p in vendored), None)
    inside = path.relative_to("src") if path.parts[0] == "src" else path
    url = f"{artifact.prefix}/{path.as_posix()}"
    own = file_licence(text, licence.expression, folder) if kind in {"source", "test"} else licence.expression
    return text_page(text, inside.as_posix(), kind, url, release, own)


def _vendored(folder: Path) -> dict[PurePosixPath, Licence]:
    """Folders below a package that have a licence file of their own, with what it says."""
    found: dict[PurePosixPath, Licence] = {}
    for path in _files(folder):
        if len(path.parts) > 2 and is_licence_file(path.name) and not path.parts[0].endswith(".dist-info"):
            ids = sorted(recognised(decoded((folder / path).read_bytes())))
            found[path.parent] = Licence(" AND ".join(ids) or None)
    return found


def _files(folder: Path) -> Iterator[PurePosixPath]:
    """The plain files below a folder that are small enough, by path."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_BYTES:
            yield PurePosixPath(path.relative_to(folder).as_posix())


def _title(text: str, path: PurePosixPath, kind: str) -> str:
    """The first heading of prose; the dotted name of a module."""
    if kind in {"source", "test"}:
        parts = path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
    lines = text.split("\n")
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if match := re.match(r"#{1,6}\s+(.+?)\s*#*$", line):
            return match.group(1)[:200]
        if line.strip() and re.fullmatch(r"([=\-~^\"'*+#])\1{2,}\s*", after) and not re.match(r"\W{3}", line):
            return line.strip()[:200]
    return path.stem
