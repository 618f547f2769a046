"""The web page: every screen answers, hostile text stays text, the private stays unseen, a login is a safe cookie."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from registry.errors import RegistryError
from registry.lake import Lake
from registry.records import Release
from registry.server.access import COOKIE
from registry.server.pages.diffs import diff
from registry.server.pages.gates import arms, gains, gate_of
from registry.server.pages.markdown import rendered
from registry.server.pages.questions import Questions
from registry.server.pages.view import assets
from registry.server.state import State
from registry.signing import new_signing_key
from registry.store import Store
from registry.trusted import TrustedKeys, trusted_key
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, Served, context_in, serving
from tests.registry.server.story import HOSTILE, PAIRS, ROWS, Story, followed, story
from tests.registry.test_store import adapter_folder, overwrite, publication

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, Story]]]:
    """A server over a lake, and what stands in it."""
    context, stories = story(tmp_path_factory.mktemp("story"))
    with serving(context) as served:
        yield served, stories


def screens(domain: str, of: Story) -> list[str]:
    """Every screen that tells of a domain."""
    at = f"/domains/{domain}"
    below = ("", "/card", "/changes", "/rows", "/rows?kind=drift&split=train", "/pages")
    single = [f"/changes/{of.change}", f"/symbols/{of.symbol}", f"/rows/{of.row}", f"/rows/{of.removed}"]
    return [at, *(f"{at}/v3{each}" for each in below), f"{at}/funnel", f"{at}/removals/near-duplicate", *single]


def look(served: Served, path: str, caller: str = "none") -> httpx.Response:
    """A page as a browser asks for it."""
    return served.get(path, caller, headers=BROWSER)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def tags(html: str) -> list[tuple[str, dict[str, str]]]:
    """The tags that a browser finds in a page."""
    parser = _Tags()
    parser.feed(html)
    return parser.found


def test_every_screen_answers_and_what_is_hostile_is_shown_as_text(told: tuple[Served, dict[str, Story]]) -> None:
    """Scraped text, texts of LLMs and of callers are escaped, and the policy forbids what would get through."""
    served, stories = told
    shown = 0
    for path in ["/", "/search", "/search?q=matching", f"/search?q={HOSTILE}", *screens(PUBLIC, stories[PUBLIC])]:
        answer = look(served, path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for tag, attributes in tags(answer.text):
            assert tag not in ("style", "iframe", "object", "embed", "base"), path
            assert tag not in ("script", "img") or attributes["src"].startswith("/static/"), path
            assert not any(name == "style" or name.startswith("on") for name in attributes), path
        shown += "&lt;script&gt;" in answer.text
    assert shown >= 9


def test_who_may_not_see_a_domain_learns_nothing_of_it_on_any_screen(told: tuple[Served, dict[str, Story]]) -> None:
    """Nor by the ids of its rows and changes, its symbols' names, or lists; who may, sees it as a public one."""
    served, stories = told
    for caller in ("none", "other"):
        for path in screens(PRIVATE, stories[PRIVATE]):
            assert look(served, path, caller).status_code == 404, (caller, path)
        for path in ("/", "/search?q=matching", f"/search?q={PRIVATE}"):
            assert PRIVATE not in look(served, path, caller).text.replace(f'value="{PRIVATE}"', "").replace(
                f"<title>{PRIVATE}: search", ""
            ), path
    for path in screens(PRIVATE, stories[PRIVATE]):
        assert look(served, path, "read").status_code == 200, path
    assert PRIVATE in look(served, "/", "read").text
    assert f"{PRIVATE}.algorithms" in look(served, "/search?q=min_weight", "read").text.replace("<wbr>", "")


def test_parts_of_a_list_hold_every_row_once(told: tuple[Served, dict[str, Story]]) -> None:
    """Going through the parts of a list, each row is met once; a part beyond the last is the last."""
    served, _ = told
    at = f"/domains/{PUBLIC}/v3/rows"
    found = [re.findall(r'href="/rows/(\w+)"', look(served, f"{at}?page={n}").text) for n in (1, 2, 9)]
    assert len({*found[0], *found[1]}) == len(found[0]) + len(found[1]) == PAIRS + ROWS
    assert found[1] == found[2]
    assert len(re.findall(r'href="/rows/', look(served, f"{at}?kind=drift").text)) == PAIRS


