"""The report's page: what stands on it, and that nothing of a row gets out of its text."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

from finetune import gate, report
from finetune.page import Site, page
from registry.domain import GateSpec
from registry.records import Run, Score
from tests.finetune.test_gate import scores

RUN = Run(
    snapshot="s", base="tiny", base_revision="r", recipe={}, seed=3, domain="lib",
    curve=[{"stage": "sft", "step": n, "loss": 2.0 / n} for n in (1, 2, 3)],
)  # fmt: skip
VOID = {"meta"}


class _Balanced(HTMLParser):
    """Collects tags, attributes and text; says whether each tag that opens closes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.references: list[str] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "onload", "onclick")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def shown(rows: list[Score], sites: dict[str, Site]) -> _Balanced:
    decision = gate.decide(rows, GateSpec())
    reports = list(report.rows(rows, decision, run="run", domain="lib"))
    found = _Balanced(page(RUN, reports, rows, sites, split="context", metric="choice@1"))
    assert found.open == []
    return found


def test_of_a_stage_that_is_rewarded_the_rewards_are_drawn() -> None:
    """Its loss is about zero, whatever it learns."""
    rows = scores(unseen=-0.04)
    reports = list(report.rows(rows, gate.decide(rows, GateSpec()), run="run", domain="lib"))
    rewards = [{"stage": "rl", "step": n, "loss": 0.0, "reward": n / 4, "held_out": 0.0} for n in (1, 2, 3)]
    text = page(
        dataclasses.replace(RUN, curve=rewards), reports, rows, {}, split="context", metric="choice@1"
    )  # fmt: skip
    assert "rl, reward: 0.250 to 0.500" in text


def test_page_has_decision_gains_arms_families_and_loss() -> None:
    """The decision and its reason, gains with p before and after Holm, arms, who won and lost, each stage's loss."""
    found = shown(scores(unseen=-0.04), {})
    text = " ".join(found.said)
    for said in ("publish", "Better than its base", "+0.300", "families gained", "sft: 2.000 to 1.222", "after Holm"):
        assert said in text
    assert found.seen.count("polyline") == 2  # the loss as it is, and smoothed
    assert found.seen.count("rect") == 30  # a bar for each family
    assert found.seen.count("td") > 0
    assert found.references == []  # nothing is loaded from elsewhere


def test_page_shows_whatever_arms_there_are() -> None:
    """Where the base was scored with the docs too, its values and the differences from it stand on the page."""
    text = " ".join(shown(scores(docs=0.1), {}).said)
    for said in ("base+docs", "adapter-base+docs", "base+docs-base", "base 0.20, base+docs 0.30, adapter"):
        assert said in text


def test_family_is_shown_with_a_site_that_went_its_way() -> None:
    """A family that gained is shown at a site that gained, with what each arm had there."""
    rows = [
        Score(run="run", arm=arm, split="context", metric="choice@1", item=item, family="f", value=value)
        for item, base, adapter in (("a", 1.0, 0.0), ("b", 0.0, 1.0), ("c", 0.0, 1.0))
        for arm, value in (("base", base), ("adapter", adapter))
    ]
    sites = {item: Site(f"before_{item}", f"new_{item}", (f"old_{item}",)) for item in "abc"}
    text = " ".join(shown(rows, sites).said)
    for said in ("1 families gained, 0 lost", "before_b", "+ new_b", "- old_b", "This site: base 0, adapter 1"):
        assert said in text
    assert "before_a" not in text


def test_what_rows_say_stays_text() -> None:
    """Markup in prompts, calls and names of families is shown, not obeyed."""
    hostile = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>"
    rows = scores(gain=0.4, spread=0.01)
    rows = [Score(**{f: getattr(s, f) for f in ("run", "arm", "split", "metric", "item", "value")},
                  family=s.family + hostile) for s in rows]  # fmt: skip
    found = shown(rows, {s.item: Site(hostile, hostile, (hostile,)) for s in rows})
    assert not {"script", "img"} & set(found.seen)
    assert sum(hostile in said for said in found.said) >= 3


def test_page_of_a_run_that_measured_nothing() -> None:
    """No scores and no curve: the page says so."""
    text = " ".join(_Balanced(page(RUN, [], [], {}, split="context", metric="choice@1")).said)
    assert "Nothing was measured" in text
    assert "0 families gained" in text
    assert "No curve was kept" not in text


def test_page_of_shuffled_rows_says_so() -> None:
    """A training on shuffled rows is no trial of other settings."""
    run = dataclasses.replace(RUN, experiment=True, recipe={"shuffle": True}, curve=[])
    text = " ".join(_Balanced(page(run, [], [], {}, split="context", metric="choice@1")).said)
    assert "A training on shuffled rows" in text
    assert "No curve was kept" in text
