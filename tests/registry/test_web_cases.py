"""Every case of the hostile site, asked for in one session: each ends as the answer that its line says."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from registry.web.pacing import asked_wait
from tests.hostile_site.asking import Asked, ask_all
from tests.hostile_site.cases import LIMIT, NAMES, PAGES, WAY
from tests.hostile_site.odd_answers import ODD
from tests.hostile_site.server import Case, HostileSite, Reply, Request

CASES = (*WAY, *ODD, *PAGES)


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with HostileSite(CASES, NAMES) as site:
        yield ask_all(site, CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_ends_as_its_line_says(asked: Asked, case: Case) -> None:
    """Outcome and detail; a body where it is `ok`, and only then."""
    answer = asked.answers[case.name]
    assert answer.outcome == case.outcome, answer
    assert case.says in answer.detail and bool(answer.detail) == (case.outcome != "ok"), answer
    assert len(answer.detail) < 900 and answer.detail.isprintable() and len(answer.body) <= LIMIT
    assert not answer.body or answer.outcome == "ok"


def test_no_connection_reaches_a_private_address(asked: Asked) -> None:
    """The listener on 127.0.0.2 is there, and none of the ways to it was gone."""
    assert asked.site.trapped == 0
    with socket.create_connection(("127.0.0.2", asked.site.trap_port), timeout=5) as plain:
        plain.recv(1)
    assert asked.site.trapped == 1


def test_nothing_stays_open(asked: Asked) -> None:
    """When the session is over there is no connection and no socket, whatever the servers did."""
    assert asked.left == 0


def test_requests_say_who_asks_and_carry_nothing_from_one_to_the_next(asked: Asked) -> None:
    """Each names driftune and the host that is meant; cookies that were set are not sent."""
    assert len(asked.site.requests) > len(CASES)
    hosts = {"127.0.0.1", "good.test", *(case.host for case in CASES if case.host)}
    for request in asked.site.requests:
        assert request.headers["user-agent"].startswith("driftune/")
        assert request.host in hosts and "cookie" not in request.headers


def test_nothing_is_asked_for_more_often_than_allowed(asked: Asked) -> None:
    """Three attempts at most, one where trying again can't help; no wait is longer than the limit."""
    assert len(asked.site.asked("/broken")) == 3 and len(asked.site.asked("/busy/year")) <= 1
    assert len(asked.site.asked("/to/endless")) == 6 and len(asked.site.asked("/locked")) == 1
    assert 0 < max(asked.waits) <= 60


def test_any_bytes_are_an_answer() -> None:
    """Responses with bytes changed, cut out, put in and doubled: no exception, nothing outside, nothing open."""
    seeds = [case.reply for case in CASES if isinstance(case.reply, bytes) and 20 < len(case.reply) < 3_000]
    cases = [Case(f"{n}", "any", _broken_off(mutated(random.Random(n), seeds))) for n in range(150)]
    with HostileSite(cases) as site:
        asked = ask_all(site, cases, 5.0)
    assert {answer.outcome for answer in asked.answers.values()} >= {"ok", "failed"}
    assert (len(asked.answers), asked.left, site.trapped) == (150, 0, 0)


def _broken_off(reply: bytes) -> Reply:
    """The bytes, and the end of the connection."""

    async def made(request: Request, site: HostileSite) -> AsyncIterator[bytes]:
        yield reply

    return made


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the responses, with one to six changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 6)):
        at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        piece = rng.choice(
            [data[at:end], rng.randbytes(3), b"\r\n", b"\r\n\r\n", b"Content-Length: 5\r\n", b"\r\nLocation: "]
        )
        data[at : rng.choice([at, at + 1, min(end, at + 20)])] = piece
    return bytes(data)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0), ("120", 120.0), (" 7 ", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), (None, None), ("", None),
        ("-1", None), ("1.5", None), ("soon", None), ("9" * 400, None), ("Wed, 99 Foo 2015 99:99:99", None),
        ("Mon, 01 Jan 0001 00:00:00 +9959", None), ("\u0661", None),
    ],
)  # fmt: skip
def test_a_wait_is_read_from_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    """Anything else says nothing."""
    assert asked_wait(text) == seconds
