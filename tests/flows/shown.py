"""A run's artifacts on a real Prefect server, some of them of a library that attacks whoever reads them.

`python -m tests.flows.shown DOMAIN.toml` is such a run: Prefect is imported in a process of its own.
"""

from __future__ import annotations

import sys

from flows.house import open_house
from flows.summary import Summary
from flows.watching import watched_batch, watched_run, watched_stage

ATTACK = '<img src="/attack" onerror="window.attacked=1"> [a](javascript:b()) | cell | `code` **bold** <b>b</b>'
"""Text of a library that must stay text: a tag, a script's link, a table's border, marks of Markdown."""

FENCED = f"# {ATTACK}\n```\n</code></pre>{ATTACK}\n~~~\n````\nend()\n"
"""Code that would leave its block."""

ARMS = [("base", 0.412, None, None), ("base+docs", 0.455, None, None), ("adapter", 0.601, None, None)]
REPORT = [
    {"run": "r", "arm": arm, "split": split, "metric": metric, "value": value, "ci_low": low, "ci_high": high,
     "n": 132, "clusters": 34, "decision": "publish", "reason": "gains over base with its whole interval above zero"}
    for split in ("context", "symbol") for metric in ("choice@1", "preference")
    for arm, value, low, high in [*ARMS, ("adapter-base", 0.189, 0.102, 0.276)]
]  # fmt: skip

SUMMARY = Summary(
    domain="networkx",
    versions=("2.8.8", "3.6.1"),
    funnel=[
        {"kind": kind, "version": "3.6.1", "generated": 2_649, "ran": 2_600, "proven": 2_411, "strong": 1_200,
         "kept": 2_002, "in_snapshot": 1_990}
        for kind in ("bug", "doc", "drift", "edit", "fim", "locate", "preference", "test", ATTACK)
    ],
    drifts=[
        {"title": "networkx.to_scipy_sparse_matrix", "code_old": "import networkx as nx\n\nG = nx.path_graph(3)\n"
         "A = nx.to_scipy_sparse_matrix(G)\nassert A.shape == (3, 3)", "old_effect": "fails",
         "code_new": "import networkx as nx\n\nG = nx.path_graph(3)\nA = nx.to_scipy_sparse_array(G)\nassert A.shape =="
         " (3, 3)", "detail": "AttributeError: module 'networkx' has no attribute 'to_scipy_sparse_matrix'"},
        {"title": ATTACK, "code_old": FENCED, "old_effect": "differs", "code_new": "ok()", "detail": ATTACK},
    ],
    report=REPORT,
    adapter="/srv/driftune/registry/networkx/v3",
)  # fmt: skip
"""What a run over networkx may leave."""


def main(reference: str) -> None:
    """Runs a flow as `refresh` is one, over no library: with stages, progress, and those artifacts."""
    from flows.engine import prepare_prefect
    from registry.settings import Settings

    prepare_prefect(Settings().root)
    from prefect import flow

    from flows.artifacts import Artifacts, artifacts

    @flow(name="refresh", flow_run_name="refresh networkx")
    def refresh() -> None:
        house = open_house(reference)
        with watched_run(house, working=True) as watch:
            [page] = [observer for observer in watch.observers if isinstance(observer, Artifacts)]
            for stage, done in (("scrape", 2), ("validate mined", 1_170)):
                with watched_stage(house, stage), watched_batch(house, f"Do {ATTACK}", 1):
                    house.tell("Run programs with networkx 3.6.1", done, 2_340)
                    page.beat()
            watch.outcome = "publish"
            for one in artifacts(SUMMARY, watch):
                page._create(one.key, one.type, one.data, one.description)

    refresh()


if __name__ == "__main__":
    main(sys.argv[1])
