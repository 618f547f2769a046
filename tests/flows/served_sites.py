"""A documentation site on a server of the tests' own, that counts requests and bytes and can be made to misbehave."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.served import Quiet, served

ENTRY = '<dl class="py function"><dt class="sig" id="lib.{0}"><span>lib.{0}</span>(x)</dt><dd><p>{1}</p></dd></dl>'
PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>{title}</title></head><body class="{theme}">
<nav>{links}</nav><div role="main"><h1>{title}</h1>{body}</div><footer>Built at {built}</footer></body></html>"""


@dataclass
class ServedSite:
    """A site of several pages, each with two functions of the library `lib`.

    Attributes:
        url: Its address.
        pages: Path -> its HTML.
        asked: Paths that were asked for, in order.
        full: Those that were sent, not found unchanged.
        sent: Bytes of bodies and headers that were sent.
        status: Path -> status that it is answered with instead.
        login: The `Authorization` that it wants and repeats on each page, if any.
        absent: What is sent, as if it were a page, for every path that there is no page for; `ADDRESS` is the path.
        validators: Whether ETags are sent and looked at.
    """

    url: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    sent: int = 0
    status: dict[str, int] = field(default_factory=dict)
    login: str = ""
    absent: str = ""
    validators: bool = True

    def fill(self, count: int, *, built: str = "noon", theme: str = "light") -> None:
        """Writes an index, and pages that it links to."""
        names = [f"part{n}.html" for n in range(count)]
        links = "".join(f'<a href="{name}">{name}</a>' for name in names)
        self.pages["index.html"] = PAGE.format(title="lib", links=links, body="<p>All of it.</p>", built=built,
                                               theme=theme)  # fmt: skip
        for n, name in enumerate(names):
            self.write(name, f"Does {n}.", n, built=built, theme=theme)

    def write(self, name: str, text: str, n: int, *, built: str = "noon", theme: str = "light") -> None:
        """Writes one page."""
        body = "".join(ENTRY.format(f"{letter}{n}", text) for letter in "fg") + "<p>some words to read</p>" * 40
        self.pages[name] = PAGE.format(title=f"Part {n}", links="<a href='/'>up</a>", body=body, built=built,
                                       theme=theme)  # fmt: skip

    def reset(self) -> None:
        """Counts from here."""
        self.asked.clear()
        self.sent = 0


@contextlib.contextmanager
def serving(site: ServedSite) -> Iterator[ServedSite]:
    """Serves a site on loopback within the block."""

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.lstrip("/") or "index.html"
            if path == "robots.txt":
                return self._answer(404)
            site.asked.append(path)
            if site.absent and path not in site.pages:
                return self._answer(200, site.absent.replace("ADDRESS", path).encode())
            if path in site.status or path not in site.pages:
                return self._answer(site.status.get(path, 404))
            if site.login and self.headers.get("Authorization") != site.login:
                return self._answer(401)
            told = f"<p>You are {site.login.split()[1]}</p></div>" if site.login else "</div>"
            body = site.pages[path].replace("</div>", told).encode()
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"' if site.validators else ""
            if tag and self.headers.get("If-None-Match") == tag:
                return self._answer(304, tag=tag)
            site.full.append(path)
            return self._answer(200, body, tag)

        def _answer(self, status: int, body: bytes = b"", tag: str = "") -> None:
            lines = [f"HTTP/1.1 {status} X", "Content-Type: text/html"] + ([f"ETag: {tag}"] if tag else [])
            lines += [f"Content-Length: {len(body)}"] if status != 304 else []
            data = "\r\n".join([*lines, "", ""]).encode() + body
            site.sent += len(data)
            with contextlib.suppress(OSError):  # a client that was killed
                self.wfile.write(data)

    with served(Handler) as address:
        site.url = f"{address}/"
        yield site
