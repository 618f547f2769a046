"""Text as the records take it: UTF-8, without NUL and surrogates, lines ended by a line feed."""

from __future__ import annotations

import codecs
import io
import re
import tokenize

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_STATED = re.compile(rb"""(?i)<(?:meta|\?xml)\b[^>]{0,500}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{1,40})""")
_HEADER = re.compile(r"""(?i)charset\s*=\s*["']?([\w.:-]{1,40})""")
_HEAD = 4096
_KNOWN = re.compile(
    r"utf-(?:8|8-sig|16|16-le|16-be|32|32-le|32-be)|ascii|iso8859-\d+|latin-1|cp(?:125\d|866|874|932|949|950)|koi8-[ru]"
    r"|mac-(?:roman|cyrillic)|gb(?:k|2312|18030)|tis-620|big5(?:hkscs)?|euc_(?:jp|kr)|iso2022_jp|shift_jis"
)
"""Charsets of the WHATWG Encoding Standard, as Python calls them: others that it has are none of pages, and some take
quadratic time (punycode: 3 s for 300 KB) or read escapes (utf-7, unicode_escape)."""
_BROWSERS = {"iso8859-1": "cp1252", "ascii": "cp1252", "latin-1": "cp1252"}
"""What browsers take a charset for (WHATWG Encoding Standard): pages are written to look right there."""


def cleaned(text: str) -> str:
    """`text` without NULs and lone surrogates, its lines ended by a line feed."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def decoded(data: bytes, *, python: bool = False) -> str:
    """Bytes of a file as clean text: UTF-8, for Python what its coding line says; what fits neither is replaced."""
    encoding = "utf-8-sig"
    if python:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        except (SyntaxError, ValueError):
            encoding = "utf-8-sig"
    try:
        return cleaned(data.decode(encoding))
    except (UnicodeDecodeError, LookupError):
        return cleaned(data.decode("utf-8-sig", "replace"))


def decoded_page(data: bytes, content_type: str = "") -> str:
    """Bytes of a web page as clean text: in the first charset that fits of what its mark, the server and the page say.

    Else it is UTF-8; where that doesn't fit either it is Windows' Latin 1, as in browsers; what that lacks is replaced.

    Args:
        data: The page.
        content_type: What the server says it is, with its charset.
    """
    for charset in (*_charsets(data, content_type), "utf-8-sig"):
        try:
            return cleaned(data.decode(charset))
        except (UnicodeError, LookupError):
            continue
    return cleaned(data.decode("cp1252", "replace"))


def looks_binary(data: bytes) -> bool:
    """Whether bytes are no text in any charset: over a tenth of the first are control characters."""
    head = data[:_HEAD]
    if any(head.startswith(mark) for mark, _ in _MARKS):
        return False
    odd = sum(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in head)
    return odd * 10 > len(head)


def _charsets(data: bytes, content_type: str) -> list[str]:
    marks = [charset for mark, charset in _MARKS if data.startswith(mark)]
    said = _HEADER.search(content_type)
    stated = _STATED.search(data[:_HEAD])
    names = [*([said[1]] if said else []), *([stated[1].decode("ascii", "replace")] if stated else [])]
    return [*marks[:1], *(found for name in names if (found := _text_codec(name)))]


def _text_codec(name: str) -> str | None:
    """Python's name of a charset; None for what no browser knows."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return _BROWSERS.get(found, found) if _KNOWN.fullmatch(found) else None
