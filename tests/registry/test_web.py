"""The guarded client against real servers on loopback."""

from __future__ import annotations

import asyncio
import base64
import logging
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from registry.credentials import Credentials, find_credentials
from registry.errors import ConfigurationError, WebError
from registry.web import Access, Answer, Web, WebLimits
from registry.web.pacing import Lanes
from tests.hostile_site import secure
from tests.hostile_site.cases import NAMES
from tests.hostile_site.replies import answer, busy, endless, gzip_bomb, here, in_turn, page
from tests.hostile_site.server import HERE, Case, HostileSite, Reply, Request

T = TypeVar("T")
OWN = Access(private=(HERE,))
SECRET = "correct-horse"
ODD_SECRET = 'correct "horse" <battery>'


def _validated(request: Request, site: HostileSite) -> bytes:
    known = request.headers.get("if-none-match") == '"1"' or request.headers.get("if-modified-since") == "Monday"
    return answer(status=304, Content_Length="") if known else page("Plain", ETag='"1"', Last_Modified="Monday")


def _echo(request: Request, site: HostileSite) -> bytes:
    login = request.headers.get("authorization", "")
    return answer(f"You sent {login!r}", ETag=f'"{login}"', Last_Modified=login, kind=f"text/html; x={login}")


def _telling_on(request: Request, site: HostileSite) -> bytes:
    return answer(status=302, Location=f"http://elsewhere.test/{request.headers['authorization']}")


def _telling_decoded(request: Request, site: HostileSite) -> bytes:
    login = base64.b64decode(request.headers["authorization"].partition(" ")[2]).decode()
    return answer(status=302, Location=f"http://elsewhere.test/{login}")


def _telling_a_part(request: Request, site: HostileSite) -> bytes:
    padding = "a" * int(request.path.rpartition("/")[2])
    return answer(status=302, Location=f"http://elsewhere.test/{padding}{request.headers['authorization']}")


CASES = (
    Case("plain", "", _validated),
    Case("telling-decoded", "", _telling_decoded),
    Case("telling-a-part", "", _telling_a_part, path="/telling-a-part/*"),
    Case("breaking", "", b""),
    Case("closing", "", page("Closing", Connection="close")),
    Case("echo", "", _echo),
    Case("telling-on", "", _telling_on),
    Case("to/echo", "", here("http://127.0.0.1:{port}/echo")),
    Case("to/friend", "", here("http://good.test:{port}/echo")),
    Case("to/friend-and-back", "", here("http://good.test:{port}/back")),
    Case("back", "", here("http://127.0.0.1:{port}/echo")),
    Case("busy", "", busy("7")),
    Case("half", "", in_turn(answer(status=500), page())),
    Case("broken", "", answer(status=500)),
    Case("later", "", answer(status=503, Retry_After="900")),
    Case("stalled", "", endless("", b"", 0.1)),
    Case("bomb", "", gzip_bomb()),
    Case("large", "", answer(b"x" * 50_000)),
)


@pytest.fixture(scope="module")
def site() -> Iterator[HostileSite]:
    with HostileSite(CASES, NAMES) as server:
        yield server


def during(
    site: HostileSite,
    use: Callable[[Web], Awaitable[T]],
    access: Access = OWN,
    limits: WebLimits | None = None,
    **clock: object,
) -> T:
    """What using a session gives."""

    async def run() -> T:
        async with Web(access, limits, resolve=site.resolve, **clock) as web:
            return await use(web)

    return asyncio.run(run())


def asked(site: HostileSite, path: str, access: Access = OWN, limits: WebLimits | None = None) -> Answer:
    return during(site, lambda web: web.get(f"{site.url}{path}"), access, limits)


