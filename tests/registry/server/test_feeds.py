"""Feeds and streams of events: complete, for those alone who may see, and cheap to ask again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime

import httpx
import pytest
from lxml import etree

from registry.server import tokens
from registry.server.access import Scope
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, Served, context_in, serving
from tests.registry.server.test_subscriptions import look_after, moved, until

ATOM = {"a": "http://www.w3.org/2005/Atom"}
REASON = "a <b>bold</b> & \x1b[31m\x00 reason ]]> \N{SNOWMAN}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that looks often, and holds few streams."""
    context = context_in(tmp_path_factory.mktemp("served"), look_s=0.05, streams_each=2, heartbeat_s=0.2)
    with serving(context) as running:
        look_after(running)
        yield running


def entries(answer: httpx.Response) -> list[etree._Element]:
    """A feed's entries, after it has been held against what RFC 4287 asks of a feed."""
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/atom+xml")
    feed = etree.fromstring(answer.content, etree.XMLParser(resolve_entities=False, no_network=True))
    assert feed.tag == "{http://www.w3.org/2005/Atom}feed"
    found = feed.findall("a:entry", ATOM)
    for element in (feed, *found):
        for name in ("id", "title", "updated"):
            (one,) = element.findall(f"a:{name}", ATOM)
            assert one.text
        assert element.find("a:author/a:name", ATOM) is not None
        assert dt.datetime.fromisoformat(element.findtext("a:updated", namespaces=ATOM) or "").tzinfo
    assert len({entry.findtext("a:id", namespaces=ATOM) for entry in found}) == len(found)
    assert feed.find("a:link[@rel='self']", ATOM) is not None
    pages = [entry.find("a:link", ATOM) for entry in found]
    assert all(page.get("rel", "alternate") == "alternate" and page.get("href").startswith("http") for page in pages)
    return found


def titles(answer: httpx.Response) -> list[str]:
    return [entry.findtext("a:title", namespaces=ATOM) or "" for entry in entries(answer)]


def test_a_feed_has_a_domain_s_moves_newest_first(served: Served) -> None:
    """With what changed in words, also where somebody's reason is no XML."""
    served.context.store.promote(PUBLIC, 1, "stable", reason=REASON, by="ann")
    look_after(served)
    answer = served.get(f"/{PUBLIC}/feed.atom?channel=stable")
    first, *rest = entries(answer)
    assert titles(answer)[0] == f"{PUBLIC}@stable: v1 promoted (before: v2)"
    assert titles(answer)[-1] == f"{PUBLIC}@stable: v1 published"
    said = first.findtext("a:content", namespaces=ATOM) or ""
    assert "a <b>bold</b> & \N{REPLACEMENT CHARACTER}[31m" in said and "\N{SNOWMAN}" in said
    assert "choice@1 (context): gain +0.250 [+0.100, +0.400], before +0.250" in said
    assert first.findtext("a:author/a:name", namespaces=ATOM) == "ann" and rest


def test_feeds_tell_nobody_of_what_he_may_not_see(served: Served) -> None:
    """The feed of all has public domains for all, and a private one for its token."""
    everybody, own = served.get("/feed.atom"), served.get("/feed.atom", "read")
    assert not [title for title in titles(everybody) if PRIVATE in title]
    assert {title.partition("@")[0] for title in titles(everybody)} == {PUBLIC, OTHER}
    assert {title.partition("@")[0] for title in titles(own)} == {PUBLIC, OTHER, PRIVATE}
    assert served.get(f"/{PRIVATE}/feed.atom").status_code == 404
    assert served.get(f"/{PUBLIC}/feed.atom?channel=../x").status_code == 400


