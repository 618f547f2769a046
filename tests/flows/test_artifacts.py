"""What a run leaves on Prefect's page: text stays text, and is readable in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Browser, sync_playwright

from flows.artifacts import artifacts, block, key, plain
from flows.house import open_house
from flows.server import prefect_server
from flows.watching import Watch
from registry.settings import Settings
from tests.flows.runs import ROOT, environment
from tests.flows.shown import ATTACK, FENCED, SUMMARY
from tests.registry.server.test_pages_browser import ARGUMENTS, _chromium

DOMAIN = '[[library]]\nname = "lib"\nversions = ["1.0", "2.0"]\n'
ALONE = [*ARGUMENTS, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
"""The browser can't find anything but this machine."""


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A run that published."""
    (tmp_path / "lib.toml").write_text(DOMAIN)
    made = Watch(open_house(str(tmp_path / "lib.toml"), settings=Settings(home=tmp_path / "home")))
    made.outcome = "publish"
    return made


def test_hostile_text_is_text() -> None:
    """Nothing of a line becomes a tag, a link or a mark, and nothing in a block of code ends it."""
    inline = MarkdownIt("commonmark").enable("table").render(f"| a |\n|---|\n| {plain(ATTACK)} |\n")
    assert inline.count("<td>") == 1
    assert not any(tag in inline for tag in ("<img", "<a ", "<code", "<strong", "<b>"))
    bare = "see https://127.0.0.1/x, WWW.localhost or ada@mail.localhost"
    assert plain(bare) == r"see https\://127.0.0.1/x, WWW\.localhost or ada\@mail.localhost"
    assert MarkdownIt("commonmark").render(plain(bare)) == f"<p>{bare}</p>\n"
    [token] = [t for t in MarkdownIt("commonmark").parse(block(FENCED, "python")) if t.type != "inline"]
    assert token.type == "fence"
    assert token.content.rstrip("\n") == FENCED.rstrip("\n")
    assert len(plain("x" * 10_000)) < 1_010


def test_a_run_leaves_its_outcome_funnel_drift_and_gate(watch: Watch) -> None:
    """Four artifacts, under keys that Prefect takes; of a part of a run the gate said nothing."""
    found = {one.key: one for one in artifacts(SUMMARY, watch)}
    assert list(found) == [f"networkx-{what}" for what in ("run", "funnel", "drift", "gate")]
    gate = "| context | choice@1 | +0.189 | \\[+0.102, +0.276\\] | 0.412 | 0.455 | 0.601 |"
    assert gate in found["networkx-gate"].data
    assert json.loads(found["networkx-funnel"].data)[0]["proven"] == 2_411
    assert "nx.to_scipy_sparse_array(G)" in found["networkx-drift"].data
    watch.outcome = "unfinished"
    assert [one.key for one in artifacts(SUMMARY, watch)] == [f"networkx-{what}" for what in ("run", "funnel", "drift")]
    assert key("Scikit_learn.x", "validate mined") == "scikit-learn-x-validate-mined"


@dataclass
class Shown:
    """Prefect's page after a run.

    Attributes:
        browser: A browser.
        address: Where the page is.
        artifacts: Key -> artifact, as the server has it.
    """

    browser: Browser
    address: str
    artifacts: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A real Prefect server, a run on it, and chromium."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "lib.toml").write_text(DOMAIN)
    with pytest.MonkeyPatch.context() as patch, prefect_server(folder / "home") as server, sync_playwright() as driver:
        patch.delenv("PREFECT_UI_API_URL", raising=False)
        env = environment(folder / "home", PREFECT_API_URL=server.address)
        command = [sys.executable, "-m", "tests.flows.shown", str(folder / "lib.toml")]
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=300)
        found = httpx.post(f"{server.address}/artifacts/filter", json={}, trust_env=False).json()
        browser = driver.chromium.launch(executable_path=_chromium(), headless=True, args=ALONE)
        yield Shown(browser, server.address.removesuffix("/api"), {one["key"]: one for one in found})
        browser.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_prefects_page_shows_a_run(shown: Shown) -> None:
    """On a desk and on a phone each artifact is there, no wider than the screen, and nothing hostile came to life."""
    assert {"lib-run", "lib-scrape", "lib-validate-mined"} <= set(shown.artifacts)
    assert {one["data"] for name, one in shown.artifacts.items() if one["type"] == "progress"} == {100}
    wanted = {"run": "networkx 2.8.8", "funnel": "preference", "drift": "to_scipy_sparse_array(G)", "gate": "+0.189"}
    left: list[str] = []
    faults: list[str] = []
    for width, scheme in ((1440, "light"), (390, "dark")):
        context = shown.browser.new_context(viewport={"width": width, "height": 900})
        context.add_init_script(f"localStorage.setItem('prefect-color-mode', '{scheme}')")
        page = context.new_page()
        page.on("request", lambda asked: left.append(asked.url.removeprefix("blob:")))
        page.on("pageerror", lambda error: faults.append(str(error)))
        for what, text in wanted.items():
            page.goto(f"{shown.address}/artifacts/artifact/{shown.artifacts[f'networkx-{what}']['id']}")
            page.get_by_text(text).first.wait_for(timeout=60_000)
            assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
            assert page.locator("img[src*=attack], a[href^=javascript]").count() == 0
            assert page.evaluate("window.attacked") is None
        context.close()
    assert [url for url in left if not url.startswith(shown.address)] == []
    assert faults == []