class Clock:
    """Time that passes by waiting alone."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def __call__(self) -> float:
        return self.now


def test_a_page_comes_back_as_it_was_sent(site: HostileSite) -> None:
    """Body, status and validators of an ordinary page; the fragment isn't asked for."""
    found = asked(site, "/plain#part")
    assert (found.outcome, found.status, found.etag, found.last_modified) == ("ok", 200, '"1"', "Monday")
    assert found.final_url == f"{site.url}/plain" and b"Plain" in found.body and found.received > len(found.body)


@pytest.mark.parametrize("known", [{"etag": '"1"'}, {"last_modified": "Monday"}])
def test_what_is_known_is_not_sent_again(site: HostileSite, known: dict[str, str]) -> None:
    """A validator that the server knows gives `unchanged`, and no body."""
    found = during(site, lambda web: web.get(f"{site.url}/plain", **known))
    assert (found.outcome, found.status, found.body) == ("unchanged", 304, b"") and found.received < 200


def test_a_validator_that_cant_be_sent_is_left_out(site: HostileSite) -> None:
    """One with a line break in it writes no header of its own."""
    found = during(site, lambda web: web.get(f"{site.url}/plain", etag='"1"\r\nX-Own: 1'))
    assert found.outcome == "ok" and "x-own" not in site.asked("/plain")[-1].headers


def test_loopback_is_refused_unless_it_is_named(site: HostileSite) -> None:
    """No connection is made to what access doesn't name."""
    before = len(site.requests)
    found = asked(site, "/plain", access=Access())
    assert found.outcome == "refused" and "not public" in found.detail and len(site.requests) == before


def test_the_vetted_address_is_the_one_that_is_connected_to(site: HostileSite) -> None:
    """A name is looked up once a connection: where its next answer is another, that is vetted too, and refused."""

    async def use(web: Web) -> tuple[Answer, Answer]:
        url = f"http://turning.test:{site.port}/closing"
        return await web.get(url), await web.get(url)

    site.looked_up.clear()
    first, second = during(site, use)
    assert (first.outcome, second.outcome) == ("ok", "refused") and "127.0.0.2" in second.detail
    assert site.looked_up["turning.test"] == 2 and site.trapped == 0
    assert site.asked("/closing")[-1].headers["host"] == f"turning.test:{site.port}"


