"""Format `sphinx`: a page of a built Sphinx site as Markdown and API entries; source `sphinx`: a site of such pages.

In a domain file: `location` (folder or URL), optionally `licence` (SPDX; else it is looked for on the site's own
licence page) and `url` (the public address of a site that is read from a folder).
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from registry.errors import ConfigurationError
from registry.identity import sha256_of, sha256_of_bytes
from registry.records import Page, Release, Symbol
from registry.trees import parse
from scrapers.documents import Document, Entry, Parsed
from scrapers.index import normalised_name, parsed_version
from scrapers.licences import Licence, normalised, recognised
from scrapers.markdown import as_markdown, flat_text, to_markdown
from scrapers.notes import deprecation_of
from scrapers.sites import SiteLimits, read_site
from scrapers.sources import Scraped
from scrapers.texts import cleaned

_KINDS = {
    "function": "function", "decorator": "function", "class": "class", "exception": "class", "method": "method",
    "classmethod": "method", "staticmethod": "method", "attribute": "attribute", "property": "attribute",
    "data": "attribute", "module": "module",
}  # fmt: skip
"""Classes that Sphinx gives an API entry -> kind of Symbol."""

_CHANGES = re.compile(r"(?i)^(changes?|changelogs?|history|news|release[-_ ]?notes?|whats-?new.*|.*migrat.*)$")


class Sphinx:
    """Reads the pages of a Sphinx site, whatever its theme."""

    version = "1"
    indexes: tuple[str, ...] = ()

    def pages(self, indexes: Mapping[str, bytes]) -> list[str]:
        """None are named: links are followed."""
        return []

    def facts(self, indexes: Mapping[str, bytes]) -> Mapping[str, Any]:
        """None are needed."""
        return {}

    def parse(self, document: Document, facts: Any) -> Parsed:
        """The main part of a page as Markdown, and its API entries."""
        main = _main(document.html)
        text = to_markdown(main)
        entries = tuple(_entry(term, kind) for term, kind in _entries(main))
        kind = _kind(document.path, bool(entries))
        return Parsed(title=_title(main, document.path), kind=kind, markdown=text, entries=entries)


class SphinxSource:
    """Reads a built Sphinx site.

    Args:
        limits: How much of it is read.
    """

    def __init__(self, limits: SiteLimits | None = None) -> None:
        self._limits = limits

    def scrape(self, spec: Mapping[str, Any], library: str, version: str, cache: Path) -> Scraped:
        """Reads the site at `spec["location"]` (which may hold `{version}`) as one release of the library."""
        location = str(spec.get("location", "")).replace("{version}", version)
        if not location:
            raise ConfigurationError(f"Source 'sphinx' of {library} has no location: set it to a folder or a URL")
        name, number = normalised_name(library), str(parsed_version(version))
        address = str(spec.get("url") or (location if "://" in location else f"sphinx://{name}/{number}")).rstrip("/")
        read = read_site(location, cache / "sphinx" / name / number, self._limits)
        documents = [Document(d.path, f"{address}/{d.path}", d.html) for d in read]
        etags = {d.path: d.etag for d in read}
        return read_documents(documents, name, number, _stated(spec), etags)


def _stated(spec: Mapping[str, Any]) -> Licence | None:
    written = spec.get("licence")
    if not written:
        return None
    expression = normalised(str(written))
    if expression is None:
        raise ConfigurationError(
            f"Licence {written!r} of a sphinx source is no SPDX expression: write it as BSD-3-Clause"
        )
    return Licence(expression, ({"source": "domain file", "text": str(written)},))


def read_documents(
    documents: Iterable[Document], library: str, version: str, licence: Licence | None, etags: Mapping[str, str | None]
) -> Scraped:
    """The release, pages and symbols of a site's HTML pages.

    Args:
        documents: The pages.
        library: Name of the distribution.
        version: Its version.
        licence: What the domain file states; None to look for it on the site's own licence page.
        etags: Path of a page -> the validator that the server gave.
    """
    parsed = [(d, Sphinx().parse(d, None)) for d in documents]
    licence = licence or _found_licence(parsed)
    site = sha256_of([[d.path, sha256_of_bytes(p.markdown.encode())] for d, p in parsed])
    release = Release(
        library=library,
        version=version,
        artifact_sha256=site,
        artifacts=[{"name": "site", "sha256": site, "kind": "site"}],
        licence=licence.expression,
        licence_evidence=list(licence.evidence),
    )
    pages: list[Page] = []
    symbols: dict[str, Symbol] = {}
    for document, found in parsed:
        page = Page(
            release=release.id,
            url=document.url,
            content_hash=sha256_of_bytes(found.markdown.encode()),
            kind=found.kind,
            path=document.path,
            title=found.title,
            markdown=found.markdown,
            etag=etags.get(document.path),
            licence=licence.expression,
        )
        pages.append(page)
        for entry in found.entries:
            symbols.setdefault(entry.path, entry.symbol(release.id, page.id))
    ordered = tuple(symbols[path] for path in sorted(symbols))
    return Scraped(release=release, pages=tuple(sorted(pages, key=lambda p: p.url)), symbols=ordered)


def _found_licence(parsed: Iterable[tuple[Document, Parsed]]) -> Licence:
    """The licence that the site's own licence page gives the text of."""
    for document, page in parsed:
        is_licence = re.fullmatch(r"(?i)(.*/)?(licen[cs]es?|copying)(/index)?\.html?", document.path)
        if is_licence and (ids := sorted(recognised(page.markdown))):
            evidence = {"source": document.path, "text": " ".join(page.markdown.split())[:120]}
            return Licence(normalised(" AND ".join(ids)), (evidence,))
    return Licence(None)


