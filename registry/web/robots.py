"""robots.txt, as RFC 9309 says: read once a host; a host that can't say what it allows is left alone for now."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from registry.web.answers import Answer, fault

AGENT = "driftune"
ROBOTS_BYTES = 500 << 10
"""What is read of a robots.txt; the standard asks for at least that."""

_FIELD = re.compile(r"\s*(user[- ]?agent|allow|di[a-z]{2,8}w|crawl[- ]delay)\b", re.IGNORECASE)
"""The lines that are obeyed, in the spellings that are understood."""
_NAMED = re.compile(r"[\s:]*(\*|[a-z_-]*)", re.IGNORECASE)
"""Whom a line is for: a version or a remark after the name says nothing."""

Fetch = Callable[[str], Awaitable[Answer]]


class Robots:
    """What hosts allow.

    Args:
        fetch: Gets a robots.txt, by its address.
        longest: Seconds of the longest crawl-delay that is kept to.
    """

    def __init__(self, fetch: Fetch, longest: float) -> None:
        self._fetch, self._longest = fetch, longest
        self._rules: dict[str, _Rules] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def delay(self, url: httpx.URL) -> float:
        """The seconds between two requests that the host of an address asks for.

        Raises:
            WebError: The address may not be read (`forbidden`), or its host not be asked at all.
        """
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        async with self._locks.setdefault(origin, asyncio.Lock()):
            if origin not in self._rules:
                self._rules[origin] = _rules_of(await self._fetch(f"{origin}/robots.txt"), self._longest)
        return self._rules[origin].check(str(url))


class _Rules:
    """What one robots.txt says to us; one without rules allows everything."""

    def __init__(self, text: str, longest: float) -> None:
        self._parsed: Any = None
        if text.strip():
            from protego import Protego

            self._parsed = Protego.parse(_lean(text))
        self._longest = longest

    def check(self, url: str) -> float:
        if self._parsed is None:
            return 0.0
        if not self._parsed.can_fetch(url, AGENT):
            raise fault("forbidden", "The site's robots.txt forbids this address")
        delay = float(self._parsed.crawl_delay(AGENT) or 0.0)
        if delay > self._longest:
            raise fault(
                "forbidden",
                f"The site's robots.txt asks for {delay:.0f} s between requests, {self._longest:.0f} is kept",
            )
        return delay


class _Unread(_Rules):
    """A robots.txt that can't be read for now: nothing may be asked for."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def check(self, url: str) -> float:
        answer = self._answer
        reason = f"The site's robots.txt can't be read, so nothing is asked for: {answer.detail}"
        raise fault("forbidden" if answer.status is not None else answer.outcome, reason)


def _rules_of(answer: Answer, longest: float) -> _Rules:
    if answer.outcome == "ok":
        text = answer.body.decode("utf-8", "replace").replace("\0", "")
        return _Rules(text.lstrip("\ufeff\ufffd"), longest)  # a mark, also UTF-16's, would hide the first line
    if answer.status is not None and 400 <= answer.status < 500 and answer.status != 429:
        return _Rules("", longest)
    return _Unread(answer)


def _lean(text: str) -> str:
    """A robots.txt's groups by whom they are for: us, all, or others; each of these once a group.

    Protego copies each rule to each agent of its group, which can make a hundred million rules of half a megabyte; and
    takes a group for us whose agent is any part of our name.
    """
    kept: list[str] = []
    group: set[str] = set()
    for line in text.splitlines():
        field = _FIELD.match(line)
        if field is None:
            continue
        if field[1].lower().startswith("user"):
            named = _NAMED.match(line, field.end())
            agent = named[1].lower() if named else ""
            line = f"User-agent: {agent if agent in ('*', AGENT) else '-'}"
            if line in group:
                continue
            group.add(line)
        else:
            group.clear()
        kept.append(line)
    return "\n".join(kept)