def test_environment_proxies_are_off(site: HostileSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment names as a proxy is not asked."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, site.trap_url)
    assert asked(site, "/plain").outcome == "ok" and site.trapped == 0


def test_a_named_proxy_gets_everything_but_private_numbers(site: HostileSite) -> None:
    """It looks names up by itself; an address written as a number is vetted all the same."""
    access = Access(proxy=site.url)
    found = during(site, lambda web: web.get("http://anywhere.test/plain"), access)
    assert found.outcome == "ok" and site.requests[-1].target == "http://anywhere.test/plain"
    assert during(site, lambda web: web.get("http://127.0.0.1/plain"), access).outcome == "refused"
    with pytest.raises(ConfigurationError, match="without a login"):
        during(site, lambda web: web.get("http://x.test/"), Access(proxy="http://user:pw@proxy.test:1"))


def _login(site: HostileSite, word: str = SECRET) -> Credentials:
    variables = {"NAME": "team", "WORD": word}
    found = find_credentials("env:NAME:WORD", site.url, variables)
    assert found is not None
    return found


def test_a_login_goes_to_its_origin_alone(site: HostileSite) -> None:
    """It stays on a redirect within the origin, and is neither sent elsewhere nor after coming back from there."""
    access = Access(hosts=("good.test",), private=(HERE,), credentials=(_login(site),))

    def sent(path: str) -> bool:
        assert asked(site, path, access).outcome == "ok"
        return "authorization" in site.asked("/echo")[-1].headers

    assert sent("/echo") and sent("/to/echo")
    assert not sent("/to/friend") and not sent("/to/friend-and-back")
    other = during(site, lambda web: web.get(f"http://good.test:{site.port}/echo"), access)
    assert other.outcome == "ok" and "authorization" not in site.requests[-1].headers


@pytest.mark.parametrize("path", ["/echo", "/telling-on"])
def test_a_login_is_in_nothing_that_is_told(site: HostileSite, path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A server that sends it back, in a body, header or redirect, gets it into no answer; no log has it."""
    access = Access(private=(HERE,), credentials=(_login(site),))
    with caplog.at_level(logging.DEBUG):
        found = asked(site, path, access)
    encoded = base64.b64encode(f"team:{SECRET}".encode()).decode()
    sent = [line for line in caplog.text.splitlines() if "receive" not in line and "response" not in line]
    told = "\n".join([repr(found), found.body.decode(), repr(access), *sent])
    assert SECRET not in told and encoded not in told and "***" in told


def test_a_part_of_a_login_is_not_told_either(site: HostileSite) -> None:
    """Neither percent-encoded, as an address has it, nor where a detail is cut off in its middle."""
    access = Access(private=(HERE,), credentials=(_login(site, ODD_SECRET),))
    encoded = base64.b64encode(f"team:{ODD_SECRET}".encode()).decode()

    async def use(web: Web) -> list[Answer]:
        paths = ["telling-decoded", *(f"telling-a-part/{length}" for length in range(220, 290, 3))]
        return [await web.get(f"{site.url}/{path}") for path in paths]

    for found in during(site, use, access):
        assert found.outcome == "refused" and encoded[:5] not in repr(found) and "horse" not in repr(found), found


def test_an_address_with_a_password_is_refused_and_not_shown(site: HostileSite) -> None:
    """What stands before the @ is in no part of the answer."""
    found = during(site, lambda web: web.get(f"http://team:{SECRET}@127.0.0.1:{site.port}/plain"))
    assert found.outcome == "refused" and SECRET not in repr(found)


def test_a_certificate_is_held_against_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS asks for the name, not for the address that it resolves to; another name's certificate isn't taken."""
    with secure.serving(tmp_path, "secure.test") as (port, asked_for):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))

        async def use() -> list[Answer]:
            async with Web(OWN, resolve=_always_here) as web:
                return [await web.get(f"https://{name}:{port}/") for name in ("secure.test", "other.test")]

        right, wrong = asyncio.run(use())
    assert right.outcome == "ok" and right.body == b"safe" and "secure.test" in asked_for
    assert wrong.outcome == "failed" and "certificate" in wrong.detail


async def _always_here(host: str, port: int) -> list[str]:
    return [HERE]


def test_a_post_is_sent_once_and_follows_nothing(site: HostileSite) -> None:
    """Its headers and body arrive; a redirect and an error are the answer."""

    async def use(web: Web) -> list[Answer]:
        headers = {"Content-Type": "application/json", "Webhook-Id": "m1"}
        return [await web.post(f"{site.url}{path}", b"{}", headers) for path in ("/plain", "/to/echo", "/broken")]

    done, moved, broken = during(site, use)
    sent = site.asked("/plain")[-1]
    assert done.outcome == "ok" and (sent.method, sent.body, sent.headers["webhook-id"]) == ("POST", b"{}", "m1")
    assert (moved.outcome, moved.status) == ("failed", 302) and (broken.outcome, broken.status) == ("failed", 500)
    assert len([r for r in site.asked("/broken") if r.method == "POST"]) == 1
    with pytest.raises(ConfigurationError, match="'Host' can't be sent"):
        during(site, lambda web: web.post(site.url, b"", {"Host": "other.test"}))
    with pytest.raises(ConfigurationError, match="printable") as caught:
        during(site, lambda web: web.post(site.url, b"", {"Authorization": f"{SECRET}\n"}))
    assert SECRET not in str(caught.value)


def test_a_post_tells_the_wait_that_is_asked_for(site: HostileSite) -> None:
    """Whoever posts decides himself when to try again; the host is held for nobody."""

    async def use(web: Web) -> list[float | None]:
        return [(await web.post(f"{site.url}{path}", b"{}")).wait for path in ("/later", "/broken", "/plain")]

    assert during(site, use) == [900.0, None, None]