def _main(html: str) -> Any:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "lxml")
    for selector in ('[role="main"]', "main", "article", "div.body", "body"):
        if found := soup.select_one(selector):
            return found
    return soup


def _kind(path: str, has_entries: bool) -> str:
    stem = path.rpartition("/")[2].partition(".")[0]
    if any(_CHANGES.match(part) for part in [*path.split("/")[:-1], stem]):
        return "changelog"
    return "api" if has_entries else "guide"


def _title(main: Any, path: str) -> str:
    heading = main.find("h1")
    if heading is None:
        return path.rpartition("/")[2].partition(".")[0]
    return cleaned(flat_text(heading))[:200]


def _entries(main: Any) -> Iterator[tuple[Any, str]]:
    """The API entries of a page: the `dt` of each, and its kind."""
    for term in main.select("dl.py > dt.sig[id], dl.function > dt[id], dl.class > dt[id], dl.method > dt[id]"):
        names = term.parent.get("class") or []
        kind = next((_KINDS[n] for n in names if n in _KINDS), None)
        if kind:
            yield term, kind


def _entry(term: Any, kind: str) -> Entry:
    body = term.find_next_sibling("dd")
    signature = _signature(term) if kind in {"function", "class", "method"} else None
    return Entry(
        path=str(term["id"]),
        kind=kind,
        signature=signature,
        parameters=parameters_in(signature) if signature else (),
        doc=_own_text(body) if body is not None else "",
        deprecated=_deprecated(body),
    )


def _own_text(body: Any) -> str:
    """An entry's text as Markdown, without the entries inside it."""
    own = copy.copy(body)
    for inner in own.select("dl.py"):
        if not inner.decomposed and inner.select_one("dt.sig[id]"):
            inner.decompose()
    return as_markdown(own).strip()


def _deprecated(body: Any) -> str | None:
    if body is None:
        return None
    for note in body.select("div.deprecated"):
        label = note.select_one(".versionmodified")
        first = label.find_next_sibling() if label is not None else None
        about_parameter = first is not None and first.name == "em"
        if note.find_parent("dd") is body and not about_parameter:
            return cleaned(" ".join(note.get_text(" ").split()))
    return deprecation_of(body.get_text()[:200].strip(), "")


def _signature(term: Any) -> str | None:
    """The signature as source text: from the first parenthesis to the last, with what is returned."""
    flat = flat_text(term).replace("→", "->").replace("[source]", "").strip()
    opened = flat.find("(")
    return cleaned(flat[opened:].strip()) if opened >= 0 else None


def parameters_in(signature: str) -> list[dict[str, Any]]:
    """`[{name, kind, default}]` of a signature as text, kinds as griffe gives them; none where it is no Python."""
    text = re.sub(r"<(?:class|function|module) '?([\w.]+)[^<>]*>", r"\1", signature)
    text = re.sub(r"<[^<>]*>", "...", text.partition(" -> ")[0])
    try:
        function = parse(f"def f{text}: pass").body[0]
    except SyntaxError:
        return []
    if not isinstance(function, ast.FunctionDef):
        return []
    a = function.args
    positional = [*((p, "positional-only") for p in a.posonlyargs), *((p, "positional or keyword") for p in a.args)]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(a.defaults)), *a.defaults]
    rows = [_row(p, kind, default) for (p, kind), default in zip(positional, defaults, strict=True)]
    rows += [{"name": a.vararg.arg, "kind": "variadic positional", "default": "()"}] if a.vararg else []
    rows += [_row(p, "keyword-only", d) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    rows += [{"name": a.kwarg.arg, "kind": "variadic keyword", "default": "{}"}] if a.kwarg else []
    return rows


def _row(parameter: ast.arg, kind: str, default: ast.expr | None) -> dict[str, Any]:
    return {"name": parameter.arg, "kind": kind, "default": None if default is None else ast.unparse(default)}
