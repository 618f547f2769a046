"""The report's page: what stands on it, and that nothing of a row gets out of its text."""

from __future__ import annotations

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
VOID = {"meta", "line", "circle", "polyline"}


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


def test_page_has_decision_gains_families_and_loss() -> None:
    """The decision and its reason, a line a split and metric, who won and lost, and each stage's loss."""
    found = shown(scores(), {})
    text = " ".join(found.said)
    for said in ("publish", "Better than its base", "+0.300", "families gained", "sft: 2.000 to 0.667 in 3 steps"):
        assert said in text
    assert found.seen.count("polyline") == 1
    assert found.references == []  # nothing is loaded from elsewhere


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