@pytest.mark.parametrize(
    ("url", "access", "wrong"),
    [
        ("http://127.0.0.1:1/", OWN, ""),
        ("http://127.0.0.1:1/", Access(), "not public"),
        ("http://here.test/", OWN, ""),
        ("http://here.test/", Access(), "not public"),
        ("http://here.test/", Access(private=("127.0.0.2",)), "not public"),
        ("http://nowhere.test/", OWN, "No address is known"),
        ("ftp://here.test/", OWN, "starts with http"),
    ],
)
def test_an_address_is_vetted_without_being_asked(url: str, access: Access, wrong: str) -> None:
    """What connecting would refuse is refused, by look-up or by number; nothing is sent."""

    async def resolve(host: str, port: int) -> list[str]:
        return [HERE, HERE] if host == "here.test" else []

    vetting = Web(access, resolve=resolve).vet(url)
    if not wrong:
        assert asyncio.run(vetting) == [HERE]
        return
    with pytest.raises(WebError, match=wrong):
        asyncio.run(vetting)


def test_the_wait_that_a_server_asks_for_is_kept(site: HostileSite) -> None:
    """Nobody asks the host again before its Retry-After is over."""
    clock = Clock()
    found = during(site, lambda web: web.get(f"{site.url}/busy"), sleep=clock.sleep, clock=clock)
    assert found.outcome == "ok" and clock.now >= 7.0


def test_the_wait_that_a_server_asks_for_holds_for_all() -> None:
    """Also for a request that was waiting for its turn by then; after it they begin as far apart as ever."""
    clock, starts = Clock(), list[float]()
    lanes = Lanes(WebLimits(pause_s=2, per_host=4), clock.sleep, clock)

    async def ask(first: bool) -> None:
        async with lanes.turn("docs.test"):
            starts.append(clock.now)
            while first and not clock.waits:
                await asyncio.sleep(0)
            if first:
                lanes.hold("docs.test", 60)

    async def ask_all() -> None:
        await asyncio.gather(*(ask(n == 0) for n in range(5)))

    asyncio.run(ask_all())
    assert starts == [0, 62, 64, 66, 68]


def test_a_host_that_asks_for_more_than_is_waited_is_left_alone_until_then() -> None:
    """Whatever else is asked for there fails at once, other hosts are asked; when its time is over, it is, too."""
    clock = Clock()
    cases = (Case("busy", "", answer(status=503, Retry_After="900")), Case("plain", "", page()))
    with HostileSite(cases) as site:

        async def use(web: Web) -> list[Answer]:
            found = [await web.get(f"{site.url}/{name}") for name in ("busy", "plain", "plain")]
            found.append(await web.get(f"http://other.test:{site.port}/plain"))
            clock.now += 899
            return [*found, *[await web.get(f"{site.url}/plain") for _ in range(2)]]

        found = during(site, use, sleep=clock.sleep, clock=clock)
        assert [answer.outcome for answer in found] == ["failed"] * 3 + ["ok"] * 3
        assert "900 are" not in found[0].detail and "wants to be left alone for 900 s" in found[0].detail
        assert len(site.asked("/busy")) == 1 and len(site.asked("/plain")) == 3
        assert sum(clock.waits) < 1.2


def test_nobody_waits_for_longer_than_the_session_has() -> None:
    """A wait that is kept to otherwise ends at once where the session would be over by then."""
    clock = Clock()
    with HostileSite((Case("busy", "", busy("90")),)) as site:
        limits = WebLimits(total_seconds=60)
        found = during(site, lambda web: web.get(f"{site.url}/busy"), limits=limits, sleep=clock.sleep, clock=clock)
        assert found.outcome == "too-slow" and "session" in found.detail and len(site.asked("/busy")) == 1
    assert sum(clock.waits) < 0.1