def test_a_feed_that_is_known_is_not_sent_again(served: Served) -> None:
    """By its ETag, or by its time; a new move makes it another."""
    path = f"/{OTHER}/feed.atom"
    until(lambda: "last-modified" in served.get(path).headers)  # not in the second of the last event: more may come
    first = served.get(path)
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    assert parsedate_to_datetime(modified).tzinfo and served.get(path, method="HEAD").headers["etag"] == etag
    for known in ({"If-None-Match": f'"x", W/{etag}'}, {"If-None-Match": "*"}, {"If-Modified-Since": modified}):
        again = served.get(path, headers=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = {"If-None-Match": '"x"', "If-Modified-Since": modified}  # the ETag goes before the time
    assert served.get(path, headers=other).status_code == 200
    moved(served.context.store, "stable", domain=OTHER)
    look_after(served)
    assert served.get(path, headers={"If-None-Match": etag}).status_code == 200


@contextmanager
def streamed(served: Served, query: str, caller: str = "none", **headers: str) -> Iterator[Iterator[dict[str, str]]]:
    """The events of a stream, as they come: their fields."""
    address = f"{served.address}/events{query}"
    headers = {**served.headers(caller), **{name.replace("_", "-"): value for name, value in headers.items()}}
    with httpx.stream("GET", address, headers=headers, timeout=20, trust_env=False) as answer:
        assert answer.status_code == 200, answer.read()
        yield fields(answer.iter_lines())


def fields(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    """What a client of server-sent events makes of lines."""
    event: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            yield {"comment": line}
        elif line:
            name, _, value = line.partition(": ")
            event[name] = event.get(name, "") + value
        else:
            yield event
            event = {}


def told(events: Iterator[dict[str, str]], number: int) -> list[dict[str, str]]:
    """The next events that have data."""
    found: list[dict[str, str]] = []
    while len(found) < number:
        event = next(events)
        found += [event] if "data" in event else []
    return found


def test_a_stream_tells_what_happens_and_goes_on_where_it_was_cut(served: Served) -> None:
    """Who comes back with the last id gets all that came meanwhile, once, in order."""
    store = served.context.store
    with streamed(served, f"?domain={PUBLIC}&channel=stable") as stream:
        assert next(stream)["id"].isdigit()  # where it goes on if it is cut off before anything came
        versions = moved(store, "stable", 2)
        seen = told(stream, 2)
    versions += moved(store, "stable", 3)
    moved(store, "candidate")
    look_after(served)
    with streamed(served, f"?domain={PUBLIC}&channel=stable", Last_Event_ID=seen[-1]["id"]) as stream:
        seen += told(stream, 3)
        versions += moved(store, "stable")
        seen += told(stream, 1)
    assert [json.loads(event["data"])["data"]["version"] for event in seen] == versions
    assert [int(event["id"]) for event in seen] == sorted({int(event["id"]) for event in seen})
    assert {event["event"] for event in seen} == {"adapter.promoted"}


def test_a_stream_can_end_with_what_is_there(served: Served) -> None:
    """For a job that looks now and then: all since the first, filtered by what he may see."""
    with streamed(served, "?after=0&follow=false") as stream:
        domains = {json.loads(event["data"])["data"]["domain"] for event in stream if "data" in event}
    with streamed(served, "?after=0&follow=false", "read") as stream:
        own = {json.loads(event["data"])["data"]["domain"] for event in stream if "data" in event}
    assert (domains, own) == ({PUBLIC, OTHER}, {PUBLIC, OTHER, PRIVATE})
    assert served.get(f"/events?domain={PRIVATE}&follow=false").status_code == 404


@pytest.mark.parametrize("known", ["9" * 30, str((1 << 63) - 1), "-1", "one", "\N{SUPERSCRIPT TWO}"])
def test_an_id_that_is_none_of_this_server_s_loses_nothing(served: Served, known: str) -> None:
    """A client of a server that began anew gets all that this one has; what is no number is as if it weren't sent."""
    with streamed(served, "?follow=false", Last_Event_ID=known.encode()) as stream:
        found = [event for event in stream if "data" in event]
    assert bool(found) == known.isdecimal()


def test_a_stream_says_that_it_is_alive_and_is_one_of_few(served: Served) -> None:
    """A heartbeat; and a third of one caller is refused, until one of them has ended."""
    with streamed(served, "", "read") as first, streamed(served, "", "read"):
        assert any("ping" in next(first).get("comment", "") for _ in range(3))
        refused = served.get("/events", "read")
        assert refused.status_code == 429 and refused.headers["retry-after"]
        assert served.get("/events?follow=false", "admin").status_code == 200
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=10)
    while served.get("/events?follow=false", "read").status_code != 200:
        assert dt.datetime.now(dt.UTC) < until


@pytest.mark.parametrize("idle", [False, True])
def test_a_revoked_token_ends_its_stream(served: Served, idle: bool) -> None:
    """Before anything more is told, and also where nothing more happens."""
    with served.context.state.begin() as connection:
        token, served.secrets["brief"] = tokens.new(connection, "brief", [PRIVATE], Scope.READ, days=1, by="tests")
    with streamed(served, f"?domain={PRIVATE}&channel=stable", "brief") as stream:
        moved(served.context.store, "stable", domain=PRIVATE)
        told(stream, 1)
        with served.context.state.begin() as connection:
            tokens.revoke(connection, token.id, "tests")
        if not idle:
            moved(served.context.store, "stable", domain=PRIVATE)
        assert not [event for event in stream if "data" in event]
