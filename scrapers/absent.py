"""What a site says of what isn't there, where it doesn't answer 404: a page that says the same isn't there, either.

Compared is what is left of two texts without their titles, and without words that may be of the address or the moment:
those with digits, and those of either address. Precision before recall: a page that has a little of its own is one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence

FAULT = "soft-404: it says what the site says of an address that isn't there"

_WORD = re.compile(r"\w+")
_MOST = 5_000
"""Words of a text that are looked at."""
_FEW = 3
"""Words below which a text is taken with its title; likewise those of a piece that is compared."""
_SHARE, _OWN = 0.7, 20
"""Of the pieces of two texts that both have, and pieces of its own that only a real page has."""


def absent_path(paths: Iterable[str]) -> str:
    """An address that surely isn't there, spelled as the pages of a site are: another one each time."""
    some = [path for path, _ in zip(paths, range(50), strict=False)]
    folders = sum(path.endswith("/") for path in some)
    return secrets.token_hex(12) + ("/" if 2 * folders > len(some) else ".html")


def words_of(markdown: str, path: str) -> tuple[str, ...]:
    """What of a page's text can be held against another's."""
    title, _, body = markdown.strip().partition("\n") if markdown.lstrip().startswith("#") else ("", "", markdown)
    found = _plain(body, path)
    return found if len(found) >= _FEW else _plain(title, path) + found


def _plain(text: str, path: str) -> tuple[str, ...]:
    own = _of(path)
    words = (word.lower() for word, _ in zip(_WORD.findall(text[: 20 * _MOST]), range(_MOST), strict=False))
    return tuple(word for word in words if word not in own and not any(c.isdigit() for c in word))


def _of(path: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(path)}


def is_like(words: Sequence[str], absent: Sequence[str], path: str = "") -> bool:
    """Whether what is said of one address is said of another, too; where of that nothing is said nothing is.

    Args:
        words: Of a text.
        absent: Of the other one.
        path: Of the first one's address: its words aren't looked at in the other one either.
    """
    own = _of(path)
    ours, theirs = _pieces(words), _pieces([word for word in absent if word not in own])
    return bool(absent) and len(ours - theirs) <= _OWN and len(ours & theirs) >= _SHARE * len(ours | theirs)


def _pieces(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + _FEW]) for at in range(max(1, len(words) - _FEW + 1))}
