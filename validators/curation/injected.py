"""What of a row addresses a model or a tool instead of a reader."""

from __future__ import annotations

from collections.abc import Iterable

from registry.injection import found_in
from registry.trees import parse


def injected(texts: Iterable[str], known: dict[str, str]) -> str:
    """What in one of these texts addresses a model, for a Removal; empty where nothing does.

    Args:
        texts: Prose and code of a row.
        known: Text -> what was found in it before: rows share their programs.
    """
    for text in texts:
        if text not in known:
            known[text] = _found(text)
        if known[text]:
            return known[text]
    return ""


def _found(text: str) -> str:
    """The first passage: of what parses as Python in comments and docstrings, of all else in prose."""
    if not (found := found_in(text)):
        return ""
    try:
        parse(text)
    except SyntaxError:
        pass
    else:
        found = found_in(text, python=True)
    return f"It addresses a model ({found[0].rule}): {found[0].evidence}" if found else ""
