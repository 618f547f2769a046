"""Calls that models write at held-out sites: the programs that they come to, and pass@1 of these."""

from __future__ import annotations

import pytest

from flows.calls import METRIC, completed, scored, sites, told
from tests.finetune.lib_drift import site

CALL = "import lib\n\nx = "


@pytest.mark.parametrize(
    ("prompt", "text", "suffix", "program"),
    [
        (CALL, " lib.f(1)\ny = 2\n", "\nprint(x)\n", "import lib\n\nx = lib.f(1)\nprint(x)\n"),
        (CALL, " lib.f(\n    1)\ny = 2", "\nprint(x)\n", "import lib\n\nx = lib.f(\n    1)\nprint(x)\n"),
        (CALL, " lib.f(\n\n", "\nprint(x)\n", "import lib\n\nx = lib.f(\nprint(x)\n"),
        ("x = len(", "lib.f())", "\n", "x = len(lib.f())\n"),
        (CALL, " 1", "", "import lib\n\nx = 1\n"),
        ("def f():\n    return ", " lib.f()\n", "\n\nf()\n", "def f():\n    return lib.f()\n\nf()\n"),
    ],
)
def test_as_few_lines_as_parse_are_a_call(prompt: str, text: str, suffix: str, program: str) -> None:
    """A call ends with its statement; one that never does is a program that doesn't parse. What follows it stays."""
    assert completed(prompt, text, suffix) == program


def test_a_site_is_asked_once() -> None:
    """Of the pairs of a site one stands for all, whatever their order; other kinds of rows aren't sites."""
    rows = [*site(1, "lib.f"), *site(2, "lib.g")]
    assert [row.root for row in sites(rows)] == ["lib.f:1", "lib.g:2"]
    assert sites(rows) == sites(rows[::-1])


def test_pass_at_1_by_family() -> None:
    """Passed is 1, anything else 0; what could not be run or isn't judged counts nowhere, in differences neither."""
    rows = [
        {"id": f"{arm} {n}", "arm": arm, "split": "context", "site": f"s{n}", "family": f"f{n}"}
        for arm in ("base", "base+docs", "adapter")
        for n in range(4)
    ]
    outcomes = {"base 0": "passed", "base 1": "failed", "base 2": "unavailable", "base+docs 0": "error"}
    outcomes |= {"adapter 0": "passed", "adapter 1": "passed", "adapter 2": "passed", "adapter 3": "timeout"}
    found = {line["arm"]: line for line in told(scored(rows, outcomes))}
    assert {line["metric"] for line in found.values()} == {METRIC}
    assert {arm: (line["value"], line["n"]) for arm, line in found.items()} == {
        "base": (0.5, 2), "base+docs": (0.0, 1), "adapter": (0.75, 4),
        "adapter-base": (0.5, 2), "adapter-base+docs": (1.0, 1), "base+docs-base": (-1.0, 1),
    }  # fmt: skip
