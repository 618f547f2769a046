"""More ways in which an answer is wrong: its head, its framing, where it leads, what it says that its body is."""

from __future__ import annotations

import gzip
import zlib

from tests.hostile_site.replies import answer, endless, here, page, to, trap
from tests.hostile_site.server import Case

_HTML = b"<html><body><p>Text</p></body></html>"
_PACKED = gzip.compress(_HTML)


def raw(head: str, body: bytes = b"") -> bytes:
    """A response as it is written here, line by line."""
    return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body


def chunked(*parts: bytes, head: str = "") -> bytes:
    return raw(f"HTTP/1.1 200 OK\nContent-Type: text/html\nTransfer-Encoding: chunked{head}", b"".join(parts))


_CHUNK = b"25\r\n" + _HTML + b"\r\n"

HEADS: tuple[Case, ...] = (
    Case("head/etag-of-a-megabyte", "failed", page(ETag='"' + "e" * 1_000_000 + '"'), "HTTP"),
    Case("head/etag-of-80-kilobytes", "ok", page(ETag='"' + "e" * 80_000 + '"')),
    Case("head/etags", "ok", page(ETag='"a"\r\nETag: "b"')),
    Case("head/modified-rubbish", "ok", page(Last_Modified="\xff\xfe yesterday \x7f" * 9)),
    Case("head/modified-folded", "ok", page(Last_Modified="Wed, 21 Oct\r\n 2015\r\n\t07:28:00 GMT")),
    Case("head/type-of-80-kilobytes", "ok", answer(_HTML, kind="text/html; charset=" + "x" * 80_000)),
    Case("head/types", "ok", answer(_HTML, kind="image/png\r\nContent-Type: text/html")),
    Case("head/not-latin", "ok", answer(_HTML, kind="text/html; x=日本".encode().decode("latin-1"))),
    Case("head/many", "ok", answer(_HTML, **{f"X_{n}": "y" for n in range(4_000)})),
    Case("head/too-many", "failed", answer(_HTML, **{f"X_{n}": "y" * 20 for n in range(40_000)}), "HTTP"),
    Case("head/name-with-blank", "failed", raw("HTTP/1.1 200 OK\nContent-Length : 2", b"ok"), "HTTP"),
    Case("head/no-colon", "failed", raw("HTTP/1.1 200 OK\nNothing here\nContent-Length: 2", b"ok"), "HTTP"),
    Case("head/bare-line-feeds", "ok", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    Case("head/reason-that-steers", "ok", raw("HTTP/1.1 200 \x1b]0;x\x07\x1b[2J\nContent-Length: 2", b"ok")),
    Case("head/no-reason", "ok", raw("HTTP/1.1 200\nContent-Length: 2", b"ok")),
    Case("head/other-version", "ok", raw("HTTP/3.7 200 OK\nContent-Length: 2", b"ok")),
    Case("head/status-99", "failed", raw("HTTP/1.1 099 Low\nContent-Length: 2", b"ok"), ""),
    Case("head/status-999", "failed", raw("HTTP/1.1 999 No\nContent-Length: 2", b"ok"), "999"),
    Case("head/refresh", "ok", page(Refresh="0; url=http://127.0.0.2/", Link="<http://127.0.0.2/>; rel=preload")),
    Case("head/early-hints", "ok", b"HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\n" * 200 + page()),
    Case("head/hints-without-end", "too-slow", endless("103 Hints\r\n\r\n", b"HTTP/1.1 103 Hints\r\n\r\n", 0.01)),
)

FRAMES: tuple[Case, ...] = (
    Case("frame/both", "ok", chunked(_CHUNK, b"0\r\n\r\n", head="\nContent-Length: 3")),
    Case("frame/chunked-twice", "failed", chunked(_CHUNK, b"0\r\n\r\n", head=", chunked"), "HTTP"),
    Case("frame/gzip-as-transfer", "failed", raw("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked", _CHUNK), "HTTP"),
    Case("frame/negative-chunk", "failed", chunked(b"-5\r\nhello\r\n0\r\n\r\n"), "HTTP"),
    Case("frame/chunk-too-short", "failed", chunked(b"5\r\nhe\r\n0\r\n\r\n"), ""),
    Case(
        "frame/no-last-chunk",
        "failed",
        raw("HTTP/1.1 200 OK\nConnection: close\nTransfer-Encoding: chunked", _CHUNK),
        "broke",
    ),
    Case("frame/zeros-before-size", "failed", chunked(b"0" * 30 + _CHUNK, b"0\r\n\r\n"), "HTTP"),
    Case("frame/trailers", "ok", chunked(_CHUNK, b"0\r\nLocation: http://127.0.0.2/\r\nContent-Length: 9\r\n\r\n")),
    Case(
        "frame/trailers-without-end",
        "failed",
        endless("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"X-T: and so on\r\n" * 500, first=b"0\r\n"),
        "HTTP",
    ),
    Case("frame/tiny-chunks", "ok", chunked(b"1\r\nx\r\n" * 20_000, b"0\r\n\r\n")),
    Case("frame/length-plus", "failed", answer(_HTML, Content_Length="+37"), "HTTP"),
    Case("frame/length-list", "ok", answer(_HTML, Content_Length="37, 37")),
    Case("frame/length-hex", "failed", answer(_HTML, Content_Length="0x25"), "HTTP"),
    Case("frame/length-in-other-digits", "failed", answer(_HTML, Content_Length="\xb2\xb3"), "HTTP"),
    Case("frame/nothing-with-body", "ok", raw("HTTP/1.1 204 None\nConnection: close\nContent-Length: 5", b"hello")),
)

WAYS: tuple[Case, ...] = (
    Case("way/userinfo-as-host", "refused", trap("http://127.0.0.1:80@127.0.0.2:{port}/"), "credentials"),
    Case("way/encoded-at", "refused", trap("http://127.0.0.1%40127.0.0.2:{port}/")),
    Case("way/backslashes", "refused", trap("http:\\\\127.0.0.2:{port}\\"), "backslashes"),
    Case("way/three-slashes", "missing", trap("///127.0.0.2:{port}/")),
    Case("way/tab-before", "refused", trap("\t//127.0.0.2:{port}/"), "not public"),
    Case("way/tab-within", "refused", trap("ht\ttp://127.0.0.2:{port}/"), "can't be read"),
    Case("way/escape-within", "refused", trap("/a\x1b[2Jb"), "can't be read"),
    Case("way/dots-of-another-script", "refused", trap("http://127。0。0。2:{port}/".encode().decode("latin-1"))),
    Case("way/punycode", "refused", trap("http://xn--127002-zt5h.test:{port}/"), "hosts"),
    Case("way/homograph-of-a-friend", "refused", trap("http://ɡood.test:{port}/".encode().decode("latin-1")), "hosts"),
    Case("way/two-locations", "missing", trap("/plain\r\nLocation: http://127.0.0.2:{port}/")),
    Case("way/folded", "missing", here("/pla\r\n in")),
    Case("way/fragment-alone", "too-many-redirects", to("#again"), "circle"),
    Case("way/encoded-line-break", "missing", to("/nowhere%0d%0aX-Own:%201")),
    Case("way/websocket", "refused", trap("ws://127.0.0.2:{port}/"), "http"),
    Case("way/scheme-in-capitals", "refused", trap("HTTP://127.0.0.2:{port}/"), "not public"),
    Case("way/of-300", "failed", to("/plain", 300), "300"),
)

BODIES: tuple[Case, ...] = (
    Case(
        "body/gzip-in-two-lines",
        "failed",
        answer(gzip.compress(_PACKED), Content_Encoding="gzip\r\nContent-Encoding: gzip"),
        "gzip, gzip",
    ),
    Case("body/gzip-in-capitals", "ok", answer(_PACKED, Content_Encoding=" GZip ,")),
    Case("body/gzip-with-quality", "failed", answer(_PACKED, Content_Encoding="gzip;q=1"), "q=1"),
    Case("body/gzip-of-gzip", "ok", answer(gzip.compress(_PACKED), Content_Encoding="gzip")),
    Case("body/gzip-wrong-sum", "failed", answer(_PACKED[:-8] + bytes(8), Content_Encoding="gzip"), "isn't"),
    Case(
        "body/gzip-long-name",
        "ok",
        answer(_PACKED[:3] + b"\x08" + _PACKED[4:10] + b"n" * 200_000 + b"\0" + _PACKED[10:], Content_Encoding="gzip"),
    ),
    Case("body/deflate", "failed", answer(zlib.compress(_HTML), Content_Encoding="deflate"), "'deflate'"),
    Case("body/zlib-as-gzip", "failed", answer(zlib.compress(_HTML), Content_Encoding="gzip"), "isn't"),
)

ODD = (*HEADS, *FRAMES, *WAYS, *BODIES)