def test_waits_grow_and_end(site: HostileSite) -> None:
    """Between attempts the waits double, within half and one and a half; after the last the error is the answer."""
    clock, before = Clock(), len(site.asked("/broken"))
    limits = WebLimits(attempts=4, pause_s=0)
    found = during(site, lambda web: web.get(f"{site.url}/broken"), limits=limits, sleep=clock.sleep, clock=clock)
    assert (found.outcome, found.status) == ("failed", 500) and len(site.asked("/broken")) - before == 4
    assert [base / 2 <= wait <= base * 1.5 for base, wait in zip((0.5, 1, 2), clock.waits, strict=True)] == [True] * 3


def test_a_host_gets_no_more_than_its_turns() -> None:
    """Requests to a host are no more at a time than `per_host`."""
    running, most = 0, 0

    async def slowly(request: Request, site: HostileSite) -> object:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0.2)
        running -= 1
        yield page(Connection="close")

    with HostileSite((Case("page", "", slowly),)) as site:
        limits = WebLimits(per_host=3, pause_s=0)
        found = during(site, lambda web: asyncio.gather(*(web.get(f"{site.url}/page") for _ in range(9))), OWN, limits)
    assert {answer.outcome for answer in found} == {"ok"} and most == 3


def test_robots_txt_is_read_once_a_host(site: HostileSite) -> None:
    """Ten pages at the same time ask for it once."""
    before = len(site.asked("/robots.txt"))
    found = during(site, lambda web: asyncio.gather(*(web.get(f"{site.url}/plain?{n}") for n in range(10))))
    assert {answer.outcome for answer in found} == {"ok"} and len(site.asked("/robots.txt")) - before == 1


def test_a_session_has_an_end_of_bytes(site: HostileSite) -> None:
    """When its bytes are used up nothing is asked for any more."""

    async def use(web: Web) -> tuple[list[Answer], int]:
        return [await web.get(f"{site.url}/large") for _ in range(4)], web.received

    found, received = during(site, use, limits=WebLimits(total_bytes=120_000))
    assert [answer.outcome for answer in found] == ["ok", "ok", "too-large", "too-large"]
    assert 100_000 < received < 190_000 and "session" in found[-1].detail


def test_a_host_that_only_fails_is_left_alone(site: HostileSite) -> None:
    """After so many addresses in a row no more are asked for; one that answers, if only with a 404, starts anew."""
    clock, limits = Clock(), WebLimits(attempts=2, faults=3)

    async def use(web: Web) -> list[Answer]:
        return [await web.get(f"{site.url}/{name}") for name in ["broken", "broken", "no", *["broken"] * 5]]

    before = len(site.asked("/broken"))
    found = during(site, use, limits=limits, sleep=clock.sleep, clock=clock)
    assert len(site.asked("/broken")) - before == 2 * 5
    assert ["left alone" in answer.detail for answer in found] == [False] * 6 + [True] * 2
    assert {answer.outcome for answer in found} == {"failed", "missing"}


def test_a_session_has_an_end_of_time(site: HostileSite) -> None:
    """Then nothing is asked for any more, and the answer says so."""
    clock, limits = Clock(), WebLimits(total_seconds=10, pause_s=4)

    async def use(web: Web) -> list[Answer]:
        return [await web.get(f"{site.url}/plain") for _ in range(5)]

    found = during(site, use, limits=limits, sleep=clock.sleep, clock=clock)
    assert [answer.outcome for answer in found] == ["ok"] * 2 + ["too-slow"] * 3 and "session" in found[-1].detail


@pytest.mark.parametrize("host", ["good.test", "GOOD.test.", "good.test:{port}"])
def test_a_redirect_leads_to_hosts_that_are_named(site: HostileSite, host: str) -> None:
    """However the name is written; with a port, to that port alone."""
    access = Access(hosts=(host.format(port=site.port),), private=(HERE,))
    assert asked(site, "/to/friend", access).final_url == f"http://good.test:{site.port}/echo"
    elsewhere = Access(hosts=("good.test:81", "bad.test"), private=(HERE,))
    assert asked(site, "/to/friend", elsewhere).outcome == "refused"


