"""What a path of the Hub's API names: kind, repository, what of it, revision, and path within.

Read from the path as it came: clients write a slash within a revision or a path as `%2F`, and a framework has decoded
that when it matches its routes. Nothing that is named here is ever a path on this disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from registry.server.errors import RefusedError

MODELS = "models"
DATASETS = "datasets"
MAIN = "main"
INFO = "info"
RESOLVE = "resolve"
_KINDS = (MODELS, DATASETS, "spaces")
_OF_A_REPO = ("revision", "tree", "refs", "commits", "paths-info", RESOLVE)
_LONGEST = 4096
"""Bytes of a path."""


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    Attributes:
        kind: models, datasets or spaces.
        repo: Its full name, `driftune/networkx`; old names of the Hub have no namespace.
        what: info, revision, tree, refs, commits, paths-info, resolve, or something else that the Hub has.
        revision: Branch, tag or commit; main where none is named.
        path: File or folder in it; empty for all of it.
    """

    kind: str
    repo: str
    what: str
    revision: str = MAIN
    path: str = ""


def asked_of_api(raw: bytes) -> Asked:
    """What `/api/models/NS/NAME/tree/REVISION/PATH` and its like ask for.

    Raises:
        RefusedError: It is no path of that form.
    """
    parts = _parts(raw)
    if len(parts) < 3 or parts[0] != "api" or parts[1] not in _KINDS:
        raise malformed("it is no path of the Hub's API")
    _, kind, *rest = parts
    named = 1 if len(rest) == 1 or rest[1] in _OF_A_REPO else 2
    return _asked(kind, rest[:named], rest[named:] or [INFO])


def asked_of_files(raw: bytes) -> Asked:
    """What `/NS/NAME/resolve/REVISION/PATH`, or that below `/datasets`, asks for.

    Raises:
        RefusedError: It is no path of that form.
    """
    parts = _parts(raw)
    kind = parts.pop(0) if parts[0] in _KINDS else MODELS
    named = next((place for place in (2, 1) if parts[place : place + 1] == [RESOLVE]), 0)
    if not named or len(parts) < named + 3:
        raise malformed("it names no file of a repository")
    return _asked(kind, parts[:named], parts[named:])


def malformed(why: str) -> RefusedError:
    """The refusal of a path that nobody's client makes."""
    return RefusedError(400, "malformed", f"This path can't be read: {why}", {"X-Error-Code": "BadRequest"})


def _asked(kind: str, repo: list[str], rest: list[str]) -> Asked:
    what, *more = rest
    revision = more[0] if more else MAIN
    return Asked(kind, "/".join(repo), what, revision, "/".join(more[1:]))


def _parts(raw: bytes) -> list[str]:
    """The segments of a path, each decoded by itself.

    Raises:
        RefusedError: It is too long, climbs, holds control characters, or isn't UTF-8.
    """
    if len(raw) > _LONGEST:
        raise malformed(f"it has {len(raw):,} bytes, of {_LONGEST:,} that it may have")
    try:
        parts = [unquote(part, errors="strict") for part in raw.decode("ascii").strip("/").split("/")]
    except UnicodeDecodeError as error:
        raise malformed("it is no UTF-8") from error
    for part in parts:
        if not part.isprintable() or any(name in ("", ".", "..") for name in part.split("/")) or "\\" in part:
            raise malformed("a part of it is empty, climbs, or has characters that no name has")
    return parts
