"""From what an adapter wrote to the rows, pages and licences behind it: the how-to's three commands, on a real lake."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.runs import ROOT, driftune, environment
from tests.flows.scheduled import FIRST_S, SECOND_S

PAGE = ROOT / "docs" / "how-to" / "trace.md"


@pytest.mark.slow
@pytest.mark.timeout(FIRST_S + SECOND_S + 300)
def test_three_commands_lead_from_an_answer_to_its_pages_and_licences(networkx_home: Path, tmp_path: Path) -> None:
    """As they stand in the how-to, with the row that the first one names; each says what the page says of it."""
    text = PAGE.read_text(encoding="utf-8")
    [answer] = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    commands = re.findall(r"^\$ (.*)$", text, re.M)
    assert len(commands) == 3
    (tmp_path / "answer.py").write_text(answer)
    pulled = driftune(networkx_home, "subscribe", "networkx", "--into", str(tmp_path / "adapter"), "--once")
    assert pulled.returncode == 0, pulled.stderr
    shown = re.search(r"^  row: (\w+)", text, re.M)
    assert shown is not None
    said, row = [], shown[1]
    for command in commands:
        line = command.replace(shown[1], row).replace("driftune", f"{sys.executable} -m flows.cli", 1)
        variables = environment(networkx_home, PYTHONPATH=str(ROOT), COLUMNS="300")
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, line + done.stderr
        said.append(done.stdout)
        if not said[1:]:
            [row] = re.findall(r"^  row: (\w+)", said[0], re.M)
    page = re.findall(r"^  page: (pypi://networkx/\S+/dag.py)$", said[0], re.M)
    assert page, said[0]
    assert "licence: BSD-3-Clause" in said[0]
    assert "is_directed_acyclic_graph" in said[1]
    assert page[0] in said[1]
    assert "BSD-3-Clause" in said[2]
    assert page[0] in re.sub(r"\s", "", said[2])
