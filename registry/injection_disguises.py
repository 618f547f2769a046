"""Text that is written so that patterns on words don't see it: spelled out, in other codes, or turned round.

Each disguise has a sign that is looked for first, as few texts have any.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import unquote

_LINE = 2_000
"""Characters of a line with escapes that are read."""

_LEET = str.maketrans(
    {"0": "o", "1": "i", "l": "i", "|": "i", "!": "i", "3": "e", "4": "a", "@": "a", "5": "s", "$": "s", "7": "t"}
)
_SAID = (
    "(?:ignore|disregard|forget|bypass|override)(?:all|any|every|everything|the|your|my|these|those|of)*"
    "(?:previous|prior|preceding|earlier|former|existing|original|systemprompt)(?:system|chat|model|user|given)?"
    "(?:instruction|prompt|directive|direction|guideline|command|message)s?"
)
_SPELLED = re.compile(_SAID.replace("l", "i"))
_SPLIT = re.compile(r"[.!?:][\"')*_]*\s")
"""Where a sentence ends: what is spelled out doesn't go on after it."""

_HEX = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}[ :]?){20,4000}(?![0-9A-Za-z])")
_BASE32 = re.compile(r"(?<![A-Za-z0-9+/])[A-Z2-7]{40,}={0,6}")
_ESCAPES = re.compile(
    r"&#(?:x[0-9a-fA-F]{2,5}|[0-9]{2,6});|\\x[0-9a-fA-F]{2}|\\u00[0-9a-fA-F]{2}|%[4-7][0-9a-fA-F](?![0-9])"
)
_BYTE = re.compile(r"\\(?:x|u00)([0-9a-fA-F]{2})")
_ROTATED = re.compile(r"(?i)\bvafgehpgvbaf?\b|\bcebzcgf?\b")
_REVERSED = re.compile(r"(?i)\bs?noitcurtsni\b|\bs?tpmorp\b|\bs?enilediug\b")


def spelled(text: str) -> Iterator[tuple[int, int]]:
    """Where letters say to ignore what was said before: blanks between them, none between words, digits for letters."""
    if not _SPELLED.search(re.sub("[^a-z]+", "", _plain(text))):
        return
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for letter in _plain(character):
            if "a" <= letter <= "z":
                letters.append(letter)
                places.append(place)
    for match in _SPELLED.finditer("".join(letters)):
        start, end = places[match.start()], places[match.end() - 1] + 1
        if not _SPLIT.search(text, start, end) and (start == 0 or not text[start - 1].isalpha()):
            yield start, end


def _plain(text: str) -> str:
    """Small letters without accents, digits that stand for letters as these; `l` is `i`."""
    small = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return small.lower().translate(_LEET)


def decoded(text: str) -> Iterator[tuple[int, int, str]]:
    """What parts of a text say in clear: base16 and base32, escapes of characters, rot13, reversed letters."""
    for match in _HEX.finditer(text):
        yield *match.span(), _bytes(re.sub("[ :]", "", match[0]), bytes.fromhex)
    for match in _BASE32.finditer(text):
        bare = match[0].rstrip("=")
        yield *match.span(), _bytes(bare + "=" * (-len(bare) % 8), base64.b32decode)
    for start, end in _lines(text, _ESCAPES):
        line = _BYTE.sub(lambda byte: chr(int(byte[1], 16)), html.unescape(text[start:end]))
        yield start, end, unquote(line)
    for start, end in _lines(text, _ROTATED):
        yield start, end, codecs.encode(text[start:end], "rot13")
    for start, end in _lines(text, _REVERSED):
        yield start, end, text[start:end][::-1]


def _lines(text: str, sign: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The lines that have a sign, each once; of long ones the part around it."""
    last = 0
    for match in sign.finditer(text):
        if match.start() < last:
            continue
        start = max(text.rfind("\n", 0, match.start()) + 1, match.start() - _LINE, last)
        end = text.find("\n", match.end(), match.end() + _LINE)
        last = end if end >= 0 else min(len(text), match.end() + _LINE)
        yield start, last


def _bytes(blob: str, read: Callable[[str], bytes]) -> str:
    try:
        return read(blob).decode()
    except (binascii.Error, ValueError):
        return ""
