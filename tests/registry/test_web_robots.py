"""robots.txt of many kinds, each on a host of its own: what it forbids isn't asked for."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import WebError
from registry.web import Access, Answer, Web
from registry.web.addresses import checked
from registry.web.robots import Robots
from tests.hostile_site.asking import Asked, ask_all
from tests.hostile_site.cases import NAMES, ROBOTS, text
from tests.hostile_site.replies import page
from tests.hostile_site.server import HERE, Case, HostileSite

ASKED = tuple(case for case in ROBOTS if case.outcome)


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with HostileSite(ROBOTS, NAMES) as site:
        yield ask_all(site, ROBOTS)


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.name)
def test_a_host_is_asked_for_what_it_allows(asked: Asked, case: Case) -> None:
    """What is forbidden is an answer that says so, and no request."""
    answer = asked.answers[case.name]
    requests = [request for request in asked.site.requests if (request.host, request.path) == (case.host, case.target)]
    assert answer.outcome == case.outcome and case.says in answer.detail, answer
    assert len(requests) == (case.outcome == "ok")


def test_a_group_of_many_agents_and_rules_is_read_in_time() -> None:
    """Two thousand of each: four million rules, if each agent got its own."""
    [case] = [case for case in ROBOTS if case.name == "many-agents-robots"]
    body = case.reply.partition(b"\r\n\r\n")[2]

    async def served(url: str) -> Answer:
        return Answer(url, url, 200, "ok", body=body)

    since = time.process_time()
    assert asyncio.run(Robots(served, 30.0).delay(checked("http://docs.test/a", ()))) == 0
    assert time.process_time() - since < 1


FIELDS = ["User-agent: ", "user agent", "Disallow: ", "Allow:", "Crawl-delay: ", "Sitemap: ", "", "x: ", "#"]
VALUES = ["*", "driftune", "/*", "/$", "//[", "/%", "/%e9*$", "1e999", "5"]
LINE = st.tuples(st.sampled_from(FIELDS), st.one_of(st.text(max_size=20), st.sampled_from(VALUES))).map("".join)


@settings(max_examples=60)
@given(st.lists(LINE, max_size=12).map("\n".join), st.text(max_size=20))
def test_any_robots_txt_is_read(words: str, path: str) -> None:
    """Whatever it says, the answer is yes, with a delay that is kept, or no."""
    answer = Answer("", "", 200, "ok", body=words.encode("utf-8", "replace"))

    async def served(url: str) -> Answer:
        return answer

    async def ask() -> None:
        try:
            assert 0 <= await Robots(served, 30.0).delay(checked(f"http://docs.test/{quote(path)}", ())) <= 30
        except WebError as error:
            assert error.values["outcome"] == "forbidden"

    asyncio.run(ask())


def test_robots_txt_reaches_no_private_address(asked: Asked) -> None:
    """Its redirects are vetted as those of a page are, and nothing stays open."""
    assert asked.site.trapped == 0 and asked.left == 0


def test_a_crawl_delay_is_kept() -> None:
    """Requests to the host begin that far apart."""
    now, starts = 0.0, list[float]()

    async def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    def served(request: object, site: HostileSite) -> bytes:
        starts.append(now)
        return page()

    async def ask(site: HostileSite) -> None:
        async with Web(Access(private=(HERE,)), sleep=wait, clock=lambda: now) as web:
            for _ in range(4):
                assert (await web.get(f"{site.url}/page")).outcome == "ok"

    cases = (Case("robots", "", text("User-agent: *\nCrawl-delay: 2.5"), path="/robots.txt"), Case("page", "", served))
    with HostileSite(cases) as site:
        asyncio.run(ask(site))
    assert [round(after - before, 3) for before, after in itertools.pairwise(starts)] == [2.5] * 3
