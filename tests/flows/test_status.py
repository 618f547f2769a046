"""`driftune status` over a lake that others write to as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.status import read_status
from registry.lake import open_lake
from registry.records import Call, Report, Run, Work

TO_ALL = "x' OR 'x' = 'x"


def to_a_file(path: Path) -> str:
    """A domain's name that is SQL: what is asked of the calls reads a file of who asks instead."""
    return f"x' UNION ALL SELECT length(content), 0, 0 FROM read_text('{path}') WHERE 'x' = 'x"


def test_a_name_that_is_sql_is_but_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write to a shared lake calls a domain what he likes: no query asks anything else for it."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    secret = tmp_path / "secret"
    secret.write_text("for nobody else")
    names = ("lib", TO_ALL, to_a_file(secret))
    lake = open_lake("first")
    run = Run(snapshot="s", base="b", base_revision="r", seed=0, domain="lib", recipe={})
    lake.append([
        run,
        Report(
            run=run.id, arm="adapter", split="context", metric="name_correct", domain="lib", value=1.0,
            decision="publish", reason="it gains",
        ),
        Call(request="q", attempt=0, domain="lib", purpose="p", model="m", outcome="ok", prompt_tokens=7),
        *(Work(key=name, stage="scrape", domain=name, part="p", outputs=0) for name in names),
    ])  # fmt: skip
    told = {row["domain"]: row for row in read_status(None)}
    assert set(told) == set(names)
    assert told["lib"]["written"]["spent"]["tokens"] == 7
    for name in names[1:]:
        assert (told[name]["written"], told[name]["arms"]) == ({"budgets": []}, [])