def test_a_pair_is_shown_with_each_verdict(told: tuple[Served, dict[str, Story]]) -> None:
    """Old code at old and at new, new code at new: outcome, proof, what decided, warnings."""
    served, stories = told
    text = re.sub(r"<[^>]+>", "", look(served, f"/changes/{stories[PUBLIC].change}").text)
    assert "Old code with networkx 2.8.8: passed (strong proof)" in text
    assert "Old code with networkx 3.6.1: error (strong proof). TypeError: unexpected keyword argument" in text
    assert "warned: DeprecationWarning" in text
    assert "New code with networkx 3.6.1: passed (strong proof)" in text


def test_subscriptions_are_shown_to_their_owner_and_to_who_administers_all(
    told: tuple[Served, dict[str, Story]],
) -> None:
    """State, deliveries and dead letters of one's own; of another's nothing, nor whether there is one."""
    served, _ = told
    made = followed(served)
    for caller in ("read", "all"):
        assert made in look(served, "/subscriptions", caller).text
        one = look(served, f"/subscriptions/{made}?status=dead", caller)
        assert re.search(r"1 dead letters.*&lt;script&gt;", one.text, re.DOTALL)
    for caller in ("other", "admin"):
        assert made not in look(served, "/subscriptions", caller).text
        absent = look(served, "/subscriptions/sub_0", caller)
        assert look(served, f"/subscriptions/{made}", caller).text.replace(made, "sub_0") == absent.text
    answer = look(served, "/subscriptions")
    assert (answer.status_code, "Log in" in answer.text) == (401, True)


def test_what_is_yanked_ended_or_given_to_a_share_is_said(tmp_path: Path) -> None:
    """On the domain's screen and on the version's: what, why, by whom; a channel left with nothing says so."""
    context = context_in(tmp_path)
    store = context.store
    store.publish(adapter_folder(tmp_path / "third", b"3"), publication("run-3", PUBLIC), channel="mine")
    store.promote(PUBLIC, 1, "stable")
    store.promote(PUBLIC, 2, "stable", share=0.25, by="jo")
    store.yank(f"{PUBLIC}@v3", "It invents a parameter", by="maria")
    store.end_of_life(PUBLIC, "Nobody uses it", by="jo")
    with serving(context) as served:
        shown = re.sub(r"<[^>]+>", "", look(served, f"/domains/{PUBLIC}").text)
        assert "v2 for 25% of those who follow it" in shown
        assert "nothing: what it held is yanked" in shown
        assert "At the end of its life, just now, by jo. Nobody uses it" in shown
        version = re.sub(r"<[^>]+>", "", look(served, f"/domains/{PUBLIC}/v3").text)
        assert "Yanked, just now, by maria. It invents a parameter" in version
        assert "end of life" in look(served, "/").text


def test_a_version_says_who_signed_it_and_a_broken_domain_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unsigned, by a key that this server doesn't know, by one that it trusts, by one that was revoked."""
    keys = TrustedKeys(tmp_path / "trusted-keys.json")
    signer = new_signing_key(tmp_path / "ci.pem")
    context = context_in(tmp_path)
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    monkeypatch.setenv("DRIFTUNE_SIGNING_KEY", str(tmp_path / "ci.pem"))
    told = publication("run-4", PUBLIC)
    Store(tmp_path / "registry").publish(adapter_folder(tmp_path / "made", b"signed"), told, channel=None)
    monkeypatch.delenv("DRIFTUNE_SIGNING_KEY")
    store = Store(tmp_path / "registry", checks=False)  # as `driftune serve` has it
    with serving(dataclasses.replace(context, store=store)) as served:

        def said(version: int) -> str:
            return re.sub(r"<[^>]+>", "", look(served, f"/domains/{PUBLIC}/v{version}").text)

        assert "not signed" in said(2)
        assert f"by {signer.public.id}; this server trusts no key" in said(3)
        keys.trust(trusted_key(signer.public, store.trust.place, "ci"))
        assert "good: by ci" in said(3)
        assert "not good: unsigned" in said(2)
        keys.revoke(signer.public.id, "It was lost")
        assert "not good: revoked key" in said(3)
        overwrite(tmp_path / "registry" / OTHER / "versions" / "00000002" / "manifest.json", b"{")
        listed = Store(tmp_path / "registry", checks=False)
    with serving(dataclasses.replace(context, store=listed, state=State(f"sqlite:///{tmp_path / 'n'}"))) as served:
        answer = look(served, "/")
        assert "It can't be read." in answer.text
        assert f'href="/domains/{PUBLIC}"' in answer.text


