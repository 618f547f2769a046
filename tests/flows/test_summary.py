"""What a run shows at its end, and while it goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import pty
import re
import time
from collections.abc import Iterator

import pytest
from rich.console import Console

from flows.progress import progress
from flows.render import blocks, diff, gate_table, grid, interval, signed, text_of
from flows.summary import Summary, closing_lines, summary_parts

FUNNEL = [
    {
        "kind": "bug", "version": "3.6.1", "generated": 2000, "ran": 1900, "proven": 1200, "strong": 750,
        "kept": 1100, "in_snapshot": 1000,
    }
]  # fmt: skip
DRIFT = {
    "title": "networkx.to_numpy_matrix",
    "code_old": "import networkx as nx\nm = nx.to_numpy_matrix(G)\n",
    "code_new": "import networkx as nx\nm = nx.to_numpy_array(G)\n",
    "old_effect": "fails",
    "detail": "AttributeError: no attribute 'to_numpy_matrix'\nand more",
}


def reported(arm: str, value: float | None, low: float | None = None, high: float | None = None) -> dict[str, object]:
    return {
        "arm": arm, "split": "context", "metric": "choice@1", "value": value, "ci_low": low, "ci_high": high, "n": 132,
        "clusters": 34, "decision": "publish", "reason": "choice@1 gains",
    }  # fmt: skip


SUMMARY = Summary(
    domain="networkx",
    versions=("2.8.8", "3.6.1"),
    funnel=FUNNEL,
    drifts=[DRIFT],
    report=[
        reported("base", 0.17),
        reported("adapter", 0.42),
        reported("adapter-base", 0.25, 0.1, 0.4),
        reported("base+docs", None),
    ],
    adapter="/somewhere/networkx/v1",
)


def printed(*parts: object, width: int = 100) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False)
    for part in parts:
        console.print(part)
    return out.getvalue()


def test_summary_shows_all_that_a_run_leaves() -> None:
    """Funnel, drift as a diff, the gate's table with its interval, decision, adapter and two commands are shown."""
    shown = printed(*summary_parts(SUMMARY))
    for text in (
        "bug", "2,000", "62%", "Proven drift: networkx.to_numpy_matrix",
        "The old code fails at 3.6.1: AttributeError: no attribute 'to_numpy_matrix'",
        "-m = nx.to_numpy_matrix(G)", "+m = nx.to_numpy_array(G)", "0.170", "0.420", "+0.250", "[+0.100, +0.400]",
        "The gate says publish: choice@1 gains", "The adapter lies in /somewhere/networkx/v1",
    ):  # fmt: skip
        assert text in shown
    assert "95%" not in shown  # at a further decision on a held-out set intervals are wider
    assert [line.split()[0] for line in closing_lines(SUMMARY)[2:]] == ["driftune", "driftune"]
    assert "base+docs" not in shown.split("What the gate saw")[1].split("The gate says")[0]


def test_the_gates_table_has_four_arms_in_80_columns() -> None:
    """Where arms with docs were measured they stand beside the others, on one line a metric."""
    rows = [*SUMMARY.report[:3], reported("base+docs", 0.31), reported("adapter+docs", 0.44)]
    [line] = [line for line in printed(gate_table(rows), width=80).splitlines() if "choice@1" in line]
    assert line.split() == [
        "context", "choice@1", "0.170", "0.310", "0.420", "0.440", "+0.250", "[+0.100,", "+0.400]"
    ]  # fmt: skip


def test_summary_without_an_adapter_offers_no_subscription() -> None:
    """Where nothing was published, what to try next is the report."""
    lines = closing_lines(dataclasses.replace(SUMMARY, adapter=""))
    assert lines[0].startswith("No adapter is published")
    assert "reports" in lines[-1]


def test_a_refused_adapter_is_not_taken_for_the_published_one() -> None:
    """Where the gate refused this run's adapter, the published one is called that."""
    refused = dataclasses.replace(SUMMARY, report=[{**row, "decision": "rejected"} for row in SUMMARY.report])
    assert closing_lines(refused)[0].startswith("This run's adapter was held back")


def test_markup_in_data_is_shown_as_it_is() -> None:
    """Square brackets in code and values are text, not markup."""
    shown = printed(
        grid(["a"], [["[bold]x[/bold]"]]), blocks([{"code": "[red]\n[/nope]"}]), diff("[a]", "[/b]", "o", "n")
    )
    for text in ("[bold]x[/bold]", "[red]", "[/nope]", "-[a]", "+[/b]"):
        assert text in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (12345, "12,345"), (0.12345, "0.123"), ({"a": [1]}, '{"a": [1]}'), ("x", "x")],
)
def test_values_are_shown_for_a_person(value: object, text: str) -> None:
    """Null is empty, counts have thousands apart, floats three places, nested values are JSON."""
    assert text_of(value) == text


def test_what_was_not_measured_is_empty() -> None:
    """A difference or interval that was not measured is empty, never zero."""
    assert (signed(None), interval(None, 0.1), signed(0.0)) == ("", "", "+0.000")


def test_quick_pieces_are_not_told() -> None:
    """Off a terminal, what takes under a second leaves no line; what takes longer leaves one with count and rate."""
    out = io.StringIO()
    with progress(output=out) as tell:
        tell("quick", 0, 10)
        tell("slow", 0, 1200)
        time.sleep(1.05)
        tell("slow", 1200, 1200)
        tell("quick again", 0, 3)
    [line] = out.getvalue().splitlines()
    assert line.startswith("slow  1,200/1,200  ")
    assert "/s  " in line


def test_time_left_counts_from_where_a_run_went_on() -> None:
    """What was done before, as by a training that was killed, tells nothing of the speed; a note stands beside it."""
    out = io.StringIO()
    with progress(output=out, wait_s=0.05) as tell:
        tell("sft", 1000, 1100, "loss 2.000, 900 tokens/s")
        time.sleep(0.2)
        tell("sft", 1001, 1100, "loss 1.234, 1,000 tokens/s")
    [line] = out.getvalue().splitlines()
    counted = re.fullmatch(r"sft  1,001/1,100  (\S+)/s  (\S+) s left  loss 1\.234, 1,000 tokens/s  \d+ s", line)
    assert counted is not None, line
    rate, left = (float(number.replace(",", "")) for number in counted.groups())
    assert rate <= 5
    assert left >= 19


def test_quiet_progress_writes_nothing() -> None:
    """Quiet progress takes what it is told and writes nothing."""
    out = io.StringIO()
    with progress(quiet=True, output=out, wait_s=0) as tell:
        tell("a", 1, 1)
    assert out.getvalue() == ""


def _read_all(terminal: int) -> Iterator[str]:
    """What was written to a terminal whose other end is closed; Linux tells the end by an error."""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 1 << 16):
            yield piece.decode()


def test_a_terminal_gets_bars() -> None:
    """On a terminal the piece under way is redrawn, with its count, and the terminal is left in order."""
    main, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as out, progress(output=out, wait_s=0.0) as tell:
        tell("validate", 0, 20)
        time.sleep(0.2)
        tell("validate", 20, 20)
    shown = "".join(_read_all(main))
    os.close(main)
    assert "validate" in shown
    assert "20/20" in shown
    assert shown.rstrip().endswith("\x1b[?25h") or "\x1b[?25h" in shown  # the cursor is shown again
