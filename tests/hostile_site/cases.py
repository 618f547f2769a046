"""The cases, a line each where one is enough: what goes wrong on the way, what robots.txt says, what pages are."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable

from tests.hostile_site.replies import (
    answer,
    busy,
    counting,
    endless,
    gzip_bomb,
    here,
    in_seconds,
    in_turn,
    page,
    to,
    trap,
    with_url,
)  # fmt: skip
from tests.hostile_site.server import HERE, TRAP, Case, HostileSite, Reply, Request

LIMIT = 3_000_000
"""Bytes that a body may have in these tests; every page that is meant to be read is smaller."""

NAMES = {
    "inside.test": ((TRAP,),),
    "mixed.test": ((HERE, TRAP),),
    "turning.test": ((HERE,), (TRAP,)),
    "mapped.test": ((f"::ffff:{TRAP}",),),
    "nonsense.test": (("not an address",),),
    "nowhere.test": ((),),
}
FRIENDS = ("good.test", "inside.test", "mixed.test", "mapped.test", "nowhere.test", TRAP)
"""Hosts that redirects may lead to: that alone makes no address one that may be asked."""

_OK, _GZIP = "200 OK\r\nContent-Type: text/html\r\n", "200 OK\r\nContent-Encoding: gzip\r\n"
_HTML = "<html><body><p>Text</p></body></html>"
_EMPTY = zlib.compressobj(9, zlib.DEFLATED, 31).flush(zlib.Z_FULL_FLUSH)
_PACKED = gzip.compress(_HTML.encode())


def _leaving(name: str, retry_after: str) -> tuple[Case, Case]:
    """A host of its own that wants to be left alone for long: what is asked there next is not."""
    host, busy = f"{name.rpartition('/')[2]}.test", answer(status=429, Retry_After=retry_after)
    return (
        Case(name, "failed", busy, "wants to be left alone", host=host, linked=False),
        Case(f"{name}-too", "failed", busy, "wants to be left alone", host=host, linked=False),
    )


WAY: tuple[Case, ...] = (
    Case("plain", "ok", page()),
    Case("gone", "missing", answer(status=410), "410"),
    Case("locked", "failed", answer(status=401, WWW_Authenticate="Basic"), "credentials"),
    Case("closed", "failed", answer(status=403), "403"),
    Case("teapot", "failed", answer(status=418), "418"),
    # Where a redirect leads.
    Case("to/plain", "ok", to("/plain")),
    Case("to/no-scheme", "ok", here("//127.0.0.1:{port}/plain")),
    Case("to/friend", "ok", here("http://good.test:{port}/plain")),
    Case("to/trailing-dot", "ok", here("http://GOOD.test.:{port}/plain")),
    Case("to/private", "refused", trap("http://127.0.0.2:{port}/"), "not public"),
    Case("to/private-without-scheme", "refused", trap("//127.0.0.2:{port}/"), "not public"),
    Case("to/private-name", "refused", trap("http://inside.test:{port}/"), "not public"),
    Case("to/mixed-name", "refused", trap("http://mixed.test:{port}/"), "127.0.0.2"),
    Case("to/mapped-name", "refused", trap("http://mapped.test:{port}/"), "not public"),
    Case("to/unknown-name", "failed", trap("http://nowhere.test:{port}/"), "No address"),
    Case("to/decimal", "refused", trap("http://2130706434:{port}/"), "disguise"),
    Case("to/hexadecimal", "refused", trap("http://0x7f000002:{port}/"), "disguise"),
    Case("to/octal", "refused", trap("http://0177.0.0.2:{port}/")),
    Case("to/short", "refused", trap("http://127.2:{port}/"), "disguise"),
    Case("to/dotted-decimal", "refused", trap("http://127.0.0.2.:{port}/"), "not public"),
    Case("to/mapped", "refused", trap("http://[::ffff:127.0.0.2]:{port}/"), "not public"),
    Case("to/nat64", "refused", trap("http://[64:ff9b::7f00:2]:{port}/"), "not public"),
    Case("to/6to4", "refused", trap("http://[2002:7f00:2::1]:{port}/"), "not public"),
    Case("to/loopback-v6", "refused", trap("http://[::1]:{port}/"), "not public"),
    Case("to/zone", "refused", trap("http://[fe80::1%25lo]:{port}/")),
    Case("to/unspecified", "refused", trap("http://0.0.0.0:{port}/"), "not public"),
    Case("to/metadata", "refused", to("http://169.254.169.254/latest/meta-data/"), "not public"),
    Case("to/fullwidth", "refused", to("http://１２７.０.０.２/".encode().decode("latin-1"))),
    Case("to/other-host", "refused", to("http://elsewhere.test/"), "elsewhere.test:80 to hosts"),
    Case("to/other-port", "refused", trap("http://127.0.0.1:{port}/"), "to hosts"),
    Case("to/homograph", "refused", to("http://g\u043e\u043ed.test/".encode().decode("latin-1")), "to hosts"),
    Case("to/file", "refused", to("file:///etc/passwd"), "starts with http"),
    Case("to/ftp", "refused", to("ftp://127.0.0.1/x"), "starts with http"),
    Case("to/gopher", "refused", to("gopher://127.0.0.1:70/_x"), "starts with http"),
    Case("to/data", "refused", to("data:text/html,x"), "starts with http"),
    Case("to/script", "refused", to("javascript:alert(1)"), "starts with http"),
    Case("to/credentials", "refused", here("http://user:secret@127.0.0.1:{port}/plain"), "credentials in it"),
    Case("to/backslash", "refused", trap("/\\127.0.0.2:{port}/")),
    Case("to/nothing-readable", "refused", to("http://[x/"), "can't be read"),
    Case("to/port-zero", "refused", to("http://127.0.0.1:0/")),
    Case("to/long", "refused", to("/" + "a" * 10_000), "too long"),
    Case("to/nowhere", "failed", answer(status=302), "302"),
    Case("to/circle", "too-many-redirects", to("/to/circle"), "circle"),
    Case("to/there", "too-many-redirects", to("/to/back"), "circle"),
    Case("to/back", "too-many-redirects", to("/to/there"), "circle"),
    Case("to/endless", "too-many-redirects", counting("/to/endless"), "redirects, the limit"),
    # What a body is.
    Case("gzip", "ok", answer(_PACKED, Content_Encoding="gzip")),
    Case("gzip-twice-named", "failed", answer(gzip.compress(_PACKED), Content_Encoding="gzip, gzip"), "gzip, gzip"),
    Case("gzip-in-members", "ok", answer(_PACKED * 3, Content_Encoding="x-gzip")),
    Case("gzip-bomb", "too-large", gzip_bomb()),
    Case("gzip-empty-members", "too-large", endless(f"{_GZIP}\r\n", gzip.compress(b"") * 3_000), "compressed parts"),
    Case("gzip-empty-blocks", "too-large", endless(f"{_GZIP}\r\n", b"\0\0\0\xff\xff" * 9_000, first=_EMPTY), "came"),
    Case("gzip-lie", "failed", answer(_HTML, Content_Encoding="gzip"), "isn't"),
    Case("gzip-unnamed", "ok", answer(_PACKED)),
    Case("gzip-cut", "failed", answer(_PACKED[:-12], Content_Encoding="gzip"), "too early"),
    Case("gzip-rubbish-after", "failed", answer(_PACKED + b"rubbish", Content_Encoding="gzip"), "isn't"),
    Case("brotli", "failed", answer(b"\x0b\x02\x80", Content_Encoding="br"), "'br'"),
    Case("zstd", "failed", answer(b"\x28\xb5\x2f\xfd", Content_Encoding="zstd"), "'zstd'"),
    Case("encoding-of-rubbish", "failed", answer(_HTML, Content_Encoding="\x7f" * 500)),
    Case("endless-body", "too-large", endless(f"{_OK}\r\n", b"<p>and so on</p>" * 4_000)),
    Case("endless-error", "missing", endless("404 No\r\n\r\n", bytes(60_000)), "404"),
    Case("announced", "too-large", answer(_HTML, Content_Length=str(10**12)), "announced"),
    Case("announced-beyond-numbers", "failed", answer(_HTML, Content_Length="9" * 300)),
    Case("announced-negative", "failed", answer(_HTML, Content_Length="-5"), "HTTP"),
    Case("announced-too-much", "failed", answer(_HTML, Content_Length="5000", Connection="close"), "broke"),
    Case("announced-too-little", "ok", answer(_HTML, Content_Length="6", Connection="close")),
    Case("announced-twice", "failed", answer(_HTML, Content_Length="6\r\nContent-Length: 7"), "HTTP"),
    Case("chunk-of-rubbish", "failed", answer("zz\r\n", Content_Length="", Transfer_Encoding="chunked"), "HTTP"),
    Case(
        "chunk-beyond-numbers",
        "failed",
        answer("f" * 30 + "\r\n", Content_Length="", Transfer_Encoding="chunked"),
        "HTTP",
    ),
    Case("chunk-extension", "failed", endless(f"{_OK}Transfer-Encoding: chunked\r\n\r\n5", b";x=y" * 9_000), "HTTP"),
    Case("part", "failed", answer(_HTML, status=206, Content_Range="bytes 0-9/99"), "part"),
    # How slowly, or how wrongly, it comes.
    Case("stalled", "too-slow", endless("", b"", 0.1), "limit of a request"),
    Case("slow-headers", "too-slow", endless("200 OK\r\n", b"X-A: b\r\n", 0.1), "limit of a request"),
    Case("slow-drip", "too-slow", endless(f"{_OK}\r\n", b".", 0.1), "limit of a request"),
    Case("never-beginning", "too-slow", endless("100 Continue\r\n\r\n", b"HTTP/1.1 100 Go on\r\n\r\n", 0.01)),
    Case("endless-headers", "failed", endless("200 OK\r\n", b"X-Header: and so on\r\n" * 500), "HTTP"),
    Case("endless-status", "failed", endless("200 ", b"and so on " * 900), "HTTP"),
    Case("no-answer", "failed", b"", "broke"),
    Case("not-http", "failed", b"\x16\x03\x01 what?\r\n\r\n", "HTTP"),
    Case("first-http", "failed", b"<html>It was so in 1991</html>\r\n\r\n", "HTTP"),
    Case("status-of-rubbish", "failed", b"HTTP/1.1 twohundred OK\r\n\r\n", "HTTP"),
    Case(
        "other-protocol",
        "failed",
        says="HTTP",
        reply=b"HTTP/1.1 101 Yes\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    ),
    Case("header-without-name", "failed", b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", "HTTP"),
    Case("header-with-nul", "failed", answer(_HTML, ETag='"a\0b"'), "HTTP"),
    Case("folded-header", "ok", answer(_HTML, X_Long="a\r\n b")),
    Case("injecting-etag", "ok", answer(_HTML, ETag='"a\xe9b"' + "c" * 5_000)),
    Case("cookies", "ok", answer(_HTML, Set_Cookie="session=1; Domain=test; Path=/\r\nSet-Cookie: a=" + "b" * 8_000)),
    Case("unchanged-unasked", "failed", answer(status=304, Content_Length=""), "304"),
    # Too many requests, and errors that come and go.
    Case("busy/seconds", "ok", busy("7")),
    Case("busy/date", "ok", busy(in_seconds(30))),
    Case("busy/past", "ok", busy("Wed, 21 Oct 2015 07:28:00 GMT")),
    Case("busy/rubbish", "ok", busy("soon, I think")),
    Case("busy/negative", "ok", busy("-10")),
    *_leaving("busy/year", "31536000"),
    *_leaving("busy/far-date", "Fri, 31 Dec 9999 23:59:59 GMT"),
    Case("busy/beyond-numbers", "ok", busy("9" * 400)),
    Case("half", "ok", in_turn(answer(status=500), page())),
    Case("broken", "failed", answer(status=500), "500"),
)


def _ruled(name: str, outcome: str, robots: Reply, says: str = "", path: str = "/plain") -> tuple[Case, Case]:
    """A host of its own with a robots.txt, and one of its pages."""
    host = f"{name}.test"
    return (
        Case(f"{name}-robots", "", robots, host=host, path="/robots.txt", linked=False),
        Case(name, outcome, page(), says, host=host, path=path, linked=False),
    )


def text(words: str) -> bytes:
    """A file of plain text."""
    return answer(words, kind="text/plain")


def _agents(agents: int, rules: int) -> str:
    """A group of many agents and many rules: that many times that many, for who copies the rules to each."""
    return "".join(f"User-agent: a{n}\nSitemap: /x\n" for n in range(agents)) + "Disallow: /\n" * rules


_RULES = f"{_OK}Content-Length: 52428800\r\n\r\nUser-agent: *\nDisallow: /\n"

ROBOTS: tuple[Case, ...] = (
    *_ruled("forbidding", "forbidden", text("User-agent: *\nDisallow: /"), "forbids"),
    *_ruled("naming", "forbidden", text("User-agent: Driftune\nDisallow: /\n\nUser-agent: *\nAllow: /"), "forbids"),
    *_ruled("welcoming", "ok", text("User-agent: driftune\nAllow: /\n\nUser-agent: *\nDisallow: /")),
    *_ruled("partly", "forbidden", text("User-agent: *\nDisallow: /inner/*.html$"), path="/inner/a.html"),
    *_ruled("elsewhere", "ok", text("User-agent: *\nDisallow: /inner/*.html$"), path="/inner/a.htm"),
    *_ruled("encoded", "forbidden", text("User-agent: *\nDisallow: /%69nner/"), path="/inn%65r/a.html"),
    *_ruled("marked", "forbidden", text("\ufeffUser-agent: *\nDisallow: /"), "forbids"),
    *_ruled("versioned", "forbidden", text("User-agent: driftune/1.0 (any)\nDisallow: /"), "forbids"),
    *_ruled("part-of-name", "forbidden", text("User-agent: *\nDisallow: /\n\nUser-agent: drift\nAllow: /"), "forbids"),
    *_ruled("longer-name", "ok", text("User-agent: *\nAllow: /\n\nUser-agent: driftunes\nDisallow: /")),
    *_ruled("announced-50-megabytes", "forbidden", endless(_RULES, b"# and so on\n" * 5_000), "forbids"),
    *_ruled("sixteen-bits", "forbidden", answer("User-agent: *\nDisallow: /".encode("utf-16")), "forbids"),
    *_ruled("circling", "forbidden", to("/robots.txt"), "circle"),
    *_ruled("eternal", "forbidden", text("User-agent: *\nCrawl-delay: 1e308"), "s between requests"),
    *_ruled("patient", "forbidden", text("User-agent: *\nCrawl-delay: 31536000"), "31536000 s"),
    *_ruled("unnumbered", "ok", text("User-agent: *\nCrawl-delay: NaN\nCrawl-delay: inf\nCrawl-delay: -4")),
    *_ruled("endless-rules", "forbidden", endless(f"{_OK}\r\nUser-agent: *\nDisallow: /\n", b"# and so on\n" * 5_000)),
    *_ruled("many-agents", "ok", text(_agents(2_000, 2_000))),
    *_ruled("many-of-us", "forbidden", text("User-agent: driftune\n" * 9_000 + "Disallow: /\n" * 9_000), "forbids"),
    *_ruled("many-wildcards", "ok", text("User-agent: *\nDisallow: /" + "*a" * 90_000 + "$")),
    *_ruled("bomb", "ok", gzip_bomb()),
    *_ruled("error", "forbidden", answer(status=503), "503"),
    *_ruled("too-busy", "forbidden", answer(status=429), "429"),
    *_ruled("asking-for-login", "ok", answer(status=401)),
    *_ruled("not-there", "ok", answer(status=404)),
    *_ruled("dripping", "forbidden", endless(f"{_OK}\r\n", b".", 0.1), "limit of a request"),
    *_ruled("moved", "forbidden", here("/rules.txt"), "forbids"),
    Case("rules", "", text("User-agent: *\nDisallow: /"), host="moved.test", path="/rules.txt", linked=False),
    *_ruled("misleading", "forbidden", trap("http://127.0.0.2:{port}/robots.txt"), "not public"),
    *_ruled("soft", "ok", page("There is nothing here")),
    *_ruled("binary", "ok", answer(bytes(range(256)) * 400, kind="application/octet-stream")),
)


def _links(paths: Iterable[str]) -> str:
    return "".join(f'<li><a href="{path}">{path}</a></li>\n' for path in paths)


def _calendar(request: Request, site: HostileSite) -> bytes:
    day = int(request.path.rpartition("-")[2].partition(".")[0])
    return answer(_links([f"calendar-{day + 1}.html", f"calendar-{day + 2}.html"]))


_API = """<html><body><div role="main"><h1>The one good page</h1><dl class="py function">
<dt class="sig" id="lib.f"><span>lib.f</span>(x)</dt>
<dd><p>Gives back x, as the only thing on this site that does what it says.</p></dd></dl></div></body></html>"""
_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
_INVENTORY = b"# Sphinx inventory version 2\n# Project: x\n# Version: 1\n# The remainder is compressed using zlib.\n"
OBJECTS = _INVENTORY + zlib.compress(b"".join(b"x.f%d py:function 1 api.html#$ -\n" % n for n in range(500)))
_NAMES = (
    "/%2e%2e/%2e%2e/%2e%2e/tmp/escaped.html",
    "/..%2f..%2f..%2ftmp%2fescaped.html",
    "/..%5c..%5ctmp%5cescaped.html",
    "/a%00b.html",
    "/a%0ab%1b%5b31m.html",
    "/CON.html",
    "/" + "n" * 3_000 + ".html",
    "/" + "d/" * 500 + "deep.html",
    "/%f0%9f%92%a3.html",
    "/%ff%fe.html",
    "/-rf%20~.html",
)

PAGES: tuple[Case, ...] = (
    Case("index", "ok", lambda request, site: answer(_links(case.link for case in ALL if case.linked)), path="/"),
    Case("api.html", "ok", answer(_API)),
    Case("wrong-charset.html", "ok", answer("<p>Größe</p>".encode("latin-1"), kind="text/html; charset=utf-8")),
    Case("no-charset.html", "ok", answer("<p>日本</p>".encode("utf-16"), kind="text/html; charset=klingon")),
    Case("punycode.html", "ok", answer("a-" + "z9a8" * 300_000, kind="text/html; charset=punycode")),
    Case("escapes.html", "ok", answer(r"<p>\d \x00 \u0000</p>", kind="text/html; charset=unicode_escape")),
    Case("seven-bits.html", "ok", answer("<p>+ADw-script+AD4-</p>", kind="text/html; charset=utf-7")),
    Case("nul.html", "ok", answer(b"<p>a\0b</p><h1>\0</h1><script>\0")),
    Case("broken.html", "ok", answer("<html><<p><table><tr><td><a href='broken.html<b>x</i></table></p" * 50)),
    Case("many-links.html", "ok", answer(_links(f"many/{n}.html" for n in range(50_000)))),
    Case("deep.html", "ok", answer("<div>" * 100_000 + "deep")),
    Case("wide.html", "ok", answer("<a " + " ".join(f"a{n}=b" for n in range(50_000)) + ">x</a>")),
    Case("entities.html", "ok", answer("<p>" + "&amp;&#0;&#x110000;&nosuch;" * 9_000)),
    Case("binary.html", "ok", answer(bytes(range(256)) * 999)),
    Case("image.html", "ok", answer(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 99, kind="image/png")),
    Case("empty.html", "ok", answer(b"")),
    Case("one-line.html", "ok", answer("<pre>" + "x" * 2_000_000 + "</pre>")),
    Case("own-base.html", "ok", answer('<base href="http://127.0.0.2/"><a href="inner.html">Elsewhere</a>')),
    Case("refreshing.html", "ok", answer('<meta http-equiv="refresh" content="0; url=http://127.0.0.2/"><p>Text</p>')),
    Case("odd-links.html", "ok", answer(_links(["http://[x", "//", "javascript:x", "mailto:a@b", "\0", "?" * 999]))),
    Case("names.html", "ok", answer(_links(("../../../tmp/escaped.html", *_NAMES)))),
    *(Case(f"name-{n}", "ok", page(), path=name, linked=False) for n, name in enumerate(_NAMES)),
    Case("calendar", "ok", _calendar, path="/calendar-*"),
    Case("objects.inv", "ok", answer(OBJECTS[: len(OBJECTS) // 2], kind="application/octet-stream"), linked=False),
    Case(
        "sitemap.xml", "ok", linked=False,
        reply=answer(f'<!DOCTYPE x [<!ENTITY l0 "ha">{_LAUGHS}]><urlset><url><loc>&l11;</loc></url></urlset>'),
    ),
    Case(
        "sitemap-index.xml", "ok", linked=False,
        reply=with_url('<sitemapindex><sitemap><loc>{url}/sitemap-index.xml</loc></sitemap></sitemapindex>'),
    ),
    Case(
        "sitemap-file.xml", "ok", linked=False,
        reply=answer('<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset><url><loc>&f;</loc></url></urlset>'),
    ),
    Case("sitemap-bomb.xml.gz", "too-large", gzip_bomb(), linked=False),
    Case("search/search_index.json", "ok", answer("[" * 100_000, kind="application/json"), linked=False),
    Case("llms.txt", "ok", answer("# x\n" + "[a](b" * 99_999, kind="text/plain"), linked=False),
)  # fmt: skip


def _inventory(names: bytes) -> bytes:
    return answer(_INVENTORY + zlib.compress(names), kind="application/octet-stream")


_SITEMAP = "<urlset><url><loc>http://127.0.0.2/x</loc></url><url><loc>file:///etc/passwd</loc></url><url><loc>../../x"
_SEARCH = '{"docs":[{"location":"../../x","text":1},{"location":["x"]},7,null,{"location":"http://127.0.0.2/"}]}'

INDEXES: tuple[Case, ...] = (
    Case("laughs", "ok", next(case.reply for case in PAGES if case.name == "sitemap.xml"), path="/sitemap.xml"),
    Case("loop", "ok", with_url("<sitemapindex><sitemap><loc>{url}/sitemap.xml</loc></sitemap>"), path="/sitemap.xml"),
    Case("inside", "ok", answer(f"{_SITEMAP}</loc></url></urlset>"), path="/sitemap.xml"),
    Case("deep", "ok", answer("<urlset>" + "<url>" * 100_000), path="/sitemap.xml"),
    Case("wide", "ok", answer("<urlset " + " ".join(f'a{n}="b"' for n in range(50_000)) + "/>"), path="/sitemap.xml"),
    Case("packed", "ok", answer(_PACKED), path="/sitemap.xml"),
    Case("cut", "ok", answer(OBJECTS[: len(OBJECTS) // 2]), path="/objects.inv"),
    Case("bomb", "ok", _inventory(bytes(200 << 20)), path="/objects.inv"),
    Case("outside", "ok", _inventory(b"a py:function 1 ../../x#$ -\nb py:function 1 \\x -\n"), path="/objects.inv"),
    Case("one-line", "ok", _inventory(b"a " * 10_000_000), path="/objects.inv"),
    Case("a-page", "ok", page(), path="/objects.inv"),
    Case("nested", "ok", answer("[" * 100_000), path="/search/search_index.json"),
    Case("numbers", "ok", answer('{"docs":[' + "1" * 2_000_000 + "]}"), path="/search/search_index.json"),
    Case("odd", "ok", answer(_SEARCH), path="/search/search_index.json"),
    Case("outside", "ok", answer("- [a](../../x)\n- [b](http://127.0.0.2/)\n" * 20_000), path="/llms.txt"),
    Case("brackets", "ok", answer("# x\n- " + "[a](" * 300_000), path="/llms.txt"),
    Case("fences", "ok", answer("```\n" * 300_000), path="/llms-full.txt"),
    Case("quotes", "ok", answer(">" * 100_000 + "x\n" + "- " * 50_000), path="/llms-full.txt"),
)
"""Files that formats read first, each to be put on a site of its own."""

ALL = (*WAY, *ROBOTS, *PAGES)
