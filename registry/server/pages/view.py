"""How a page is made of a template, and what a browser is told about it.

Everything that is put into a template is escaped; no page has a script or a style of its own, as the policy that a
browser holds it to (`registry.server.guard`) allows none, and nothing from another place.
"""

from __future__ import annotations

import datetime as dt
import mimetypes
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from registry.identity import sha256_of_bytes
from registry.server.access import COOKIE, Caller

HEADERS = {
    "Referrer-Policy": "same-origin",  # with the server's own, no-referrer, a form comes from nowhere
    "Vary": "Accept",
}
"""What a page is sent with, beside what every answer is (`registry.server.guard`)."""

UNAUTHORISED = 401
"""The status with which a browser's token is refused, and dropped."""

_IN_PACKAGE = re.compile(r"pypi://([^/]+)/([^/]+)/[^/]+/(.+)")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def page(
    request: Request, template: str, caller: Caller | None = None, /, *, status: int = 200, at: str = "", **values: Any
) -> HTMLResponse:
    """A page.

    Args:
        request: What is answered.
        template: Name of the template, without its suffix.
        caller: Who asks; None where nobody was looked at.
        status: HTTP status.
        at: Which of the site's own links it stands at.
        **values: What the template shows.
    """
    known = COOKIE in request.cookies and status != UNAUTHORISED
    who = caller.name if caller is not None and caller.token is not None else "Logged in" if known else ""
    base = str(request.base_url).rstrip("/")
    shown = {"request_base": base, "at": at, "who": who, "crumbs": (), "query": query_of(request), **values}
    return HTMLResponse(environment().get_template(f"{template}.html").render(shown), status, HEADERS)


def query_of(request: Request) -> dict[str, str]:
    """What stands behind the question mark; each name once, and every name that a template asks for."""
    asked = {name: value[:500] for name, value in request.query_params.items()}
    return {"kind": "", "split": "", "licence": "", "source": ""} | asked


@cache
def environment() -> Environment:
    """The templates."""
    made = Environment(
        loader=PackageLoader("registry.server.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "ago": ago, "iso": lambda at: at.isoformat(timespec="seconds"), "count": lambda n: f"{n:,}", "value": _value,
        "percent": lambda share: f"{100 * share:g}%", "without": _without, "asked": urlencode,
        "with_page": lambda query, number: urlencode({**query, "page": number}),
        "breaks": breaks, "place": place,
        "leads": lambda url: str(url or "").lower().startswith(("https://", "http://")),
    }  # fmt: skip
    made.globals["asset"] = asset
    return made


def asset(name: str) -> str:
    """The address of a file of the page's own, with its content's hash: a browser may keep it for ever."""
    return f"/static/{name}?{sha256_of_bytes(assets()[name][0])[:12]}"


@cache
def assets() -> dict[str, tuple[bytes, str]]:
    """Name -> content and type of each file beside the templates."""
    folder = files("registry.server.pages") / "static"
    return {f.name: (f.read_bytes(), mimetypes.guess_type(f.name)[0] or "text/plain") for f in folder.iterdir()}


def breaks(name: str) -> Markup:
    """A long name, which may be broken after its dots, slashes and underscores."""
    parts = re.split(r"(?<=[./_])(?=[^./_])", str(name or ""))
    return Markup("<wbr>").join(parts)


def place(url: str) -> str:
    """Where a text comes from, for people: of a package's file the release and the path in it."""
    found = _IN_PACKAGE.match(url)
    return f"{found[1]} {found[2]}: {found[3]}" if found else url


def ago(at: dt.datetime) -> str:
    """How long ago something was, or the day where that is long."""
    seconds = (dt.datetime.now(dt.UTC) - at).total_seconds()
    for unit, name, below in ((_MINUTE, "minute", _HOUR), (_HOUR, "hour", _DAY), (_DAY, "day", 60 * _DAY)):
        if seconds < below:
            n = max(0, int(seconds // unit))
            return "just now" if n == 0 else f"{n} {name}{'s' if n != 1 else ''} ago"
    return f"{at:%Y-%m-%d}"


def moment(text: str) -> dt.datetime | None:
    """A time that was written as ISO 8601; None where it is none."""
    try:
        at = dt.datetime.fromisoformat(text)
    except (ValueError, TypeError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _value(number: float | None, signed: bool = False) -> str:
    if number is None:
        return ""
    return (f"{number:+.3f}" if signed else f"{number:.3f}").replace("-", "\N{MINUS SIGN}")


def _without(query: Mapping[str, str], *names: str) -> Any:
    """A query without some names: as a mapping that prints as an address's."""
    return _Query({name: value for name, value in query.items() if value and name not in names})


class _Query(dict[str, Any]):
    def __str__(self) -> str:
        return urlencode(self)
