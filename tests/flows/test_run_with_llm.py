"""`driftune run` over a real library with an LLM: what the budget left is gone on with, and what was spent is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.flows.runs import driftune, query
from tests.flows.stubbed import stubbed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LLM = """
[llm]
model = "stub"
base_url = "{url}"
trainable = true
price_in = 2.0
price_out = 8.0
run_tokens = {tokens}
writers = {{ chat = 4, repair = 4, edit = 4 }}
"""


def test_a_run_goes_on_where_the_budget_stopped_it(small_run: tuple[Path, Path], tmp_path: Path) -> None:
    """A stage whose budget is used up ends well and says what it left; a run goes on, to the token of the ledger."""
    domain, first = small_run
    home, file = tmp_path / "home", tmp_path / domain.name
    shutil.copytree(first, home, symlinks=True)
    with stubbed(tmp_path / "ledger.jsonl") as stub:
        told = domain.read_text()
        file.write_text(told + LLM.format(url=stub.address, tokens=8_000))
        [planned] = [r for r in json.loads(driftune(home, "plan", str(file), "--json").stdout) if r["stage"] == "write"]
        assert (planned["batches"], planned["units"]) == (1, 12)
        assert "at worst 8,000 tokens, 0.064 of money" in planned["dialogues"]
        poor = driftune(home, "synth", str(file))
        assert poor.returncode == 0, poor.stderr
        assert "dialogues are left to the next run" in poor.stdout
        assert query(home, "select count(*) as n from dialogues where outcome = 'budget'")[0]["n"] > 0
        file.write_text(told + LLM.format(url=stub.address, tokens=1_000_000))
        rich = driftune(home, "run", str(file), "--json")
        assert rich.returncode == 4, rich.stderr
        assert "left" not in json.loads(rich.stdout)
        assert query(home, "select count(*) as n from dialogues where outcome = 'budget'") == [{"n": 0}]
        lines = stub.lines()
        assert "Nothing to do" in driftune(home, "run", str(file)).stdout
        assert stub.lines() == lines and len(lines) == len({line["key"] for line in lines})
    tokens = sum(line["prompt_tokens"] + line["completion_tokens"] for line in lines)
    assert query(home, "select sum(tokens)::int as tokens, sum(calls)::int as calls from spend") == [
        {"tokens": tokens, "calls": len(lines)}
    ]
    [wrote] = query(home, "select sum(rows)::int as rows, sum(in_snapshot)::int as trained from written")
    assert wrote["rows"] >= wrote["trained"] > 0
