"""A planted secret: a domain on a private index is read, made and run, and what it leaves is looked through."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.runs import all_that_is_kept, driftune, query
from tests.indexed import OwnIndex, own_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

USER, SECRET = "robot", "pl4nted-s3cret-9d2c"
SENT = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()

DOMAIN = """\
[[library]]
name = "lib"
versions = ["1.0", "1.1"]

[[library.source]]
index = "{url}"
credentials = "env:LIB_USER:LIB_PASSWORD"

[guard]
removals = 1.0
"""

MODULE = '''"""Sums. {text}"""

import os

import beneath


def {name}(a, b=1):
    """The sum of two numbers.

    >>> import lib
    >>> lib.{name}(2, 3)
    5
    """
    assert {secret!r}[::-1] not in str(dict(os.environ)) + open("/proc/self/environ").read()
    return a + b
'''


@pytest.fixture
def private(tmp_path: Path) -> Iterator[OwnIndex]:
    """An index of `lib`, and of what it needs, that wants user and password, and repeats them where it refuses."""
    made = tmp_path / "made"
    made.mkdir()
    with own_index(made, f"Basic {SENT}") as index:
        for version, name in (("1.0", "add"), ("1.1", "plus")):
            text = MODULE.format(text="It adds. " * 30, name=name, secret=SECRET[::-1])
            index.add("lib", version, {"lib.py": text}, "License-Expression: MIT\nRequires-Dist: beneath\n")
        index.add("beneath", "1.0", {"beneath.py": "there = True\n"}, "License-Expression: MIT\n")
        yield index


def test_a_planted_secret_is_found_nowhere(private: OwnIndex, tmp_path: Path) -> None:
    """Refused, then read, mined and run in the sandbox: neither output nor file of the home holds user or password."""
    home, file = tmp_path / "home", tmp_path / "lib.toml"
    file.write_text(DOMAIN.format(url=private.url))
    right = {"LIB_USER": USER, "LIB_PASSWORD": SECRET}
    refused = driftune(home, "--debug", "scrape", str(file), **(right | {"LIB_PASSWORD": f"{SECRET}x"}))
    assert refused.returncode == 1
    assert "check the credentials of the source" in refused.stderr
    done = [refused, driftune(home, "--debug", "scrape", str(file), LIB_USER=USER)]
    assert "LIB_PASSWORD, named in a source's credentials, is not set" in done[-1].stderr
    for command in ("scrape", "synth", "validate"):
        done.append(driftune(home, "--debug", command, str(file), **right))
        assert done[-1].returncode == 0, done[-1].stderr
    ran = "select distinct p.code from verdicts v join programs p on v.program = p.id where v.outcome = 'passed'"
    assert any("lib.add(2, 3)" in row["code"] for row in query(home, ran))
    told = "".join(d.stdout + d.stderr for d in done)
    kept = all_that_is_kept(home)
    assert "lib.add(2, 3)" in kept
    for secret in (SECRET, SENT[:32], base64.b64encode(SECRET.encode()).decode()):  # 32: in what was refused, too
        assert secret not in told
        assert secret not in kept