def test_a_long_address_is_told_as_it_was_asked_for(site: HostileSite) -> None:
    """It is cut in details only: an answer is found by its address."""
    url = f"{site.url}/{'long' * 500}"
    found = during(site, lambda web: web.get(url))
    assert found.outcome == "missing" and found.url == found.final_url == url


def test_a_bomb_needs_no_more_memory_than_the_limit(site: HostileSite) -> None:
    """A body that would unpack to gigabytes costs its limit, and a little."""
    limits = WebLimits(body_bytes=4 << 20)
    tracemalloc.start()
    try:
        found = asked(site, "/bomb", limits=limits)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.outcome == "too-large" and found.body == b"" and found.received < 200_000
    assert peak < 10 << 20


def test_a_cancelled_request_leaves_nothing_behind(site: HostileSite) -> None:
    """Its connection is closed, its turn is free, and the session goes on."""

    async def use(web: Web) -> tuple[Answer, int]:
        waiting = asyncio.create_task(web.get(f"{site.url}/stalled"))
        while not site.asked("/stalled"):
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await web.get(f"{site.url}/plain"), len(web._session.connected().connections)

    found, connections = during(site, use, limits=WebLimits(per_host=1))
    assert found.outcome == "ok" and connections == 1


def test_no_connection_is_made_after_the_session(site: HostileSite) -> None:
    """A request that is tried again when it is over fails: that is the caller's error."""

    async def run() -> None:
        async with Web(OWN, WebLimits(wait_s=0.2), resolve=site.resolve) as web:
            running = asyncio.create_task(web.get(f"{site.url}/breaking"))
            while not site.asked("/breaking"):
                await asyncio.sleep(0.01)
        with pytest.raises(ConfigurationError, match="isn't open"):
            await running

    asyncio.run(run())


def test_cancelled_while_it_reads_robots_txt_it_holds_up_nobody() -> None:
    """Another request for the host reads robots.txt itself."""
    case = Case("robots", "", in_turn_stalling(), path="/robots.txt")
    with HostileSite((case, Case("page", "", page()))) as site:

        async def use(web: Web) -> Answer:
            first = asyncio.create_task(web.get(f"{site.url}/page"))
            while not site.asked("/robots.txt"):
                await asyncio.sleep(0.01)
            second = asyncio.create_task(web.get(f"{site.url}/page"))
            await asyncio.sleep(0.01)
            first.cancel()
            return await asyncio.wait_for(second, 5)

        assert during(site, use).outcome == "ok"


def in_turn_stalling() -> Reply:
    stalled, seen = endless("", b"", 0.1), list[Request]()

    def made(request: Request, site: HostileSite) -> object:
        seen.append(request)
        return stalled(request, site) if len(seen) == 1 else answer(status=404)

    return made


def test_only_misuse_raises(site: HostileSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that isn't open, and settings that can't be, are the caller's errors."""
    with pytest.raises(ConfigurationError, match="isn't open"):
        asyncio.run(Web().get(site.url))
    for network in ("localhost", "10.1.2.3/8"):
        with pytest.raises(ConfigurationError, match="No address or network"):
            Web(Access(private=(network,)))
    for host in ("http://docs.test/", "xn--a.test", "*.docs.test"):
        with pytest.raises(ConfigurationError, match="is no host"):
            Web(Access(hosts=(host,)))
    with pytest.raises(ConfigurationError, match="to the proxy in the clear"):
        Access(proxy="http://proxy.test:1", credentials=(_login(site),))
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    with pytest.raises(ConfigurationError, match="No certificates can be read"):
        during(site, lambda web: web.get(site.url))
    with pytest.raises(ConfigurationError, match="attempts can't be 0"):
        WebLimits(attempts=0)
