"""The reference of a domain's file lists what its classes read."""

from __future__ import annotations

import tomllib
from pathlib import Path

from flows.reference import markdown
from registry.domain import Domain

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "domain.md"


def test_reference_page_is_what_the_classes_read() -> None:
    """`docs/reference/domain.md` has each key with its default and what it is for."""
    anew = "Write it anew: python -m flows.reference > docs/reference/domain.md"
    assert PAGE.read_text("utf-8") == markdown(), anew


def test_defaults_of_the_page_are_toml() -> None:
    """What the page gives as the defaults of a table can be written into a domain's file, and changes nothing."""
    _, _, after = markdown().partition("## `[gate]`\n")
    rows = [line.split(" | ") for line in after.split("\n## ")[0].splitlines() if line.startswith("| `")]
    table = "\n".join(f"{key.strip('| `')} = {default.strip('`')}" for key, default, _ in rows)
    library = [{"name": "lib", "versions": ("1", "2")}]
    given = Domain.model_validate({"name": "lib", "library": library, "gate": tomllib.loads(table)})
    assert given == Domain.model_validate({"name": "lib", "library": library}) and len(rows) == len(
        type(given.gate).model_fields
    )