def test_logging_in_is_a_cookie_that_no_script_reads_and_no_other_site_sends(
    told: tuple[Served, dict[str, Story]],
) -> None:
    """HttpOnly, SameSite=Strict; forms of other sites are refused; logging out drops it; so does its end."""
    served, _ = told
    form = {"token": served.secrets["read"]}
    for headers in ({"Origin": "http://127.0.0.2"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert served.get("/login", method="POST", data=form, headers=BROWSER | headers).status_code == 403
        assert served.get("/logout", method="POST", headers=BROWSER | headers).status_code == 403
    assert served.get("/login", method="POST", data={"token": "dt_no"}, headers=BROWSER).status_code == 401
    own = {"Origin": served.address, "Sec-Fetch-Site": "same-origin"}
    answer = served.get("/login", method="POST", data=form, headers=BROWSER | own)
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert served.secrets["read"] not in answer.text
    sent = {"Cookie": cookie.partition(";")[0]}
    assert PRIVATE in served.get("/", headers=BROWSER | sent).text
    assert "Max-Age=0" in served.get("/logout", method="POST", headers=BROWSER | own | sent).headers["set-cookie"]
    ended = served.get("/", headers=BROWSER | {"Cookie": f"{COOKIE}={served.secrets['revoked']}"})
    assert (ended.status_code, "Max-Age=0" in ended.headers["set-cookie"]) == (401, True)
    assert "was revoked" in ended.text


def test_browsers_are_refused_with_pages_and_programs_with_objects(told: tuple[Served, dict[str, Story]]) -> None:
    """What isn't there, or can't be asked so: a page for who accepts pages, else JSON; neither has what isn't seen."""
    served, _ = told
    for path, status in (("/nothing", 404), ("/domains/absentlib", 404), (f"/domains/{PUBLIC}/v9", 404),
                         (f"/domains/{PUBLIC}/v3/rows?page=x", 422)):  # fmt: skip
        page, answer = look(served, path), served.get(path)
        assert page.status_code == answer.status_code == status
        assert "<h1>" in page.text
        assert set(answer.json()) == {"error", "code"}
    hidden, absent = look(served, f"/domains/{PRIVATE}"), look(served, "/domains/absentlib")
    assert hidden.text.replace(PRIVATE, "…") == absent.text.replace("absentlib", "…")


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    """429 as a page, with Retry-After; the page's own files are sent still."""
    context = context_in(tmp_path, rate=0.01, burst=1)
    with serving(context) as served:
        assert look(served, "/").status_code == 200
        answer = look(served, "/")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 1
        assert "Too many requests" in answer.text
        assert served.get("/static/page.css").status_code == 200


def test_who_asks_the_lake_while_many_do_is_told_to_come_again(tmp_path: Path) -> None:
    """Those in the line are answered, one after the other; who comes on top is refused at once, and may try again."""
    lake = Lake(str(tmp_path / "lake"), tmp_path)
    lake.create()
    questions = Questions(lake, at_once=1, line=2)
    slow = "SELECT sum(a.range * b.range) AS n FROM range(3000) a, range(3000) b"

    def ask(_: int) -> str:
        try:
            return str(questions.ask(slow)[0]["n"])
        except RegistryError as error:
            return f"{error} {error.retryable}"

    questions.ask("SELECT 1")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(8)))
    assert 2 <= answers.count(str((2999 * 3000 // 2) ** 2)) < 8
    assert "Too many questions to the lake at once: try again True" in answers
    questions.close()


def test_an_answer_that_is_kept_is_asked_for_anew_when_the_lake_grows(tmp_path: Path) -> None:
    """What takes long is asked once for as long as no file of the lake comes or goes."""
    lake = Lake(str(tmp_path / "lake"), tmp_path)
    lake.create()
    questions = Questions(lake)
    asked = "SELECT count(*) AS n, random() AS which FROM releases"
    first = questions.kept(asked)
    assert questions.kept(asked) == first
    lake.append([Release(library="lib", version="1.0", artifact_sha256="1")])
    assert questions.kept(asked)[0]["n"] == 1
    questions.close()


def test_the_page_brings_all_that_it_needs(told: tuple[Served, dict[str, Story]]) -> None:
    """Every file that a page names is served, to be kept for ever; htmx has its licence beside it."""
    served, _ = told
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', look(served, "/").text))
    assert {path.partition("?")[0].removeprefix("/static/") for path in named} <= set(assets())
    assert len(named) == 4
    for path in named:
        assert "immutable" in served.get(path).headers["cache-control"]
    assert b"Zero-Clause BSD" in assets()["htmx-LICENSE.txt"][0]
    assert served.get("/static/../page.css").status_code == 404


def test_a_diff_marks_the_words_that_differ() -> None:
    """Lines that stay are shown once, a changed one twice with its words marked; together they are both programs."""
    old, new = "import a\nx = a.f(1, old=True)\n", "import a\nx = a.f(1)\ny = 2\n"
    lines = diff(old, new + "z = 3\n")
    assert [line.sign for line in lines] == [" ", "-", "+", "+", "+"]
    [went, came] = diff("x = a.f(1, old=True)", "x = a.f(1)")
    assert "".join(p.text for p in went.pieces if p.marked) == ", old=True"
    assert not any(p.marked for p in came.pieces)
    for side, sign in ((old, "-"), (new, "+")):
        own = [line for line in diff(old, new) if line.sign in (" ", sign)]
        assert "".join(p.text for line in own for p in line.pieces) == side.replace("\n", "")
    assert len(diff("a\n" * 9999, "b\n" * 9999)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "<script>x</script>",
        "<img src=x onerror=y>",
        "![words](http://127.0.0.9/x.png)",
        "[words](javascript:alert(1))",
        "[words](data:text/html;base64,PHNjcmlwdD4=)",
        "<http://127.0.0.9/><b onclick=x>",
        "| a |\n| --: |\n| <i>x</i> |",
        '[words](http://127.0.0.9/ "x\\" onmouseover=y")',
        "[w][r]\n\n[r]: <javascript:x>",
        "![words][r]\n\n[r]: http://127.0.0.9/x.png",
    ],
)
def test_a_card_cannot_bring_markup_of_its_own(text: str) -> None:
    """No HTML, no picture, no address but of the web, no style: a card quotes what was scraped."""
    html = str(rendered(text))
    for tag, attributes in tags(html):
        assert tag not in ("script", "img", "i", "b")
        assert set(attributes) <= {"href", "title", "rel", "class", "role", "aria-label", "tabindex"}
        assert attributes.get("href", "http://").startswith("http://")
    assert "words" in html or "words" not in text


def test_a_version_is_drawn_as_its_report_has_it(told: tuple[Served, dict[str, Story]]) -> None:
    """The deciding metric and split come first; marks lie where their values lie between the ends of the scale."""
    served, _ = told
    gate = gate_of(served.context.store.resolve(f"{PUBLIC}@v3"))
    assert (gate.metric, gate.split) == ("choice@1", "context")
    plots = arms(gate)
    assert [plot.title for plot in plots] == ["choice@1 on context", "choice@1 on symbol"]
    for mark in plots[0].marks:
        assert mark.at == pytest.approx(100 * (mark.value - plots[0].low) / (plots[0].high - plots[0].low), abs=0.01)
        assert mark.from_ < mark.at < mark.to
    assert [mark.shape for mark in plots[0].marks] == ["open-round", "open-square", "filled-round", "filled-square"]
    gained = gains(gate)
    assert gained is not None
    assert gained.line is not None
    assert gained.line < gained.marks[0].from_
